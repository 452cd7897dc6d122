/**
 * When a session is to go on in another one: an operator says so, it has had so many events, or it is time. Before it is ended for
 * that, the stores are asked: a session that exists can't be anybody's successor.
 */
import { followingSession, parseSession } from '../core/session.js'
import type { Timers } from '../core/timers.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { AdminRequest, ControlMessage } from '../wire/control.js'
import type { ControlLink } from './control-link.js'
import type { Directory } from './directory.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { RewindLink } from './rewind-link.js'
import type { SequencerRoleOptions } from './sequencer-role.js'

/** A store that does not answer for so long has no say. */
const PROBE_MS = 1_000
/** A store with a single event sends it at once. */
const FIRST_EVENT_MS = 50
/** What an automatic roll has not managed is tried again. */
const RETRY_US = 1_000_000
const DAY_US = 86_400_000_000
const MINUTE_US = 60_000_000

export interface RollPlan {
  /** When the session has so many events. */
  readonly events?: number
  /** At this time of day, UTC. */
  readonly at?: { readonly hour: number; readonly minute: number }
}

export interface RollDeskParts {
  readonly options: SequencerRoleOptions
  readonly cycle: DutyCycle
  readonly control: ControlLink
  /** The stores that were heard. */
  readonly directory: Directory
  machine(): Sequencer
  /** True while this process sequences. */
  isActive(): boolean
  /** Stores were heard, and none is there now. */
  isDeserted(): boolean
}

export class RollDesk implements Agent {
  readonly #parts: RollDeskParts
  readonly #replies = new Map<number, number>()
  /** An answer is on its way. */
  #isBusy = false
  #dueAtUs = Number.POSITIVE_INFINITY
  #retryAtUs = 0

  constructor(parts: RollDeskParts) {
    this.#parts = parts
    const at = parts.options.roll?.at
    if (at !== undefined) this.#dueAtUs = nextTimeOfDay(at, parts.cycle.wallUs)
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
    if (events !== undefined && machine().nextSequence > events) this.#rollByItself(`${events} events`, nowUs)
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
    const { isActive, options } = this.#parts
    if (this.#isBusy || nowUs < this.#retryAtUs || !isActive()) return
    this.#isBusy = true
    this.#retryAtUs = nowUs + RETRY_US
    void this.#roll('', reason).then((outcome) => {
      this.#isBusy = false
      if (typeof outcome === 'number') this.#dueAtUs = Number.POSITIVE_INFINITY
      else options.logger.warn({ session: options.session, reason, problem: outcome }, 'sequencer: not rolled over')
    })
  }

  /** @returns the sequence of the session's end, or why it goes on */
  async #roll(named: string, reason: string): Promise<number | string> {
    const { options, cycle, directory, machine, isActive, isDeserted } = this.#parts
    const successor = named === '' ? followingSession(options.session) : validSession(named)
    if (successor === undefined) {
      return named === ''
        ? `no session id follows from ${options.session}: name the successor with --to`
        : `'${named}' is no session id: 1 to 10 letters and digits`
    }
    if (isDeserted()) return 'no store is heard that could record the end: start it with seqcast store'
    const probes = directory
      .stores()
      .map(({ address, rewindPort }) => hasEvents(successor, { address, port: rewindPort }, options, cycle))
    if ((await Promise.all(probes)).includes(true))
      return `session ${successor} exists already: name another one with --to`
    if (!isActive()) return 'this sequencer is not the active one any more'
    const outcome = machine().roll(successor, reason, cycle.enter(), cycle.wallUs)
    if (typeof outcome === 'number') {
      options.logger.info(
        { session: options.session, successor, sequence: outcome, reason },
        'sequencer: the session goes on in its successor',
      )
    }
    return outcome
  }
}

function validSession(text: string): string | undefined {
  try {
    return parseSession(text)
  } catch {
    return undefined // What is wrong with it is said by the caller.
  }
}

/** The next moment at which it is that time of day. */
export function nextTimeOfDay({ hour, minute }: { hour: number; minute: number }, wallUs: number): number {
  const today = Math.floor(wallUs / DAY_US) * DAY_US + (hour * 60 + minute) * MINUTE_US
  return today > wallUs ? today : today + DAY_US
}

/** Whether a store has events of a session; not where it does not answer. */
function hasEvents(
  session: string,
  to: { readonly address: string; readonly port: number },
  options: SequencerRoleOptions,
  cycle: DutyCycle,
): Promise<boolean> {
  const { timers } = cycle.platform
  return new Promise((resolve) => {
    const waits: ReturnType<Timers['after']>[] = []
    const finish = (answer: boolean): void => {
      for (const wait of waits) wait.cancel()
      // Stopped after this call: the client is still reading.
      queueMicrotask(() => link.stop())
      resolve(answer)
    }
    const link = new RewindLink(
      session,
      cycle,
      {
        started: (sequence) => {
          if (sequence > 1) finish(true)
          else waits.push(timers.after(FIRST_EVENT_MS, () => finish(false)))
        },
        run: () => finish(true),
        sessionEnded: () => finish(true),
        ended: () => finish(false),
      },
      options.logger,
    )
    waits.push(timers.after(PROBE_MS, () => finish(false)))
    link.start(0, to)
  })
}
