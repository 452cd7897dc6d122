/**
 * Waiting as an argument, as time is: what runs later is given to `Timers`, so that a simulation decides when later is.
 */

export interface Timer {
  /** It does not run any more. */
  cancel(): void
  /** It begins its wait again. */
  restart(): void
}

export interface Timers {
  /** Runs when all that is waiting in the event loop now has been looked at. */
  defer(run: () => void): void
  /** Runs once, not before `delayMs` milliseconds have passed. */
  after(delayMs: number, run: () => void): Timer
}

export function delay(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    timers.after(delayMs, resolve)
  })
}
