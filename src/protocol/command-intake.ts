/**
 * Takes what is new in a command packet into the batch: exactly the next source sequences of its source, in order, each
 * once. What is repeated or ahead is dropped here, because the outbox resends.
 */
import type { Counters } from '../core/counters.js'
import { MAX_SOURCE_SEQUENCE } from '../core/limits.js'
import { bytesEqualAt, readU16 } from '../wire/bytes.js'
import { checkCommandPacket, commandCount, commandEpoch, commandFirst, commandSource } from '../wire/command.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSourceSequence,
  eventType,
  FIRST_APPLICATION_TYPE,
  stampEvent,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES, skipBlocks } from '../wire/moldudp64.js'
import { COMMANDABLE_RUNTIME_TYPES, SEED_DONE, SEED_RUNTIME_TYPES } from '../wire/runtime-events.js'
import type { EventBatch } from './event-batch.js'
import { FIRST_EPOCH, type SequencerCounterName } from './sequencer-types.js'
import { continueMessage, type SourceTable } from './source-table.js'
import type { Timestamper } from './timestamper.js'

export interface CommandIntakeOptions {
  /** Ten bytes. */
  readonly session: Uint8Array
  /** The longest command packet, and the longest payload of one command. */
  readonly datagramBytes: number
  readonly payloadBytes: number
}

export class CommandIntake {
  readonly #options: CommandIntakeOptions
  readonly #counters: Counters<SequencerCounterName>
  readonly #sources: SourceTable
  readonly #time: Timestamper
  readonly #batch: EventBatch
  /** The reign that new events are born in. */
  epoch = FIRST_EPOCH
  /** Told of each `SeedDone` among what was just taken: its source, its number and its payload. */
  onSeeded: (source: number, sourceSequence: number, payload: Uint8Array) => void = () => {}

  constructor(
    options: CommandIntakeOptions,
    counters: Counters<SequencerCounterName>,
    sources: SourceTable,
    time: Timestamper,
    batch: EventBatch,
  ) {
    this.#options = options
    this.#counters = counters
    this.#sources = sources
    this.#time = time
    this.#batch = batch
  }

  /** True for a well-formed packet of the session; counts the reason otherwise. */
  admits(packet: Uint8Array): boolean {
    const { session, datagramBytes } = this.#options
    const reason = checkCommandPacket(packet)
    if (reason !== undefined) return this.#drop(reason)
    if (packet.length > datagramBytes) return this.#drop('oversize-packet')
    if (!bytesEqualAt(packet, 0, session)) return this.#drop('foreign-session')
    // A command that was decided on another branch of the stream is not what its source would say on this one.
    const epoch = commandEpoch(packet)
    return epoch === 0 || epoch === this.epoch ? true : this.#drop('other-reign')
  }

  /** Batches what is new in a packet that was admitted, which is handed over. @returns how many commands that is */
  take(packet: Uint8Array, nowUs: number, wallUs: number): number {
    const counters = this.#counters
    const source = commandSource(packet)
    const first = commandFirst(packet)
    const end = first + commandCount(packet)
    const next = this.#sources.next(source)
    if (next === 0) counters['unregistered-source']++
    else if (this.#sources.isClosed(source)) counters['closed-source']++
    else if (first > next) counters['ahead-packets']++
    else if (end <= next) counters['repeated-commands'] += end - first
    else if (end - 1 > MAX_SOURCE_SEQUENCE) counters['exhausted-source']++
    else return this.#takeFrom(next, packet, nowUs, wallUs)
    return 0
  }

  #takeFrom(next: number, packet: Uint8Array, nowUs: number, wallUs: number): number {
    const source = commandSource(packet)
    const repeated = next - commandFirst(packet)
    const count = commandCount(packet) - repeated
    const start = skipBlocks(packet, MOLD_HEADER_BYTES, repeated)
    const openType = this.#stamp(packet, start, source, nowUs, wallUs)
    if (openType < 0) return 0
    this.#counters['repeated-commands'] += repeated
    this.#sources.advance(source, next + count, openType)
    if (repeated === 0) this.#batch.addPacket(packet, count)
    else this.#batch.addBlocks(packet, start, packet.length, count)
    return count
  }

  /** Stamps the blocks from `start` on. @returns the type of the message that is then open, or -1 where they are not allowed */
  #stamp(packet: Uint8Array, start: number, source: number, nowUs: number, wallUs: number): number {
    const time = this.#time.read(nowUs, wallUs)
    const epoch = this.epoch
    let openType = this.#sources.openType(source)
    let seededAt = 0
    for (let at = start; at < packet.length; ) {
      const lengthBytes = readU16(packet, at)
      const event = at + BLOCK_LENGTH_BYTES
      const type = eventType(packet, event)
      if (type < FIRST_APPLICATION_TYPE) {
        if (!this.#isAllowed(type, source)) return this.#refuse('forbidden-type')
        if (type === SEED_DONE) seededAt = at
      }
      if (lengthBytes - EVENT_HEADER_BYTES > this.#options.payloadBytes) return this.#refuse('oversize-command')
      openType = continueMessage(openType, type, eventFlags(packet, event))
      if (openType < 0) return this.#refuse('broken-fragments')
      stampEvent(packet, event, time, epoch)
      at = event + lengthBytes
    }
    if (seededAt > 0) this.#tellSeeded(packet, seededAt, source)
    return openType
  }

  #tellSeeded(packet: Uint8Array, at: number, source: number): void {
    const event = at + BLOCK_LENGTH_BYTES
    const payload = packet.subarray(event + EVENT_HEADER_BYTES, event + readU16(packet, at))
    this.onSeeded(source, eventSourceSequence(packet, event), payload)
  }

  /** The runtime's own types that a source may send; those of a seed, where it carries one. */
  #isAllowed(type: number, source: number): boolean {
    if (!COMMANDABLE_RUNTIME_TYPES.has(type)) return false
    return !SEED_RUNTIME_TYPES.has(type) || this.#sources.seedOf(source) !== undefined
  }

  #refuse(reason: SequencerCounterName): -1 {
    this.#counters[reason]++
    return -1
  }

  #drop(reason: SequencerCounterName): false {
    this.#counters[reason]++
    return false
  }
}
