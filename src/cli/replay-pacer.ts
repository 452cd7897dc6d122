/** Keeps the pace of a recording: how long until the next packet is due, at so many times its own speed. */
const MIN_WAIT_MS = 1

export class Pacer {
  readonly #speed: number
  #firstUs: number | undefined
  #startedMs = 0

  /** @param speed 2 is twice as fast as it was */
  constructor(speed: number) {
    this.#speed = speed
  }

  /** @returns what to wait for; undefined where the packet of that time is due already */
  until(timeUs: number): Promise<void> | undefined {
    if (this.#firstUs === undefined) {
      this.#firstUs = timeUs
      this.#startedMs = performance.now()
    }
    const dueMs = this.#startedMs + (timeUs - this.#firstUs) / 1000 / this.#speed
    const waitMs = dueMs - performance.now()
    return waitMs < MIN_WAIT_MS ? undefined : new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}
