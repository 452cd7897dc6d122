/**
 * The event log on LMDB: what a store records into, and reads from.
 *
 * One transaction is in flight at a time. What is appended meanwhile waits and becomes the next one, so that
 * transactions grow with the load, and a transaction that fails can't be followed by one that leaves a hole behind it.
 * Its promise is the acknowledgement: lmdb has synced pages and meta page before (see lmdb-environment.ts), so here what
 * is committed is durable too.
 */
import { SeqcastError } from '../core/errors.js'
import { MAX_PACKET_COUNT, MAX_SEQUENCE, STORE_PENDING_PACKETS } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { EventLog, RunVisitor } from '../protocol/event-log.js'
import { type Environment, openEnvironment } from './lmdb-environment.js'
import { LmdbLogReader } from './lmdb-log-reader.js'
import { RECORD_HEADER_BYTES, writeRecord } from './record-format.js'
import { endOfRecords, RecordReader } from './record-reader.js'
import { RecordSlab } from './record-slab.js'
import { checkOwner, readAbout, type SessionAbout, sessionPath, writeAbout } from './session-directory.js'
import { acquireLock, type LastHolder, type SessionLock } from './session-lock.js'
import { openFailure, writeFailure } from './store-error.js'
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

/** `open`: records. `failed`: a write failed, nothing is accepted. */
export type EventLogState = 'open' | 'closing' | 'closed' | 'failed'

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
  #queuedKeys: number[] = []
  #queuedRecords: Uint8Array[] = []
  #queuedBuckets: { readonly bucket: number; readonly sequence: number }[] = []
  #queuedBytes = 0
  #inFlightPackets = 0
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
   * @throws SeqcastError E_STORE_HELD, E_SESSION_FOREIGN, E_STORE_CORRUPT (the last record is damaged), E_STORE_FULL, E_STORE_IO
   */
  static async open(options: LmdbEventLogOptions): Promise<LmdbEventLog> {
    const session = options.session.trim()
    const path = sessionPath(options.directory, session)
    let lock: SessionLock | undefined
    let env: Environment | undefined
    try {
      makeDirectorySynced(options.directory)
      checkOwner(options.directory, session)
      makeDirectorySynced(path)
      lock = acquireLock(path)
      const about = readAbout(path) ?? newAbout(path, session, options.kind ?? 'events')
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

  get pendingPackets(): number {
    return this.#inFlightPackets + this.#queuedKeys.length
  }

  onDurable(listener: (durableSequence: number) => void): void {
    this.#durableListener = listener
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListener = listener
  }

  /** @throws Error also where `limits.STORE_PENDING_PACKETS` are pending: the caller waits for `onDurable` */
  append(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, receivedUs: number): void {
    if (this.#state === 'failed') return
    if (this.#state !== 'open') throw new Error(`append to a log that is ${this.#state}`)
    if (sequence !== this.#next) throw new Error(`append of ${sequence} where ${this.#next} is next`)
    if (!(count >= 1 && count <= MAX_PACKET_COUNT && start >= 0 && end > start && end <= bytes.length)) {
      throw new RangeError(`append of ${count} events in bytes ${start} to ${end} of ${bytes.length}`)
    }
    if (sequence + count - 1 > MAX_SEQUENCE) throw new RangeError(`append of ${sequence} leaves the safe integers`)
    if (this.pendingPackets >= STORE_PENDING_PACKETS) throw new Error('append with too many packets pending')

    const record = this.#slab.take(RECORD_HEADER_BYTES + end - start)
    writeRecord(record, count, bytes, start, end, receivedUs)
    const bucket = packetBucket(this.kind, bytes, start, end, receivedUs)
    if (bucket > this.#lastBucket) {
      this.#lastBucket = bucket
      this.#queuedBuckets.push({ bucket, sequence })
    }
    this.#queuedKeys.push(sequence)
    this.#queuedRecords.push(record)
    this.#queuedBytes += record.length
    this.#next = sequence + count
    if (!this.#scheduled && this.#inFlightPackets === 0) {
      this.#scheduled = true
      setImmediate(this.#commitQueued)
    }
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

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#state === 'open') {
      this.#transition('closing', 'close')
      if (this.pendingPackets > 0) {
        await new Promise<void>((resolve) => {
          this.#idle = resolve
        })
      }
    }
    const clean = this.#failure === undefined
    await this.#env.close()
    this.#lock.release(clean)
    this.#transition('closed', clean ? 'everything is durable' : 'after a failure')
  }

  #refresh(): void {
    if (this.#state === 'closed') throw new Error('reading from a closed log')
    if (!this.#stale) return
    this.#stale = false
    this.#env.refresh()
  }

  readonly #commitQueued = (): void => {
    this.#scheduled = false
    if (this.#state === 'failed' || this.#queuedKeys.length === 0) return
    if (!this.#hasFreeSpace()) return
    const addition = { keys: this.#queuedKeys, records: this.#queuedRecords, buckets: this.#queuedBuckets }
    const through = this.#next - 1
    this.#inFlightPackets = addition.keys.length
    this.#queuedKeys = []
    this.#queuedRecords = []
    this.#queuedBuckets = []
    this.#queuedBytes = 0
    this.#env.commit(addition).then(
      () => this.#committed(through),
      (error: unknown) => this.#fail(error),
    )
  }

  #hasFreeSpace(): boolean {
    this.#uncheckedBytes += this.#queuedBytes
    if (this.#uncheckedBytes < FREE_CHECK_BYTES) return true
    this.#uncheckedBytes = 0
    const freeBytes = this.#env.freeBytes()
    if (freeBytes >= this.#minFreeBytes) return true
    this.#fail(new Error(`No space left: ${freeBytes} bytes free, ${this.#minFreeBytes} are kept`))
    return false
  }

  #committed(through: number): void {
    if (this.#state === 'failed') return
    this.#inFlightPackets = 0
    this.#reader.committedSequence = through
    this.#durable = through
    this.#stale = true
    this.#commitQueued()
    this.#durableListener(through)
    if (this.pendingPackets === 0) this.#idle?.()
  }

  #fail(cause: unknown): void {
    if (this.#state === 'failed' || this.#state === 'closed') return
    // lmdb reports a short write as an I/O error, whatever the reason: the room that is left tells.
    const reason = this.#env.freeBytes() < NO_ROOM_BYTES ? new Error('No space left', { cause }) : cause
    this.#failure = writeFailure(reason, this.session, this.#durable + 1)
    this.#transition('failed', this.#failure.message)
    this.#queuedKeys = []
    this.#queuedRecords = []
    this.#queuedBuckets = []
    this.#inFlightPackets = 0
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

function newAbout(path: string, session: string, kind: BlockKind): SessionAbout {
  const about = { session, kind, ended: false }
  writeAbout(path, about)
  return about
}
