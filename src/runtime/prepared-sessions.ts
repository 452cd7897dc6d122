/**
 * The sessions that may follow the one that a store records, made ready so that a switch costs no time: their logs are open, and claims of
 * them are heard. A claim is answered as soon as the end that names the session is on this disk, which is before it is known to be
 * stable. That is no danger: a majority of such grants is a majority that has the end, and whoever is granted opens the session
 * only where the end that it wrote itself is stable.
 */
import { messageOf } from '../core/errors.js'
import { endOfLog } from './last-event.js'
import type { Recording, Recordings } from './store-role.js'
import type { Lives, StoreSession, StoreSessionOptions } from './store-session.js'
import { isSameLives, keepLives } from './store-voter.js'

/** Requests to make ready for another session are not always honest. */
const MAX_PREPARED = 4

export interface Prepared {
  readonly recording: Recording
  /** Hears claims; none where there is no vote. */
  readonly store?: StoreSession
  /** What it was founded with. */
  readonly lives?: Lives
}

export class PreparedSessions {
  readonly #recordings: Recordings
  readonly #create: (options: StoreSessionOptions) => StoreSession
  readonly #prepared = new Map<string, Promise<Prepared>>()
  /** Those whose claims are heard. */
  readonly #listening = new Set<StoreSession>()
  /** The session that was gone on from last: what was to follow it is of no use any more. */
  #left: StoreSession | undefined
  /** A log is not opened again before it is closed. */
  #closing: Promise<unknown> = Promise.resolve()

  constructor(recordings: Recordings, create: (options: StoreSessionOptions) => StoreSession) {
    this.#recordings = recordings
    this.#create = create
  }

  /** Makes a session ready that may follow. @returns why it can't, or '' */
  async prepare(from: StoreSession, successor: string): Promise<string> {
    if (!this.#prepared.has(successor)) await this.#makeRoom()
    if (from === this.#left) return existsAlready(successor)
    try {
      const { recording } = await this.open(from, successor)
      if (recording.log.nextSequence === 1) return ''
      // Unless it was taken meanwhile.
      if (this.#prepared.has(successor)) await this.#discard(successor)
      return existsAlready(successor)
    } catch (error) {
      this.#prepared.delete(successor)
      return messageOf(error)
    }
  }

  /** One that is ready, or is made so now. @throws SeqcastError as the log does */
  open(from: StoreSession, successor: string): Promise<Prepared> {
    const prepared = this.#prepared.get(successor) ?? this.#openFor(from, successor)
    this.#prepared.set(successor, prepared)
    return prepared
  }

  /** Hands over one that is ready, or makes it so: it is recorded from now on. @throws SeqcastError as the log does */
  async take(from: StoreSession, successor: string): Promise<Prepared> {
    const prepared = await this.open(from, successor)
    this.#prepared.delete(successor)
    if (prepared.store !== undefined) this.#listening.delete(prepared.store)
    this.#left = from
    // They look at the end of a session that is closed one day, and know what was before them.
    for (const other of [...this.#prepared.keys()]) void this.#discard(other).catch(() => {})
    return prepared
  }

  /** More of the present session is on the disk: its end may be, which claims wait for. */
  onDurable(nowUs: number): void {
    for (const store of this.#listening) store.answerClaim(nowUs)
  }

  async close(): Promise<void> {
    for (const session of this.#prepared.keys()) await this.#discard(session)
    await this.#closing
  }

  async #openFor(from: StoreSession, successor: string): Promise<Prepared> {
    await this.#closing
    const recording = await this.#recordings.open(successor)
    const { log, promises } = recording
    const { lives } = from
    if (log.nextSequence > 1 || lives === undefined || promises === undefined) return { recording }
    try {
      const founded = { log, promises: await keepLives(promises, lives) }
      const mayVote = (): boolean => isEndedWith(from, successor) && isSameLives(from.lives, lives)
      const store = this.#create({ session: successor, predecessor: from.session, ...founded, mayVote })
      await store.listen()
      this.#listening.add(store)
      return { recording: founded, store, lives }
    } catch (error) {
      await log.close()
      throw error
    }
  }

  /** The one that was prepared first is not wanted any more, as it seems. */
  async #makeRoom(): Promise<void> {
    const [oldest] = this.#prepared.keys()
    if (oldest !== undefined && this.#prepared.size >= MAX_PREPARED) await this.#discard(oldest)
  }

  #discard(session: string): Promise<void> {
    const prepared = this.#prepared.get(session)
    this.#prepared.delete(session)
    const closed = prepared === undefined ? Promise.resolve() : this.#close(prepared)
    this.#closing = Promise.allSettled([this.#closing, closed])
    return closed
  }

  async #close(opening: Promise<Prepared>): Promise<void> {
    const prepared = await opening.catch(() => undefined)
    // Who asked for it was told why.
    if (prepared === undefined) return
    const { store, recording } = prepared
    if (store !== undefined) this.#listening.delete(store)
    await store?.abandon()
    await recording.log.close()
  }
}

/** The session's end is on this disk, and names that one. */
function isEndedWith({ log }: StoreSession, successor: string): boolean {
  return log.durableSequence === log.nextSequence - 1 && endOfLog(log)?.successor === successor
}

export function existsAlready(session: string): string {
  return `session ${session} exists already: name another one with --to`
}
