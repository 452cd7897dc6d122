/**
 * The event store as a process: one session after the other (see store-session.ts), on the same ports. A session that has ended in
 * order is followed by the one that it names, and goes on to be served, by request and by rewind.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import { isSession } from '../core/session.js'
import type { EventLog } from '../protocol/event-log.js'
import type { StoreStatus } from '../wire/control.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import { endOfLog } from './last-event.js'
import { droppedStatus, droppedWords, waitingStatus } from './last-words.js'
import type { Role, RoleOptions } from './options.js'
import { Outcome } from './outcome.js'
import { systemPlatform } from './platform.js'
import { existsAlready, PreparedSessions } from './prepared-sessions.js'
import { type Archive, RewindListener } from './rewind-listener.js'
import { SessionPort } from './session-port.js'
import { type StoreParts, StoreSession, type StoreSessionOptions } from './store-session.js'
import { isSameLives, keepLives, type PromiseKeeper, promiseInMemory } from './store-voter.js'

export interface StoreRoleOptions extends RoleOptions {
  /** How the store calls itself on the control stream; unique in a session. */
  readonly name: string
  /** Its voter id, or '' for a copy that has no vote. */
  readonly voter: string
  readonly requestPort: number
  readonly rewindPort: number
  /** The open log to record into; the role closes it. */
  readonly log: EventLog
  /** Where the voter's promises are kept; without it in memory, so that a restarted voter has to recover from the others. */
  readonly promises?: PromiseKeeper
  /** Where sessions that follow are recorded; without it the store stays with the one that it was started with. */
  readonly recordings?: Recordings
  /** Sessions that were recorded earlier and can be read. */
  readonly archive?: Archive
  /** Sessions that were recorded, went on in another one, and were dropped: each with that one. */
  readonly dropped?: ReadonlyMap<string, string>
}

export interface Recording {
  readonly log: EventLog
  readonly promises?: PromiseKeeper
}

export interface Recordings {
  /** True where the session is recorded already, if only its beginning. */
  has(session: string): boolean
  /** Opens it, and makes it where there is none. @throws SeqcastError as the log does */
  open(session: string): Promise<Recording>
}

export interface StoreRole extends Role {
  readonly requestPort: number
  readonly rewindPort: number
  /** Of the session that is recorded now. */
  readonly log: EventLog
}

/** A session that has ended is left so long after the next one has begun: who is late finds everything as it was. */
const LEAVE_AFTER_US = 5_000_000
/** That a session which was left is over, and where it goes on, is said so often. */
const LAST_WORDS_EVERY_US = 250_000
/** Of so many sessions; those before them are in the archive. */
const SESSIONS_KEPT = 8

/** Starts a store on an open log. @throws SeqcastError E_PORT_IN_USE, E_GROUP, E_INTERFACE */
export async function startStore(options: StoreRoleOptions): Promise<StoreRole> {
  const store = new StoreProcess(options)
  try {
    await store.open()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

class StoreProcess implements StoreRole, Agent {
  readonly #options: StoreRoleOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  #requests: SessionPort | undefined
  #rewinds: RewindListener | undefined
  /** The newest last; the ones before have ended. */
  readonly #sessions: StoreSession[] = []
  /** Those that are only served. */
  readonly #left = new Set<StoreSession>()
  /** When each that has ended has to be left, the oldest first: however fast one follows the other. */
  readonly #leaveAtUs = new Map<StoreSession, number>()
  #lastWordsAtUs = 0
  /** Sessions that are neither recorded nor served from here any more, each with the one that went on from it. */
  readonly #passed: Map<string, string>
  /** Those of them that are told of, each with the one to go on with. */
  #told: ReadonlyMap<string, string>
  readonly #goneOn = new Map<string, Promise<void>>()
  /** Undefined where no other session is recorded. */
  readonly #prepared: PreparedSessions | undefined
  #isCaughtUp = false
  #isClosing = false

  constructor(options: StoreRoleOptions) {
    this.#options = options
    this.#cycle = new DutyCycle(options.platform ?? systemPlatform(), options.idle)
    this.#passed = new Map(options.dropped)
    this.#told = droppedWords(this.#passed, options.session)
    const { recordings } = options
    if (recordings !== undefined) {
      this.#prepared = new PreparedSessions(recordings, (session) => this.#createSession(session))
    }
  }

  get done(): Promise<void> {
    return this.#outcome.promise
  }

  get requestPort(): number {
    return this.#requests?.port ?? 0
  }

  get rewindPort(): number {
    return this.#rewinds?.port ?? 0
  }

  get log(): EventLog {
    return this.#sessions.at(-1)?.log ?? this.#options.log
  }

  async open(): Promise<void> {
    const { session, requestPort: port, rewindPort, interfaceAddress, logger, archive, log, promises } = this.#options
    const onError = (error: SeqcastError): void => this.#outcome.failed(error)
    this.#cycle.start()
    this.#requests = await SessionPort.open({ port, interfaceAddress, onError }, this.#cycle.platform)
    const at = { address: interfaceAddress, port: rewindPort }
    this.#rewinds = await RewindListener.open(at, this.#cycle, logger, archive)
    this.#cycle.add(this)
    await this.#record(session, { log, ...(promises === undefined ? {} : { promises }) })
    await this.#catchUp()
    // Whoever hears where a session goes on has to find it there.
    this.#isCaughtUp = true
  }

  async stop(reason: string): Promise<void> {
    const { session, log } = this.#sessions.at(-1) ?? this.#options
    this.#options.logger.info({ reason, session, nextSequence: log.nextSequence }, 'store: stopping')
    await this.close()
    this.#outcome.stopped()
    await this.done
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.#requests?.close()
    await this.#rewinds?.close()
    for (const session of this.#sessions) await session.close()
    await this.#prepared?.close()
    if (this.#sessions.length === 0) await this.#options.log.close()
    this.#cycle.stop()
  }

  flush(): void {}

  tick(nowUs: number): number {
    for (const [session, atUs] of this.#leaveAtUs) if (nowUs >= atUs) this.#leave(session)
    const [leaveAtUs = Number.POSITIVE_INFINITY] = this.#leaveAtUs.values()
    const awaited = this.#awaitedSuccessor
    if (!this.#isCaughtUp || (awaited === '' && this.#left.size + this.#told.size === 0)) return leaveAtUs
    if (nowUs >= this.#lastWordsAtUs) {
      this.#lastWordsAtUs = nowUs + LAST_WORDS_EVERY_US
      this.#sayLastWords()
      if (awaited !== '') this.#sayWaiting(awaited)
    }
    return Math.min(leaveAtUs, this.#lastWordsAtUs)
  }

  /** The session that is to follow, while it is not known to be stable that it does; '' where none is. */
  get #awaitedSuccessor(): string {
    return this.#options.recordings === undefined ? '' : (this.#sessions.at(-1)?.awaitedSuccessor ?? '')
  }

  #sayLastWords(): void {
    const speaker = this.#sessions.at(-1)
    for (const one of this.#left) speaker?.speakFor(one.session, one.lastWords())
    for (const [session, successor] of this.#told) speaker?.speakFor(session, droppedStatus(this.#says, successor))
  }

  /** Who begins the session that is to follow has to begin with the end of the one before. */
  #sayWaiting(successor: string): void {
    const last = this.#sessions.at(-1)
    last?.speakFor(successor, waitingStatus(this.#says, last.session))
  }

  get #says(): Pick<StoreStatus, 'name' | 'voter' | 'requestPort' | 'rewindPort'> {
    const { name, voter } = this.#options
    return { name, voter, requestPort: this.requestPort, rewindPort: this.rewindPort }
  }

  get #parts(): StoreParts {
    if (this.#requests === undefined || this.#rewinds === undefined) throw new Error('the store is not open')
    return { options: this.#options, cycle: this.#cycle, requests: this.#requests, rewinds: this.#rewinds }
  }

  /** Opens a session, which is the newest then. */
  async #record(session: string, { log, promises }: Recording, from?: StoreSession): Promise<void> {
    const kept = promises ?? promiseInMemory(this.#cycle.platform.timers)
    const founded = from?.lives === undefined ? kept : await keepLives(kept, from.lives)
    const store = this.#createSession({ session, log, promises: founded, predecessor: from?.session ?? '' })
    await store.listen()
    this.#sessions.push(store)
    await store.open()
  }

  #createSession(options: StoreSessionOptions): StoreSession {
    const store: StoreSession = new StoreSession(this.#parts, options, {
      failed: (error) => this.#outcome.failed(error),
      durable: (nowUs) => this.#prepared?.onDurable(nowUs),
      rolled: (successor) => this.#roll(store, successor),
      prepare: (successor) => this.#prepare(store, successor),
    })
    return store
  }

  /** What this store has gone on to before it was stopped. */
  async #catchUp(): Promise<void> {
    const { recordings } = this.#options
    const prepared = this.#prepared
    for (;;) {
      const last = this.#sessions.at(-1)
      const successor = last === undefined ? '' : (endOfLog(last.log)?.successor ?? '')
      if (last === undefined || recordings === undefined || prepared === undefined || successor === '') return
      if (!this.#goneOn.has(successor)) {
        if (!recordings.has(successor) || this.#sessions.some((one) => one.session === successor)) return
        const { recording } = await prepared.open(last, successor)
        // One that was only made ready, or claimed, says nothing: the end may yet be taken back.
        if (recording.log.nextSequence === 1) return
      }
      await this.#goOn(last, successor)
    }
  }

  #roll(from: StoreSession, successor: string): void {
    const { logger } = this.#options
    if (this.#isClosing || this.#options.recordings === undefined || from !== this.#sessions.at(-1)) return
    this.#goOn(from, successor).catch((error: unknown) => {
      logger.error(
        { session: successor, error: messageOf(error) },
        'store: the session that follows can not be recorded',
      )
      this.#outcome.failed(
        error instanceof SeqcastError ? error : new SeqcastError('E_STORE_IO', messageOf(error), { cause: error }),
      )
    })
  }

  /** Once for each session. */
  #goOn(from: StoreSession, successor: string): Promise<void> {
    const begun = this.#goneOn.get(successor) ?? this.#begin(from, successor)
    this.#goneOn.set(successor, begun)
    return begun
  }

  async #begin(from: StoreSession, successor: string): Promise<void> {
    if (this.#prepared === undefined) return
    const { recording, store, lives } = await this.#prepared.take(from, successor)
    if (store !== undefined && (store.promised > 0 || isSameLives(lives, from.lives))) {
      this.#sessions.push(store)
      await store.open()
    } else {
      await store?.abandon()
      await this.#record(successor, recording, from)
    }
    from.goesOnIn(successor)
    this.#leaveAtUs.set(from, this.#cycle.enter() + LEAVE_AFTER_US)
    this.#options.logger.info({ session: from.session, successor }, 'store: the session goes on in its successor')
    if (this.#isClosing) await this.#sessions.at(-1)?.close()
  }

  /** Makes ready for a session that may follow, before that is wanted at once. @returns why it can't follow, or '' */
  async #prepare(from: StoreSession, successor: string): Promise<string> {
    if (this.#prepared === undefined || this.#isClosing || from !== this.#sessions.at(-1)) return ''
    if (!isSession(successor)) return 'a session id has 1 to 10 letters and digits'
    if (successor === from.session || this.#goneOn.has(successor)) return existsAlready(successor)
    return await this.#prepared.prepare(from, successor)
  }

  /** It is only served from now on, and of those not more than are kept. */
  #leave(session: StoreSession): void {
    const failed = (error: Error): void => this.#options.logger.warn({ error: error.message }, 'store: leaving')
    this.#leaveAtUs.delete(session)
    this.#left.add(session)
    session.retire().catch(failed)
    if (this.#left.size <= SESSIONS_KEPT) return
    const [oldest] = this.#sessions.splice(0, 1)
    if (oldest === undefined) return
    this.#left.delete(oldest)
    this.#passed.set(oldest.session, oldest.successor)
    this.#told = droppedWords(this.#passed, '')
    oldest.close().catch(failed)
  }
}
