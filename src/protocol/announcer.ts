/**
 * When the sequencer says where it is. A MoldUDP64 heartbeat follows soon after the last packet, so that a lost tail is noticed
 * fast, and then ever more rarely; the control heartbeat comes at a steady pace. An ended session is announced again and
 * again for a while, because whoever misses it waits for ever.
 */
export interface AnnouncerOptions {
  readonly heartbeatMinUs?: number
  readonly heartbeatMaxUs?: number
}

export interface AnnouncerOutput {
  /** Sends a MoldUDP64 heartbeat. */
  heartbeat(): void
  /** Sends an end of session packet. */
  endOfSession(): void
  /** Sends the control heartbeat: a full one at the steady pace, one without counters when there is news in between. */
  control(isFull: boolean): void
}

/** Pace and least duration of the end of session packets. */
export const END_EVERY_US = 50_000
const END_FOR_US = 1_000_000
/** The end waits so long for stability, at most. */
const END_UNSTABLE_FOR_US = 10_000_000
/** Stability is told at most so often: everybody hears it. */
export const STABLE_NOTICE_US = 1_000
/** A control heartbeat that is sent this shortly before the steady pace would ask for one takes its place. */
const FULL_EARLY_US = 25_000
/** While a continued session settles, the control heartbeat comes so often. */
const SETTLE_NOTICE_US = 10_000

export class Announcer {
  readonly #minUs: number
  readonly #maxUs: number
  readonly #output: AnnouncerOutput
  #heartbeatAtUs = Number.POSITIVE_INFINITY
  #intervalUs: number
  #controlAtUs = Number.POSITIVE_INFINITY
  #controlledAtUs = Number.NEGATIVE_INFINITY
  #fullAtUs = Number.NEGATIVE_INFINITY
  #settledAtUs = Number.NEGATIVE_INFINITY
  #endAtUs = Number.POSITIVE_INFINITY
  #endedAtUs = Number.NaN

  constructor(options: AnnouncerOptions, output: AnnouncerOutput) {
    this.#minUs = options.heartbeatMinUs ?? 2_000
    this.#maxUs = Math.max(this.#minUs, options.heartbeatMaxUs ?? 100_000)
    this.#output = output
    this.#intervalUs = this.#minUs
  }

  /** The first control heartbeat is due now. */
  start(nowUs: number): void {
    this.#controlAtUs = nowUs
    this.sent(nowUs)
  }

  /** Until then the control heartbeat comes often, so that everybody hears where a continued session goes on. */
  settle(untilUs: number): void {
    this.#settledAtUs = untilUs
  }

  isSettled(nowUs: number): boolean {
    return nowUs >= this.#settledAtUs
  }

  /** A packet went out on the event stream: the next heartbeat is counted from here. */
  sent(nowUs: number): void {
    this.#intervalUs = this.#minUs
    this.#heartbeatAtUs = nowUs + this.#intervalUs
  }

  /** Nothing but a tick went out: the next one shows its loss as soon as a heartbeat would. */
  ticked(nowUs: number): void {
    this.#intervalUs = this.#maxUs
    this.#heartbeatAtUs = nowUs + this.#intervalUs
  }

  /** There is news for the control stream: it is sent by the next `tick`, but not sooner than `leastUs` after the last one. */
  controlSoon(leastUs: number): void {
    this.#controlAtUs = Math.min(this.#controlAtUs, this.#controlledAtUs + leastUs)
  }

  /** From now on the end is announced instead of heartbeats. */
  end(nowUs: number): void {
    this.#heartbeatAtUs = Number.POSITIVE_INFINITY
    this.#endAtUs = nowUs
    this.#endedAtUs = nowUs
  }

  /** True where the end is announced. */
  get isEnding(): boolean {
    return !Number.isNaN(this.#endedAtUs)
  }

  /** True where the end was announced long enough: when all is stable, or when that takes too long. */
  isEndHeard(nowUs: number, isAllStable: boolean): boolean {
    return nowUs - this.#endedAtUs >= (isAllStable ? END_FOR_US : END_UNSTABLE_FOR_US)
  }

  /** Sends the control heartbeat if it is due. */
  control(nowUs: number): void {
    if (nowUs < this.#controlAtUs) return
    const isFull = nowUs >= this.#fullAtUs - FULL_EARLY_US
    if (isFull) this.#fullAtUs = nowUs + this.#maxUs
    this.#controlledAtUs = nowUs
    this.#controlAtUs = this.isSettled(nowUs) ? this.#fullAtUs : Math.min(this.#fullAtUs, nowUs + SETTLE_NOTICE_US)
    this.#output.control(isFull)
  }

  /** Sends what is due. @returns when to be called next */
  tick(nowUs: number): number {
    if (nowUs >= this.#heartbeatAtUs) {
      this.#output.heartbeat()
      this.#intervalUs = Math.min(this.#intervalUs * 2, this.#maxUs)
      this.#heartbeatAtUs = nowUs + this.#intervalUs
    }
    if (nowUs >= this.#endAtUs) {
      this.#output.endOfSession()
      this.#endAtUs = nowUs + END_EVERY_US
    }
    this.control(nowUs)
    return Math.min(this.#heartbeatAtUs, this.#endAtUs, this.#controlAtUs)
  }
}
