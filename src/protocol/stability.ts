/**
 * Which events are stable: durable at a majority of the voters, as they say under the present reign, and only once the
 * event that opened the reign is among what that majority has. Copies of older events prove nothing by their number: a
 * later reign may still be opened on a log without them. With the opening event they all become stable at once.
 *
 * A voter that has lost its disk has a new life: what it acknowledged in an earlier one is forgotten.
 *
 * Without voters, published is stable. The stable sequence never decreases, also where a voter comes back with less than
 * it had.
 */

import type { StoreStatus } from '../wire/control.js'
import { type LifeEntries, Lives } from './lives.js'

/** Why an acknowledgement did not count. */
export type AcknowledgementReason = 'unknown-voter' | 'other-epoch' | 'earlier-life'

export type Acknowledgement = Pick<StoreStatus, 'voter' | 'epoch' | 'durableSequence' | 'life' | 'lives'>

export class Stability {
  readonly #acknowledged: Map<string, number>
  /** How many voters decide. */
  readonly majority: number
  #lives = new Lives()
  #epoch = 0
  #openingSequence = Number.POSITIVE_INFINITY
  #published = 0
  #stable = 0

  constructor(voters: readonly string[]) {
    this.#acknowledged = new Map(voters.map((voter) => [voter, 0]))
    this.majority = Math.floor(this.#acknowledged.size / 2) + 1
  }

  get hasVoters(): boolean {
    return this.#acknowledged.size > 0
  }

  /** The newest life that is known of each voter. */
  get lives(): Record<string, number> {
    return this.#lives.entries
  }

  isVoter(name: string): boolean {
    return this.#acknowledged.has(name)
  }

  /** Everything up to here is stable. */
  get stableSequence(): number {
    return this.#stable
  }

  /**
   * Begins a reign; acknowledgements count from now on.
   * @param openingSequence the event that opens it
   * @param stableSequence what an earlier reign has reported stable, which it stays
   * @param lives of the voters, as far as they are known
   */
  open(epoch: number, openingSequence: number, stableSequence: number, lives: LifeEntries = {}): void {
    this.#lives = new Lives(lives)
    this.#epoch = epoch
    this.#openingSequence = openingSequence
    this.#stable = Math.max(this.#stable, stableSequence)
  }

  /** Everything up to `sequence` was sent. */
  published(sequence: number): void {
    this.#published = sequence
    if (!this.hasVoters) this.#stable = sequence
  }

  /** A voter says under which reign, and how far its log is durable. The latest statement counts, also a lower one. */
  acknowledge({ voter, epoch, durableSequence, life, lives }: Acknowledgement): AcknowledgementReason | undefined {
    if (!this.#acknowledged.has(voter)) return 'unknown-voter'
    // Before anything is counted: who acknowledges may be the one who tells that another's words are void.
    if (lives !== undefined) for (const other of this.#lives.merge(lives)) this.#forget(other)
    if (!this.#lives.isCurrent(voter, life ?? 0)) return 'earlier-life'
    if (epoch !== this.#epoch || epoch === 0) return 'other-epoch'
    this.#acknowledged.set(voter, durableSequence)
    const descending = [...this.#acknowledged.values()].sort((a, b) => b - a)
    const atMajority = Math.min(descending[this.majority - 1] ?? 0, this.#published)
    if (atMajority >= this.#openingSequence && atMajority > this.#stable) this.#stable = atMajority
    return undefined
  }

  #forget(voter: string): void {
    if (this.#acknowledged.has(voter)) this.#acknowledged.set(voter, 0)
  }
}
