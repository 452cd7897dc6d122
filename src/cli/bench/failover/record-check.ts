/**
 * What came of it all, read from the stores' logs after every process has ended: the check trusts nothing that a process has said
 * while it ran. Each log must have every event that was ever said to be stable, the same bytes as the others, each order
 * once and in order, and one reply to each.
 */
import { crc32 } from 'node:zlib'
import type { Histogram } from 'hdr-histogram-js'
import { LmdbLogReader } from '../../../store/lmdb-log-reader.js'
import { readU16, readU32 } from '../../../wire/bytes.js'
import {
  EVENT_HEADER_BYTES,
  eventEpoch,
  eventSource,
  eventSourceSequence,
  eventTimeUs,
  eventType,
} from '../../../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../../wire/moldudp64.js'
import { EPOCH_OPENED } from '../../../wire/runtime-events.js'
import { createHistogram, recordUs } from '../histogram.js'
import { ORDER_TYPE, REPLY_TYPE } from './desk.js'
import type { StableNotes } from './stable-notes.js'

export interface RecordCheckOptions {
  readonly session: string
  /** By voter. */
  readonly directories: ReadonlyMap<string, string>
  readonly notes: Pick<StableNotes, 'sequences' | 'chains'>
  /** Orders that the client has issued. */
  readonly issued: number
  /** The time on the wall when the reign before this epoch was ended, in microseconds; by epoch. */
  readonly endedAtUs: ReadonlyMap<number, number>
  /** Called with how many events were read, of all logs. */
  readonly progress: (events: number) => void
}

export interface RecordCheckResult {
  readonly events: number
  readonly epochs: number
  readonly orders: number
  readonly replies: number
  /** Events that had been said to be stable and are not in a log, or are others there. */
  readonly lostAfterStable: number
  /** Replies that the component owed at the end of a reign: how many each time, and when each was an event. */
  readonly owed: readonly number[]
  readonly owedBack: Histogram
  readonly problems: readonly string[]
}

const SLICE_PACKETS = 512
/** Of one kind are enough to see what is wrong. */
const SHOWN_PROBLEMS = 3

export async function checkRecords(options: RecordCheckOptions): Promise<RecordCheckResult> {
  const problems: string[] = []
  let first: LogAudit | undefined
  let read = 0
  let lost = 0
  for (const [voter, directory] of options.directories) {
    const log = await LmdbLogReader.open(directory, options.session)
    const audit = new LogAudit(voter, log.committedSequence, options, first)
    try {
      while (audit.next <= log.committedSequence) {
        const before = audit.next
        log.read(before, SLICE_PACKETS, (sequence, count, bytes, start) => audit.onRun(sequence, count, bytes, start))
        if (audit.next === before) break
        options.progress(read + before)
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      await log.close()
    }
    audit.finish()
    problems.push(...audit.problems)
    lost = Math.max(lost, audit.lostAfterStable)
    read += log.committedSequence
    first ??= audit
  }
  if (first === undefined) throw new Error('there is no log to check')
  const { next, epochs, orders, replies, owed, owedBack } = first
  return { events: next - 1, epochs, orders, replies, lostAfterStable: lost, owed, owedBack, problems }
}

export class LogAudit {
  readonly #voter: string
  readonly #options: RecordCheckOptions
  /** Another log, read before, that this one is compared with. */
  readonly #other: LogAudit | undefined
  /** By sequence: the checksum over all events up to it. */
  readonly #chains: Uint32Array
  readonly #counts = new Map<string, number>()
  readonly #sourceSequences = new Map<number, number>()
  readonly #problems: string[] = []
  #note = 0
  #lastGoodNote = 0
  #next = 1
  #epoch = 0
  #orders = 0
  #replies = 0
  #owedBefore = 0
  #owedSinceUs = Number.NaN
  epochs = 0
  lostAfterStable = 0
  readonly owed: number[] = []
  readonly owedBack = createHistogram()

  constructor(voter: string, events: number, options: RecordCheckOptions, other: LogAudit | undefined) {
    this.#voter = voter
    this.#options = options
    this.#other = other
    this.#chains = new Uint32Array(events + 1)
  }

  get next(): number {
    return this.#next
  }

  /** By sequence, from 0: the checksum over all events up to it. */
  get chains(): readonly number[] {
    return [...this.#chains]
  }

  get orders(): number {
    return this.#orders
  }

  get replies(): number {
    return this.#replies
  }

  get problems(): readonly string[] {
    const more = [...this.#counts].filter(([, count]) => count > SHOWN_PROBLEMS)
    const left = more.map(([kind, count]) => `${this.#voter}: ${kind}: ${count - SHOWN_PROBLEMS} more`)
    return [...this.#problems, ...left]
  }

  onRun(sequence: number, count: number, bytes: Uint8Array, start: number): boolean {
    if (sequence > this.#next) {
      this.#problem('hole', `events ${this.#next} to ${sequence - 1} are missing`)
      this.#next = sequence
    }
    let at = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      if (sequence + i === this.#next) this.#onEvent(sequence + i, bytes, at, lengthBytes)
      at += lengthBytes
    }
    return true
  }

  /** All was read. */
  finish(): void {
    const { issued, notes } = this.#options
    if (this.#orders !== issued) this.#problem('orders', `${this.#orders} of ${issued} orders are events`)
    if (this.#replies !== issued) this.#problem('replies', `${this.#replies} replies to ${issued} orders are events`)
    const said = notes.sequences.at(-1) ?? 0
    this.lostAfterStable = Math.max(0, said - this.#lastGoodNote)
    if (this.lostAfterStable > 0) {
      this.#problem('stable', `events ${this.#lastGoodNote + 1} to ${said} were stable, and are not the same here`)
    }
  }

  #onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): void {
    this.#next = sequence + 1
    const chain = crc32(bytes.subarray(at, at + lengthBytes), this.#chains[sequence - 1]!)
    this.#chains[sequence] = chain
    this.#compare(sequence, chain)
    this.#checkEpoch(sequence, bytes, at)
    this.#checkSource(sequence, bytes, at)
    const type = eventType(bytes, at)
    if (type === ORDER_TYPE) this.#onOrder(sequence, readU32(bytes, at + EVENT_HEADER_BYTES))
    else if (type === REPLY_TYPE) this.#onReply(sequence, readU32(bytes, at + EVENT_HEADER_BYTES), bytes, at)
  }

  #compare(sequence: number, chain: number): void {
    const { sequences, chains } = this.#options.notes
    if (sequences[this.#note] === sequence) {
      if (chains[this.#note] === chain) this.#lastGoodNote = sequence
      this.#note += 1
    }
    const other = this.#other
    if (other === undefined || sequence >= other.next || other.#chains[sequence] === chain) return
    // Once they differ the checksums do so to the end.
    if (!this.#counts.has('differs'))
      this.#problem('differs', `from event ${sequence} on it is not what ${other.#voter} has`)
  }

  #checkEpoch(sequence: number, bytes: Uint8Array, at: number): void {
    const epoch = eventEpoch(bytes, at)
    if (epoch < this.#epoch) this.#problem('epoch', `event ${sequence} of epoch ${epoch} follows epoch ${this.#epoch}`)
    if (epoch === this.#epoch) return
    const isOpening = eventType(bytes, at) === EPOCH_OPENED || sequence === 1
    if (!isOpening) this.#problem('epoch', `event ${sequence} of epoch ${epoch} does not open it`)
    this.#epoch = epoch
    this.epochs += 1
    const endedUs = this.#options.endedAtUs.get(epoch)
    if (endedUs === undefined) return
    this.#owedBefore = this.#orders
    this.#owedSinceUs = endedUs
    this.owed.push(this.#orders - this.#replies)
  }

  /** Commands of one source are events in the order of their numbers, each once. */
  #checkSource(sequence: number, bytes: Uint8Array, at: number): void {
    const source = eventSource(bytes, at)
    const number = eventSourceSequence(bytes, at)
    const last = this.#sourceSequences.get(source) ?? 0
    if (source !== 0 && number !== last + 1) {
      this.#problem('source', `event ${sequence} is command ${number} of source ${source}, after ${last}`)
    }
    this.#sourceSequences.set(source, number)
  }

  #onOrder(sequence: number, key: number): void {
    this.#orders += 1
    if (key !== this.#orders) this.#problem('order', `event ${sequence} is order ${key}, and not ${this.#orders}`)
  }

  #onReply(sequence: number, key: number, bytes: Uint8Array, at: number): void {
    this.#replies += 1
    if (key !== this.#replies) this.#problem('reply', `event ${sequence} replies to order ${key}, not ${this.#replies}`)
    if (key > this.#orders) this.#problem('reply', `event ${sequence} replies to order ${key}, which comes later`)
    if (this.#replies <= this.#owedBefore) recordUs(this.owedBack, eventTimeUs(bytes, at) - this.#owedSinceUs)
  }

  #problem(kind: string, what: string): void {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    if (count <= SHOWN_PROBLEMS) this.#problems.push(`${this.#voter}: ${what}`)
  }
}
