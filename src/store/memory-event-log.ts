/**
 * The event log in memory, with the contract of the one on disk: for tests, simulation, and processes into which nothing native may
 * be loaded. `durable` follows at the end of the turn, or when told, so that nobody comes to rely on its being at once.
 */
import type { EventLog, RunVisitor } from '../protocol/event-log.js'
import { readU64, writeU64 } from '../wire/bytes.js'
import type { EpochTableEntry } from '../wire/control.js'
import { checkAppend } from './append-check.js'
import { LogEpochs } from './log-epochs.js'
import { MemoryTable } from './memory-table.js'
import { cutRecord, RECORD_HEADER_BYTES, recordCount, writeRecord } from './record-format.js'
import { checkTruncation, RecordReader } from './record-reader.js'
import { RecordSlab } from './record-slab.js'
import { type BlockKind, packetBucket } from './time-index.js'

export interface MemoryEventLogOptions {
  readonly session: string
  /** Where the log starts; default 1. */
  readonly firstSequence?: number
  /** `opaque` for foreign streams; default `events`. */
  readonly kind?: BlockKind
  /** When appended runs become committed and durable: at the end of the `turn` (default), or when `sync` is called. */
  readonly durable?: 'turn' | 'manual'
}

export class MemoryEventLog implements EventLog {
  readonly session: string
  readonly kind: BlockKind
  readonly #packets = new MemoryTable()
  readonly #times = new MemoryTable()
  readonly #slab = new RecordSlab()
  readonly #reader: RecordReader
  readonly #manual: boolean
  #state: 'open' | 'closed' | 'failed' = 'open'
  #next: number
  #durable: number
  #pending = 0
  #truncated: (() => void)[] = []
  readonly #epochs = new LogEpochs()
  #scheduled = false
  #durableListener: (durableSequence: number) => void = () => {}
  #failureListener: (error: Error) => void = () => {}

  constructor(options: MemoryEventLogOptions) {
    this.session = options.session.trim()
    this.kind = options.kind ?? 'events'
    this.#manual = options.durable === 'manual'
    this.#next = options.firstSequence ?? 1
    this.#durable = this.#next - 1
    this.#reader = new RecordReader(this.session, this.kind, { packets: this.#packets, times: this.#times }, this.#next)
  }

  get firstSequence(): number {
    return this.#reader.firstSequence
  }

  get nextSequence(): number {
    return this.#next
  }

  get committedSequence(): number {
    return this.#reader.committedSequence
  }

  get durableSequence(): number {
    return this.#durable
  }

  get lastEpoch(): number {
    return this.#epochs.at(this.#durable)
  }

  get epochTable(): readonly EpochTableEntry[] {
    return this.#epochs.through(this.#durable)
  }

  partsFrom(table: readonly EpochTableEntry[]): number {
    return this.#epochs.partsFrom(table, this.#next)
  }

  get pendingPackets(): number {
    return this.#pending
  }

  onDurable(listener: (durableSequence: number) => void): void {
    this.#durableListener = listener
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListener = listener
  }

  append(
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    receivedUs: number,
    receivedNs = 0,
  ): void {
    if (this.#state === 'failed') return
    if (this.#state !== 'open') throw new Error(`append to a log that is ${this.#state}`)
    checkAppend(this, sequence, count, bytes, start, end)
    const record = this.#slab.take(RECORD_HEADER_BYTES + end - start)
    writeRecord(record, count, bytes, start, end, receivedUs, receivedNs)
    this.#packets.push(sequence, record)
    const bucket = packetBucket(this.kind, bytes, start, end, receivedUs)
    if (bucket > (this.#times.lastKey() ?? -1)) this.#times.push(bucket, u64Of(sequence))
    if (this.kind === 'events') this.#epochs.note(sequence, count, bytes, start, end)
    this.#next = sequence + count
    this.#pending++
    this.#schedule()
  }

  truncate(fromSequence: number): Promise<void> {
    if (this.#state === 'closed') throw new Error('truncating a closed log')
    checkTruncation(this, fromSequence)
    if (this.#state === 'failed') return new Promise(() => {})
    if (fromSequence === this.#next && this.#truncated.length === 0) return Promise.resolve()
    this.#next = fromSequence
    this.#durable = Math.min(this.#durable, fromSequence - 1)
    this.#reader.committedSequence = this.#durable
    this.#epochs.truncate(fromSequence)
    this.#truncateTables(fromSequence)
    this.#pending = this.#packets.countFrom(this.#durable + 1)
    this.#schedule()
    return new Promise((resolve) => this.#truncated.push(resolve))
  }

  #truncateTables(from: number): void {
    this.#packets.truncate(from)
    const key = this.#packets.lastKey()
    const record = key === undefined ? undefined : this.#packets.get(key)
    if (key !== undefined && record !== undefined && key + recordCount(record) > from) {
      this.#packets.pop()
      this.#packets.push(key, cutRecord(record, from - key))
    }
    for (let bucket = this.#times.lastKey(); bucket !== undefined; bucket = this.#times.lastKey()) {
      const value = this.#times.get(bucket)
      if (value === undefined || readU64(value, 0) < from) return
      this.#times.pop()
    }
  }

  #schedule(): void {
    if (this.#manual || this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.sync)
  }

  read(from: number, maxPackets: number, visit: RunVisitor): number {
    if (this.#state === 'closed') throw new Error('reading from a closed log')
    return this.#reader.read(from, maxPackets, visit)
  }

  sequenceAtTime(timeUs: number): number {
    return this.#reader.sequenceAtTime(timeUs)
  }

  /** Makes all that was appended committed and durable. */
  readonly sync = (): void => {
    this.#scheduled = false
    const truncated = this.#truncated
    if (this.#state !== 'open' || (this.#pending === 0 && truncated.length === 0)) return
    this.#pending = 0
    this.#truncated = []
    this.#reader.committedSequence = this.#next - 1
    this.#durable = this.#next - 1
    for (const resolve of truncated) resolve()
    this.#durableListener(this.#durable)
  }

  /** Behaves from now on like a log whose disk failed. */
  fail(error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#pending = 0
    this.#failureListener(error)
  }

  async close(): Promise<void> {
    this.sync()
    this.#state = 'closed'
  }
}

function u64Of(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  writeU64(bytes, 0, value)
  return bytes
}
