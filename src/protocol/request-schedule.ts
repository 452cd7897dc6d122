/**
 * When to ask for a gap, and whom: a randomised delay (what is late is not lost, and many receivers miss the same packet),
 * then time-outs with back-off, each at the next server. It keeps times only; what is missing the receiver knows.
 */
import type { Prng } from '../core/prng.js'
import type { ReceiverOptions } from './receiver-options.js'

export type RequestTimes = Pick<
  Required<ReceiverOptions>,
  | 'requestDelayMinUs'
  | 'requestDelayMaxUs'
  | 'requestTimeoutUs'
  | 'requestTimeoutMaxUs'
  | 'requestSettleUs'
  | 'requestRounds'
>

export class RequestSchedule {
  readonly #servers: number
  readonly #times: RequestTimes
  readonly #prng: Prng
  #server: number
  #timeoutUs: number
  #dueAtUs = Number.POSITIVE_INFINITY
  #openedAtUs = 0
  #askedTo = 0
  #isUnanswered = false
  #failures = 0

  constructor(servers: number, times: RequestTimes, prng: Prng) {
    this.#servers = servers
    this.#times = times
    this.#prng = prng
    this.#server = servers > 0 ? prng.integer(0, servers - 1) : 0
    this.#timeoutUs = times.requestTimeoutUs
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
    return this.#failures >= this.#times.requestRounds * this.#servers
  }

  /** A gap was seen. */
  open(nowUs: number): void {
    this.#openedAtUs = nowUs
    this.#dueAtUs = nowUs + this.#prng.integer(this.#times.requestDelayMinUs, this.#times.requestDelayMaxUs)
  }

  /**
   * For a gap at the end of the stream that a heartbeat has shown: where something was delivered in that turn or since, the heartbeat was only
   * read before the events that it speaks of, and they are still coming.
   * @returns true where asking was put off
   */
  postpone(deliveredAtUs: number, nowUs: number): boolean {
    if (deliveredAtUs < this.#openedAtUs) return false
    this.open(nowUs)
    return true
  }

  /** There is no gap any more. */
  close(): void {
    this.#dueAtUs = Number.POSITIVE_INFINITY
    this.#askedTo = 0
    this.#isUnanswered = false
    this.#failures = 0
    this.#timeoutUs = this.#times.requestTimeoutUs
  }

  /** Events below `askedTo` came, so that the server is alive. */
  onAnswer(nowUs: number): void {
    this.#isUnanswered = false
    this.#failures = 0
    this.#timeoutUs = this.#times.requestTimeoutUs
    this.#dueAtUs = nowUs + this.#times.requestSettleUs
  }

  /** To be called when due, before asking again. @returns true where the last request has timed out */
  expire(): boolean {
    if (!this.#isUnanswered) return false
    this.#isUnanswered = false
    this.#failures++
    this.#server = (this.#server + 1) % this.#servers
    this.#timeoutUs = Math.min(this.#timeoutUs * 2, this.#times.requestTimeoutMaxUs)
    return true
  }

  /** Requests up to `askedTo` went out. */
  sent(askedTo: number, nowUs: number): void {
    this.#askedTo = askedTo
    this.#isUnanswered = true
    this.#dueAtUs = nowUs + this.#timeoutUs
  }
}
