/**
 * When silence is long enough to believe that the sequencer is gone. A wrong belief does no harm, since the voters' promises
 * decide, but it costs a change of reigns: so the own pauses of a process, in which it heard nobody, are not silence.
 *
 * Who has the lower rank waits less, and a little jitter keeps equals apart.
 */
import type { Prng } from '../core/prng.js'

/** Silence of the stream and of the sequencer's heartbeats, which come every tenth of a second at the least. */
export const SUSPECT_US = 300_000
const RANK_US = 100_000
const JITTER_US = 50_000
/** Where the sequencer has said that it goes, only equals have to be kept apart. */
const GONE_JITTER_US = 20_000
/** Looks that are further apart than twice this are a pause of this process: the wait begins again. */
const LOOK_EVERY_US = 50_000

export interface SuspicionOptions {
  /** Silence in microseconds; 300 ms unless told. */
  readonly suspectUs?: number
  /** 0 for who takes over first. */
  readonly rank: number
  readonly jitter: Prng
}

export class Suspicion {
  readonly #options: SuspicionOptions
  #sinceUs: number | undefined
  /** How long the silence must last; nothing where the sequencer has said that it goes. */
  #suspectUs: number
  #lookedUs: number | undefined
  #jitterUs: number

  constructor(options: SuspicionOptions) {
    this.#options = options
    this.#suspectUs = options.suspectUs ?? SUSPECT_US
    this.#jitterUs = options.jitter.integer(0, JITTER_US)
  }

  /** What keeps this process apart from its equals. */
  get jitterUs(): number {
    return this.#jitterUs
  }

  /** The sequencer was heard, or another reason to wait from now on. */
  heard(nowUs: number): void {
    this.#sinceUs = nowUs
    this.#suspectUs = this.#options.suspectUs ?? SUSPECT_US
  }

  /** The sequencer has said that it goes: there is no silence to wait for, only who has a lower rank. */
  gone(nowUs: number): void {
    this.#jitterUs = this.#options.jitter.integer(0, GONE_JITTER_US)
    this.#sinceUs = nowUs
    this.#suspectUs = 0
  }

  /** As `heard`, with another jitter: who wanted the same at the same time shall not do so again. */
  restart(nowUs: number): void {
    this.heard(nowUs)
    this.again(nowUs)
  }

  /** As `restart`, but one that has gone is gone still. */
  again(nowUs: number): void {
    this.#sinceUs = nowUs
    this.#lookedUs = nowUs
    this.#jitterUs = this.#options.jitter.integer(0, 2 * JITTER_US)
  }

  /** To be called at each look. @returns true where this process has slept since the last one: what it did not hear was no silence */
  look(nowUs: number): boolean {
    const hasSlept = this.#lookedUs === undefined || nowUs - this.#lookedUs > 2 * LOOK_EVERY_US
    if (hasSlept) this.#sinceUs = nowUs
    this.#lookedUs = nowUs
    return hasSlept
  }

  /** @param moreUs to wait on top. @returns true where the silence has lasted long enough */
  isDue(nowUs: number, moreUs = 0): boolean {
    return nowUs >= this.#dueUs(nowUs) + moreUs
  }

  /** When to look again. */
  nextLookUs(nowUs: number): number {
    const lookUs = nowUs + LOOK_EVERY_US
    const dueUs = this.#dueUs(nowUs)
    return dueUs > nowUs ? Math.min(dueUs, lookUs) : lookUs
  }

  #dueUs(nowUs: number): number {
    return (this.#sinceUs ?? nowUs) + this.#suspectUs + this.#options.rank * RANK_US + this.#jitterUs
  }
}
