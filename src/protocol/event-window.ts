/**
 * The packets that this run of the sequencer has sent: a ring of slots, bounded by packets and by bytes. What is not yet
 * stable is never overwritten, and fills the window; what is stable stays as long as nothing newer needs its place, so that
 * requests for it can still be answered here.
 */
import { MOLD_HEADER_BYTES, skipBlocks } from '../wire/moldudp64.js'
import type { RunVisitor } from './event-log.js'

export class EventWindow {
  readonly #capacity: number
  readonly #maxBytes: number
  readonly #packets: Array<Uint8Array | undefined>
  readonly #sequences: Float64Array
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
    this.#packets = new Array<Uint8Array | undefined>(maxPackets).fill(undefined)
    this.#sequences = new Float64Array(maxPackets)
  }

  /** Says where the first packet will start, for a session that has events already. */
  startAt(sequence: number): void {
    this.#nextSequence = sequence
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

  /** Keeps a packet that was sent, handed over. The oldest stable ones make room. */
  add(packet: Uint8Array, sequence: number, count: number): void {
    while (this.#mustEvict(packet.length)) this.#evict()
    const slot = this.#next % this.#capacity
    this.#packets[slot] = packet
    this.#sequences[slot] = sequence
    this.#next++
    this.#bytes += packet.length
    this.#unstableBytes += packet.length
    this.#nextSequence = sequence + count
  }

  /** Everything up to `stableSequence` is stable and no longer fills the window. */
  stable(stableSequence: number): void {
    while (this.#unstable < this.#next) {
      if (this.#endOf(this.#unstable) - 1 > stableSequence) return
      this.#unstableBytes -= this.#packets[this.#unstable % this.#capacity]!.length
      this.#unstable++
    }
  }

  /** As `EventLogReader.read`; visits nothing where `from` is not held. */
  read(from: number, maxPackets: number, visit: RunVisitor): number {
    if (!(from >= this.firstSequence && from < this.#nextSequence)) return from
    let next = from
    const start = this.#find(from)
    for (let position = start; position < this.#next && position - start < maxPackets; position++) {
      const packet = this.#packets[position % this.#capacity]!
      const end = this.#endOf(position)
      const at = skipBlocks(packet, MOLD_HEADER_BYTES, next - this.#sequences[position % this.#capacity]!)
      const goOn = visit(next, end - next, packet, at, packet.length, 0)
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
    const slot = this.#oldest % this.#capacity
    this.#bytes -= this.#packets[slot]!.length
    this.#packets[slot] = undefined
    this.#oldest++
  }
}
