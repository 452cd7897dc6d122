/**
 * The event log of a simulated store. What is appended in one turn is written at its end and synced in virtual time; one sync
 * is under way at a time, and what comes meanwhile shares the next. A log that is opened again finds what its disk kept.
 */
import { MAX_PACKET_COUNT, MAX_SEQUENCE, STORE_PENDING_PACKETS } from '../core/limits.js'
import type { EventLog, RunVisitor } from '../protocol/event-log.js'
import { LogEpochs } from '../store/log-epochs.js'
import { MemoryTable } from '../store/memory-table.js'
import { checkRecord, cutRecord, RECORD_HEADER_BYTES, recordCount, writeRecord } from '../store/record-format.js'
import { checkTruncation, RecordReader } from '../store/record-reader.js'
import { writeFailure } from '../store/store-error.js'
import { type BlockKind, packetBucket } from '../store/time-index.js'
import { readU64, writeU64 } from '../wire/bytes.js'
import type { EpochTableEntry } from '../wire/control.js'
import type { JournalEntry, LogFile, SimDisk } from './disk.js'
import type { SimPlatform } from './machine.js'
import type { SimProcess } from './sim-process.js'

/** Looks on at what a log is told and tells. The bytes are valid during the call. */
export interface LogObserver {
  appended?(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void
  truncated?(fromSequence: number): void
  durable?(durableSequence: number): void
}

export interface SimEventLogOptions {
  readonly disk: SimDisk
  /** Of the process that opens it: the log is killed with it. */
  readonly platform: SimPlatform
  readonly session: string
  /** Where a log that is made anew starts; default 1. */
  readonly firstSequence?: number
  /** `opaque` for foreign streams; default `events`. */
  readonly kind?: BlockKind
  readonly observer?: LogObserver
}

export class SimEventLog implements EventLog {
  readonly session: string
  readonly #kind: BlockKind
  readonly #disk: SimDisk
  readonly #process: SimProcess
  readonly #defer: (run: () => void) => void
  readonly #file: LogFile
  readonly #observer: LogObserver
  readonly #packets = new MemoryTable()
  readonly #times = new MemoryTable()
  readonly #reader: RecordReader
  readonly #epochs = new LogEpochs()
  #state: 'open' | 'closing' | 'closed' | 'failed' = 'open'
  #next: number
  #durable: number
  /** Not written yet. */
  #queue: JournalEntry[] = []
  /** The least sequence that a truncation in the queue takes back. */
  #queuedTruncation = Number.POSITIVE_INFINITY
  #truncated: (() => void)[] = []
  #isSyncing = false
  #isScheduled = false
  #closed: (() => void) | undefined
  #durableListener: (durableSequence: number) => void = () => {}
  #failureListener: (error: Error) => void = () => {}

  private constructor(options: SimEventLogOptions, file: LogFile) {
    this.session = options.session.trim()
    this.#kind = options.kind ?? 'events'
    this.#disk = options.disk
    this.#process = options.platform.process
    this.#defer = (run) => options.platform.timers.defer(run)
    this.#observer = options.observer ?? {}
    this.#file = file
    this.#next = options.firstSequence ?? 1
    this.#reader = new RecordReader(
      this.session,
      this.#kind,
      { packets: this.#packets, times: this.#times },
      this.#next,
    )
    this.#recover()
    this.#durable = this.#next - 1
    this.#reader.committedSequence = this.#durable
  }

  /** Opens the log of a session, or makes it. Resolves when what was found is synced. @throws SeqcastError E_STORE_FULL */
  static async open(options: SimEventLogOptions): Promise<SimEventLog> {
    const session = options.session.trim()
    if (options.disk.isFull) throw noRoom(session, 0)
    const file = options.disk.log(session) ?? options.disk.createLog(session)
    const log = new SimEventLog(options, file)
    const written = file.entries.length
    await new Promise<void>((resolve) => options.disk.sync(options.platform.process, resolve))
    file.synced = written
    return log
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
    return this.#packets.countFrom(this.#durable + 1)
  }

  onDurable(listener: (durableSequence: number) => void): void {
    this.#durableListener = listener
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListener = listener
  }

  append(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, receivedUs: number): void {
    if (this.#state === 'failed') return
    if (this.#state !== 'open') throw new Error(`append to a log that is ${this.#state}`)
    if (sequence !== this.#next) throw new Error(`append of ${sequence} where ${this.#next} is next`)
    if (!(count >= 1 && count <= MAX_PACKET_COUNT && start >= 0 && end > start && end <= bytes.length)) {
      throw new RangeError(`append of ${count} events in bytes ${start} to ${end} of ${bytes.length}`)
    }
    if (sequence + count - 1 > MAX_SEQUENCE) throw new RangeError(`append of ${sequence} leaves the safe integers`)
    if (this.pendingPackets >= STORE_PENDING_PACKETS) throw new Error('append with too many packets pending')
    const record = new Uint8Array(RECORD_HEADER_BYTES + end - start)
    writeRecord(record, count, bytes, start, end, receivedUs)
    this.#add(sequence, count, record, receivedUs)
    this.#queue.push({ kind: 'append', sequence, record })
    this.#observer.appended?.(sequence, count, bytes, start, end)
    this.#schedule()
  }

  truncate(fromSequence: number): Promise<void> {
    if (this.#state === 'closed') throw new Error('truncating a closed log')
    checkTruncation(this, fromSequence)
    if (this.#state === 'failed') return new Promise(() => {})
    if (fromSequence === this.#next && this.#queuedTruncation === Number.POSITIVE_INFINITY && !this.#isSyncing) {
      return Promise.resolve()
    }
    this.#takeBack(fromSequence)
    this.#durable = Math.min(this.#durable, fromSequence - 1)
    this.#reader.committedSequence = this.#durable
    this.#queuedTruncation = Math.min(this.#queuedTruncation, fromSequence)
    this.#queue.push({ kind: 'truncate', sequence: fromSequence })
    this.#observer.truncated?.(fromSequence)
    this.#schedule()
    return new Promise((resolve) => this.#truncated.push(resolve))
  }

  read(from: number, maxPackets: number, visit: RunVisitor): number {
    if (this.#state === 'closed') throw new Error('reading from a closed log')
    return this.#reader.read(from, maxPackets, visit)
  }

  sequenceAtTime(timeUs: number): number {
    return this.#reader.sequenceAtTime(timeUs)
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing'
      if (this.#isSyncing || this.#queue.length > 0) {
        await new Promise<void>((resolve) => {
          this.#closed = resolve
        })
      }
    }
    this.#state = 'closed'
  }

  /** Applies what the disk has, and drops what is torn. */
  #recover(): void {
    const { entries } = this.#file
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      if (entry.kind === 'truncate') {
        this.#takeBack(entry.sequence)
      } else if (checkRecord(entry.record, entry.record.length) === undefined) {
        this.#add(entry.sequence, recordCount(entry.record), entry.record, readU64(entry.record, 4))
      } else {
        entries.length = i
      }
    }
  }

  #add(sequence: number, count: number, record: Uint8Array, receivedUs: number): void {
    this.#packets.push(sequence, record)
    const bucket = packetBucket(this.#kind, record, RECORD_HEADER_BYTES, record.length, receivedUs)
    if (bucket > (this.#times.lastKey() ?? -1)) this.#times.push(bucket, u64Of(sequence))
    if (this.#kind === 'events') this.#epochs.note(sequence, count, record, RECORD_HEADER_BYTES, record.length)
    this.#next = sequence + count
  }

  #takeBack(from: number): void {
    this.#next = from
    this.#epochs.truncate(from)
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
    if (this.#isScheduled || this.#isSyncing) return
    this.#isScheduled = true
    this.#defer(this.#commit)
  }

  readonly #commit = (): void => {
    this.#isScheduled = false
    if (this.#state === 'failed' || this.#queue.length === 0 || !this.#process.spend()) return
    if (this.#disk.isFull) {
      this.#fail()
      return
    }
    const through = this.#next - 1
    const truncated = this.#truncated
    for (const entry of this.#queue) this.#file.entries.push(entry)
    const written = this.#file.entries.length
    this.#queue = []
    this.#truncated = []
    this.#queuedTruncation = Number.POSITIVE_INFINITY
    this.#isSyncing = true
    this.#disk.sync(this.#process, () => {
      this.#file.synced = written
      this.#synced(through, truncated)
    })
  }

  #synced(through: number, truncated: readonly (() => void)[]): void {
    this.#isSyncing = false
    // A truncation that came meanwhile has not reached the disk, but what it takes back is gone for everybody.
    this.#durable = Math.min(through, this.#queuedTruncation - 1)
    this.#reader.committedSequence = this.#durable
    this.#observer.durable?.(this.#durable)
    if (this.#queue.length > 0) this.#commit()
    for (const resolve of truncated) resolve()
    this.#durableListener(this.#durable)
    if (this.#isIdle()) this.#closed?.()
  }

  /** A sync may have brought the next one along. */
  #isIdle(): boolean {
    return !this.#isSyncing && this.#queue.length === 0
  }

  #fail(): void {
    this.#state = 'failed'
    this.#queue = []
    this.#failureListener(noRoom(this.session, this.#durable + 1))
    this.#closed?.()
  }
}

function noRoom(session: string, sequence: number): Error {
  return writeFailure(new Error('ENOSPC: the simulated disk is full'), session, sequence)
}

function u64Of(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  writeU64(bytes, 0, value)
  return bytes
}
