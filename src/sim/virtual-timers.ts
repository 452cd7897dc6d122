/** Waiting on virtual time. As on a real machine a timer is never early, and mostly a little late. */
import type { Timer, Timers } from '../core/timers.js'
import type { Scheduler, SimProcess } from './sim-process.js'

const LATE_MAX_US = 60

export class VirtualTimers implements Timers {
  readonly #scheduler: Scheduler
  readonly #process: SimProcess

  constructor(scheduler: Scheduler, process: SimProcess) {
    this.#scheduler = scheduler
    this.#process = process
  }

  defer(run: () => void): void {
    const { nowUs } = this.#scheduler
    this.#scheduler.schedule(this.#process.turnEnd(nowUs) - nowUs, 'timer', this.#process, run)
  }

  /** As `setTimeout` does, it waits at least a millisecond. */
  after(delayMs: number, run: () => void): Timer {
    const begin = (): ReturnType<Scheduler['schedule']> => {
      const delayUs = Math.ceil(Math.max(1, delayMs) * 1000) + this.#process.prng.integer(0, LATE_MAX_US)
      return this.#scheduler.schedule(delayUs, 'timer', this.#process, run)
    }
    let occurrence = begin()
    let isOver = false
    return {
      cancel: () => {
        isOver = true
        occurrence.isCancelled = true
      },
      restart: () => {
        if (isOver) return
        occurrence.isCancelled = true
        occurrence = begin()
      },
    }
  }
}
