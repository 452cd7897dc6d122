/**
 * A sequencer of a session with voters: it waits behind the active one, claims an epoch, adopts the log that lives on, reigns,
 * and goes back to waiting when somebody else reigns. Who may do what when is decided by the machine `Reign`; here are its
 * sockets, the reading, and the machine that sequences.
 */
import { nonZero } from '../core/counters.js'
import { SeqcastError } from '../core/errors.js'
import { Prng } from '../core/prng.js'
import { EpochBook } from '../protocol/epoch-book.js'
import { NEWEST_EPOCHS } from '../protocol/epoch-notice.js'
import { agreeThrough } from '../protocol/epoch-table.js'
import { type Adoption, Reign, type ReignState } from '../protocol/reign.js'
import type { Sequencer } from '../protocol/sequencer.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import type { SequencerState } from '../protocol/sequencer-types.js'
import type { AdminRequest, ClaimRefused, ControlMessage, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import { begunElsewhere, hasEnded, notElected, notGranted, otherLog } from './candidate-errors.js'
import type { ControlLink } from './control-link.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { EtcdElector } from './etcd-elector.js'
import { NOBODY_TELLS_US } from './last-words.js'
import { DEFAULT_SUSPECT_MS, STATUS_EVERY_US } from './options.js'
import type { Outcome } from './outcome.js'
import type { Reigning } from './reigning.js'
import type { SequencerRoleOptions } from './sequencer-role.js'
import { type HeardStore, rebuildFrom, secondSequencer } from './session-start.js'
import { StandbyReader } from './standby-reader.js'

const START_TIMEOUT_US = 10_000_000
/** An operator's order is repeated while it stands: one that nobody waits for any more must not be carried out at some later time. */
const ORDER_STANDS_US = 1_000_000
/** Of what a voter said with its refusal. */
const MAX_REASON_CHARACTERS = 200
/** A machine that never reigned has nothing that a process can do about these; another store, or another time, may be better. */
const PASSING = new Set(['E_SESSION_NEEDS_STORE', 'E_STORE_CORRUPT'])

/** In the heartbeat of a candidate; one that reigns speaks for itself. */
const CANDIDATE_STATES = {
  watching: 'standby',
  electing: 'electing',
  claiming: 'claiming',
  adopting: 'adopting',
  reigning: 'adopting',
} as const

/** `adopting`: has a majority's grants, and reads what it lacks; `reigning`: sequences. */
type CandidateState = 'standby' | 'adopting' | 'reigning' | 'over'

export interface CandidateParts {
  readonly options: SequencerRoleOptions
  readonly cycle: DutyCycle
  readonly control: ControlLink
  readonly sockets: Reigning
  readonly outcome: Outcome
  /** Somebody else has sequenced the session's end, and it is stable. */
  over(): void
  /** Before a machine opens the session: it may go on from another one. */
  tellPredecessor(machine: Sequencer): Promise<void>
  stateChanged(machine: Sequencer, state: SequencerState): void
}

export class SequencerCandidate implements Agent {
  readonly #parts: CandidateParts
  readonly #reign: Reign
  /** Decides who claims, where that is not left to the candidates. */
  readonly #elector: EtcdElector | undefined
  readonly #unlisten: () => void
  #state: CandidateState = 'standby'
  #sequencer: Sequencer
  #reader: StandbyReader | undefined
  /** Counts what makes earlier work void: an adoption that was overtaken must not open its machine. */
  #turn = 0
  #statusAtUs = 0
  /** When an operator last said that this one is to take over; Infinity where nobody does. */
  #orderedUs = Number.POSITIVE_INFINITY
  /** The nonce of the order that made this one reign: a late repeat of it means nothing. */
  #orderCarriedOut = 0
  /** As the active sequencer said last. */
  #stableSequence = 0
  /** What each copy that was heard has; voters tell it with their grants. */
  readonly #copies = new Map<string, number>()
  /** Why a voter refused its grant last; one that granted since is not in it. */
  readonly #refusals = new Map<string, string>()
  /** The end of the session was read, and is not known to be stable. */
  #awaitsEnd = false
  #toldSuccessor = ''
  /** Since when a successor is only named, while nobody says how the session has ended; NaN where that is not so. */
  #namedUs = Number.NaN
  readonly #book = new EpochBook(() => this.#sequencer.epochTable)
  #isOnlyReady = false
  /** Settles the start of one that claims at once. */
  #started: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined

  constructor(parts: CandidateParts) {
    this.#parts = parts
    const { options, cycle, control, outcome } = parts
    this.#sequencer = this.#createMachine()
    this.#reign = new Reign(
      {
        voters: options.voters,
        incarnation: control.sender,
        name: `sequencer-${control.sender}`,
        suspectUs: options.suspectUs ?? DEFAULT_SUSPECT_MS * 1000,
        rank: options.rank ?? 0,
        jitter: new Prng(control.sender),
        manual: options.manual ?? false,
        isElected: options.etcd !== undefined,
        knownEpoch: 0,
        logger: options.logger,
      },
      {
        ownLog: () => this.#ownLog(),
        sendClaim: (claim) => control.send('claim', claim),
        adopt: (choice) => {
          this.#adopt(choice).catch((error: Error) => outcome.failed(error))
        },
        suspected: (reason) => options.logger.warn({ reason, session: options.session }, 'sequencer: taking over'),
        stateChanged: (state, reason) => this.#onReign(state, reason),
        failed: (error) => outcome.failed(error),
      },
    )
    const { etcd } = options
    if (etcd !== undefined) this.#elector = new EtcdElector(options, etcd, control.sender, cycle, this.#reign)
    parts.sockets.otherCounters = () => this.#elector?.counters ?? {}
    this.#unlisten = control.listen((message, address, nowUs) => this.#onControl(message, address, nowUs))
    cycle.add(this)
  }

  /** The machine of now. */
  get sequencer(): Sequencer {
    return this.#sequencer
  }

  /** A store was heard before, with its part of the session. */
  heard(recorded: HeardStore): void {
    this.#noteCopy(recorded)
  }

  /** The session may follow, and may not: until `lead` or `stand` this one listens, and takes over from nobody. */
  makeReady(): void {
    this.#isOnlyReady = true
  }

  /** Claims at once, and goes on claiming until somebody reigns. */
  lead(): void {
    this.#isOnlyReady = false
    this.#reign.takeOver('goes on', this.#parts.cycle.enter())
  }

  /** Reads the session, and watches whoever sequences it. */
  async stand(): Promise<void> {
    this.#isOnlyReady = false
    await this.#watch('started as a standby')
  }

  /**
   * Claims at once. Resolves when this one reigns.
   * @throws SeqcastError E_SESSION_NEEDS_STORE where the voters do not let it, E_SECOND_SEQUENCER where another one was faster,
   * E_ETCD where no etcd answers
   */
  async take(): Promise<void> {
    const { options, cycle, outcome } = this.#parts
    const timeoutMs = (options.startTimeoutUs ?? START_TIMEOUT_US) / 1000
    const started = new Promise<void>((resolve, reject) => {
      this.#started = { resolve, reject }
      outcome.promise.then(resolve, reject)
    })
    const timer = cycle.platform.timers.after(timeoutMs, () => {
      const isAnswered = this.#elector?.isAnswered ?? true
      const copies = [...this.#copies].filter(([, events]) => events > 0)
      const error = isAnswered ? notGranted(options, timeoutMs, this.#refusals, copies) : notElected(options, timeoutMs)
      this.#started?.reject(error)
    })
    try {
      this.#reign.takeOver('started', cycle.enter())
      await started
    } finally {
      timer.cancel()
      this.#started = undefined
    }
  }

  close(): void {
    this.#state = 'over'
    this.#turn++
    this.#closeReader()
    this.#unlisten()
    this.#elector?.close()
    this.#parts.cycle.remove(this)
  }

  flush(): void {}

  tick(nowUs: number): number {
    if (this.#isOnlyReady) return Number.POSITIVE_INFINITY
    if (nowUs - this.#orderedUs > ORDER_STANDS_US) {
      this.#orderedUs = Number.POSITIVE_INFINITY
      this.#reign.withdraw()
    }
    const reignUs = this.#reign.tick(nowUs)
    // One that reigns speaks itself.
    if (this.#state === 'reigning' || this.#state === 'over') return reignUs
    if (nowUs >= this.#statusAtUs) this.#sendStatus(nowUs)
    return Math.min(reignUs, this.#statusAtUs)
  }

  #createMachine(): Sequencer {
    const sequencer = this.#parts.sockets.create((state, reason) => {
      if (sequencer !== this.#sequencer) return
      this.#parts.stateChanged(sequencer, state)
      if (state === 'ended') this.#onEnded()
      // Told from inside the machine, which is still at work.
      if (state === 'stopped') queueMicrotask(() => this.#onStopped(sequencer, reason))
    })
    return sequencer
  }

  /** The own reign has ended the session. A start that found it ended is refused, now that all of it is stable. */
  #onEnded(): void {
    // One that has gone on ends here, and nowhere else.
    if (this.#sequencer.sessionEnd?.successor === '') this.#started?.reject(hasEnded(this.#parts.options))
    this.#parts.outcome.stopped()
  }

  /** Who reigned may have died before the end was stable: then it is for a standby to make it so. */
  #onEndRead(): void {
    this.#closeReader()
    this.#awaitsEnd = true
    this.#stopWhereEnded()
  }

  #stopWhereEnded(): void {
    if (!this.#awaitsEnd || this.#state !== 'standby') return
    const isTold = this.#toldSuccessor !== '' && this.#toldSuccessor === this.#sequencer.sessionEnd?.successor
    if (isTold || this.#stableSequence >= this.#sequencer.nextSequence - 1) this.#parts.over()
  }

  #ownLog(): { lastEpoch: number; lastSequence: number } {
    const { epochTable, nextSequence } = this.#sequencer
    return { lastEpoch: epochTable.at(-1)?.epoch ?? 0, lastSequence: nextSequence - 1 }
  }

  #onControl(message: ControlMessage, address: string, nowUs: number): void {
    const reign = this.#reign
    switch (message.kind) {
      case 'sequencer': {
        const { epoch, state, stableSequence } = message.body
        if (state === 'ended' || state === 'ending') {
          this.#stableSequence = Math.max(this.#stableSequence, stableSequence)
          this.#stopWhereEnded()
        }
        if (isSequencing(state)) {
          this.#stableSequence = stableSequence
          this.#started?.reject(secondSequencer(this.#parts.options))
          // A machine that only reads learns from it what is stable.
          if (this.#state !== 'reigning') this.#sequencer.onControl(message, nowUs, this.#parts.cycle.wallUs)
        }
        reign.onHeartbeat(epoch, message.sender, state, nowUs, message.body)
        break
      }
      case 'store':
        reign.onStatus(message.body, nowUs)
        this.#noteCopy(message.body)
        this.#noteSuccessor(message.body, nowUs)
        break
      case 'claim':
        reign.onClaim(message.body.epoch, message.sender, nowUs)
        break
      case 'grant':
        if (message.body.candidate === this.#parts.control.sender) this.#refusals.delete(message.body.voter)
        reign.onGrant(message.body, address, nowUs)
        break
      case 'claimRefused':
        this.#noteRefusal(message.body)
        reign.onRefused(message.body, nowUs)
        break
      case 'adminRequest':
        if (message.body.action === 'take-over') this.#onOrder(message.body, nowUs)
        break
    }
  }

  /** An operator wants this one to reign, for as long as that is said again and again. */
  #onOrder({ nonce, incarnation, reason }: AdminRequest, nowUs: number): void {
    const { control, options } = this.#parts
    if (incarnation !== control.sender || nonce < 1) return
    if (this.#reign.state === 'reigning') {
      this.#orderCarriedOut = nonce
      const sequence = this.#sequencer.epochTable.at(-1)?.sequence ?? 0
      control.send('adminReply', { nonce, error: '', sequence })
      return
    }
    if (nonce === this.#orderCarriedOut) return
    this.#orderedUs = nowUs
    if (this.#reign.state !== 'watching' || !this.#reign.hearsMajority(nowUs)) return
    options.logger.info({ session: options.session, reason }, 'sequencer: told to take over')
    this.#reign.takeOver(reason, nowUs)
  }

  #onReign(state: ReignState, reason: string): void {
    if (this.#state === 'over') return
    if (state === 'electing') this.#elector?.seek(this.#parts.cycle.enter())
    if (state !== 'watching') return
    this.#elector?.release(this.#parts.cycle.enter())
    if (this.#state === 'reigning') {
      const { session, logger } = this.#parts.options
      logger.warn({ session, reason, nextSequence: this.#sequencer.nextSequence }, 'sequencer: stepped down')
      this.#parts.sockets.rest()
    }
    this.#state = 'standby'
    if (this.#reader === undefined) this.#watch(reason).catch((error: Error) => this.#parts.outcome.failed(error))
  }

  #onStopped(sequencer: Sequencer, reason: string): void {
    if (sequencer === this.#sequencer && this.#state === 'reigning') {
      this.#reign.steppedDown(reason, this.#parts.cycle.enter())
    }
  }

  /** Reads the session from its first event, with a new machine. */
  async #watch(reason: string): Promise<void> {
    const { options, cycle, control, outcome } = this.#parts
    this.#turn++
    this.#closeReader()
    this.#awaitsEnd = false
    this.#sequencer = this.#createMachine()
    const reader = new StandbyReader(this.#sequencer, {
      read: (nowUs) => this.#reign.onEvents(nowUs),
      readAnew: (why) => {
        this.#watch(why).catch((error: Error) => outcome.failed(error))
      },
      ended: () => this.#onEndRead(),
      failed: (error) => outcome.failed(error),
    })
    this.#reader = reader
    options.logger.info({ session: options.session, reason }, 'sequencer: standby')
    await reader.open(options, cycle, control)
  }

  #closeReader(): void {
    this.#reader?.close()
    this.#reader = undefined
  }

  /** Makes the log that lives on its own, and opens the epoch. */
  async #adopt(choice: Adoption): Promise<void> {
    const { options, cycle, sockets } = this.#parts
    const turn = ++this.#turn
    this.#state = 'adopting'
    this.#closeReader()
    const isVoid = (): boolean => turn !== this.#turn || this.#state !== 'adopting'
    try {
      if (choice.from === 'store') await this.#fetch(choice)
      this.#requireUnbegun()
      if (isVoid()) return
      await this.#parts.tellPredecessor(this.#sequencer)
      await sockets.listen()
    } catch (error) {
      if (isVoid()) return
      if (!(error instanceof SeqcastError) || !PASSING.has(error.code)) throw error
      options.logger.warn({ session: options.session }, `sequencer: ${error.message}`)
      this.#reign.adoptionFailed(error.message, cycle.enter())
      return
    }
    if (isVoid()) return
    const sequencer = this.#sequencer
    const { epoch, lives } = choice
    this.#state = 'reigning'
    this.#reign.adopted(cycle.enter())
    sockets.reign(sequencer, (nowUs, wallUs) => sequencer.open(nowUs, wallUs, epoch, 'claimed', lives))
    options.logger.info({ session: options.session, epoch, adopted: choice.from }, 'sequencer: reigns')
    const isOver = sequencer.state === 'ending' && sequencer.sessionEnd?.successor === ''
    if (!isOver) this.#started?.resolve()
  }

  /** All voters may have lost their disks: what another store has must not be begun a second time. @throws SeqcastError E_SESSION_NEEDS_STORE */
  #requireUnbegun(): void {
    if (this.#sequencer.nextSequence > 1) return
    for (const [store, events] of this.#copies) {
      if (events === 0) continue
      const error = begunElsewhere(this.#parts.options, store, events)
      this.#started?.reject(error)
      throw error
    }
  }

  #noteCopy({ name, voter, committedSequence }: Pick<StoreStatus, 'name' | 'voter' | 'committedSequence'>): void {
    if (!this.#parts.options.voters.includes(voter)) this.#copies.set(name, committedSequence)
  }

  /** Anything may come from the network, and this is printed. */
  #noteRefusal({ voter, candidate, reason }: ClaimRefused): void {
    const { options, control } = this.#parts
    if (candidate !== control.sender || !options.voters.includes(voter)) return
    this.#refusals.set(voter, reason.slice(0, MAX_REASON_CHARACTERS).replace(/[^ -~]/g, '?'))
  }

  /** A store has gone on, which it does only where the end is stable. That it names a session proves nothing, unless nobody can say more. */
  #noteSuccessor({ successor = '', end }: StoreStatus, nowUs: number): void {
    if (successor === '') return
    if (end !== undefined) {
      this.#namedUs = Number.NaN
      this.#onEndTold(end)
      return
    }
    if (Number.isNaN(this.#namedUs)) this.#namedUs = nowUs
    if (nowUs - this.#namedUs < NOBODY_TELLS_US) return
    this.#toldSuccessor = successor
    this.#stopWhereEnded()
  }

  /** A store says how the session has ended: with the end that was read here, or with another one, which may name the same successor. */
  #onEndTold(end: SequencerHeartbeat): void {
    if (!this.#awaitsEnd || this.#state !== 'standby') return
    const whole = this.#book.complete(end)
    if (whole === undefined) return
    const { epochTable, nextSequence } = this.#sequencer
    if (agreeThrough(epochTable, whole.epochTable, Math.min(nextSequence - 1, whole.stableSequence))) this.#parts.over()
    else this.#watch('the end that was read is lost').catch((error: Error) => this.#parts.outcome.failed(error))
  }

  /** Reads what the store of the best grant has. What ends in the same epoch there as here is the same up to here. */
  async #fetch(choice: Adoption & { from: 'store' }): Promise<void> {
    const { options, cycle } = this.#parts
    const own = this.#ownLog()
    const isPart = own.lastEpoch === choice.lastEpoch && own.lastSequence <= choice.throughSequence
    if (!isPart) this.#sequencer = this.#createMachine()
    const sequencer = this.#sequencer
    const { voter, address, rewindPort, throughSequence, lastEpoch } = choice
    await rebuildFrom(sequencer, { name: voter, address, rewindPort }, throughSequence, options, cycle)
    if (throughSequence > 0 && sequencer.epochTable.at(-1)?.epoch === lastEpoch) return
    if (throughSequence === 0) return
    throw otherLog(options, voter)
  }

  /** People see that a standby is there, and how far it has read. */
  #sendStatus(nowUs: number): void {
    this.#statusAtUs = nowUs + STATUS_EVERY_US
    const { epochTable, nextSequence } = this.#sequencer
    this.#parts.control.send('sequencer', {
      epoch: this.#reign.epoch,
      nextSequence,
      stableSequence: this.#stableSequence,
      publishedIsStable: false,
      epochTable: epochTable.slice(-NEWEST_EPOCHS),
      state: CANDIDATE_STATES[this.#reign.state],
      held: false,
      requestPort: this.#parts.sockets.requestPort,
      counters: { ...this.#reader?.counters, ...nonZero(this.#elector?.counters ?? {}) },
      lives: {},
    })
  }
}
