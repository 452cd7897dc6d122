/**
 * When a sequencer that speaks is of no use: what it publishes does not become stable, though voters are there. It may reach the standbys
 * and not the voters, or not hear them. Another sequencer may be better placed.
 *
 * It would not be where the disks are slow, or a voter has yet to catch up: there the voters get on, only slowly. As that can't always be
 * told, a new reign that changes nothing doubles the wait until the next.
 */
/** In silences that are suspected: three seconds unless told otherwise. */
const STALL_SILENCES = 10
const MAX_DOUBLINGS = 5
const RANK_US = 100_000

export interface StallOptions {
  readonly suspectUs: number
  readonly rank: number
  /** How many voters decide. */
  readonly majority: number
}

/** What a sequencer's heartbeat says. */
export interface Progress {
  readonly nextSequence: number
  readonly stableSequence: number
}

export class Stall {
  readonly #options: StallOptions
  readonly #durable = new Map<string, number>()
  /** What is durable at a majority, whatever reign they follow. */
  #mark = 0
  #epoch = 0
  #stable = 0
  /** Since when nothing has become stable that was there to become so; undefined while nothing is there. */
  #sinceUs: number | undefined
  /** How often the wait was in vain since something last became stable. */
  #doublings = 0

  constructor(options: StallOptions) {
    this.#options = options
  }

  /** The sequencer that reigns speaks. */
  onHeartbeat(epoch: number, { nextSequence, stableSequence }: Progress, nowUs: number): void {
    if (epoch > this.#epoch) {
      this.#epoch = epoch
      if (this.#sinceUs !== undefined) this.restart(nowUs)
    }
    if (stableSequence > this.#stable) {
      this.#stable = stableSequence
      this.#doublings = 0
      this.#sinceUs = undefined
    }
    if (nextSequence - 1 <= stableSequence) this.#sinceUs = undefined
    else this.#sinceUs ??= nowUs
  }

  /** A voter says what it has. One that catches up gets on; one that has more than is stable is not heard by the sequencer. */
  onVoter(voter: string, durableSequence: number, nowUs: number): void {
    this.#durable.set(voter, durableSequence)
    const descending = [...this.#durable.values()].sort((a, b) => b - a)
    const mark = descending[this.#options.majority - 1] ?? 0
    if (mark > this.#mark && mark <= this.#stable && this.#sinceUs !== undefined) this.#sinceUs = nowUs
    this.#mark = mark
  }

  /** The last event that some voter is known to have durable. */
  get newest(): number {
    return Math.max(0, ...this.#durable.values())
  }

  /** It is waited for anew, and longer: another reign has begun or was wanted in vain. */
  restart(nowUs: number): void {
    if (this.#sinceUs === undefined) return
    this.#sinceUs = nowUs
    this.#doublings = Math.min(this.#doublings + 1, MAX_DOUBLINGS)
  }

  /** This process was asleep: it knows nothing of the time meanwhile. */
  slept(nowUs: number): void {
    if (this.#sinceUs !== undefined) this.#sinceUs = nowUs
  }

  /** @param jitterUs keeps equals apart. @returns true where it has lasted long enough */
  isDue(jitterUs: number, nowUs: number): boolean {
    if (this.#sinceUs === undefined) return false
    const { suspectUs, rank } = this.#options
    const waitUs = suspectUs * STALL_SILENCES * 2 ** this.#doublings + rank * RANK_US + jitterUs
    return nowUs - this.#sinceUs >= waitUs
  }
}
