/**
 * One session of a store: records its stream, acknowledges what is durable, answers requests, serves rewinds, and fills its own
 * gaps from the sequencer and from the other stores. When the session has ended, which is stable, and another one goes on from it,
 * the process that it belongs to is told.
 */
import { nonZero } from '../core/counters.js'
import { Authenticator } from '../net/auth.js'
import { EpochBook } from '../protocol/epoch-book.js'
import type { EventLog } from '../protocol/event-log.js'
import { LifeGuard } from '../protocol/life-guard.js'
import { Retransmitter } from '../protocol/retransmitter.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import { StableGuard } from '../protocol/stable-guard.js'
import type { VoterStatus } from '../protocol/voter.js'
import { A_STORE } from '../protocol/witness.js'
import type { AdminRequest, ControlMessage, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import { CatchUp } from './catch-up.js'
import { ControlLink } from './control-link.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { EventLink } from './event-link.js'
import { EndWords } from './last-words.js'
import { STATUS_EVERY_US } from './options.js'
import type { RewindListener } from './rewind-listener.js'
import type { ServedLog } from './served-log.js'
import type { SessionPort } from './session-port.js'
import { StableEnd } from './stable-end.js'
import { StoreBeginning } from './store-beginning.js'
import { StoreRecorder } from './store-recorder.js'
import type { StoreRoleOptions } from './store-role.js'
import { refuseTwin } from './store-twin.js'
import { type PromiseKeeper, StoreVoter } from './store-voter.js'

/**
 * An acknowledgement goes out at once when the last one is older than this. Everybody hears it, so under load the syncs of a
 * few milliseconds share one.
 */
const ACKNOWLEDGE_EVERY_US = 1_500
/** An acknowledgement that comes this shortly before a status is due is one. */
const STATUS_EARLY_US = 25_000

/** What the sessions of a process share. */
export interface StoreParts {
  readonly options: StoreRoleOptions
  readonly cycle: DutyCycle
  readonly requests: SessionPort
  readonly rewinds: RewindListener
}

/** A voter's life, and the newest ones that it knows of all of them. */
export interface Lives {
  readonly life: number
  readonly lives: Readonly<Record<string, number>>
}

export interface StoreSessionOptions {
  readonly session: string
  /** The open log to record into. */
  readonly log: EventLog
  readonly promises: PromiseKeeper
  /** False as long as nothing may be promised here: claims wait. */
  readonly mayVote?: () => boolean
  /** The session that this one goes on from, as far as that was recorded here; '' where it is not known. */
  readonly predecessor: string
}

export interface StoreSessionOutput {
  failed(error: Error): void
  /** More is on the disk. */
  durable(nowUs: number): void
  /** Another session may go on from this one soon. @returns why it can't, or '' */
  prepare(successor: string): Promise<string>
  /** The session's end is stable, and names the session that goes on. Told once. */
  rolled(successor: string): void
}

export class StoreSession implements Agent {
  readonly session: string
  readonly log: EventLog
  readonly #beginning: StoreBeginning
  readonly #parts: StoreParts
  readonly #output: StoreSessionOutput
  readonly #guard = new StableGuard()
  readonly #lifeGuard = new LifeGuard(() => this.#voter?.status().lives ?? {})
  readonly #book = new EpochBook(() => this.log.epochTable)
  readonly #retransmitter: Retransmitter
  readonly #answerAuth: Authenticator
  readonly #requestAuth: Authenticator
  readonly #recorder: StoreRecorder
  readonly #voter: StoreVoter | undefined
  readonly #end: StableEnd
  readonly #catchUp: CatchUp
  readonly #mayVote: () => boolean
  /** The latest claim that waits; who claims says so again. */
  #waitingClaim: ControlMessage | undefined
  #control: ControlLink | undefined
  #events: EventLink | undefined
  #served: ServedLog | undefined
  #unroute: () => void = () => {}
  /** The session that goes on from this one, once it is recorded here. */
  #successor = ''
  /** Of this session, since it has gone on. */
  #endWords: EndWords | undefined
  #opening: Promise<EventLink> | undefined
  #isOpen = false
  #isAbandoned = false
  #isNews = false
  #lastStatusUs = 0
  #lastAckUs = 0
  #isRolled = false
  /** What the end names, while that is listened to. */
  #awaited = ''
  #isPreparing = false
  #isStopped = false
  #unauthenticatedRequests = 0

  constructor(parts: StoreParts, made: StoreSessionOptions, output: StoreSessionOutput) {
    const { options } = parts
    const { session, log, promises, predecessor, mayVote = () => true } = made
    this.session = session
    this.log = log
    this.#mayVote = mayVote
    this.#parts = parts
    this.#output = output
    this.#answerAuth = new Authenticator(options.key, 'answer')
    this.#requestAuth = new Authenticator(options.key, 'request')
    const { datagramBytes, logger } = options
    this.#beginning = new StoreBeginning(session, log, predecessor, logger)
    this.#retransmitter = new Retransmitter(
      { session, datagramBytes, tagBytes: this.#answerAuth.tagBytes, logger },
      log,
      {
        sendAnswer: (packet, peer) => parts.requests.send(this.#answerAuth.seal(packet), peer.address, peer.port),
      },
    )
    this.#recorder = this.#createRecorder()
    this.#voter = options.voter === '' ? undefined : this.#createVoter(promises)
    this.#end = new StableEnd(log)
    this.#catchUp = new CatchUp(this.#voter !== undefined, parts.cycle.enter())
  }

  #createRecorder(): StoreRecorder {
    const { cycle, options } = this.#parts
    return new StoreRecorder(
      { session: this.session, log: this.log, cycle, logger: options.logger },
      {
        failed: (error) => this.#output.failed(error),
        sessionEnded: (lastSequence) => this.#served?.onSessionEnded(lastSequence),
        truncated: (fromSequence) => this.#served?.onTruncated(fromSequence, cycle.enter()),
        promised: () => this.#voter?.promised ?? 0,
      },
    )
  }

  #createVoter(promises: PromiseKeeper): StoreVoter {
    const { cycle, options } = this.#parts
    const { voter, logger } = options
    return new StoreVoter(
      { session: this.session, voter, log: this.log, promises, cycle, logger },
      {
        grant: (body) => this.#control?.send('grant', { ...body, ...this.#ports }),
        refuse: (body) => this.#control?.send('claimRefused', body),
        reply: (body) => this.#control?.send('adminReply', body),
        truncate: (fromSequence) => this.#recorder.truncate(fromSequence, this.#voter?.promised ?? 0),
        changed: () => {
          this.#isNews = true
        },
        failed: (error) => this.#output.failed(error),
      },
    )
  }

  /** What is in the log, or promised by its own voter, needs no other one's word. */
  get #promised(): number {
    return Math.max(this.promised, this.log.lastEpoch)
  }

  get #ports(): { requestPort: number; rewindPort: number } {
    return { requestPort: this.#parts.requests.port, rewindPort: this.#parts.rewinds.port }
  }

  /**
   * The voter's life and what it knows of the others', where it has its vote: the next session is founded with them. One that had its vote
   * back when this one had ended may have had a word in the next one before it lost its data: it has to recover there, too.
   */
  get lives(): Lives | undefined {
    if (this.#voter?.hasRecoveredLate === true) return undefined
    const { life = 0, lives = {} } = this.#voter?.status() ?? {}
    return life > 0 && Object.values(lives).includes(life) ? { life, lives } : undefined
  }

  /** The greatest epoch that its voter has promised; 0 for none. */
  get promised(): number {
    return this.#voter?.promised ?? 0
  }

  /** The session that goes on is recorded from now on, and everybody may know. */
  goesOnIn(successor: string): void {
    this.#successor = successor
    this.#endWords = new EndWords(this.log)
    this.#isNews = true
  }

  /** The session that goes on from this one, once it is recorded here; '' before. */
  get successor(): string {
    return this.#successor
  }

  /** The session that the end of this one names, while that end is not known to be stable; '' where there is no such end. */
  get awaitedSuccessor(): string {
    return this.#isRolled ? '' : this.#end.named()
  }

  /** Speaks on the control stream of a session that this process has left. */
  speakFor(session: string, status: StoreStatus): void {
    this.#control?.sendFor(session, 'store', status)
  }

  /** What is said of this session when its process has left it. */
  lastWords(): StoreStatus {
    // Who still sequences in an older reign, and who follows that one, hears by the vote's promise that it is over.
    const { name, voter } = this.#parts.options
    return {
      ...{ name, voter, ...copyStatus(this.log), committedSequence: this.log.committedSequence, ...this.#ports },
      ...{ promised: this.#voter?.promised ?? 0, state: 'ended', counters: {}, successor: this.#successor },
      ...this.#sayEnd(true),
    }
  }

  /** Hears candidates, and says nothing else than what they are to know: this comes before `open`. @throws SeqcastError E_GROUP, E_INTERFACE */
  async listen(): Promise<void> {
    const { cycle, options } = this.#parts
    const here = { ...options, session: this.session }
    this.#control = await ControlLink.open(here, cycle.platform.random(), cycle, (error) => this.#output.failed(error))
    this.#control.listen((message, _address, nowUs) => this.#onControl(message, nowUs))
  }

  /** What kept claims waiting may be over. */
  answerClaim(nowUs: number): void {
    const claim = this.#waitingClaim
    if (claim === undefined || this.#events === undefined || !(this.#isOpen || this.#mayVote())) return
    this.#waitingClaim = undefined
    this.#voter?.onControl(claim, nowUs)
  }

  /** Who is granted may send the first events at once: they are recorded before. */
  #onEarlyClaim(claim: ControlMessage): void {
    this.#waitingClaim = claim
    this.#openEvents().then(
      () => this.answerClaim(this.#parts.cycle.enter()),
      (error: Error) => this.#output.failed(error),
    )
  }

  #openEvents(): Promise<EventLink> {
    this.#opening ??= this.#record()
    return this.#opening
  }

  async #record(): Promise<EventLink> {
    const { cycle } = this.#parts
    const control = this.#control
    if (control === undefined) throw new Error('a session is listened to before it is recorded')
    const fail = (error: Error): void => this.#output.failed(error)
    this.log.onDurable(() => {
      if (this.#isAbandoned) return
      this.#isNews = true
      const nowUs = cycle.enter()
      this.#voter?.onDurable(nowUs)
      this.#beginning.onDurable()
      // That the end is on the disk is awaited: it is said before a promise is written, which takes time.
      if (this.#end.named() !== '') this.#sendStatus(nowUs, false)
      this.#output.durable(nowUs)
      this.#lookForEnd()
    })
    this.log.onFailure(fail)
    const events = await EventLink.open(
      {
        ...{ ...this.#parts.options, session: this.session },
        nextSequence: this.log.nextSequence,
        startRewinding: this.log.nextSequence > 1,
        askSequencer: true,
        seed: control.sender,
        epochTable: this.log.epochTable,
        promised: () => this.#promised,
      },
      cycle,
      control,
      this.#recorder,
      fail,
    )
    if (this.#isAbandoned) {
      events.close()
      return events
    }
    this.#events = events
    this.#recorder.attach(events)
    return events
  }

  /** The session is recorded and served from now on, and everybody may know. */
  async open(): Promise<void> {
    const { cycle, requests, rewinds, options } = this.#parts
    const { logger, name, voter } = options
    if (this.#control !== undefined) {
      const here = { ...options, session: this.session }
      refuseTwin(here, this.#control, cycle.enter(), (error) => this.#output.failed(error))
    }
    this.#unroute = requests.route(this.session, (packet, address, port) => this.#onRequest(packet, address, port))
    this.#served = rewinds.serve(this.session, this.log)
    this.#isOpen = true
    const { receiveBufferBytes } = await this.#openEvents()
    this.answerClaim(cycle.enter())
    cycle.add(this)
    this.#sendStatus(cycle.enter(), true)
    const says = { session: this.session, name, voter, nextSequence: this.log.nextSequence, ...this.#ports }
    logger.info({ ...says, receiveBufferBytes }, 'store: recording')
    this.#lookForEnd()
  }

  #onControl(message: ControlMessage, nowUs: number): void {
    if (!this.#isOpen) {
      // Nothing else may make a voter promise that may not vote yet.
      if (message.kind === 'claim') this.#onEarlyClaim(message)
      return
    }
    const believed = this.#believed(message, nowUs)
    if (believed === undefined) return
    if (believed.kind === 'sequencer') {
      if (isSequencing(believed.body.state)) this.#catchUp.onSequencer(nowUs)
      this.#recorder.onSequencer(believed.body)
      this.#end.onSequencer(believed.body)
    } else if (believed.kind === 'store') {
      this.#onStore(believed.body, nowUs)
      this.#takeFromStores(believed.body, nowUs)
    } else if (believed.kind === 'adminRequest') this.#onPreparation(believed.body)
    this.#voter?.onControl(believed, nowUs)
    this.#lookForEnd()
  }

  /** Another store may say how the session has ended, as its sequencer would. */
  #onStore(body: StoreStatus, nowUs: number): void {
    const { end } = body
    if (end === undefined) this.#end.onStore(body, nowUs)
    else if (end.state === 'ending' && this.#isCredible(end, A_STORE, nowUs)) {
      const whole = this.#book.complete(end)
      if (whole === undefined) return
      this.#recorder.onSequencer(whole)
      this.#end.onEndTold(whole, nowUs)
    }
  }

  #takeFromStores(status: StoreStatus, nowUs: number): void {
    const { nextSequence } = this.log
    if (this.#events?.receiver.state === 'rewinding' || !this.#catchUp.onStore(status, nextSequence, nowUs)) return
    this.#events?.reopen(nextSequence, true, 'another store has more, and no sequencer is heard')
  }

  /** One at a time: who asks asks again, and a stranger may name any number of sessions. */
  #onPreparation({ action, instance, nonce }: AdminRequest): void {
    if (action !== 'prepare-session' || nonce < 1 || this.#isPreparing) return
    this.#isPreparing = true
    void this.#output.prepare(instance).then((error) => {
      this.#isPreparing = false
      this.#control?.send('adminReply', { nonce, error, sequence: 0 })
    })
  }

  #lookForEnd(): void {
    if (this.#isRolled || !this.#isOpen) return
    const successor = this.#end.successor()
    if (successor === '') {
      this.#listenToSuccessor()
      return
    }
    this.#isRolled = true
    // What it has of the end is awaited: it is said before anything that takes time.
    if (this.#isNews) this.#sendStatus(this.#parts.cycle.enter(), false)
    this.#output.rolled(successor)
  }

  /** Whoever goes on may have left this session long ago, and say nothing of it. */
  #listenToSuccessor(): void {
    const named = this.#end.named()
    if (named === this.#awaited) return
    this.#awaited = named
    this.#control?.listenBeside(named, (message) => {
      this.#end.onSuccessor(message, this.#parts.cycle.enter())
      this.#lookForEnd()
    })
  }

  /** Neither the log nor the vote may follow a reign that can't be, or whose epoch table is not known to its beginning, nor a life that can't. */
  #believed(message: ControlMessage, nowUs: number): ControlMessage | undefined {
    this.#guard.onControl(message)
    if (!this.#lifeGuard.admits(message, nowUs)) return undefined
    if (message.kind !== 'sequencer' || !isSequencing(message.body.state)) return message
    if (!this.#isCredible(message.body, message.sender, nowUs)) return undefined
    const whole = this.#book.complete(message.body)
    return whole === undefined ? undefined : { ...message, body: whole }
  }

  #isCredible(heartbeat: SequencerHeartbeat, sender: number, nowUs: number): boolean {
    this.#guard.promised(this.#promised)
    return this.#guard.admits(heartbeat, this.log.nextSequence - 1, sender, nowUs)
  }

  /** Records no more; requests and rewinds of what is recorded are answered on. */
  async retire(): Promise<void> {
    this.#parts.cycle.remove(this)
    this.#events?.close()
    await this.#voter?.close()
    this.#control?.close()
    this.#control = undefined
    await this.log.retire?.()
  }

  /** It is not recorded after all: the log stays open. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true
    this.#events?.close()
    this.#control?.close()
    await this.#voter?.close()
  }

  async close(): Promise<void> {
    const { cycle, rewinds } = this.#parts
    this.#events?.close()
    this.#unroute()
    rewinds.forget(this.session)
    await this.#voter?.close()
    await this.log.close()
    this.#isStopped = true
    this.#sendStatus(cycle.enter(), true)
    cycle.remove(this)
    this.#control?.close()
  }

  flush(): void {}

  tick(nowUs: number): number {
    const dueUs = this.#lastStatusUs + STATUS_EVERY_US
    const isAckDue = this.#isNews && nowUs - this.#lastAckUs >= ACKNOWLEDGE_EVERY_US
    // One datagram for both, where both are due or nearly so: an idle session then wakes everybody once.
    if (isAckDue) this.#sendStatus(nowUs, nowUs >= dueUs - STATUS_EARLY_US)
    else if (nowUs >= dueUs) this.#sendStatus(nowUs, true)
    const statusAtUs = this.#lastStatusUs + STATUS_EVERY_US
    return this.#isNews ? Math.min(statusAtUs, this.#lastAckUs + ACKNOWLEDGE_EVERY_US) : statusAtUs
  }

  #onRequest(packet: Uint8Array, address: string, port: number): void {
    const request = this.#requestAuth.open(packet)
    if (request === undefined) this.#unauthenticatedRequests += 1
    else this.#retransmitter.onRequest(request, { address, port }, this.#parts.cycle.enter())
  }

  get #state(): string {
    if (this.#isStopped) return 'stopped'
    return this.#voter?.isRecovering === true ? 'recovering' : this.#recorder.state
  }

  /** An acknowledgement is a status without counters: those are for people, who look a few times a second. */
  #sendStatus(nowUs: number, withCounters: boolean): void {
    if (withCounters) this.#lastStatusUs = nowUs
    this.#lastAckUs = nowUs
    this.#isNews = false
    this.#control?.send('store', {
      name: this.#parts.options.name,
      voter: this.#parts.options.voter,
      ...(this.#voter?.status() ?? copyStatus(this.log)),
      committedSequence: this.log.committedSequence,
      ...this.#ports,
      state: this.#state,
      counters: withCounters ? nonZero(this.counters()) : {},
      successor: this.#successor,
      ...this.#sayEnd(withCounters),
      predecessor: this.#beginning.predecessor,
    })
  }

  #sayEnd(withPage: boolean): Pick<StoreStatus, 'end'> {
    return this.#endWords === undefined ? {} : { end: this.#endWords.tell(withPage) }
  }

  counters(): Record<string, number> {
    return {
      ...this.#events?.receiver.counters,
      ...prefixed('link', this.#events?.counters ?? {}),
      ...prefixed('retransmit', this.#retransmitter.counters),
      ...this.#control?.dropped,
      unauthenticatedRequests: this.#unauthenticatedRequests,
      rewindClients: this.#parts.rewinds.clients,
      refusedClients: this.#parts.rewinds.refusedClients,
      ...this.#recorder.counters,
      unbelievedLives: this.#lifeGuard.refused,
    }
  }
}

/** A copy acknowledges under no reign. */
function copyStatus({ durableSequence, lastEpoch }: EventLog): VoterStatus {
  return { epoch: 0, durableSequence, promised: 0, lastEpoch, life: 0, lives: {} }
}

function prefixed(prefix: string, counters: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, count]) => [`${prefix}.${name}`, count]))
}
