/**
 * The rewind of a receiver: when it may start, what it brings, and how it ends. One runs at a time; the output opens and closes it.
 */
import type { Counters } from '../core/counters.js'
import type { DeliveryLine } from './delivery-line.js'
import type { ReceiverCounter, ReceiverOptions, ReceiverOutput } from './receiver-options.js'
import type { RewindIntake, RewindVerdict } from './rewind-intake.js'
import { RewindSchedule } from './rewind-schedule.js'

export class Rewinding {
  readonly #line: DeliveryLine
  readonly #intake: RewindIntake
  readonly #output: ReceiverOutput
  readonly #counters: Counters<ReceiverCounter>
  readonly #logger: Required<ReceiverOptions>['logger']
  readonly #schedule: RewindSchedule

  constructor(
    options: Required<ReceiverOptions>,
    line: DeliveryLine,
    intake: RewindIntake,
    output: ReceiverOutput,
    counters: Counters<ReceiverCounter>,
  ) {
    this.#line = line
    this.#intake = intake
    this.#output = output
    this.#counters = counters
    this.#logger = options.logger
    this.#schedule = new RewindSchedule(options.rewindRetryMinUs, options.rewindRetryMaxUs, options.rewindStallUs)
  }

  get isRunning(): boolean {
    return this.#schedule.isRunning
  }

  /** The sequence after the last event that it has brought. */
  get next(): number {
    return this.#intake.next
  }

  canStart(nowUs: number): boolean {
    return nowUs >= this.#schedule.dueAtUs
  }

  /** When the next one may start, or the one that runs has stalled, given since when something is missing. */
  dueAtUs(behindSinceUs: number): number {
    return Math.min(this.#schedule.dueAtUs, this.#schedule.stalledAtUs(behindSinceUs))
  }

  hasStalled(behindSinceUs: number, nowUs: number): boolean {
    return nowUs >= this.#schedule.stalledAtUs(behindSinceUs)
  }

  /** Comes last in a call: the output may call back at once. */
  start(nowUs: number): void {
    this.#counters.rewinds++
    this.#schedule.start(this.#line.next, nowUs)
    this.#intake.next = this.#line.next
    this.#output.startRewind(this.#line.next)
  }

  /** It was accepted, and begins at this sequence. */
  begins(sequence: number): void {
    this.#intake.next = sequence
  }

  take(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): RewindVerdict {
    return this.#intake.take(sequence, count, bytes, start, end, nowUs)
  }

  /** It lives. */
  progress(nowUs: number): void {
    this.#schedule.progress(nowUs)
  }

  /** Done with it, or not needed any more. */
  stop(): void {
    if (!this.isRunning) return
    this.#schedule.stop()
    this.#output.stopRewind()
  }

  /** It is of no use: closed; `fail` follows. */
  abandon(): void {
    this.#counters['broken-rewind']++
    this.#output.stopRewind()
  }

  /** It ended before its time, and is tried again later. @returns true where it had brought nothing */
  fail(reason: string, nowUs: number): boolean {
    const nextSequence = this.#line.next
    this.#counters['rewind-failures']++
    this.#logger[this.#schedule.levelOf(reason)]({ reason, nextSequence }, 'rewind ended early')
    return this.#schedule.fail(nextSequence, nowUs)
  }
}
