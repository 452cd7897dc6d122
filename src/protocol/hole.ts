/**
 * The hole in front of what a receiver knows of the stream: from the next event to deliver to the first one that waits, or to the
 * end that is known. How wide it is, since when it is there, and whether it is growing over the room for what waits.
 */
import type { DeliveryLine } from './delivery-line.js'
import type { StreamExtent } from './stream-extent.js'

export interface HoleBounds {
  readonly servers: number
  readonly gapRewindEvents: number
  readonly lossTimeoutUs: number
}

export class Hole {
  readonly #line: DeliveryLine
  readonly #extent: StreamExtent
  readonly #bounds: HoleBounds
  #forgivenOverflows = 0
  /** Since when something is known to be missing; infinity while nothing is. */
  sinceUs = Number.POSITIVE_INFINITY

  constructor(line: DeliveryLine, extent: StreamExtent, bounds: HoleBounds) {
    this.#line = line
    this.#extent = extent
    this.#bounds = bounds
  }

  get isOpen(): boolean {
    return this.sinceUs !== Number.POSITIVE_INFINITY
  }

  /** The sequence after the last missing one. */
  get end(): number {
    const { buffer } = this.#line
    return buffer.size > 0 ? buffer.sequenceAt(0) : this.#extent.next
  }

  /** Too wide to be asked for. */
  get isWide(): boolean {
    return this.end - this.#line.next > this.#bounds.gapRewindEvents
  }

  get canBeAsked(): boolean {
    return this.#bounds.servers > 0 && !this.isWide
  }

  /** Packets that waited had to go, since the last time that this was forgiven. */
  get hasOverflowed(): boolean {
    return this.#line.buffer.overflows > this.#forgivenOverflows
  }

  /** When it is lost, unless it has shrunk at its beginning. */
  get lostAtUs(): number {
    return Math.max(this.sinceUs, this.#line.deliveredAtUs) + this.#bounds.lossTimeoutUs
  }

  open(nowUs: number): void {
    this.sinceUs = Math.min(this.sinceUs, nowUs)
  }

  /** It is waited for from now on, as if it had just opened. */
  postpone(nowUs: number): void {
    this.sinceUs = nowUs
  }

  close(): void {
    this.sinceUs = Number.POSITIVE_INFINITY
  }

  forgiveOverflows(): void {
    this.#forgivenOverflows = this.#line.buffer.overflows
  }
}
