/**
 * A voter's promise for one session: the epoch and the candidate that it has granted last, and whether it has its vote at all. It
 * lies beside the recording, outside of its environment, and is synced before anybody hears it; writing takes no time of
 * the event loop.
 *
 * It is in the session's directory so that it is lost with the log: a promise that outlived the events would let a voter count
 * that has forgotten what it acknowledged.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SeqcastError } from '../core/errors.js'
import { MAX_EPOCH } from '../core/limits.js'
import { checkOwner, sessionPath } from './session-directory.js'
import { writeFailure } from './store-error.js'
import { makeDirectorySynced, replaceFileSynced } from './synced-file.js'

const PROMISE_FILE = 'promise.json'
const FORMAT_VERSION = 1

/** What a voter must not forget. */
export interface PromiseRecord {
  /** It takes part in no older reign. */
  readonly epoch: number
  /** The incarnation that this epoch was granted to; 0 where the promise was taken over from other voters. */
  readonly candidate: number
  /** The voter had lost its data, and has recovered promise and log from the others. */
  readonly recovered: boolean
}

export interface PromiseFileOptions {
  readonly directory: string
  readonly session: string
  readonly voter: string
}

export class PromiseFile {
  readonly #path: string
  readonly #session: string
  readonly #voter: string
  #stored: PromiseRecord | undefined
  #newest: PromiseRecord | undefined
  #last: Promise<void> = Promise.resolve()
  #failure: SeqcastError | undefined

  /** @throws SeqcastError E_SESSION_FOREIGN, E_CONFIG (another voter's promise), E_STORE_CORRUPT */
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
  }

  /** What is on disk; undefined where nothing was ever promised here, or all was lost. */
  get stored(): PromiseRecord | undefined {
    return this.#stored
  }

  /**
   * Writes promises one after the other. `done` is called when this one is on disk, or with the reason why it is not: then no
   * later one will be, since nobody knows what the disk has.
   * @throws Error where the promise would take back an earlier one: a programmer's error
   */
  write(promise: PromiseRecord, done: (error?: SeqcastError) => void): void {
    checkStep(this.#newest, promise)
    this.#newest = promise
    this.#last = this.#last.then(async () => done(await this.#replace(promise)))
  }

  /** Resolves when all that was written is on disk, or has failed. */
  close(): Promise<void> {
    return this.#last
  }

  async #replace(promise: PromiseRecord): Promise<SeqcastError | undefined> {
    if (this.#failure !== undefined) return this.#failure
    const { epoch, candidate, recovered } = promise
    const text = JSON.stringify({ format: FORMAT_VERSION, voter: this.#voter, epoch, candidate, recovered })
    try {
      await replaceFileSynced(this.#path, `${text}\n`)
      this.#stored = promise
    } catch (cause) {
      this.#failure = promiseFailure(cause, this.#session, this.#path, epoch)
    }
    return this.#failure
  }
}

function checkStep(before: PromiseRecord | undefined, { epoch, candidate }: PromiseRecord): void {
  if (!(Number.isSafeInteger(epoch) && epoch >= 1 && epoch <= MAX_EPOCH)) throw new RangeError(`promise of ${epoch}`)
  if (!Number.isSafeInteger(candidate)) throw new RangeError(`promise to ${candidate}`)
  if (before === undefined || epoch > before.epoch) return
  if (epoch === before.epoch && candidate === before.candidate) return
  throw new Error(`promise of ${epoch} to ${candidate} after ${before.epoch} to ${before.candidate}`)
}

function promiseFailure(cause: unknown, session: string, path: string, epoch: number): SeqcastError {
  const { code, hint } = writeFailure(cause, session, 0)
  const message = `the promise of epoch ${epoch} of session '${session}' can't be written to ${path}`
  return new SeqcastError(code, message, { cause, fields: { session, path, epoch }, ...(hint ? { hint } : {}) })
}

function readPromise(path: string, voter: string): PromiseRecord | undefined {
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
  return { epoch: found.epoch, candidate: found.candidate, recovered: found.recovered }
}

function parsed(text: string): (PromiseRecord & { readonly voter: string }) | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isPromise(value) ? value : undefined
  } catch {
    return undefined // Not JSON: the caller says which file.
  }
}

function isPromise(value: unknown): value is PromiseRecord & { readonly voter: string } {
  if (typeof value !== 'object' || value === null) return false
  if (!('format' in value && 'voter' in value && 'epoch' in value && 'candidate' in value && 'recovered' in value)) {
    return false
  }
  const { format, voter, epoch, candidate, recovered } = value
  const isEpoch = typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch >= 1 && epoch <= MAX_EPOCH
  if (!(isEpoch && Number.isSafeInteger(candidate) && format === FORMAT_VERSION)) return false
  return typeof voter === 'string' && typeof recovered === 'boolean'
}
