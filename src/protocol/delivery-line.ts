/**
 * The line in which events wait: what has its turn is handed on where it lies, what came too early waits in the reorder
 * buffer, what is repeated is cut off.
 */
import type { Counters } from '../core/counters.js'
import { MOLD_HEADER_BYTES, skipBlocks } from '../wire/moldudp64.js'
import type { ReceiverCounter, ReceiverOutput } from './receiver-options.js'
import type { ReorderBuffer } from './reorder-buffer.js'

export class DeliveryLine {
  readonly buffer: ReorderBuffer
  readonly #output: Pick<ReceiverOutput, 'deliver'>
  readonly #counters: Counters<ReceiverCounter>
  /** The next sequence to deliver. */
  next: number
  /** When the last event was delivered. */
  deliveredAtUs = 0

  constructor(
    next: number,
    buffer: ReorderBuffer,
    output: Pick<ReceiverOutput, 'deliver'>,
    counters: Counters<ReceiverCounter>,
  ) {
    this.next = next
    this.buffer = buffer
    this.#output = output
    this.#counters = counters
  }

  /** Delivers the events of a checked run that begins at or before `next` and ends after it. */
  deliver(sequence: number, after: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void {
    const first = this.next
    let at = start
    if (sequence < first) {
      this.#counters['partly-repeated']++
      at = skipBlocks(bytes, start, first - sequence)
    }
    this.next = after
    this.deliveredAtUs = nowUs
    this.#counters['delivered-packets']++
    this.#counters['delivered-events'] += after - first
    this.#output.deliver(first, after - first, bytes, at, end, nowUs)
  }

  /** Puts a packet aside until its turn. @returns false where it is a repeat */
  keep(sequence: number, after: number, packet: Uint8Array, end: number, prefer: 'oldest' | 'newest'): boolean {
    const verdict = this.buffer.insert(sequence, after, packet, end, prefer)
    this.#counters.overflow = this.buffer.overflows
    if (verdict === 'duplicate') this.#counters.duplicate++
    else if (verdict === 'kept') this.#counters.reordered++
    return verdict !== 'duplicate'
  }

  /** What waits is not of this stream, or may not be. */
  discard(counter: 'disowned' | 'wrong-epoch', from = this.next): void {
    this.#counters[counter] += this.buffer.dropAfter(from)
  }

  /** Delivers the packets whose turn it is. @returns true where there was one */
  drain(nowUs: number): boolean {
    const buffer = this.buffer
    let isDrained = false
    while (buffer.size > 0 && buffer.sequenceAt(0) <= this.next) {
      const sequence = buffer.sequenceAt(0)
      const after = buffer.afterAt(0)
      const packet = buffer.packetAt(0)
      const end = buffer.blockEndAt(0)
      buffer.dropFirst()
      if (after <= this.next) continue
      this.deliver(sequence, after, packet, MOLD_HEADER_BYTES, end, nowUs)
      isDrained = true
    }
    return isDrained
  }
}
