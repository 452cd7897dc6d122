/**
 * The packets that this run of the sequencer has sent: a ring of slots, bounded by packets and by bytes. What is not yet
 * stable is never overwritten, and fills the window; what is stable stays as long as nothing newer needs its place, so that
 * requests for it can still be answered here.
 *
 * Packets are copied into a ring of bytes. Keeping the socket's own buffers would make each of them old before it dies, and
 * the collector would let tens of megabytes of dead ones lie.
 */
import { MAX_DATAGRAM_BYTES } from '../core/limits.js'
import { copyBytes } from '../wire/bytes.js'
import { MOLD_HEADER_BYTES, skipBlocks } from '../wire/moldudp64.js'
import type { RunVisitor } from './event-log.js'

const INITIAL_BYTES = 64 * 1024
/** What stays empty before the ring's end and between its ends: a packet each, at most. */
const SLACK_BYTES = 2 * MAX_DATAGRAM_BYTES

export class EventWindow {
  readonly #capacity: number
  readonly #maxBytes: number
  readonly #sequences: Float64Array
  /** Where each packet lies in the ring of bytes: in one piece. */
  readonly #starts: Float64Array
  readonly #lengths: Uint32Array
  #ring: Uint8Array = new Uint8Array(INITIAL_BYTES)
  #writeAt = 0
  /** Positions count up without end; a position's slot is its remainder. Oldest kept, oldest unstable, next free. */
  #oldest = 0
  #unstable = 0
  #next = 0
  #bytes = 0
  #unstableBytes = 0
  #nextSequence = 1

  constructor(maxPackets: number, maxBytes: number) {
    this.#capacity = maxPackets
    this.#maxBytes = maxBytes
    this.#sequences = new Float64Array(maxPackets)
    this.#starts = new Float64Array(maxPackets)
    this.#lengths = new Uint32Array(maxPackets)
  }

  /** The first sequence that is held. */
  get firstSequence(): number {
    return this.#oldest === this.#next ? this.#nextSequence : this.#sequences[this.#oldest % this.#capacity]!
  }

  /** The last sequence that was added. */
  get committedSequence(): number {
    return this.#nextSequence - 1
  }

  /** Packets that are not yet stable. */
  get unstablePackets(): number {
    return this.#next - this.#unstable
  }

  /** Bytes of the packets that are not yet stable. */
  get unstableBytes(): number {
    return this.#unstableBytes
  }

  /** True where so many packets of so many bytes in all can be added. */
  hasRoom(packets: number, lengthBytes: number): boolean {
    return this.unstablePackets + packets <= this.#capacity && this.#unstableBytes + lengthBytes <= this.#maxBytes
  }

  /** Keeps a copy of a packet that is sent. The oldest stable ones make room. */
  add(packet: Uint8Array, sequence: number, count: number): void {
    while (this.#mustEvict(packet.length)) this.#evict()
    const slot = this.#next % this.#capacity
    const at = this.#reserve(packet.length)
    copyBytes(packet, 0, packet.length, this.#ring, at)
    this.#writeAt = at + packet.length
    this.#sequences[slot] = sequence
    this.#starts[slot] = at
    this.#lengths[slot] = packet.length
    this.#next++
    this.#bytes += packet.length
    this.#unstableBytes += packet.length
    this.#nextSequence = sequence + count
  }

  /** Everything up to `stableSequence` is stable and no longer fills the window. */
  stable(stableSequence: number): void {
    while (this.#unstable < this.#next) {
      if (this.#endOf(this.#unstable) - 1 > stableSequence) return
      this.#unstableBytes -= this.#lengths[this.#unstable % this.#capacity]!
      this.#unstable++
    }
  }

  /**
   * Counts what is held beyond `stableSequence` as not yet stable again: the newest first, as long as room for so many packets of so
   * many bytes in all is left.
   */
  protect(stableSequence: number, packets: number, lengthBytes: number): void {
    while (this.#unstable > this.#oldest && this.#endOf(this.#unstable - 1) - 1 > stableSequence) {
      const bytes = this.#lengths[(this.#unstable - 1) % this.#capacity]!
      if (!this.hasRoom(packets + 1, lengthBytes + bytes)) return
      this.#unstable--
      this.#unstableBytes += bytes
    }
  }

  /** As `EventLogReader.read`; visits nothing where `from` is not held. */
  read(from: number, maxPackets: number, visit: RunVisitor): number {
    if (!(from >= this.firstSequence && from < this.#nextSequence)) return from
    let next = from
    const start = this.#find(from)
    for (let position = start; position < this.#next && position - start < maxPackets; position++) {
      const slot = position % this.#capacity
      const packetAt = this.#starts[slot]!
      const end = this.#endOf(position)
      const at = skipBlocks(this.#ring, packetAt + MOLD_HEADER_BYTES, next - this.#sequences[slot]!)
      const goOn = visit(next, end - next, this.#ring, at, packetAt + this.#lengths[slot]!, 0)
      next = end
      if (!goOn) break
    }
    return next
  }

  /** The position of the packet that holds `sequence`, which is held. */
  #find(sequence: number): number {
    let low = this.#oldest
    let high = this.#next - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#sequences[middle % this.#capacity]! <= sequence) low = middle
      else high = middle - 1
    }
    return low
  }

  #endOf(position: number): number {
    return position + 1 < this.#next ? this.#sequences[(position + 1) % this.#capacity]! : this.#nextSequence
  }

  #mustEvict(lengthBytes: number): boolean {
    if (this.#oldest === this.#unstable) {
      if (this.#next - this.#oldest < this.#capacity) return false
      throw new Error('the window is full of unstable packets: ask hasRoom before adding')
    }
    return this.#next - this.#oldest >= this.#capacity || this.#bytes + lengthBytes > this.#maxBytes
  }

  #evict(): void {
    this.#bytes -= this.#lengths[this.#oldest % this.#capacity]!
    this.#oldest++
  }

  /** @returns where so many bytes can be written in one piece */
  #reserve(lengthBytes: number): number {
    const isEmpty = this.#oldest === this.#next
    if (isEmpty) this.#writeAt = 0
    const readAt = isEmpty ? 0 : this.#starts[this.#oldest % this.#capacity]!
    // Where both are the same and something is held, the ring is full.
    const hasWrapped = !isEmpty && this.#writeAt <= readAt
    if (this.#writeAt + lengthBytes <= (hasWrapped ? readAt : this.#ring.length)) return this.#writeAt
    if (!hasWrapped && lengthBytes <= readAt) return 0
    this.#grow(lengthBytes)
    return this.#writeAt
  }

  /** Doubles the ring as far as the bound needs it. Its packets lie one after the other then, from the beginning. */
  #grow(lengthBytes: number): void {
    const from = this.#ring
    const enoughBytes = this.#maxBytes + SLACK_BYTES
    const to = new Uint8Array(Math.max(Math.min(from.length * 2, enoughBytes), from.length + lengthBytes))
    let at = 0
    for (let position = this.#oldest; position < this.#next; position++) {
      const slot = position % this.#capacity
      const start = this.#starts[slot]!
      copyBytes(from, start, start + this.#lengths[slot]!, to, at)
      this.#starts[slot] = at
      at += this.#lengths[slot]!
    }
    this.#ring = to
    this.#writeAt = at
  }
}
