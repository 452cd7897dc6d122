/**
 * One session of a sequencer: its sockets, and the machine that sequences it, or waits behind the one that does. When its end is
 * stable and names a successor, the process that it belongs to is told.
 */
import { SeqcastError } from '../core/errors.js'
import { delay } from '../core/timers.js'
import type { Sequencer } from '../protocol/sequencer.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import type { SequencerState } from '../protocol/sequencer-types.js'
import type { Predecessor } from '../protocol/session-opening.js'
import type { StoreStatus } from '../wire/control.js'
import type { ControlLink } from './control-link.js'
import { Directory } from './directory.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { ForeignSequencers } from './foreign-sequencers.js'
import { DROPPED } from './last-words.js'
import { Outcome } from './outcome.js'
import { readPredecessor, readSuccessor } from './predecessor.js'
import { Reigning } from './reigning.js'
import { RollDesk } from './roll-desk.js'
import { SequencerCandidate } from './sequencer-candidate.js'
import type { SequencerRoleOptions } from './sequencer-role.js'
import type { SessionPort } from './session-port.js'
import { type HeardStore, type RewindSource, rebuildFrom } from './session-start.js'
import type { StoreWatch } from './store-watch.js'
import { ToldPredecessor } from './told-predecessor.js'

const HEAR_STORES_MS = 3_000
const POLL_MS = 10

export interface RunOptions {
  /** Those of the process, with this session's id. */
  readonly options: SequencerRoleOptions
  readonly cycle: DutyCycle
  readonly requests: SessionPort
  readonly control: ControlLink
  /** The session that this one goes on from, as far as that is known without having read this one; '' for none. */
  readonly predecessor: string
  /** Stores that are expected. */
  readonly stores: StoreWatch
}

export interface RunOutput {
  /** The session is to end, and to go on in that one: that is made ready. @returns why it can't, or '' */
  prepare(successor: string): Promise<string>
  /** It does not end for now. */
  goesOn(): void
  /** The session ends, and names its successor. */
  ending(successor: string): void
  /** The end is stable. Told once. @param leads this process has sequenced it */
  rolled(successor: string, leads: boolean): void
  /** Commands are taken. */
  opened(): void
}

export class SequencerRun implements Agent {
  readonly session: string
  readonly outcome = new Outcome()
  readonly #run: RunOptions
  readonly #output: RunOutput
  readonly #stores: StoreWatch
  readonly #directory: Directory
  readonly #sockets: Reigning
  readonly #desk: RollDesk
  readonly #closers: (() => void)[] = []
  #candidate: SequencerCandidate | undefined
  #alone: Sequencer | undefined
  #predecessor: Predecessor | undefined
  /** Until the predecessor's end is stable, where the epoch is claimed before. */
  #beginning: Promise<void> | undefined
  #begin: () => void = () => {}
  readonly #told: ToldPredecessor
  #isRolled = false
  #isChecking = false
  #wasSeeding = false

  static async open(run: RunOptions, output: RunOutput): Promise<SequencerRun> {
    const outcome = new Outcome()
    const fail = (error: SeqcastError): void => outcome.failed(error)
    const sockets = await Reigning.open(run.options, run.cycle, run.control, run.requests, fail)
    try {
      return new SequencerRun(run, sockets, outcome, output)
    } catch (error) {
      sockets.close()
      throw error
    }
  }

  private constructor(run: RunOptions, sockets: Reigning, outcome: Outcome, output: RunOutput) {
    this.session = run.options.session
    this.#stores = run.stores
    this.#run = run
    this.#sockets = sockets
    this.outcome = outcome
    this.#output = output
    const { options, cycle, control } = run
    this.#directory = new Directory(options.stores, false)
    this.#told = new ToldPredecessor(run, {
      machine: () => this.machine,
      isUnrecorded: () => this.#alone !== undefined && !this.#stores.hasAny,
      failed: (error) => outcome.failed(error),
    })
    this.#desk = new RollDesk({
      ...{ options, cycle, control },
      machine: () => this.machine,
      isActive: () => this.isActive,
      isDeserted: () => this.#stores.isDeserted(cycle.enter()),
      storesThere: () => this.#stores.there(cycle.enter()),
      isSequenced: (session) => others.has(session, cycle.enter()),
      prepare: (successor) => output.prepare(successor),
      abandon: () => output.goesOn(),
    })
    const others = new ForeignSequencers()
    control.onForeign = (message) => others.onForeign(message, cycle.enter())
    this.#closers.push(
      () => sockets.close(),
      control.listen((message, address, nowUs) => {
        this.#directory.onControl(message, address, nowUs)
        if (message.kind === 'store') {
          if (message.body.state !== DROPPED) this.#stores.onStore(message.body, nowUs)
          this.#requireNewest(message.body, address)
          this.#told.onStore(message.body, address)
        }
        this.#desk.onControl(message)
        this.#lookForEnd()
      }),
      () => cycle.remove(this),
    )
    if (options.voters.length > 0) {
      this.#candidate = new SequencerCandidate({
        ...{ options, cycle, control, sockets, outcome },
        over: () => this.#over(),
        tellPredecessor: (machine) => this.#tellPredecessor(machine),
        stateChanged: (machine, state) => this.#onState(machine, state),
      })
      this.#closers.push(() => this.#candidate?.close())
    } else this.#alone = this.#createAlone()
    cycle.add(this)
    cycle.add(this.#desk)
    this.#closers.push(() => cycle.remove(this.#desk))
  }

  /** The machine of now: a standby that reads anew, or steps down, makes another one. */
  get machine(): Sequencer {
    const machine = this.#candidate?.sequencer ?? this.#alone
    if (machine === undefined) throw new Error('a run has a machine')
    return machine
  }

  /** True while this process sequences the session. */
  get isActive(): boolean {
    return isSequencing(this.machine.state)
  }

  /** The first session of a process: what a store has of it was heard. @throws SeqcastError as `startSequencer` */
  async begin(recorded: HeardStore | undefined, standby: boolean): Promise<void> {
    if (recorded !== undefined) {
      this.#stores.expect(recorded.name, this.#run.cycle.enter())
      this.#candidate?.heard(recorded)
    }
    if (this.#candidate === undefined) await this.#openAlone(recorded)
    else if (standby) await this.#candidate.stand()
    else await this.#candidate.take()
  }

  /** Sockets are opened before they are needed. */
  async prepare(): Promise<void> {
    this.#candidate?.makeReady()
    await this.#sockets.listen()
  }

  /** This process has sequenced the predecessor's end: the epoch is claimed while that becomes stable. */
  claim(): void {
    if (this.#candidate === undefined) return
    this.#beginning ??= new Promise((resolve) => {
      this.#begin = resolve
    })
    this.#candidate.lead()
  }

  /** The predecessor's end is stable, and this process has sequenced it: it opens the session. */
  async lead(predecessor: Predecessor): Promise<void> {
    this.#predecessor = predecessor
    this.#begin()
    if (this.#candidate === undefined) await this.#openAlone(undefined)
    else this.#candidate.lead()
  }

  /** The predecessor's end is stable, and somebody else has sequenced it: this process waits behind that one. */
  async follow(predecessor: Predecessor): Promise<void> {
    this.#predecessor = predecessor
    await this.#candidate?.stand()
  }

  /** The stores that are expected in the next session. */
  get storesOfSuccessor(): StoreWatch {
    return this.#stores.successor()
  }

  /** The successor runs. */
  succeeded(nowUs: number): void {
    this.machine.succeeded(nowUs)
  }

  handOver(): Promise<void> {
    return this.#sockets.handOver()
  }

  close(): void {
    for (const close of this.#closers.splice(0).reverse()) close()
    this.#run.control.close()
  }

  flush(): void {
    this.#lookForEnd()
  }

  tick(): number {
    this.#lookForEnd()
    return Number.POSITIVE_INFINITY
  }

  /**
   * Without voters a start that hears no store begins anew, and one that comes later may say that the session had gone on. It is believed
   * when its record says so.
   */
  #requireNewest({ name, successor = '', rewindPort, state }: StoreStatus, address: string): void {
    const { options, cycle } = this.#run
    if (options.voters.length > 0 || successor === '' || this.#isChecking) return
    if (!this.isActive || this.machine.sessionEnd !== undefined) return
    // While a store records it, one datagram must not end it.
    if (state === DROPPED && this.#stores.there(cycle.enter()) > 0) return
    this.#isChecking = true
    // Of one that was dropped nobody has a record any more.
    if (state === DROPPED) {
      this.outcome.failed(hasGoneOn(this.session, successor, name))
      return
    }
    void readSuccessor(this.session, { name, address, rewindPort }, options, cycle).then((found) => {
      this.#isChecking = false
      if (found === successor) this.outcome.failed(hasGoneOn(this.session, successor, name))
    })
  }

  #createAlone(): Sequencer {
    const { session } = this.#run.options
    const machine = this.#sockets.create((state, reason) => {
      this.#onState(machine, state)
      if (state === 'ended') this.outcome.stopped()
      if (state === 'stopped') this.outcome.failed(mustStop(session, reason))
    })
    return machine
  }

  async #openAlone(recorded: HeardStore | undefined): Promise<void> {
    const { options, cycle } = this.#run
    const machine = this.machine
    if (recorded !== undefined) await rebuildFrom(machine, recorded, recorded.committedSequence, options, cycle)
    // A session that ended in order, and that nobody took further: that is for this process to do.
    if ((machine.sessionEnd?.successor ?? '') !== '') {
      this.#over()
      return
    }
    await this.#tellPredecessor(machine)
    await this.#sockets.listen()
    this.#sockets.reign(machine, (nowUs, wallUs) => machine.open(nowUs, wallUs))
  }

  /** Before a machine opens a session that goes on from another one. */
  async #tellPredecessor(machine: Sequencer): Promise<void> {
    const { predecessor, options, cycle } = this.#run
    await this.#beginning
    const isNew = machine.nextSequence === 1
    const session = isNew ? predecessor || (await this.#told.session()) : machine.missingPredecessor
    if (session === '') return
    this.#predecessor ??= await readPredecessor(session, options.session, await this.#sources(), options, cycle)
    machine.goOnFrom(this.#predecessor)
  }

  /** Stores speak ten times a second. */
  async #sources(): Promise<RewindSource[]> {
    const { timers } = this.#run.cycle.platform
    for (let ms = 0; ms < HEAR_STORES_MS && this.#directory.stores().length === 0; ms += POLL_MS)
      await delay(timers, POLL_MS)
    return this.#directory
      .stores()
      .map(({ address, rewindPort }) => ({ name: `${address}:${rewindPort}`, address, rewindPort }))
  }

  #onState(machine: Sequencer, state: SequencerState): void {
    if (machine !== this.#candidate?.sequencer && machine !== this.#alone) return
    const successor = machine.sessionEnd?.successor ?? ''
    if (state === 'open' && this.#wasSeeding) this.#desk.opened(machine.nextSequence)
    this.#wasSeeding = state === 'seeding' || (this.#wasSeeding && state === 'held')
    if (state === 'open') this.#output.opened()
    // Where the end was stable the process is on its way to the successor.
    if (state === 'stopped' && !this.#isRolled) this.#output.goesOn()
    // Told from inside the machine, which is still at work.
    if (state === 'ending') queueMicrotask(() => this.#announceEnd())
    if (state === 'ended' && successor !== '') this.#over()
  }

  #announceEnd(): void {
    const successor = this.machine.sessionEnd?.successor ?? ''
    if (successor !== '') this.#output.ending(successor)
  }

  /** This process sequences the session's end: is it stable? */
  #lookForEnd(): void {
    const machine = this.machine
    if (this.#isRolled || machine.state !== 'ending') return
    const end = machine.sessionEnd
    if (end === undefined || end.successor === '' || machine.stableSequence < end.sequence) return
    const hasVoters = this.#run.options.voters.length > 0
    if (hasVoters || this.#stores.hasRecorded(end.sequence)) this.#over()
  }

  /** The session is over, and its end stable. */
  #over(): void {
    const successor = this.machine.sessionEnd?.successor ?? ''
    if (successor === '') {
      this.outcome.stopped()
      return
    }
    if (this.#isRolled) return
    this.#isRolled = true
    this.#output.rolled(successor, this.isActive || this.#alone !== undefined)
  }
}

function hasGoneOn(session: string, successor: string, store: string): SeqcastError {
  return new SeqcastError(
    'E_SESSION_EXISTS',
    `store ${store} has session ${session} to its end, and it goes on in ${successor}`,
    {
      hint: 'start the sequencer again, after its store: it follows to that session',
      fields: { session, successor, store },
    },
  )
}

function mustStop(session: string, reason: string): SeqcastError {
  const details = { hint: 'stop one of them, or give one another --session and other groups', fields: { session } }
  if (reason !== 'behind-store') {
    return new SeqcastError(
      'E_SECOND_SEQUENCER',
      `another sequencer runs session ${session}: this one stopped`,
      details,
    )
  }
  const what = `a store has recorded more of session ${session} than this sequencer has sent`
  const hint = 'start the sequencer again: it will rebuild itself from that store'
  return new SeqcastError('E_SESSION_EXISTS', what, { hint, fields: { session } })
}
