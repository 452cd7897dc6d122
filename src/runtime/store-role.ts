/**
 * The event store as a process: records the stream, acknowledges what is durable, answers requests, serves rewinds, and
 * fills its own gaps from the sequencer and from the other stores.
 */
import { nonZero } from '../core/counters.js'
import type { SeqcastError } from '../core/errors.js'
import { Authenticator } from '../net/auth.js'
import type { UnicastPort } from '../net/network.js'
import { EpochBook } from '../protocol/epoch-book.js'
import type { EventLog } from '../protocol/event-log.js'
import { LifeGuard } from '../protocol/life-guard.js'
import { Retransmitter } from '../protocol/retransmitter.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import { StableGuard } from '../protocol/stable-guard.js'
import type { VoterStatus } from '../protocol/voter.js'
import type { ControlMessage } from '../wire/control.js'
import { ControlLink } from './control-link.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import { EventLink } from './event-link.js'
import { type Role, type RoleOptions, STATUS_EVERY_US } from './options.js'
import { Outcome } from './outcome.js'
import { systemPlatform } from './platform.js'
import { RewindListener } from './rewind-listener.js'
import { StoreRecorder } from './store-recorder.js'
import { refuseTwin } from './store-twin.js'
import { type PromiseKeeper, promiseInMemory, StoreVoter } from './store-voter.js'

/**
 * An acknowledgement goes out at once when the last one is older than this. Everybody hears it, so under load the syncs of a
 * few milliseconds share one.
 */
const ACKNOWLEDGE_EVERY_US = 1_500
/** An acknowledgement that comes this shortly before a status is due is one. */
const STATUS_EARLY_US = 25_000

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
}

export interface StoreRole extends Role {
  readonly requestPort: number
  readonly rewindPort: number
  readonly log: EventLog
}

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
  readonly log: EventLog
  readonly #options: StoreRoleOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  readonly #guard = new StableGuard()
  readonly #lifeGuard = new LifeGuard(() => this.#voter?.status().lives ?? {})
  readonly #book = new EpochBook(() => this.log.epochTable)
  readonly #retransmitter: Retransmitter
  readonly #answerAuth: Authenticator
  readonly #requestAuth: Authenticator
  readonly #recorder: StoreRecorder
  readonly #voter: StoreVoter | undefined
  #control: ControlLink | undefined
  #events: EventLink | undefined
  #requests: UnicastPort | undefined
  #rewinds: RewindListener | undefined
  #isNews = false
  #lastStatusUs = 0
  #lastAckUs = 0
  #isStopped = false
  #unauthenticatedRequests = 0

  constructor(options: StoreRoleOptions) {
    this.#options = options
    this.log = options.log
    this.#cycle = new DutyCycle(options.platform ?? systemPlatform(), options.idle)
    this.#answerAuth = new Authenticator(options.key, 'answer')
    this.#requestAuth = new Authenticator(options.key, 'request')
    this.#retransmitter = new Retransmitter(
      {
        session: options.session,
        datagramBytes: options.datagramBytes,
        tagBytes: this.#answerAuth.tagBytes,
        logger: options.logger,
      },
      this.log,
      { sendAnswer: (packet, peer) => this.#requests?.send(this.#answerAuth.seal(packet), peer.address, peer.port) },
    )
    this.#recorder = this.#createRecorder()
    this.#voter = options.voter === '' ? undefined : this.#createVoter()
  }

  #createRecorder(): StoreRecorder {
    const { session, logger } = this.#options
    return new StoreRecorder(
      { session, log: this.log, cycle: this.#cycle, logger },
      {
        failed: (error) => this.#outcome.failed(error),
        sessionEnded: (lastSequence) => this.#rewinds?.onSessionEnded(lastSequence),
        truncated: (fromSequence) => this.#rewinds?.onTruncated(fromSequence, this.#cycle.enter()),
        promised: () => this.#voter?.promised ?? 0,
      },
    )
  }

  #createVoter(): StoreVoter {
    const { session, voter, logger, promises } = this.#options
    return new StoreVoter(
      {
        session,
        voter,
        log: this.log,
        promises: promises ?? promiseInMemory(this.#cycle.platform.timers),
        cycle: this.#cycle,
        logger,
      },
      {
        grant: (body) => this.#control?.send('grant', { ...body, ...this.#ports }),
        refuse: (body) => this.#control?.send('claimRefused', body),
        reply: (body) => this.#control?.send('adminReply', body),
        truncate: (fromSequence) => this.#recorder.truncate(fromSequence, this.#voter?.promised ?? 0),
        changed: () => {
          this.#isNews = true
        },
        failed: (error) => this.#outcome.failed(error),
      },
    )
  }

  /** What is in the log, or promised by its own voter, needs no other one's word. */
  get #promised(): number {
    return Math.max(this.#voter?.promised ?? 0, this.log.lastEpoch)
  }

  get #ports(): { requestPort: number; rewindPort: number } {
    return { requestPort: this.requestPort, rewindPort: this.rewindPort }
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

  async open(): Promise<void> {
    const options = this.#options
    const fail = (error: SeqcastError): void => this.#outcome.failed(error)
    this.log.onDurable(() => {
      this.#isNews = true
      const nowUs = this.#cycle.enter()
      this.#voter?.onDurable(nowUs)
    })
    this.log.onFailure((error) => this.#outcome.failed(error))
    this.#cycle.start()
    const incarnation = this.#cycle.platform.random()
    this.#control = await ControlLink.open(options, incarnation, this.#cycle, fail)
    refuseTwin(options, this.#control, this.#cycle.enter(), fail)
    this.#requests = await this.#cycle.platform.network.openUnicast(
      { port: options.requestPort, interfaceAddress: options.interfaceAddress, onError: fail },
      (packet, address, port) => this.#onRequest(packet, address, port),
    )
    this.#rewinds = await RewindListener.open(
      { address: options.interfaceAddress, port: options.rewindPort },
      this.log,
      this.#cycle,
      options.logger,
    )
    // When claims can be answered with ports, and before the event link listens: it goes on from where the log was cut.
    this.#control.listen((message, _address, nowUs) => {
      const believed = this.#believed(message, nowUs)
      if (believed === undefined) return
      if (believed.kind === 'sequencer') this.#recorder.onSequencer(believed.body)
      this.#voter?.onControl(believed, nowUs)
    })
    this.#events = await EventLink.open(
      {
        ...options,
        nextSequence: this.log.nextSequence,
        startRewinding: this.log.nextSequence > 1,
        askSequencer: true,
        seed: incarnation,
        epochTable: this.log.epochTable,
        promised: () => this.#promised,
      },
      this.#cycle,
      this.#control,
      this.#recorder,
      fail,
    )
    this.#recorder.attach(this.#events)
    this.#cycle.add(this)
    this.#sendStatus(this.#cycle.enter(), true)
    options.logger.info(
      {
        session: options.session,
        name: options.name,
        voter: options.voter,
        nextSequence: this.log.nextSequence,
        ...this.#ports,
        receiveBufferBytes: this.#events.receiveBufferBytes,
      },
      'store: recording',
    )
  }

  /** Neither the log nor the vote may follow a reign that can't be, or whose epoch table is not known to its beginning, nor a life that can't. */
  #believed(message: ControlMessage, nowUs: number): ControlMessage | undefined {
    this.#guard.onControl(message)
    if (!this.#lifeGuard.admits(message, nowUs)) return undefined
    if (message.kind !== 'sequencer' || !isSequencing(message.body.state)) return message
    const { body, sender } = message
    this.#guard.promised(this.#promised)
    if (!this.#guard.admits(body, this.log.nextSequence - 1, sender, nowUs)) return undefined
    const whole = this.#book.complete(body)
    return whole === undefined ? undefined : { ...message, body: whole }
  }

  async stop(reason: string): Promise<void> {
    this.#options.logger.info({ reason, nextSequence: this.log.nextSequence }, 'store: stopping')
    await this.close()
    this.#outcome.stopped()
    await this.done
  }

  async close(): Promise<void> {
    this.#events?.close()
    this.#requests?.close()
    await this.#rewinds?.close()
    await this.#voter?.close()
    await this.log.close()
    this.#isStopped = true
    this.#sendStatus(this.#cycle.enter(), true)
    this.#cycle.stop()
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
    else this.#retransmitter.onRequest(request, { address, port }, this.#cycle.enter())
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
      name: this.#options.name,
      voter: this.#options.voter,
      ...(this.#voter?.status() ?? copyStatus(this.log)),
      committedSequence: this.log.committedSequence,
      ...this.#ports,
      state: this.#state,
      counters: withCounters ? nonZero(this.counters()) : {},
    })
  }

  counters(): Record<string, number> {
    return {
      ...this.#events?.receiver.counters,
      ...prefixed('link', this.#events?.counters ?? {}),
      ...prefixed('retransmit', this.#retransmitter.counters),
      ...this.#control?.dropped,
      unauthenticatedRequests: this.#unauthenticatedRequests,
      rewindClients: this.#rewinds?.clients ?? 0,
      refusedClients: this.#rewinds?.refusedClients ?? 0,
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
