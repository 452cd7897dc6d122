/**
 * Asks the sequencer for a source, again and again under one nonce, until the stream answers. The answer is an event, so
 * that every reader of the stream learns it; this class only keeps asking.
 */
import { sessionBytes } from '../core/session.js'
import { writeU16 } from '../wire/bytes.js'
import { COMMAND_EPOCH_AT, COMMAND_HEADER_BYTES, writeCommandPacketHeader } from '../wire/command.js'
import { EVENT_HEADER_BYTES, WHOLE_MESSAGE, writeCommandHeader } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { REGISTER_SOURCE, type RegisterSource, registerSourceCodec } from '../wire/runtime-events.js'

const FIRST_DELAY_US = 5_000
const LONGEST_DELAY_US = 500_000

export class Registration {
  readonly #session: string
  readonly #send: (packet: Uint8Array) => void
  #packet: Uint8Array | undefined
  #nonce = 0
  #epoch = 0
  #delayUs = FIRST_DELAY_US
  #deadlineUs = Number.POSITIVE_INFINITY

  /** @param send takes a packet that is valid during the call */
  constructor(session: string, send: (packet: Uint8Array) => void) {
    this.#session = session
    this.#send = send
  }

  /** The nonce of what is asked for; 0 where nothing is. */
  get nonce(): number {
    return this.#nonce
  }

  /** Starts to ask; what was asked before is forgotten. */
  request(wanted: RegisterSource, nowUs: number): void {
    this.#packet = registrationPacket(this.#session, wanted)
    writeU16(this.#packet, COMMAND_EPOCH_AT, this.#epoch)
    this.#nonce = wanted.nonce
    this.#delayUs = FIRST_DELAY_US
    this.#deadlineUs = nowUs + this.#delayUs
    this.#send(this.#packet)
  }

  /**
   * The reign that the stream is in now, as far as it was delivered: what is asked under it is granted in no other one, where it would close
   * what was registered since. Never told: any reign may answer.
   */
  setEpoch(epoch: number, nowUs: number): void {
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    if (this.#packet === undefined) return
    writeU16(this.#packet, COMMAND_EPOCH_AT, epoch)
    this.#delayUs = FIRST_DELAY_US
    this.#deadlineUs = nowUs + this.#delayUs
    this.#send(this.#packet)
  }

  /** Answered, or no longer wanted. */
  end(): void {
    this.#packet = undefined
    this.#nonce = 0
    this.#deadlineUs = Number.POSITIVE_INFINITY
  }

  /** @returns the next deadline */
  tick(nowUs: number): number {
    if (nowUs < this.#deadlineUs || this.#packet === undefined) return this.#deadlineUs
    this.#delayUs = Math.min(this.#delayUs * 2, LONGEST_DELAY_US)
    this.#deadlineUs = nowUs + this.#delayUs
    this.#send(this.#packet)
    return this.#deadlineUs
  }
}

/** A command packet of source 0 with one `RegisterSource`. */
export function registrationPacket(session: string, wanted: RegisterSource): Uint8Array {
  const payload = registerSourceCodec.encode(wanted)
  const packet = new Uint8Array(COMMAND_HEADER_BYTES + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES + payload.length)
  writeCommandPacketHeader(packet, sessionBytes(session), 0, 1, 1)
  writeU16(packet, COMMAND_HEADER_BYTES, EVENT_HEADER_BYTES + payload.length)
  const at = COMMAND_HEADER_BYTES + BLOCK_LENGTH_BYTES
  writeCommandHeader(packet, at, REGISTER_SOURCE, 0, 1, WHOLE_MESSAGE)
  packet.set(payload, at + EVENT_HEADER_BYTES)
  return packet
}
