/**
 * Keeps the pace of a recording, at so many times its own speed: each packet is due at a time after the first that follows from its own, so
 * that a wait that was too long is made up for and the pace is exact over any length.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const MIN_WAIT_MS = 1
/** A timer of Node holds less than 25 days; a recording may pause for longer. */
const MAX_WAIT_MS = 3_600_000

export interface PaceReport {
  /** From the first packet that kept the pace to now. */
  readonly seconds: number
  /** What it should have been: the time of the recording by the speed. */
  readonly dueSeconds: number
}

export interface PacerOptions {
  /** Ends the wait that is under way. */
  readonly signal?: AbortSignal
  /** Of the machine, unless a test has its own. */
  readonly nowMs?: () => number
  readonly wait?: (ms: number) => Promise<void>
}

export class Pacer {
  readonly #speed: number
  readonly #nowMs: () => number
  readonly #sleep: (ms: number) => Promise<void>
  readonly #signal: AbortSignal | undefined
  #firstUs: number | undefined
  #lastUs = 0
  #startedMs = 0

  /** @param speed 2 is twice as fast as it was */
  constructor(speed: number, { signal, nowMs, wait }: PacerOptions = {}) {
    this.#speed = speed
    this.#signal = signal
    this.#nowMs = nowMs ?? (() => performance.now())
    this.#sleep = wait ?? ((ms) => sleep(ms, undefined, signal === undefined ? {} : { signal }))
  }

  /** @returns what to wait for; undefined where the packet of that time is due already */
  until(timeUs: number): Promise<void> | undefined {
    if (this.#firstUs === undefined) {
      this.#firstUs = timeUs
      this.#startedMs = this.#nowMs()
    }
    this.#lastUs = timeUs
    return this.#waitMs(timeUs) < MIN_WAIT_MS ? undefined : this.#wait(timeUs)
  }

  /** How long it has taken; undefined where no packet came. */
  report(): PaceReport | undefined {
    if (this.#firstUs === undefined) return undefined
    const dueSeconds = (this.#lastUs - this.#firstUs) / 1e6 / this.#speed
    return { seconds: (this.#nowMs() - this.#startedMs) / 1000, dueSeconds }
  }

  #waitMs(timeUs: number): number {
    const dueMs = this.#startedMs + (timeUs - (this.#firstUs ?? timeUs)) / 1000 / this.#speed
    return dueMs - this.#nowMs()
  }

  async #wait(timeUs: number): Promise<void> {
    for (let ms = this.#waitMs(timeUs); ms >= MIN_WAIT_MS; ms = this.#waitMs(timeUs)) {
      if (this.#signal?.aborted ?? false) return
      // The signal rejects it.
      await this.#sleep(Math.min(ms, MAX_WAIT_MS)).catch(() => {})
    }
  }
}
