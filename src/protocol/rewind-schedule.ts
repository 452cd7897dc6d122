/**
 * Whether a rewind runs, when it has stalled, and when a failed one may be tried again.
 */
/** Why a rewind ends that had nobody to ask: who waits for a server says so itself, once. */
export const NO_REWIND_SERVER = 'no store is known'

export class RewindSchedule {
  readonly #retryMinUs: number
  readonly #retryMaxUs: number
  readonly #stallUs: number
  #state: 'idle' | 'running' = 'idle'
  #dueAtUs = 0
  #retryUs: number
  #startedFrom = 0
  #progressUs = 0
  #lastReason = NO_REWIND_SERVER

  constructor(retryMinUs: number, retryMaxUs: number, stallUs: number) {
    this.#retryMinUs = retryMinUs
    this.#retryMaxUs = retryMaxUs
    this.#stallUs = stallUs
    this.#retryUs = retryMinUs
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  /** When the next rewind may start; infinity while one runs. */
  get dueAtUs(): number {
    return this.#state === 'running' ? Number.POSITIVE_INFINITY : this.#dueAtUs
  }

  /** When a rewind that brings nothing has stalled, given since when something is missing; infinity while none runs. */
  stalledAtUs(behindSinceUs: number): number {
    if (this.#state !== 'running') return Number.POSITIVE_INFINITY
    return Math.max(this.#progressUs, behindSinceUs) + this.#stallUs
  }

  start(fromSequence: number, nowUs: number): void {
    this.#state = 'running'
    this.#startedFrom = fromSequence
    this.#progressUs = nowUs
  }

  /** It was accepted, or brought events. */
  progress(nowUs: number): void {
    this.#progressUs = nowUs
  }

  /** Done with it, or not needed any more. */
  stop(): void {
    this.#state = 'idle'
    this.#retryUs = this.#retryMinUs
    this.#dueAtUs = 0
    this.#lastReason = NO_REWIND_SERVER
  }

  /** How loud a failure is: a reason that was said before, or that somebody else says, needs no second warning. */
  levelOf(reason: string): 'warn' | 'debug' {
    if (reason === NO_REWIND_SERVER || reason === this.#lastReason) return 'debug'
    this.#lastReason = reason
    return 'warn'
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
