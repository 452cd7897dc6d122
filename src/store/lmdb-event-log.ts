/**
 * The event log on LMDB: what a store records into, and reads from.
 *
 * One transaction is in flight at a time. What is appended meanwhile waits and becomes the next one, so that
 * transactions grow with the load, and a transaction that fails can't be followed by one that leaves a hole behind it.
 * Its promise is the acknowledgement: lmdb has synced pages and meta page before (see lmdb-environment.ts), so here what
 * is committed is durable too.
 */
import { SeqcastError } from '../core/errors.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { EventLog, RunVisitor } from '../protocol/event-log.js'
import { readU64 } from '../wire/bytes.js'
import type { EpochTableEntry } from '../wire/control.js'
import { checkAppend } from './append-check.js'
import { CommitQueue } from './commit-queue.js'
import { refuseDropped } from './dropped-sessions.js'
import { type Addition, type Environment, hasEnvironment, openEnvironment, requireFree } from './lmdb-environment.js'
import { LmdbLogReader } from './lmdb-log-reader.js'
import { epochsOf, type LogEpochs } from './log-epochs.js'
import { forgetPromise } from './promise-file.js'
import { checkRecord, cutRecord, RECORD_HEADER_BYTES, recordCount, writeRecord } from './record-format.js'
import { checkTruncation, endOfRecords, RecordReader } from './record-reader.js'
import { RecordSlab } from './record-slab.js'
import {
  checkOwner,
  claimAbout,
  isSessionDirectory,
  type SessionAbout,
  sessionPath,
  writeAbout,
} from './session-directory.js'
import { acquireLock, type LastHolder, type SessionLock } from './session-lock.js'
import { corruptRecord, openFailure, writeFailure } from './store-error.js'
import { makeDirectorySynced } from './synced-file.js'
import { type BlockKind, packetBucket } from './time-index.js'

export interface LmdbEventLogOptions {
  /** The store's directory; the session gets a directory in it. */
  readonly directory: string
  readonly session: string
  /** Where an empty log starts; default 1. Ignored where events are recorded already. */
  readonly firstSequence?: number
  /** `opaque` for foreign streams; default `events`. A session that exists keeps what it was made with. */
  readonly kind?: BlockKind
  /** Recording stops in order when the file system has less room than this; default 64 MiB. */
  readonly minFreeBytes?: number
  readonly logger?: Logger
}

/** `open`: records. `retired`: is only read. `failed`: a write failed, nothing is accepted. */
export type EventLogState = 'open' | 'retired' | 'closing' | 'closed' | 'failed'

const DEFAULT_MIN_FREE_BYTES = 64 * 1024 * 1024
/** How much is written between two looks at the free space. */
const FREE_CHECK_BYTES = 4 * 1024 * 1024
/** With less room than this a failed write failed for want of room. */
const NO_ROOM_BYTES = 1024 * 1024

export class LmdbEventLog implements EventLog {
  readonly session: string
  readonly kind: BlockKind
  /** How the last process left the session: after `clean` there was nothing to repair. */
  readonly lastHolder: LastHolder
  readonly #path: string
  readonly #env: Environment
  readonly #lock: SessionLock
  readonly #reader: RecordReader
  readonly #logger: Logger
  readonly #minFreeBytes: number
  readonly #slab = new RecordSlab()
  #state: EventLogState = 'open'
  #next: number
  #durable: number
  #lastBucket: number
  readonly #epochs: LogEpochs
  readonly #queue = new CommitQueue()
  #inFlight: Addition | undefined
  /** Who waits for the truncations of the queue. */
  #truncated: (() => void)[] = []
  #scheduled = false
  #uncheckedBytes = FREE_CHECK_BYTES
  #stale = false
  #failure: SeqcastError | undefined
  #durableListener: (durableSequence: number) => void = () => {}
  #failureListener: (error: Error) => void = () => {}
  #idle: (() => void) | undefined
  #closed: Promise<void> | undefined

  /**
   * Opens a session for recording, and makes it where it does not exist.
   * @throws SeqcastError E_STORE_HELD, E_SESSION_EXISTS (it was dropped, see dropped-sessions.ts), E_SESSION_FOREIGN, E_STORE_CORRUPT (the last record is damaged), E_STORE_FULL, E_STORE_IO
   */
  static async open(options: LmdbEventLogOptions): Promise<LmdbEventLog> {
    const session = options.session.trim()
    const path = sessionPath(options.directory, session)
    let lock: SessionLock | undefined
    let env: Environment | undefined
    try {
      makeDirectorySynced(options.directory)
      checkOwner(options.directory, session)
      if (!isSessionDirectory(path)) refuseDropped(options.directory, session)
      // One that is begun without room would end its predecessor for nothing.
      if (!hasEnvironment(path)) requireFree(options.directory, options.minFreeBytes ?? DEFAULT_MIN_FREE_BYTES)
      makeDirectorySynced(path)
      lock = acquireLock(path)
      const about = claimAbout(path, session, options.kind ?? 'events')
      if (!hasEnvironment(path)) forgetPromise(path)
      env = await openEnvironment(path, 'write')
      return new LmdbEventLog(options, about, path, env, lock)
    } catch (error) {
      await env?.close()
      lock?.release(false)
      throw error instanceof SeqcastError ? error : openFailure(error, session, path)
    }
  }

  /** Reads a session, also while another process records it. @throws SeqcastError as `LmdbLogReader.open` */
  static openReader(directory: string, session: string): Promise<LmdbLogReader> {
    return LmdbLogReader.open(directory, session)
  }

  private constructor(
    options: LmdbEventLogOptions,
    about: SessionAbout,
    path: string,
    env: Environment,
    lock: SessionLock,
  ) {
    this.session = about.session
    this.kind = about.kind
    this.lastHolder = lock.lastHolder
    this.#path = path
    this.#env = env
    this.#lock = lock
    this.#logger = options.logger ?? silentLogger
    this.#minFreeBytes = options.minFreeBytes ?? DEFAULT_MIN_FREE_BYTES
    this.#next = endOfRecords(this.session, env.packets, 'check') ?? options.firstSequence ?? 1
    this.#durable = this.#next - 1
    this.#lastBucket = env.times.lastKey() ?? -1
    this.#reader = new RecordReader(this.session, this.kind, env, env.packets.firstKey() ?? this.#next)
    this.#reader.committedSequence = this.#durable
    this.#epochs = epochsOf(this.#reader)
    const { session, lastHolder } = this
    this.#logger.info({ session, path, lastHolder, durableSequence: this.#durable }, 'event log opened')
  }

  get state(): EventLogState {
    return this.#state
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
    return (this.#inFlight?.keys.length ?? 0) + this.#queue.packets
  }

  onDurable(listener: (durableSequence: number) => void): void {
    this.#durableListener = listener
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListener = listener
  }

  /** @throws Error also where `limits.STORE_PENDING_PACKETS` are pending: the caller waits for `onDurable` */
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
    const bucket = packetBucket(this.kind, bytes, start, end, receivedUs)
    if (bucket > this.#lastBucket) {
      this.#lastBucket = bucket
      this.#queue.pushBucket(bucket, sequence)
    }
    if (this.kind === 'events') this.#epochs.note(sequence, count, bytes, start, end)
    this.#queue.push(sequence, record)
    this.#next = sequence + count
    this.#schedule()
  }

  truncate(fromSequence: number): Promise<void> {
    if (this.#state === 'closing' || this.#state === 'closed' || this.#state === 'retired')
      throw new Error(`truncating a log that is ${this.#state}`)
    checkTruncation(this, fromSequence)
    if (this.#state === 'failed') return new Promise(() => {})
    if (fromSequence === this.#next && !this.#isTruncating()) return Promise.resolve()
    const fields = { session: this.session, fromSequence, nextSequence: this.#next, durableSequence: this.#durable }
    this.#logger.info(fields, 'event log: the tail is taken back')
    this.#next = fromSequence
    this.#durable = Math.min(this.#durable, fromSequence - 1)
    this.#reader.committedSequence = this.#durable
    this.#epochs.truncate(fromSequence)
    this.#queue.truncate(fromSequence)
    this.#lastBucket = this.#queue.lastBucket() ?? this.#writtenBucket(fromSequence)
    this.#schedule()
    return new Promise((resolve) => this.#truncated.push(resolve))
  }

  /** The last bucket of time that has an entry for an event before `fromSequence`, written or being written. */
  #writtenBucket(fromSequence: number): number {
    const inFlight = this.#inFlight?.buckets.findLast(({ sequence }) => sequence < fromSequence)
    if (inFlight !== undefined) return inFlight.bucket
    this.#refresh()
    const { times } = this.#env
    let bucket = times.lastKey()
    while (bucket !== undefined) {
      const value = times.get(bucket)
      if (value !== undefined && readU64(value, 0) < fromSequence) return bucket
      bucket = bucket > 0 ? times.floorKey(bucket - 1) : undefined
    }
    return -1
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight !== undefined) return
    this.#scheduled = true
    setImmediate(this.#commitQueued)
  }

  read(from: number, maxPackets: number, visit: RunVisitor): number {
    this.#refresh()
    return this.#reader.read(from, maxPackets, visit)
  }

  sequenceAtTime(timeUs: number): number {
    this.#refresh()
    return this.#reader.sequenceAtTime(timeUs)
  }

  /** Notes that the stream has ended after the last event; for foreign streams, which have no event that says so. */
  markEnded(): void {
    writeAbout(this.#path, { session: this.session, kind: this.kind, ended: true })
  }

  /**
   * Nothing will be appended any more, because the session has ended: the lock is given back, so that the session can be dropped, and
   * the log is read on until it is closed.
   */
  async retire(): Promise<void> {
    if (this.#state !== 'open') return
    this.#transition('retired', 'the session has ended')
    await this.#whenIdle()
    if (this.#failure === undefined) this.#lock.release(true)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const isRetired = this.#state === 'retired'
    if (this.#state === 'open') this.#transition('closing', 'close')
    if (this.#state !== 'failed') await this.#whenIdle()
    const clean = this.#failure === undefined
    await this.#env.close()
    if (!isRetired || !clean) this.#lock.release(clean)
    this.#transition('closed', clean ? 'everything is durable' : 'after a failure')
  }

  async #whenIdle(): Promise<void> {
    while (!this.#isIdle()) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
  }

  #refresh(): void {
    if (this.#state === 'closed') throw new Error('reading from a closed log')
    if (!this.#stale) return
    this.#stale = false
    this.#env.refresh()
  }

  readonly #commitQueued = (): void => {
    this.#scheduled = false
    if (this.#state === 'failed' || this.#queue.isEmpty) return
    if (!this.#hasFreeSpace()) return
    const through = this.#next - 1
    const truncated = this.#truncated
    this.#truncated = []
    try {
      this.#inFlight = this.#withCutRecord(this.#queue.take())
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#env.commit(this.#inFlight).then(
      () => this.#committed(through, truncated),
      (error: unknown) => this.#fail(error),
    )
  }

  /** A record on disk that begins before a truncation and ends after it is written anew, shorter. */
  #withCutRecord(addition: Addition): Addition {
    const from = addition.truncateFrom
    if (from === undefined) return addition
    this.#refresh()
    const key = this.#env.packets.floorKey(from - 1)
    const record = key === undefined ? undefined : this.#env.packets.get(key)
    if (key === undefined || record === undefined) return addition
    const reason = checkRecord(record, record.length)
    if (reason !== undefined) throw corruptRecord(this.session, key, reason)
    if (key + recordCount(record) <= from) return addition
    return {
      ...addition,
      keys: [key, ...addition.keys],
      records: [cutRecord(record, from - key), ...addition.records],
    }
  }

  #hasFreeSpace(): boolean {
    this.#uncheckedBytes += this.#queue.bytes
    if (this.#uncheckedBytes < FREE_CHECK_BYTES) return true
    this.#uncheckedBytes = 0
    const freeBytes = this.#env.freeBytes()
    if (freeBytes >= this.#minFreeBytes) return true
    this.#fail(new Error(`No space left: ${freeBytes} bytes free, ${this.#minFreeBytes} are kept`))
    return false
  }

  #committed(through: number, truncated: readonly (() => void)[]): void {
    if (this.#state === 'failed') return
    this.#inFlight = undefined
    // A truncation that came meanwhile has not reached the disk, but what it takes back is gone for everybody.
    this.#durable = Math.min(through, this.#queue.truncateFrom - 1)
    this.#reader.committedSequence = this.#durable
    this.#stale = true
    this.#commitQueued()
    for (const resolve of truncated) resolve()
    this.#durableListener(this.#durable)
    if (this.#isIdle()) this.#idle?.()
  }

  #isTruncating(): boolean {
    return this.#truncated.length > 0 || this.#inFlight?.truncateFrom !== undefined
  }

  #isIdle(): boolean {
    return this.#inFlight === undefined && this.#queue.isEmpty
  }

  #fail(cause: unknown): void {
    if (this.#state === 'failed' || this.#state === 'closed') return
    // lmdb reports a short write as an I/O error, whatever the reason: the room that is left tells.
    const reason = this.#env.freeBytes() < NO_ROOM_BYTES ? new Error('No space left', { cause }) : cause
    this.#failure = writeFailure(reason, this.session, this.#durable + 1)
    this.#transition('failed', this.#failure.message)
    this.#queue.clear()
    this.#inFlight = undefined
    this.#failureListener(this.#failure)
    this.#idle?.()
  }

  #transition(next: EventLogState, reason: string): void {
    const fields = { session: this.session, from: this.#state, to: next, reason, path: this.#path }
    this.#state = next
    if (next === 'failed') this.#logger.error(fields, 'event log')
    else this.#logger.info(fields, 'event log')
  }
}
