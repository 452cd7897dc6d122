/**
 * Packs what one turn of the event loop has sequenced. A command packet that is new as a whole is kept as it is until
 * something else must share a datagram with it: alone it is sent on without a copy, in company everything is copied once.
 */
import { readU16, writeU64 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES, MOLD_SEQUENCE_AT } from '../wire/moldudp64.js'
import { PacketBuilder } from './packet-builder.js'

/** Takes a finished packet; it may be kept. `isGathered` is false for a command packet that was passed through. */
export type EmitPacket = (packet: Uint8Array, sequence: number, count: number, isGathered: boolean) => void

export class EventBatch {
  readonly #builder: PacketBuilder
  readonly #limitBytes: number
  readonly #emit: EmitPacket
  /** The sequence of the first block that was not emitted. */
  #first = 1
  #whole: Uint8Array | undefined
  #wholeCount = 0

  /** @param limitBytes the longest packet that may be emitted */
  constructor(session: Uint8Array, limitBytes: number, emit: EmitPacket) {
    this.#builder = new PacketBuilder(session, limitBytes)
    this.#limitBytes = limitBytes
    this.#emit = emit
  }

  /** The sequence of the first block that was not emitted: everything below has been sent. */
  get firstUnsent(): number {
    return this.#first
  }

  /** Adds a whole stamped command packet, which is handed over. */
  addPacket(packet: Uint8Array, count: number): void {
    const blocksBytes = packet.length - MOLD_HEADER_BYTES
    if (packet.length > this.#limitBytes) {
      this.addBlocks(packet, MOLD_HEADER_BYTES, packet.length, count)
      return
    }
    if (this.#hasOpen() && this.#shares(blocksBytes)) {
      this.#builder.append(packet, MOLD_HEADER_BYTES, packet.length, count)
      return
    }
    this.flush()
    this.#whole = packet
    this.#wholeCount = count
    // Nothing more would fit: no reason to wait for the end of the turn.
    if (packet.length + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES > this.#limitBytes) this.flush()
  }

  /** Adds `count` stamped blocks by copying them; each fits a packet. Every packet takes as many as fit. */
  addBlocks(bytes: Uint8Array, start: number, end: number, count: number): void {
    let from = start
    let left = count
    while (!this.#shares(end - from)) {
      const roomBytes = this.#roomBytes()
      let at = from
      let fitting = 0
      for (let next = at; fitting < left; fitting++, at = next) {
        next = at + BLOCK_LENGTH_BYTES + readU16(bytes, at)
        if (next - from > roomBytes) break
      }
      if (fitting > 0 && this.#shares(at - from)) this.#builder.append(bytes, from, at, fitting)
      else if (!this.#hasOpen()) throw new Error(`a block at ${at} fits no packet`)
      this.flush()
      from = at
      left -= fitting
    }
    this.#builder.append(bytes, from, end, left)
  }

  /** Emits what is batched. */
  flush(): void {
    const whole = this.#whole
    if (whole !== undefined) {
      this.#whole = undefined
      // Session and count already stand where MoldUDP64 wants them.
      writeU64(whole, MOLD_SEQUENCE_AT, this.#first)
      this.#send(whole, this.#wholeCount, false)
    } else if (this.#builder.count > 0) {
      const count = this.#builder.count
      this.#send(this.#builder.take(this.#first), count, true)
    }
  }

  /** Forgets what is batched; its numbers were never seen by anybody. */
  discard(): void {
    this.#whole = undefined
    this.#builder.discard()
  }

  #hasOpen(): boolean {
    return this.#whole !== undefined || this.#builder.count > 0
  }

  /** How many more bytes of blocks the open packet takes. */
  #roomBytes(): number {
    return this.#whole === undefined ? this.#builder.roomBytes : this.#limitBytes - this.#whole.length
  }

  /** Makes the open packet a gathered one if so many more bytes fit it; otherwise leaves it and says false. */
  #shares(lengthBytes: number): boolean {
    const whole = this.#whole
    if (whole === undefined) return this.#builder.fits(lengthBytes)
    if (whole.length + lengthBytes > this.#limitBytes) return false
    this.#whole = undefined
    this.#builder.append(whole, MOLD_HEADER_BYTES, whole.length, this.#wholeCount)
    return true
  }

  #send(packet: Uint8Array, count: number, isGathered: boolean): void {
    const sequence = this.#first
    this.#first += count
    this.#emit(packet, sequence, count, isGathered)
  }
}
