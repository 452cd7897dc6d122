/**
 * What a voter must not forget of one session: its promise, and the lives of the voters. It lies beside the recording, outside of
 * its environment, and is synced before anybody hears it. That holds up the event loop for two syncs: there is nothing better to do, since a
 * reign waits for the promise, and each step of writing it elsewhere would have to wait for its turn on a machine that is busy.
 *
 * It is in the session's directory so that it is lost with the log, and a log that is made anew removes it: a promise that
 * outlived the events would let a voter count that has forgotten what it acknowledged.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SeqcastError } from '../core/errors.js'
import { MAX_EPOCH } from '../core/limits.js'
import type { StoredPromise } from '../protocol/voter.js'
import { checkOwner, sessionPath } from './session-directory.js'
import { writeFailure } from './store-error.js'
import { makeDirectorySynced, syncDirectory, writeFileSynced } from './synced-file.js'

const PROMISE_FILE = 'promise.json'
const FORMAT_VERSION = 1

export interface PromiseFileOptions {
  readonly directory: string
  readonly session: string
  readonly voter: string
}

export class PromiseFile {
  readonly #path: string
  readonly #session: string
  readonly #voter: string
  #stored: StoredPromise | undefined
  #newest: StoredPromise | undefined
  #last: Promise<void> = Promise.resolve()
  #failure: SeqcastError | undefined

  /** To be opened after the log. @throws SeqcastError E_SESSION_FOREIGN, E_CONFIG (another voter's promise), E_STORE_CORRUPT */
  static open(options: PromiseFileOptions): PromiseFile {
    checkOwner(options.directory, options.session)
    return new PromiseFile(options)
  }

  private constructor({ directory, session, voter }: PromiseFileOptions) {
    this.#session = session.trim()
    this.#voter = voter
    const sessionDirectory = sessionPath(directory, session)
    makeDirectorySynced(directory)
    makeDirectorySynced(sessionDirectory)
    this.#path = join(sessionDirectory, PROMISE_FILE)
    this.#stored = readPromise(this.#path, this.#voter)
    this.#newest = this.#stored
    // The process that wrote it may have been killed before the directory was synced: it must not be spoken of before.
    if (this.#stored !== undefined) syncDirectory(sessionDirectory)
  }

  /** What is on disk; undefined where nothing was ever promised here, or all was lost. */
  get stored(): StoredPromise | undefined {
    return this.#stored
  }

  /**
   * Writes promises one after the other. `done` is called when this one is on disk, or with the reason why it is not: then no
   * later one will be, since nobody knows what the disk has.
   * @throws Error where the promise would take back an earlier one: a programmer's error
   */
  write(promise: StoredPromise, done: (error?: SeqcastError) => void): void {
    checkStep(this.#newest, promise)
    this.#newest = promise
    const failure = this.#replace(promise)
    this.#last = this.#last.then(() => done(failure))
  }

  /** Resolves when all that was written is on disk, or has failed. */
  close(): Promise<void> {
    return this.#last
  }

  #replace(promise: StoredPromise): SeqcastError | undefined {
    if (this.#failure !== undefined) return this.#failure
    const text = JSON.stringify({ format: FORMAT_VERSION, voter: this.#voter, ...kept(promise) })
    try {
      writeFileSynced(this.#path, `${text}\n`)
      this.#stored = promise
    } catch (cause) {
      this.#failure = promiseFailure(cause, this.#session, this.#path, promise.epoch)
    }
    return this.#failure
  }
}

function checkStep(before: StoredPromise | undefined, after: StoredPromise): void {
  if (!isPromise(after)) throw new RangeError(`not a promise: ${JSON.stringify(after)}`)
  if (before === undefined || after.epoch >= before.epoch) return
  throw new Error(`a promise of epoch ${after.epoch} after one of ${before.epoch}`)
}

function promiseFailure(cause: unknown, session: string, path: string, epoch: number): SeqcastError {
  const { code, hint } = writeFailure(cause, session, 0)
  const message = `the promise of epoch ${epoch} of session '${session}' can't be written to ${path}`
  return new SeqcastError(code, message, { cause, fields: { session, path, epoch }, ...(hint ? { hint } : {}) })
}

function readPromise(path: string, voter: string): StoredPromise | undefined {
  if (!existsSync(path)) return undefined
  const found = parsed(readFileSync(path, 'utf8'))
  if (found === undefined) {
    throw new SeqcastError('E_STORE_CORRUPT', `${path} does not hold a voter's promise of format ${FORMAT_VERSION}`, {
      hint: 'move the whole session directory away: the voter then recovers promise and log from the others',
      fields: { path },
    })
  }
  if (found.voter !== voter) {
    throw new SeqcastError('E_CONFIG', `${path} is the promise of voter '${found.voter}', not of '${voter}'`, {
      hint: 'give each store a directory of its own',
      fields: { path, found: found.voter, wanted: voter },
    })
  }
  return kept(found)
}

function kept({ epoch, candidate, life, lives, readmitted = [], isLate }: StoredPromise): StoredPromise {
  const late = isLate === true ? { isLate } : {}
  return { epoch, candidate, life, lives, ...(readmitted.length === 0 ? {} : { readmitted }), ...late }
}

/** The log is made anew: what was promised on the one before is worth nothing. */
export function forgetPromise(sessionDirectory: string): void {
  const path = join(sessionDirectory, PROMISE_FILE)
  if (!existsSync(path)) return
  rmSync(path)
  syncDirectory(sessionDirectory)
}

function parsed(text: string): (StoredPromise & { readonly voter: string }) | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && isPromise(value) ? value : undefined
  } catch {
    return undefined // Not JSON: the caller says which file.
  }
}

function isRecord(value: unknown): value is { readonly voter: string } {
  if (typeof value !== 'object' || value === null || !('format' in value && 'voter' in value)) return false
  return value.format === FORMAT_VERSION && typeof value.voter === 'string'
}

function isPromise(value: object): value is StoredPromise {
  if (!('epoch' in value && 'candidate' in value && 'life' in value && 'lives' in value)) return false
  const { epoch, candidate, life, lives } = value
  if (!(isCount(epoch) && epoch <= MAX_EPOCH && isCount(candidate) && isCount(life))) return false
  if ('readmitted' in value && !Array.isArray(value.readmitted)) return false
  return typeof lives === 'object' && lives !== null && !Array.isArray(lives) && Object.values(lives).every(isCount)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
