/**
 * When a store takes from another one what it lacks of a session: nobody but a store tells that there is more where no sequencer speaks any
 * more. A voter that followed a store while a sequencer speaks to that one only would hold up a reign that is to be replaced.
 */
import type { StoreStatus } from '../wire/control.js'

/** No sequencer was heard for so long, nor was it tried to do without. */
const SILENCE_US = 500_000
/** A voter leaves a standby time to replace a sequencer that is heard elsewhere, unless it knows that the session has ended. */
const VOTER_SILENCE_US = 5_000_000

export class CatchUp {
  readonly #hasVote: boolean
  #sequencerUs: number
  #triedUs: number
  /** The most that another store was heard to have, and since when: where that grows, somebody sequences. */
  #mostCommitted = 0
  #grownUs = 0

  constructor(hasVote: boolean, nowUs: number) {
    this.#hasVote = hasVote
    this.#sequencerUs = nowUs
    this.#triedUs = nowUs
  }

  /** A sequencer speaks. */
  onSequencer(nowUs: number): void {
    this.#sequencerUs = nowUs
  }

  /** Another store speaks. @returns true where what is missing from `nextSequence` on is to be taken from stores, now */
  onStore({ committedSequence, successor = '' }: StoreStatus, nextSequence: number, nowUs: number): boolean {
    if (committedSequence > this.#mostCommitted) {
      this.#mostCommitted = committedSequence
      this.#grownUs = nowUs
    }
    if (committedSequence < nextSequence) return false
    if (nowUs - Math.max(this.#sequencerUs, this.#triedUs) < SILENCE_US) return false
    const mayBeSequenced = this.#hasVote && successor === ''
    if (mayBeSequenced && nowUs - Math.max(this.#sequencerUs, this.#grownUs) < VOTER_SILENCE_US) return false
    this.#triedUs = nowUs
    return true
  }
}
