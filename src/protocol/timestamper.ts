/**
 * The time of the stream: the wall clock, made fit to be read by state machines. It never decreases, and it follows the
 * monotonic clock where the wall clock was moved by hand: a jump ahead is caught up with at double speed and a jump back is
 * waited for at half speed, so that timers of components neither fire in a burst nor stand still.
 */
import type { Counters } from '../core/counters.js'
import type { Logger } from '../core/log.js'
import { setTimestamp, type Timestamp } from '../wire/event.js'

/** The wall clock may lead the monotonic clock by this much, and is still taken as it is. */
export const MAX_JUMP_US = 1_000_000
/** The wall clock may be behind by this much without being reported. */
const MAX_LAG_US = 1_000
/** How much faster than the monotonic clock time may run while it catches up; how much slower while it waits. */
const CATCH_UP = 2
const WAIT = 0.5

/** A time of the stream: as it is stamped, and in microseconds since the Unix epoch. */
export interface StreamTime extends Readonly<Timestamp> {
  readonly timeUs: number
}

type Pace = 'following' | 'catching-up' | 'waiting'

export class Timestamper {
  /** What is stamped; refreshed by `read`, the same object always. */
  readonly timestamp: Timestamp = { high: 0, low: 0 }
  readonly #counters: Counters<'clock-ahead' | 'clock-behind'>
  readonly #logger: Logger
  readonly #candidate: Timestamp = { high: 0, low: 0 }
  #timeUs = 0
  /** Monotonic time of the last reading; NaN while there was none, because time between two processes is not known. */
  #readAtUs = Number.NaN
  #wallUs = Number.NaN
  #pace: Pace = 'following'

  constructor(counters: Counters<'clock-ahead' | 'clock-behind'>, logger: Logger) {
    this.#counters = counters
    this.#logger = logger
  }

  /** Of the newest event. */
  get last(): StreamTime {
    return { ...this.timestamp, timeUs: this.#timeUs }
  }

  /** Takes over the time of an event that is already in the stream. Nothing is stamped earlier. */
  resume(high: number, low: number, timeUs: number): void {
    this.timestamp.high = high
    this.timestamp.low = low
    this.#timeUs = timeUs
  }

  /** Sets `timestamp` to the present. Cheap when called again in the same turn. */
  read(nowUs: number, wallUs: number): Timestamp {
    if (nowUs !== this.#readAtUs || wallUs !== this.#wallUs) this.#advance(nowUs, wallUs)
    return this.timestamp
  }

  #advance(nowUs: number, wallUs: number): void {
    const isFirst = Number.isNaN(this.#readAtUs)
    const elapsedUs = isFirst ? 0 : Math.max(0, nowUs - this.#readAtUs)
    this.#readAtUs = nowUs
    this.#wallUs = wallUs
    const leadUs = wallUs - this.#timeUs - elapsedUs
    if (!isFirst && leadUs > MAX_JUMP_US) {
      this.#timeUs = Math.min(wallUs, this.#timeUs + elapsedUs * CATCH_UP)
      this.#setPace('catching-up', leadUs)
    } else if (wallUs < this.#timeUs) {
      this.#timeUs += elapsedUs * WAIT
      this.#setPace(leadUs < -MAX_LAG_US ? 'waiting' : 'following', leadUs)
    } else {
      this.#timeUs = wallUs
      this.#setPace('following', leadUs)
    }
    const candidate = this.#candidate
    setTimestamp(candidate, this.#timeUs)
    if (isBefore(candidate, this.timestamp)) return
    this.timestamp.high = candidate.high
    this.timestamp.low = candidate.low
  }

  #setPace(pace: Pace, leadUs: number): void {
    if (pace === this.#pace) return
    this.#pace = pace
    if (pace === 'following') return
    this.#counters[pace === 'waiting' ? 'clock-behind' : 'clock-ahead']++
    this.#logger.warn({ pace, leadUs }, 'the wall clock jumped; the time of the stream follows slowly')
  }
}

function isBefore(a: Timestamp, b: Timestamp): boolean {
  return a.high < b.high || (a.high === b.high && a.low < b.low)
}
