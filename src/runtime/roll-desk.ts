/**
 * When a session is to go on in another one: an operator says so, it has had so many events, or it is time. Before it is ended for
 * that, the stores are asked: a session that exists can't be anybody's successor.
 */
import { followingSession, isSession } from '../core/session.js'
import { delay } from '../core/timers.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { AdminRequest, ControlMessage } from '../wire/control.js'
import type { ControlLink } from './control-link.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import type { SequencerRoleOptions } from './sequencer-role.js'

/** The stores are asked so often, for so long; one that does not answer has no say. */
const ASK_EVERY_MS = 100
const ASK_FOR_MS = 1_000
const LOOK_EVERY_MS = 5
/** What an automatic roll has not managed is tried again. */
const RETRY_US = 1_000_000
const DAY_US = 86_400_000_000
const MINUTE_US = 60_000_000

export interface RollPlan {
  /** When the session has so many events, those that it began with not counted. */
  readonly events?: number
  /** At this time of day, UTC. */
  readonly at?: { readonly hour: number; readonly minute: number }
}

export interface RollDeskParts {
  readonly options: SequencerRoleOptions
  readonly cycle: DutyCycle
  readonly control: ControlLink
  /** How many stores are heard. */
  storesThere(): number
  machine(): Sequencer
  /** True while this process sequences. */
  isActive(): boolean
  /** Stores were heard, and none is there now. */
  isDeserted(): boolean
  /** Somebody sequences that session already. */
  isSequenced(session: string): boolean
  /** Makes this process ready for the session that is to follow. @returns why it can't, or '' */
  prepare(successor: string): Promise<string>
  /** None follows, for now. */
  abandon(): void
}

export class RollDesk implements Agent {
  readonly #parts: RollDeskParts
  readonly #replies = new Map<number, number>()
  /** An answer is on its way. */
  #isBusy = false
  #dueAtUs = Number.POSITIVE_INFINITY
  /** What the session began with: its seeds do not make it old. */
  #beganWith = 0
  #retryAtUs = 0

  constructor(parts: RollDeskParts) {
    this.#parts = parts
    const at = parts.options.roll?.at
    if (at !== undefined) this.#dueAtUs = nextTimeOfDay(at, parts.cycle.wallUs)
  }

  /** The session is open for business. */
  opened(nextSequence: number): void {
    this.#beganWith = nextSequence - 1
  }

  onControl(message: ControlMessage): void {
    if (message.kind !== 'adminRequest' || message.body.action !== 'roll-session' || message.body.nonce < 1) return
    const { isActive, control } = this.#parts
    const { nonce } = message.body
    const sequence = this.#replies.get(nonce)
    if (sequence !== undefined) control.send('adminReply', { nonce, error: '', sequence })
    else if (isActive() && !this.#isBusy) this.#decide(message.body)
  }

  flush(nowUs: number, wallUs: number): void {
    const { options, machine } = this.#parts
    const events = options.roll?.events
    if (events !== undefined && machine().nextSequence - this.#beganWith > events)
      this.#rollByItself(`${events} events`, nowUs)
    if (wallUs >= this.#dueAtUs) this.#rollByItself('it is time', nowUs)
  }

  tick(nowUs: number, wallUs: number): number {
    this.flush(nowUs, wallUs)
    const isPlanned = this.#parts.options.roll !== undefined
    return isPlanned ? nowUs + RETRY_US : Number.POSITIVE_INFINITY
  }

  #decide({ nonce, instance, reason }: AdminRequest): void {
    const { control } = this.#parts
    this.#isBusy = true
    void this.#roll(instance, reason).then((outcome) => {
      this.#isBusy = false
      if (typeof outcome === 'number') this.#replies.set(nonce, outcome)
      const [error, sequence] = typeof outcome === 'number' ? ['', outcome] : [outcome, 0]
      control.send('adminReply', { nonce, error, sequence })
    })
  }

  #rollByItself(reason: string, nowUs: number): void {
    const { isActive, options, machine } = this.#parts
    if (this.#isBusy || nowUs < this.#retryAtUs || !isActive()) return
    // While the end is said there is nothing more to do.
    if (machine().sessionEnd !== undefined) return
    this.#isBusy = true
    this.#retryAtUs = nowUs + RETRY_US
    void this.#roll('', reason).then((outcome) => {
      this.#isBusy = false
      if (typeof outcome === 'number') this.#dueAtUs = Number.POSITIVE_INFINITY
      else options.logger.warn({ session: options.session, reason, problem: outcome }, 'sequencer: not rolled over')
    })
  }

  /**
   * Has the stores make ready for the successor, so that it costs no time when the session has ended. One that has events of it says so.
   * @returns why it can't be the successor, or ''
   */
  async #prepare(successor: string): Promise<string> {
    const { cycle, control, storesThere } = this.#parts
    const { timers } = cycle.platform
    const nonce = cycle.platform.random()
    const answers = new Map<number, string>()
    const unlisten = control.listen(({ kind, body, sender }) => {
      if (kind === 'adminReply' && body.nonce === nonce) answers.set(sender, body.error)
    })
    const request = {
      nonce,
      action: 'prepare-session',
      component: '',
      instance: successor,
      incarnation: 0,
      expectedTerm: 0,
    }
    const untilUs = cycle.enter() + ASK_FOR_MS * 1_000
    try {
      for (let askedUs = Number.NEGATIVE_INFINITY; answers.size < storesThere() && cycle.enter() < untilUs; ) {
        if (cycle.enter() - askedUs >= ASK_EVERY_MS * 1_000) {
          askedUs = cycle.enter()
          control.send('adminRequest', { ...request, reason: '' })
        }
        await delay(timers, LOOK_EVERY_MS)
      }
    } finally {
      unlisten()
    }
    return [...answers.values()].find((error) => error !== '') ?? ''
  }

  /** @returns the sequence of the session's end, or why it goes on */
  async #roll(named: string, reason: string): Promise<number | string> {
    const { options, cycle, machine, isActive, isDeserted, isSequenced } = this.#parts
    const successor = named === '' ? followingSession(options.session) : isSession(named) ? named : undefined
    if (successor === undefined) {
      return named === ''
        ? `no session id follows from ${options.session}: name the successor with --to`
        : `'${named}' is no session id: 1 to 10 letters and digits`
    }
    // Before anything is made ready: stores keep that, and where this session is ending it is wanted for another one.
    const why = machine().rollProblem(successor)
    if (why !== '') return why
    if (isDeserted()) return 'no store is heard that could record the end: start it with seqcast store'
    if (isSequenced(successor)) return `session ${successor} has a sequencer already: name another one with --to`
    const problem = (await this.#prepare(successor)) || (await this.#parts.prepare(successor))
    if (problem !== '') return problem
    const isStillActive = isActive()
    const outcome = isStillActive
      ? machine().roll(successor, reason, cycle.enter(), cycle.wallUs)
      : 'this sequencer is not the active one any more'
    if (typeof outcome === 'string') this.#parts.abandon()
    else {
      options.logger.info(
        { session: options.session, successor, sequence: outcome, reason },
        'sequencer: the session goes on in its successor',
      )
    }
    return outcome
  }
}

/** The next moment at which it is that time of day. */
export function nextTimeOfDay({ hour, minute }: { hour: number; minute: number }, wallUs: number): number {
  const today = Math.floor(wallUs / DAY_US) * DAY_US + (hour * 60 + minute) * MINUTE_US
  return today > wallUs ? today : today + DAY_US
}
