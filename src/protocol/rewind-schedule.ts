/**
 * Whether a rewind runs, and when a failed one may be tried again.
 */
export class RewindSchedule {
  readonly #retryMinUs: number
  readonly #retryMaxUs: number
  #state: 'idle' | 'running' = 'idle'
  #dueAtUs = 0
  #retryUs: number
  #startedFrom = 0

  constructor(retryMinUs: number, retryMaxUs: number) {
    this.#retryMinUs = retryMinUs
    this.#retryMaxUs = retryMaxUs
    this.#retryUs = retryMinUs
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  /** When the next rewind may start; infinity while one runs. */
  get dueAtUs(): number {
    return this.#state === 'running' ? Number.POSITIVE_INFINITY : this.#dueAtUs
  }

  start(fromSequence: number): void {
    this.#state = 'running'
    this.#startedFrom = fromSequence
  }

  /** Done with it, or not needed any more. */
  stop(): void {
    this.#state = 'idle'
    this.#retryUs = this.#retryMinUs
    this.#dueAtUs = 0
  }

  /** It ended before its time. @returns true where it had brought nothing */
  fail(nextSequence: number, nowUs: number): boolean {
    const isBarren = nextSequence === this.#startedFrom
    this.#state = 'idle'
    if (!isBarren) this.#retryUs = this.#retryMinUs
    this.#dueAtUs = nowUs + this.#retryUs
    this.#retryUs = Math.min(this.#retryUs * 2, this.#retryMaxUs)
    return isBarren
  }
}
