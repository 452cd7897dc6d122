/**
 * When each command of the client was issued, came back as an event, and was stable: for the commands of the last while, so that
 * those that were under way at a crash can be told afterwards.
 */
import type { Histogram } from 'hdr-histogram-js'
import { createHistogram, recordUs } from '../histogram.js'

/** A power of two, far more than an outbox holds. */
const KEPT_COMMANDS = 1 << 18
const SLOT = KEPT_COMMANDS - 1

/** For each command that was under way, after how many milliseconds it was there. */
export interface Outstanding {
  readonly published: readonly number[]
  readonly stable: readonly number[]
}

export class LoadLedger {
  readonly #issuedUs = new Float64Array(KEPT_COMMANDS)
  readonly #returnedUs = new Float64Array(KEPT_COMMANDS)
  readonly #stableUs = new Float64Array(KEPT_COMMANDS)
  #issued = 0
  #returned = 0
  #stable = 0
  /** From a command to its event, and to its being stable. */
  published: Histogram = createHistogram()
  stable: Histogram = createHistogram()

  /** Commands so far; they are numbered from 1. */
  get issued(): number {
    return this.#issued
  }

  issue(nowUs: number): void {
    this.#issued += 1
    this.#issuedUs[this.#issued & SLOT] = nowUs
  }

  /**
   * So many commands have come back, and so many are stable. Those that have come back may become fewer: a failover has
   * taken them back, and they come once more.
   */
  progress(returned: number, stable: number, nowUs: number): void {
    if (returned < this.#returned) this.#returned = returned
    while (this.#returned < returned) {
      const slot = ++this.#returned & SLOT
      this.#returnedUs[slot] = nowUs
      recordUs(this.published, nowUs - this.#issuedUs[slot]!)
    }
    while (this.#stable < stable) {
      const slot = ++this.#stable & SLOT
      this.#stableUs[slot] = nowUs
      recordUs(this.stable, nowUs - this.#issuedUs[slot]!)
    }
  }

  /** True where all that was issued before `atUs` is stable. */
  isSettled(atUs: number): boolean {
    return this.#stable === this.#issued || this.#issuedUs[(this.#stable + 1) & SLOT]! > atUs
  }

  /** What was issued before `atUs` and not there yet. To be asked when that is settled. */
  outstandingAt(atUs: number): Outstanding {
    const published: number[] = []
    const stable: number[] = []
    const oldest = Math.max(1, this.#issued - KEPT_COMMANDS + 1)
    for (let n = this.#stable; n >= oldest; n--) {
      const slot = n & SLOT
      if (this.#issuedUs[slot]! > atUs) continue
      // They become stable in their order: what lies before was stable earlier.
      if (this.#stableUs[slot]! <= atUs) break
      stable.push((this.#stableUs[slot]! - atUs) / 1_000)
      if (this.#returnedUs[slot]! > atUs) published.push((this.#returnedUs[slot]! - atUs) / 1_000)
    }
    return { published, stable }
  }

  restartHistograms(): void {
    this.published = createHistogram()
    this.stable = createHistogram()
  }
}
