/**
 * The sequencer as a process: one session after the other (see sequencer-run.ts). Without voters there is one sequencer, which begins
 * a session or continues it. With voters each start is a claim, and a standby takes over when the active one falls silent. A session
 * that names its successor is followed by that one, which is opened when the end is stable, and not before.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { Predecessor, StaticEvents } from '../protocol/session-opening.js'
import { hasEnded } from './candidate-errors.js'
import { ControlLink } from './control-link.js'
import { DutyCycle } from './duty-cycle.js'
import type { EtcdOptions } from './etcd-client.js'
import { DROPPED } from './last-words.js'
import type { Role, RoleOptions } from './options.js'
import { OthersHeard } from './others-heard.js'
import { Outcome } from './outcome.js'
import { systemPlatform } from './platform.js'
import { readLastEvent, readSuccessor } from './predecessor.js'
import type { RollPlan } from './roll-desk.js'
import { SequencerRun } from './sequencer-run.js'
import { SessionPort } from './session-port.js'
import { type HeardStore, surveySession, surveySuccession } from './session-start.js'
import { StoreWatch } from './store-watch.js'

export interface SequencerRoleOptions extends RoleOptions {
  /** Names of the stores whose majority makes events stable; none: published is stable, and there is no failover. */
  readonly voters: readonly string[]
  readonly requestPort: number
  /** A Tick event after this long without an event; 0: none. */
  readonly tickUs?: number
  /** How long to wait for a majority of the voters before refusing. */
  readonly startTimeoutUs?: number
  /** Wait behind the active sequencer, and take over when it is silent. Needs voters. */
  readonly standby?: boolean
  /** Of several standbys the one of the least rank comes first; default 0. */
  readonly rank?: number
  /** The active sequencer is suspected after so long without a sign of it. */
  readonly suspectUs?: number
  /** Never take over by itself. */
  readonly manual?: boolean
  /** Who claims an epoch, and which one, is decided by an etcd. Needs voters: theirs are the grants. */
  readonly etcd?: EtcdOptions
  /** Components whose seed is awaited in every session that begins, besides those that were active in the one before. */
  readonly seeders?: readonly string[]
  /** What every session begins with. */
  readonly staticEvents?: StaticEvents
  /** When a session goes on in another one by itself. */
  readonly roll?: RollPlan
}

export interface SequencerRole extends Role {
  /** The session that is sequenced now. */
  readonly session: string
  /** The machine of now: a standby that reads anew, steps down, or goes on to another session makes another one. */
  readonly sequencer: Sequencer
}

/**
 * Starts a sequencer. It resolves when the session is open; that of a standby when it reads the session.
 * @throws SeqcastError E_SECOND_SEQUENCER, E_SESSION_NEEDS_STORE, E_ETCD, E_PORT_IN_USE, E_GROUP, E_INTERFACE, E_CONFIG
 */
export async function startSequencer(options: SequencerRoleOptions): Promise<SequencerRole> {
  requireVoters(options)
  const sequencer = new SequencerProcess(options)
  try {
    await sequencer.open()
  } catch (error) {
    sequencer.close()
    throw error
  }
  return sequencer
}

interface Start {
  readonly control: ControlLink
  readonly recorded: HeardStore | undefined
  readonly session: string
  /** The session before it, where it was met on the way; '' for none. */
  readonly predecessor: string
}

class SequencerProcess implements SequencerRole {
  readonly #options: SequencerRoleOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  #requests: SessionPort | undefined
  #run: SequencerRun | undefined
  /** The run of the session that follows: its sockets are opened while the end becomes stable. */
  #next: { readonly session: string; readonly run: Promise<SequencerRun> } | undefined
  /** Sessions that have ended, and say so for a while. */
  readonly #ending = new Set<SequencerRun>()
  #isClosed = false
  /** When the session that went on has ended; NaN where none has. */
  #endedUs = Number.NaN

  constructor(options: SequencerRoleOptions) {
    this.#options = options
    this.#cycle = new DutyCycle(options.platform ?? systemPlatform(), options.idle)
    this.#outcome.promise.then(
      () => this.close(),
      () => this.close(),
    )
  }

  get done(): Promise<void> {
    return this.#outcome.promise
  }

  get sequencer(): Sequencer {
    return this.#current.machine
  }

  get session(): string {
    return this.#current.session
  }

  async open(): Promise<void> {
    this.#cycle.start()
    const { session, predecessor, control, recorded } = await this.#survey()
    const { requestPort: port, interfaceAddress, standby } = this.#options
    try {
      const onError = (error: SeqcastError): void => this.#outcome.failed(error)
      this.#requests = await SessionPort.open({ port, interfaceAddress, onError }, this.#cycle.platform)
    } catch (error) {
      control.close()
      throw error
    }
    this.#run = await this.#createRun(session, predecessor, new StoreWatch(), control)
    await this.#run.begin(recorded, standby === true)
  }

  async stop(reason: string): Promise<void> {
    const run = this.#current
    await run.handOver()
    const { nextSequence } = run.machine
    this.#options.logger.info({ reason, session: run.session, nextSequence }, 'sequencer: stopped')
    this.#outcome.stopped()
    await this.done
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#run?.close()
    for (const run of this.#ending) run.close()
    this.#abandonNext()
    this.#requests?.close()
    this.#cycle.stop()
  }

  /** What was made ready is not wanted any more. */
  #abandonNext(): void {
    this.#next?.run.then(
      (run) => run.close(),
      () => {},
    )
    this.#next = undefined
  }

  get #current(): SequencerRun {
    if (this.#run === undefined) throw new Error('the sequencer is not open')
    return this.#run
  }

  #optionsOf(session: string): SequencerRoleOptions {
    return { ...this.#options, session }
  }

  #openControl(session: string): Promise<ControlLink> {
    const { platform } = this.#cycle
    const fail = (error: SeqcastError): void => this.#outcome.failed(error)
    return ControlLink.open(this.#optionsOf(session), platform.random(), this.#cycle, fail)
  }

  /**
   * Before any port is taken: a second sequencer hears the first one instead of meeting its ports. A session that has gone on is left for
   * the one that it names.
   */
  async #survey(): Promise<Start> {
    let { session } = this.#options
    for (let predecessor = ''; ; ) {
      const control = await this.#openControl(session)
      try {
        const options = this.#optionsOf(session)
        const { timers } = this.#cycle.platform
        const isStandby = options.standby === true
        const recorded = await (isStandby
          ? surveySuccession(options, control, timers, predecessor)
          : surveySession(options, control, timers, predecessor, new OthersHeard(control)))
        const before = recorded?.predecessor ?? ''
        if (recorded !== undefined && before !== '' && before !== predecessor && (recorded.successor ?? '') === '') {
          await this.#requireLink(options, recorded, before, session)
          const message = `sequencer: nobody has session ${session} yet, which goes on from session ${before}: beginning there`
          options.logger.info({ session, predecessor: before }, message)
          session = before
          predecessor = ''
          control.close()
          continue
        }
        const successor = recorded?.successor ?? ''
        if (recorded?.isSettled === true && successor === '') await this.#requireOpen(options, recorded)
        if (recorded === undefined || successor === '') {
          return { control, recorded: isStandby ? undefined : recorded, session, predecessor }
        }
        // Of one that was dropped nobody has a record any more.
        if (recorded.state !== DROPPED) await this.#requireLink(options, recorded, session, successor)
        options.logger.info({ session, successor }, 'sequencer: the session has gone on')
        predecessor = session
        session = successor
      } catch (error) {
        control.close()
        throw error
      }
      control.close()
    }
  }

  /**
   * A session that ended for good gets no new reign. One whose end names a successor does where no store has gone on yet: they go on when a
   * sequencer says that the end is stable.
   */
  async #requireOpen(options: SequencerRoleOptions, store: HeardStore): Promise<void> {
    const end = await readLastEvent(options.session, store, options, this.#cycle)
    if (end?.successor === '' && end.sequence === store.durableSequence) throw hasEnded(options)
  }

  /** What one store says of another session is not believed before its record says so. */
  async #requireLink(
    options: SequencerRoleOptions,
    store: HeardStore,
    session: string,
    successor: string,
  ): Promise<void> {
    if ((await readSuccessor(session, store, options, this.#cycle)) === successor) return
    throw new SeqcastError(
      'E_SESSION_NEEDS_STORE',
      `store ${store.name} says that session ${session} goes on in ${successor}, and its record does not`,
      {
        hint: 'verify that store; seqcast status shows who speaks for the session',
        fields: { session },
      },
    )
  }

  async #createRun(
    session: string,
    predecessor: string,
    stores: StoreWatch,
    control?: ControlLink,
  ): Promise<SequencerRun> {
    if (this.#requests === undefined) throw new Error('the sequencer is not open')
    const own = control ?? (await this.#openControl(session))
    const parts = {
      options: this.#optionsOf(session),
      cycle: this.#cycle,
      requests: this.#requests,
      control: own,
      predecessor,
      stores,
    }
    try {
      const run: SequencerRun = await SequencerRun.open(parts, {
        prepare: (successor) => this.#makeReady(run, successor),
        goesOn: () => this.#goesOn(run),
        ending: (successor) => this.#onEnding(run, successor),
        rolled: (successor, leads) => this.#goOn(run, successor, leads),
        opened: () => this.#onOpened(run),
      })
      run.outcome.promise.then(
        () => this.#onOver(run),
        (error: Error) => this.#onFailed(run, error),
      )
      return run
    } catch (error) {
      own.close()
      throw error
    }
  }

  /** Opens the sockets of the session that follows, once. */
  #prepare(from: SequencerRun, successor: string): Promise<SequencerRun> {
    if (this.#next?.session === successor) return this.#next.run
    this.#abandonNext()
    const run = this.#createRun(successor, from.session, from.storesOfSuccessor).then(async (one) => {
      try {
        await one.prepare()
        return one
      } catch (error) {
        one.close()
        throw error
      }
    })
    this.#next = { session: successor, run }
    run.catch(() => {
      if (this.#next?.run === run) this.#next = undefined
    })
    return run
  }

  /** Before anything is ended: where that fails the session goes on. @returns why, or '' */
  async #makeReady(from: SequencerRun, successor: string): Promise<string> {
    if (from !== this.#run) return ''
    return await this.#prepare(from, successor).then(() => '', messageOf)
  }

  #onEnding(from: SequencerRun, successor: string): void {
    if (from !== this.#run) return
    this.#endedUs = this.#cycle.enter()
    this.#prepare(from, successor).then(
      (next) => {
        if (this.#next?.session === successor) next.claim()
      },
      () => {},
    )
  }

  /** A session that was to end does not, or not by this process. */
  #goesOn(from: SequencerRun): void {
    if (from === this.#run) this.#abandonNext()
  }

  #goOn(from: SequencerRun, successor: string, leads: boolean): void {
    if (from !== this.#run) return
    this.#enter(from, successor, leads).catch((error: Error) => this.#outcome.failed(error))
  }

  async #enter(from: SequencerRun, successor: string, leads: boolean): Promise<void> {
    const predecessor: Predecessor = from.machine.predecessor
    // What this process has claimed is of no use where another one leads.
    if (!leads) this.#abandonNext()
    const next = await this.#prepare(from, successor)
    if (this.#isClosed) return
    this.#run = next
    this.#next = undefined
    const { logger } = this.#options
    logger.info({ session: successor, predecessor: from.session, leads }, 'sequencer: goes on in the next session')
    if (from.isActive) this.#ending.add(from)
    else from.close()
    if (leads) await next.lead(predecessor)
    else await next.follow(predecessor)
  }

  #onOpened(run: SequencerRun): void {
    const nowUs = this.#cycle.enter()
    for (const before of this.#ending) before.succeeded(nowUs)
    if (Number.isNaN(this.#endedUs)) return
    const pauseMs = Math.round((nowUs - this.#endedUs) / 100) / 10
    this.#endedUs = Number.NaN
    this.#options.logger.info(
      { session: run.session, pauseMs },
      `sequencer: open ${pauseMs} ms after the end of its predecessor`,
    )
  }

  #onOver(run: SequencerRun): void {
    if (run === this.#run) this.#outcome.stopped()
    else this.#leave(run)
  }

  /** What happens to a session that was left is nobody's failure. */
  #onFailed(run: SequencerRun, error: Error): void {
    if (run === this.#run || !this.#ending.has(run)) this.#outcome.failed(error)
    else this.#leave(run)
  }

  #leave(run: SequencerRun): void {
    this.#ending.delete(run)
    run.close()
  }
}

function requireVoters({ voters, standby, manual, etcd, session }: SequencerRoleOptions): void {
  if (voters.length > 0) {
    checkVoters(voters, session)
    return
  }
  const who = standby === true ? 'a standby' : manual === true ? '--manual' : etcd !== undefined ? '--etcd' : undefined
  if (who === undefined) return
  throw new SeqcastError('E_CONFIG', `${who} needs the voters of the session`, {
    hint: 'name them as for the active sequencer: --voters a,b,c',
    fields: { field: 'voters', session },
  })
}

/** An even number would bear no more losses than one less; of two that share an id one would never be heard. */
function checkVoters(voters: readonly string[], session: string): void {
  if ([1, 3, 5].includes(voters.length) && new Set(voters).size === voters.length) return
  throw new SeqcastError(
    'E_CONFIG',
    `a session has one, three or five voters, each with its own id, and not: ${voters.join(', ')}`,
    {
      hint: 'for example --voters a,b,c',
      fields: { field: 'voters', session },
    },
  )
}
