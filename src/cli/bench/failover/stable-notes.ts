/**
 * Notes of what was said to be stable, in a form that a log can be held against later: for one sequence after the other a
 * checksum over every event from the first up to it.
 */

/** A power of two, far above what can be published and not stable. */
const KEPT_EVENTS = 1 << 20
const SLOT = KEPT_EVENTS - 1
const NOTE_EVERY_US = 1_000

export class StableNotes {
  /** Of the last event that was delivered. */
  #sequence = 0
  /** The checksum after each of the last events. */
  readonly #chains = new Uint32Array(KEPT_EVENTS)
  #reported = 0
  #notedUs = Number.NEGATIVE_INFINITY
  /** What was noted last; 0 for nothing. */
  stable = 0
  readonly sequences: number[] = []
  readonly chains: number[] = []

  get sequence(): number {
    return this.#sequence
  }

  /** The checksum over all events so far, which that of the next event goes on from. */
  get chain(): number {
    return this.#chains[this.#sequence & SLOT]!
  }

  delivered(sequence: number, chain: number): void {
    this.#sequence = sequence
    this.#chains[sequence & SLOT] = chain
  }

  /** The events from here on are taken back; others will come. */
  revoked(fromSequence: number): void {
    this.#sequence = Math.min(this.#sequence, fromSequence - 1)
  }

  /** Everything up to here was said to be stable. */
  reported(stableSequence: number): void {
    this.#reported = Math.max(this.#reported, stableSequence)
  }

  /** Notes the newest event that was delivered and is stable, now and then. */
  take(nowUs: number, isLast = false): void {
    const stable = Math.min(this.#reported, this.#sequence)
    if (stable <= this.stable || (nowUs - this.#notedUs < NOTE_EVERY_US && !isLast)) return
    this.#notedUs = nowUs
    this.stable = stable
    this.sequences.push(stable)
    this.chains.push(this.#chains[stable & SLOT]!)
  }
}
