/**
 * When to ask for a gap, and whom: a randomised delay (what is late is not lost, and many receivers miss the same packet),
 * then time-outs with back-off, each at the next server. It keeps times only; what is missing the receiver knows.
 */
import type { Prng } from '../core/prng.js'

export interface RequestTimes {
  readonly delayMinUs: number
  readonly delayMaxUs: number
  readonly timeoutUs: number
  readonly timeoutMaxUs: number
  /** After the last packet of an answer the rest is asked for when this long nothing came. */
  readonly settleUs: number
  /** Rounds over all servers without an answer, after which requests are given up for a rewind. */
  readonly rounds: number
}

export class RequestSchedule {
  readonly #servers: number
  readonly #times: RequestTimes
  readonly #prng: Prng
  #server: number
  #timeoutUs: number
  #dueAtUs = Number.POSITIVE_INFINITY
  #askedTo = 0
  #isUnanswered = false
  #failures = 0

  constructor(servers: number, times: RequestTimes, prng: Prng) {
    this.#servers = servers
    this.#times = times
    this.#prng = prng
    this.#server = servers > 0 ? prng.integer(0, servers - 1) : 0
    this.#timeoutUs = times.timeoutUs
  }

  /** The server to ask next. */
  get server(): number {
    return this.#server
  }

  /** When something is to be done; infinity while there is no gap. */
  get dueAtUs(): number {
    return this.#dueAtUs
  }

  get isOpen(): boolean {
    return this.#dueAtUs !== Number.POSITIVE_INFINITY
  }

  /** The sequence after the last one that was asked for; 0 where nothing was. */
  get askedTo(): number {
    return this.#askedTo
  }

  /** True when every server was asked as often as is reasonable, without an answer. */
  get isExhausted(): boolean {
    return this.#failures >= this.#times.rounds * this.#servers
  }

  /** A gap was seen. */
  open(nowUs: number): void {
    this.#dueAtUs = nowUs + this.#prng.integer(this.#times.delayMinUs, this.#times.delayMaxUs)
  }

  /** There is no gap any more. */
  close(): void {
    this.#dueAtUs = Number.POSITIVE_INFINITY
    this.#askedTo = 0
    this.#isUnanswered = false
    this.#failures = 0
    this.#timeoutUs = this.#times.timeoutUs
  }

  /** Events below `askedTo` came, so that the server is alive. */
  onAnswer(nowUs: number): void {
    this.#isUnanswered = false
    this.#failures = 0
    this.#timeoutUs = this.#times.timeoutUs
    this.#dueAtUs = nowUs + this.#times.settleUs
  }

  /** To be called when due, before asking again. @returns true where the last request has timed out */
  expire(): boolean {
    if (!this.#isUnanswered) return false
    this.#isUnanswered = false
    this.#failures++
    this.#server = (this.#server + 1) % this.#servers
    this.#timeoutUs = Math.min(this.#timeoutUs * 2, this.#times.timeoutMaxUs)
    return true
  }

  /** Requests up to `askedTo` went out. */
  sent(askedTo: number, nowUs: number): void {
    this.#askedTo = askedTo
    this.#isUnanswered = true
    this.#dueAtUs = nowUs + this.#timeoutUs
  }
}
