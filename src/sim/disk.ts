/**
 * The disk of a simulated machine. It outlives the processes of its machine. What was written and not yet synced when one is
 * killed survives in part: all of it, none, or a beginning of it whose last record is torn.
 */
import type { Prng } from '../core/prng.js'
import type { StoredPromise } from '../protocol/voter.js'
import type { Scheduler, SimProcess } from './sim-process.js'

/** One write to a log: a record under its first sequence, or the taking back of all from a sequence on. */
export type JournalEntry =
  | { readonly kind: 'append'; readonly sequence: number; readonly record: Uint8Array }
  | { readonly kind: 'truncate'; readonly sequence: number }

/** A session's log, as writes in their order. */
export interface LogFile {
  entries: JournalEntry[]
  /** So many of the entries are synced. */
  synced: number
}

/** A voter's promise: the one that is synced, and the one that is being written. */
export interface PromiseRecord {
  synced: StoredPromise | undefined
  written: StoredPromise | undefined
}

const SYNC_MIN_US = 200
const SYNC_MAX_US = 1_500
const TORN_CHANCE = 0.5

export class SimDisk {
  readonly counters = { syncs: 0, lostWrites: 0, tornWrites: 0 }
  readonly #scheduler: Scheduler
  readonly #prng: Prng
  readonly #logs = new Map<string, LogFile>()
  readonly #promises = new Map<string, PromiseRecord>()
  #syncMinUs = SYNC_MIN_US
  #syncMaxUs = SYNC_MAX_US
  #isFull = false
  /** The disk is at work until then: one sync waits for the one before. */
  #busyUntilUs = 0

  constructor(scheduler: Scheduler, prng: Prng) {
    this.#scheduler = scheduler
    this.#prng = prng
  }

  get isFull(): boolean {
    return this.#isFull
  }

  /** How long a sync takes, from now on; without arguments as a sound disk. */
  setSpeed(syncMinUs = SYNC_MIN_US, syncMaxUs = SYNC_MAX_US): void {
    this.#syncMinUs = syncMinUs
    this.#syncMaxUs = syncMaxUs
  }

  /** While it is full no write succeeds. */
  setFull(isFull: boolean): void {
    this.#isFull = isFull
  }

  /** All that it held is gone. To be called while nothing runs on the machine. */
  wipe(): void {
    this.#logs.clear()
    this.#promises.clear()
  }

  /** Of which it has a log. */
  sessions(): string[] {
    return [...this.#logs.keys()]
  }

  /** The log of a session; undefined where there is none. */
  log(session: string): LogFile | undefined {
    return this.#logs.get(session)
  }

  /** A log made anew: a promise that outlived the events is worth nothing. */
  createLog(session: string): LogFile {
    const file: LogFile = { entries: [], synced: 0 }
    this.#logs.set(session, file)
    this.#promises.delete(session)
    return file
  }

  promise(session: string): PromiseRecord {
    const record = this.#promises.get(session) ?? { synced: undefined, written: undefined }
    this.#promises.set(session, record)
    return record
  }

  /** Calls back when all that is written now is on the disk, unless the process is killed before. */
  sync(process: SimProcess, done: () => void): void {
    const { nowUs } = this.#scheduler
    const startUs = Math.max(nowUs, this.#busyUntilUs)
    this.#busyUntilUs = startUs + this.#prng.integer(this.#syncMinUs, this.#syncMaxUs)
    this.#scheduler.schedule(this.#busyUntilUs - nowUs, 'disk', process, () => {
      this.counters.syncs += 1
      done()
    })
  }

  /** A process was killed, or the power went. */
  crash(): void {
    this.#busyUntilUs = this.#scheduler.nowUs
    for (const file of this.#logs.values()) this.#crashLog(file)
    for (const record of this.#promises.values()) {
      if (record.written !== undefined && this.#prng.chance(0.5)) record.synced = record.written
      record.written = undefined
    }
  }

  /** The process has ended in order: what it wrote stays. */
  settle(): void {
    for (const file of this.#logs.values()) file.synced = file.entries.length
    for (const record of this.#promises.values()) {
      record.synced = record.written ?? record.synced
      record.written = undefined
    }
  }

  #crashLog(file: LogFile): void {
    const unsynced = file.entries.length - file.synced
    if (unsynced === 0) return
    const survivors = this.#prng.integer(0, unsynced)
    const next = file.entries[file.synced + survivors]
    file.entries.length = file.synced + survivors
    this.counters.lostWrites += unsynced - survivors
    if (next?.kind === 'append' && this.#prng.chance(TORN_CHANCE)) {
      file.entries.push({ ...next, record: this.#torn(next.record) })
      this.counters.tornWrites += 1
    }
  }

  /** The beginning is as it was written; what follows never reached the disk, or another sector's bytes lie there. */
  #torn(record: Uint8Array): Uint8Array {
    const torn = new Uint8Array(record)
    const cut = this.#prng.integer(0, torn.length - 1)
    if (this.#prng.chance(0.5)) return torn.slice(0, cut)
    for (let at = cut; at < torn.length; at++) torn[at] = (torn[at] ?? 0) ^ 0xa5
    return torn
  }
}
