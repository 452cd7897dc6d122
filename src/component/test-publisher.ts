/** A source of a test session that is no component: what it publishes is sequenced at once. */
import { AUTH_TAG_BYTES } from '../core/limits.js'
import { Outbox } from '../protocol/outbox.js'
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventSource, fragmentBytes } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES } from '../wire/moldudp64.js'
import { sourceRegisteredCodec } from '../wire/runtime-events.js'
import { registrationPacket } from './registration.js'

export const TEST_SOURCE = 'test'

export class TestPublisher {
  readonly #outbox: Outbox
  readonly #packets: Uint8Array[] = []

  constructor(session: string, datagramBytes: number) {
    this.#outbox = new Outbox(
      {
        session,
        source: 0,
        firstSourceSequence: 1,
        datagramBytes,
        fragmentBytes: fragmentBytes(datagramBytes, MOLD_HEADER_BYTES, AUTH_TAG_BYTES),
      },
      { sendCommands: (packet) => this.#packets.push(packet.slice()) },
    )
    this.#outbox.connect(0)
    this.#packets.push(
      registrationPacket(session, { name: TEST_SOURCE, nonce: 1, exclusive: true, component: '', schemaHash: '' }),
    )
  }

  publish(type: number, payload: Uint8Array, nowUs: number): void {
    this.#outbox.append(type, payload, nowUs)
    this.#outbox.flush(nowUs)
  }

  /** What is to be sequenced now. */
  takePackets(): Uint8Array[] {
    return this.#packets.splice(0)
  }

  /** A sequencer reigns that has not the events from `fromSequence` on: what was published in them is published again. */
  revoked(fromSequence: number, epoch: number, nowUs: number): void {
    this.#outbox.revoke(fromSequence)
    this.#outbox.setEpoch(epoch, nowUs)
    this.#outbox.flush(nowUs)
  }

  onStable(stableSequence: number): void {
    this.#outbox.onStable(stableSequence)
  }

  /** Learns its source number, and what was sequenced. */
  onRun(sequence: number, count: number, bytes: Uint8Array, nowUs: number): void {
    for (let i = 0, at = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      const { source } = this.#outbox
      if (source === 0) this.#bind(bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes), nowUs)
      else if (eventSource(bytes, at) === source) this.#outbox.onEvent(sequence + i, bytes, at, lengthBytes, nowUs)
      at += lengthBytes
    }
  }

  /** The publisher registers first, so the first registration of the session is its own. */
  #bind(payload: Uint8Array, nowUs: number): void {
    const event = sourceRegisteredCodec.decode(payload)
    if (event?.name === TEST_SOURCE) this.#outbox.bind(event.source, nowUs)
  }
}
