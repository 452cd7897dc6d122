/**
 * Time as an argument.
 *
 * Protocol machines never read a clock: they are given `nowUs`. This file is the only one that reads the machine's
 * clocks, so that everything above it can be driven by a test, a simulation or a replay.
 */

/** Reads time. All values are microseconds and safe integers or finite fractions of them. */
export interface Clock {
  /** Monotonic microseconds from an arbitrary origin; for deadlines and intervals. */
  nowUs(): number
  /**
   * Microseconds since the Unix epoch; may jump when the machine's clock is set.
   * @param nowUs what `nowUs` has just returned, so that the clock is read once
   */
  wallUs(nowUs: number): number
}

/** A step of the wall clock below this is followed at the slew rate; a longer one is adopted, and the sequencer reports it. */
const ADOPT_STEP_US = 1_000_000
/** At most this part of the elapsed time is corrected, so that time stays smooth (500 ppm, as NTP daemons do). */
const SLEW_PER_US = 500e-6
const RECALIBRATE_EVERY_US = 1_000_000

/**
 * The machine's clocks. `Date.now()` counts milliseconds only, so the wall clock is the monotonic clock plus an offset
 * that is measured once a second and followed slowly.
 */
export class SystemClock implements Clock {
  #offsetUs: number
  #calibratedAtUs: number

  constructor() {
    this.#offsetUs = performance.timeOrigin * 1000
    this.#calibratedAtUs = this.nowUs()
    const measured = Date.now() * 1000 - this.#calibratedAtUs
    if (Math.abs(measured - this.#offsetUs) > ADOPT_STEP_US) this.#offsetUs = measured
  }

  nowUs(): number {
    return performance.now() * 1000
  }

  wallUs(nowUs: number): number {
    if (nowUs - this.#calibratedAtUs >= RECALIBRATE_EVERY_US) this.#recalibrate(nowUs)
    return nowUs + this.#offsetUs
  }

  #recalibrate(nowUs: number): void {
    const error = Date.now() * 1000 - nowUs - this.#offsetUs
    const reach = (nowUs - this.#calibratedAtUs) * SLEW_PER_US
    this.#offsetUs += Math.abs(error) > ADOPT_STEP_US ? error : Math.max(-reach, Math.min(reach, error))
    this.#calibratedAtUs = nowUs
  }
}
