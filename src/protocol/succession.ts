/**
 * When a replica that waits offers itself as the active one of its component. A sans-io machine: it is told who speaks, and
 * says when it is time. The offer names the term that the replica knows, and the sequencer accepts one offer a term: so a
 * wrong suspicion costs a change of replicas, and rivals can't both win.
 *
 * What keeps it from offering for nothing:
 *
 * - The active replica is heard by its status and by its commands, which come back as events; only where both are silent it is
 *   suspected. One that speaks and is not active (it rewinds) is waited for longer.
 * - The own pauses of this process are no silence of others; see `Suspicion`.
 * - Where no sequencer is heard, nobody could decide, and it may be this process that is cut off: it waits, and listens again for
 *   a while before it speaks.
 * - What an operator decided stands: a component that was passivated stays so.
 */
import type { Prng } from '../core/prng.js'
import { Suspicion } from './suspicion.js'

/** Silence of the active replica, whose status comes every tenth of a second: pauses of handlers and collectors are shorter. */
export const SUCCESSION_SUSPECT_US = 500_000
/** One that speaks, but rewinds, is given so many times the silence. */
const PATIENCE = 4
/** The sequencer's heartbeats come every tenth of a second at the least. */
const SEQUENCER_SILENT_US = 350_000
/** After the sequencer was silent: two statuses of whoever is active. */
const LISTEN_AGAIN_US = 250_000
/** An offer is repeated this often until the stream answers it. */
const OFFER_EVERY_US = 250_000

export interface SuccessionOptions {
  /** Of this process. */
  readonly incarnation: number
  /** Leaves the beginning of a session to another replica. */
  readonly standby: boolean
  /** Offers itself at its start, unless it is a standby, and never later. */
  readonly manual: boolean
  /** Every replica is active while one is: there is nothing to take over. */
  readonly hotHot?: boolean
  /** 0 for who takes over first. */
  readonly rank: number
  /** Silence in microseconds; 500 ms unless told. */
  readonly suspectUs?: number
  readonly jitter: Prng
}

/** What the stream says, and how far this replica is. */
export interface Standing {
  /** It has the whole stream, and is not active. */
  readonly isReady: boolean
  readonly term: number
  /** Whom the newest `Activated` names. */
  readonly active: { readonly instance: string; readonly incarnation: number } | undefined
  /** The newest decision is that nobody is active. */
  readonly isPassivated: boolean
  /** How many events of the component's own sources were delivered: somebody sends its commands. */
  readonly ownEvents: number
}

export class Succession {
  readonly #options: SuccessionOptions
  /** Neither a status nor a command of the active replica. */
  readonly #silence: Suspicion
  /** It speaks, but is not active. */
  readonly #idleness: Suspicion
  /** It said that it goes. */
  readonly #vacancy: Suspicion
  #isWatching = false
  #term = 0
  /** The term when this process first had the whole stream. */
  #firstTerm: number | undefined
  #active: Standing['active']
  #ownEvents = 0
  /** What the active replica said last of its state. */
  #said = ''
  #activeUs = 0
  #sequencerUs = Number.NEGATIVE_INFINITY
  #listenUntilUs = 0
  #offeredUs = Number.NEGATIVE_INFINITY

  constructor(options: SuccessionOptions) {
    this.#options = options
    const { rank, jitter, suspectUs = SUCCESSION_SUSPECT_US } = options
    this.#silence = new Suspicion({ rank, jitter, suspectUs })
    this.#idleness = new Suspicion({ rank, jitter, suspectUs: PATIENCE * suspectUs })
    this.#vacancy = new Suspicion({ rank, jitter, suspectUs: 0 })
  }

  /** A replica of the component says how it is. @param sender its incarnation */
  onStatus(sender: number, state: string, nowUs: number): void {
    if (sender !== this.#active?.incarnation) return
    this.#said = state
    if (state === 'stopped' || state === 'failed') return
    this.#silence.heard(nowUs)
    this.#vacancy.heard(nowUs)
    if (state === 'active') this.#isActive(nowUs)
  }

  /** The sequencer of the stream speaks. */
  onSequencer(nowUs: number): void {
    if (nowUs - this.#sequencerUs > SEQUENCER_SILENT_US) this.#listenUntilUs = nowUs + LISTEN_AGAIN_US
    this.#sequencerUs = nowUs
  }

  /** The stream is read again on another branch: what was decided may be revoked. */
  revoked(): void {
    this.#isWatching = false
    this.#firstTerm = undefined
  }

  /**
   * Looks at what has become. To be called often: see `nextLookUs`.
   * @returns the reason to offer itself now, or undefined
   */
  look(standing: Standing, nowUs: number): string | undefined {
    if (!standing.isReady) {
      this.#isWatching = false
      return undefined
    }
    this.#firstTerm ??= standing.term
    if (!this.#isWatching || standing.term !== this.#term) this.#watch(standing, nowUs)
    if (standing.ownEvents !== this.#ownEvents) {
      this.#ownEvents = standing.ownEvents
      this.#silence.heard(nowUs)
      this.#vacancy.heard(nowUs)
      this.#isActive(nowUs)
    }
    const reason = this.#reason(nowUs)
    if (reason === undefined || !this.#mayOffer(standing)) return undefined
    if (!this.#isHeardBySequencer(nowUs) || nowUs - this.#offeredUs < OFFER_EVERY_US) return undefined
    this.#offeredUs = nowUs
    return reason
  }

  /** When to look again. */
  nextLookUs(nowUs: number): number {
    return this.#isWatching ? this.#silence.nextLookUs(nowUs) : Number.POSITIVE_INFINITY
  }

  #watch({ term, active, ownEvents }: Standing, nowUs: number): void {
    this.#isWatching = true
    this.#term = term
    this.#active = active
    this.#ownEvents = ownEvents
    this.#said = ''
    this.#activeUs = nowUs
    this.#offeredUs = Number.NEGATIVE_INFINITY
    for (const suspicion of [this.#silence, this.#idleness, this.#vacancy]) suspicion.restart(nowUs)
  }

  #isActive(nowUs: number): void {
    this.#activeUs = nowUs
    this.#idleness.heard(nowUs)
  }

  /** All three look each time, because each has to notice the pauses of this process. */
  #reason(nowUs: number): string | undefined {
    for (const suspicion of [this.#silence, this.#idleness, this.#vacancy]) suspicion.look(nowUs)
    const isSilent = this.#silence.isDue(nowUs)
    const isIdle = this.#idleness.isDue(nowUs)
    const isVacant = this.#vacancy.isDue(nowUs)
    if (this.#active === undefined) return isVacant ? 'caught up, and nobody is active' : undefined
    const { instance } = this.#active
    const isGone = this.#said === 'stopped' || this.#said === 'failed'
    if (isGone && isVacant) return `${instance} ${this.#said === 'failed' ? 'has failed' : 'was stopped'}`
    const silentMs = Math.round((nowUs - this.#activeUs) / 1_000)
    if (isSilent) return `${instance} is silent for ${silentMs} ms`
    return isIdle ? `${instance} is ${this.#said}, and not active for ${silentMs} ms` : undefined
  }

  #mayOffer({ term, isPassivated }: Standing): boolean {
    const { standby, manual, hotHot = false } = this.#options
    if (isPassivated || (hotHot && term !== 0)) return false
    if (term === 0 || manual) return !standby && term === this.#firstTerm
    return true
  }

  #isHeardBySequencer(nowUs: number): boolean {
    return nowUs - this.#sequencerUs <= SEQUENCER_SILENT_US && nowUs >= this.#listenUntilUs
  }
}
