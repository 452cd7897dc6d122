/**
 * What the process of a role stands on: time, waiting, sockets and randomness. By default those of this machine; the
 * simulation gives its own, and so runs the very roles that users run.
 */
import { type Clock, SystemClock } from '../core/clock.js'
import type { Timers } from '../core/timers.js'
import type { Network } from '../net/network.js'
import { systemNetwork } from '../net/system-network.js'

export interface Platform {
  readonly clock: Clock
  readonly timers: Timers
  readonly network: Network
  /** A number that nobody else draws, for the names of processes and of requests: a safe integer above 0. */
  random(): number
}

export const systemTimers: Timers = {
  defer: (run) => {
    setImmediate(run)
  },
  after: (delayMs, run) => {
    const timeout = setTimeout(run, delayMs)
    return {
      cancel: () => clearTimeout(timeout),
      restart: () => {
        timeout.refresh()
      },
    }
  },
}

/** Each process of a machine has a clock of its own. */
export function systemPlatform(): Platform {
  return { clock: new SystemClock(), timers: systemTimers, network: systemNetwork, random: randomIncarnation }
}

/** A random id of this process, for control messages and nonces: a safe integer above 0. */
export function randomIncarnation(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return (high >>> 12) * 0x1_0000_0000 + low + 1
}
