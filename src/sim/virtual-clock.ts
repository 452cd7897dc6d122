/** The clocks of a simulated process. The monotonic one has an origin of its own, so that nobody can take it for another's. */
import type { Clock } from '../core/clock.js'
import type { Scheduler } from './sim-process.js'

export class VirtualClock implements Clock {
  readonly #scheduler: Scheduler
  readonly #originUs: number
  readonly #wallOffsetUs: () => number

  /** @param wallOffsetUs of the machine, at virtual time 0; it moves when the machine's clock is set */
  constructor(scheduler: Scheduler, originUs: number, wallOffsetUs: () => number) {
    this.#scheduler = scheduler
    this.#originUs = originUs
    this.#wallOffsetUs = wallOffsetUs
  }

  nowUs(): number {
    return this.#scheduler.nowUs + this.#originUs
  }

  wallUs(nowUs: number): number {
    return nowUs - this.#originUs + this.#wallOffsetUs()
  }
}
