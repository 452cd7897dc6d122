/**
 * A component that begins on a session which has ended, as stores say, need not read it: it skips to the one that goes on. Who goes on
 * speaks; where nobody does in a session that was skipped to, that was not true, and the component comes back.
 */
import type { Timers } from '../core/timers.js'
import { SuccessorWords } from './successor-words.js'

/** Sequencers and stores speak ten times a second. */
const SILENT_FOR_US = 1_000_000

export class SkipAhead {
  readonly #words: SuccessorWords
  readonly #untrue = new Set<string>()
  #from = ''
  #to = ''
  #sinceUs = 0

  constructor(timers: Timers) {
    this.#words = new SuccessorWords(timers)
  }

  /** A store says that this session goes on. @returns true where that is believed */
  believes(successor: string): boolean {
    return !this.#untrue.has(successor) && this.#words.believes(successor)
  }

  skipped(from: string, to: string, nowUs: number): void {
    this.#from = from
    this.#to = to
    this.#sinceUs = nowUs
  }

  /** Somebody speaks for the session. */
  spokenFor(): void {
    this.#from = ''
  }

  /** The session to come back to; '' where there is none. */
  wayBack(nowUs: number): string {
    const from = this.#from
    if (from === '' || nowUs - this.#sinceUs < SILENT_FOR_US) return ''
    this.#untrue.add(this.#to)
    this.#from = ''
    return from
  }
}
