/**
 * The rewinds of an event link: from the files of a store on this machine where there is one and it has what is asked for, else over
 * TCP from the stores in turn. One for each session.
 */
import type { Counters } from '../core/counters.js'
import type { Logger } from '../core/log.js'
import type { Receiver } from '../protocol/receiver.js'
import { NO_REWIND_SERVER } from '../protocol/rewind-schedule.js'
import type { Directory } from './directory.js'
import type { DutyCycle } from './duty-cycle.js'
import { LocalRewind } from './local-rewind.js'
import type { RoleOptions } from './options.js'
import { RewindLink, type RewindListener } from './rewind-link.js'

export interface RewinderOptions extends Pick<RoleOptions, 'session' | 'controlGroup' | 'logger'> {
  /** Directory of a store on this machine. */
  readonly localStore?: string
}

export interface RewinderOwner {
  /** Whoever is given what comes; another one after a revocation. */
  readonly receiver: () => Receiver
  readonly directory: Directory
  readonly counters: Counters<'noServer' | 'rewinds' | 'localRewinds'>
  mustWait(): boolean
}

export class Rewinder {
  readonly #owner: RewinderOwner
  readonly #cycle: DutyCycle
  readonly #logger: Logger
  readonly #link: RewindLink
  readonly #local: LocalRewind | undefined
  readonly #waitingFor: string
  /** From here on the local files had nothing: it is asked for over TCP. */
  #localEnd = 0
  #saysWaiting = false
  #server = 0

  constructor(options: RewinderOptions, cycle: DutyCycle, owner: RewinderOwner) {
    const { session, controlGroup, logger } = options
    this.#owner = owner
    this.#cycle = cycle
    this.#logger = logger
    this.#waitingFor = `waiting for a store of session ${session} on ${controlGroup.group}:${controlGroup.port}`
    const listener = this.#listener()
    this.#link = new RewindLink(session, cycle, listener, logger)
    this.#local = this.#createLocal(options, listener)
  }

  /** True while what could be read can't be taken. */
  get isWaiting(): boolean {
    return this.#link.isWaiting || this.#local?.isWaiting === true
  }

  start(fromSequence: number): void {
    if (this.#local === undefined || fromSequence === this.#localEnd) {
      this.#overTcp(fromSequence)
      return
    }
    this.#owner.counters.localRewinds += 1
    this.#local.start(fromSequence)
  }

  stop(): void {
    this.#link.stop()
    this.#local?.stop()
  }

  /** Another branch is read from now on: the local files may have that. */
  restart(): void {
    this.stop()
    this.#localEnd = 0
  }

  /** @returns when to call again */
  tick(nowUs: number): number {
    return Math.min(this.#link.tick(nowUs), this.#local?.tick(nowUs) ?? Number.POSITIVE_INFINITY)
  }

  #listener(): RewindListener {
    const { receiver } = this.#owner
    return {
      started: (sequence, nowUs) => receiver().onRewindStart(sequence, nowUs),
      run: (sequence, count, bytes, start, end, nowUs) =>
        receiver().onRewindRun(sequence, count, bytes, start, end, nowUs),
      sessionEnded: (nowUs) => receiver().onRewindSessionEnd(nowUs),
      ended: (reason, nowUs) => receiver().onRewindEnd(reason, nowUs),
      mustWait: () => this.#owner.mustWait(),
    }
  }

  #createLocal({ localStore, session }: RewinderOptions, listener: RewindListener): LocalRewind | undefined {
    if (localStore === undefined) return undefined
    const { receiver } = this.#owner
    return new LocalRewind(
      localStore,
      session,
      this.#cycle,
      {
        ...listener,
        ended: (reason, nowUs) => {
          this.#localEnd = receiver().nextSequence
          receiver().onRewindEnd(reason, nowUs)
        },
        caughtUp: (nowUs) => receiver().onRewindCaughtUp(nowUs),
        isBehind: () => receiver().knownNextSequence > receiver().nextSequence,
        unavailable: (fromSequence, reason) => {
          this.#localEnd = fromSequence
          this.#logger.info({ fromSequence, reason }, 'rewind: not from local files, over TCP')
          this.#overTcp(fromSequence)
        },
      },
      this.#logger,
    )
  }

  #overTcp(fromSequence: number): void {
    const { directory, counters, receiver } = this.#owner
    const server = directory.rewindServer(this.#server++)
    if (server === undefined) {
      counters.noServer += 1
      if (!this.#saysWaiting) this.#logger.info({ fromSequence }, this.#waitingFor)
      this.#saysWaiting = true
      receiver().onRewindEnd(NO_REWIND_SERVER, this.#cycle.enter())
      return
    }
    this.#saysWaiting = false
    counters.rewinds += 1
    this.#link.start(fromSequence, server)
  }
}
