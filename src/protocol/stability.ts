/**
 * Which events are stable: durable at a majority of the voters. Without voters, published is stable. The stable sequence
 * never decreases, also where a voter comes back with less than it had.
 */

/** Why an acknowledgement did not count. */
export type AcknowledgementReason = 'unknown-voter' | 'other-epoch'

export class Stability {
  readonly #acknowledged: Map<string, number>
  readonly #majority: number
  readonly #epoch: number
  #published = 0
  #stable = 0

  constructor(voters: readonly string[], epoch: number) {
    this.#acknowledged = new Map(voters.map((voter) => [voter, 0]))
    this.#majority = Math.floor(this.#acknowledged.size / 2) + 1
    this.#epoch = epoch
  }

  get hasVoters(): boolean {
    return this.#acknowledged.size > 0
  }

  /** Everything up to here is stable. */
  get stableSequence(): number {
    return this.#stable
  }

  /** Everything up to `sequence` was sent. */
  published(sequence: number): void {
    this.#published = sequence
    if (!this.hasVoters) this.#stable = sequence
  }

  /** A voter says how far its log is durable. The latest statement counts, also a lower one. */
  acknowledge(voter: string, epoch: number, durableSequence: number): AcknowledgementReason | undefined {
    if (!this.#acknowledged.has(voter)) return 'unknown-voter'
    if (epoch !== this.#epoch) return 'other-epoch'
    this.#acknowledged.set(voter, durableSequence)
    const descending = [...this.#acknowledged.values()].sort((a, b) => b - a)
    const atMajority = Math.min(descending[this.#majority - 1] ?? 0, this.#published)
    if (atMajority > this.#stable) this.#stable = atMajority
    return undefined
  }
}
