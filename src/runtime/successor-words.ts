/**
 * What stores say of the session that goes on, to somebody who starts. Without a key anybody can send one datagram that says so, well
 * made: it is believed when it is said again. A store does that four times a second at the least.
 */
import type { Timer, Timers } from '../core/timers.js'

/** A datagram that the network repeats comes much sooner. */
const SAID_AGAIN_AFTER_MS = 50
/** Longer than stores take to say it again. */
const DOUBTED_FOR_MS = 400
/** Of what strangers invent no more is kept. */
const MAX_SUCCESSORS = 16

interface Word {
  isRipe: boolean
  isDoubted: boolean
  readonly timers: readonly Timer[]
}

export class SuccessorWords {
  readonly #timers: Timers
  readonly #settled: () => void
  readonly #words = new Map<string, Word>()

  /** @param settled a word was not said again: it is not waited for any more */
  constructor(timers: Timers, settled: () => void = () => {}) {
    this.#timers = timers
    this.#settled = settled
  }

  /** A store says that this session goes on; '' for none. @returns true where that is believed */
  believes(successor: string): boolean {
    if (successor === '') return false
    const known = this.#words.get(successor)
    if (known !== undefined) return known.isRipe
    if (this.#words.size >= MAX_SUCCESSORS) return false
    const word: Word = {
      isRipe: false,
      isDoubted: true,
      timers: [
        this.#timers.after(SAID_AGAIN_AFTER_MS, () => {
          word.isRipe = true
        }),
        this.#timers.after(DOUBTED_FOR_MS, () => {
          word.isDoubted = false
          this.#settled()
        }),
      ],
    }
    this.#words.set(successor, word)
    return false
  }

  /** Something was said that may yet be said again. */
  get isDoubting(): boolean {
    return [...this.#words.values()].some(({ isDoubted }) => isDoubted)
  }

  close(): void {
    for (const { timers } of this.#words.values()) for (const timer of timers) timer.cancel()
    this.#words.clear()
  }
}
