/**
 * Packets that came before their turn, by reference and in the order of their sequences. Slots are preallocated; packets
 * mostly come in rising order, so that an insertion seldom moves anything.
 */

/** `dropped`: the buffer is full of packets that are worth more. */
export type InsertVerdict = 'kept' | 'duplicate' | 'dropped'

export class ReorderBuffer {
  readonly #capacity: number
  readonly #maxBytes: number
  readonly #sequences: Float64Array
  readonly #afters: Float64Array
  readonly #blockEnds: Float64Array
  readonly #packets: (Uint8Array | undefined)[]
  #head = 0
  #size = 0
  #heldBytes = 0
  #overflows = 0

  /** @param capacity in packets, from 1 */
  constructor(capacity: number, maxBytes: number) {
    if (!(capacity >= 1)) throw new RangeError(`a reorder buffer of ${capacity} packets`)
    this.#capacity = capacity
    this.#maxBytes = maxBytes
    this.#sequences = new Float64Array(capacity)
    this.#afters = new Float64Array(capacity)
    this.#blockEnds = new Float64Array(capacity)
    this.#packets = new Array<Uint8Array | undefined>(capacity).fill(undefined)
  }

  get size(): number {
    return this.#size
  }

  /** Packets that did not find room, or lost it to others. */
  get overflows(): number {
    return this.#overflows
  }

  /** First sequence of the packet at `index`, counted from the oldest. */
  sequenceAt(index: number): number {
    return this.#sequences[this.#slot(index)]!
  }

  /** The sequence after the last event of the packet at `index`. */
  afterAt(index: number): number {
    return this.#afters[this.#slot(index)]!
  }

  /** Where the blocks of the packet at `index` end. */
  blockEndAt(index: number): number {
    return this.#blockEnds[this.#slot(index)]!
  }

  /** The packet at `index`. */
  packetAt(index: number): Uint8Array {
    const packet = this.#packets[this.#slot(index)]
    if (packet === undefined) throw new RangeError(`no packet at ${index} of ${this.#size}`)
    return packet
  }

  /**
   * Keeps a packet with the events `sequence` to `after - 1`. One that another packet covers is a duplicate; overlaps are
   * kept and cut at delivery.
   * @param prefer what stays when the buffer is full: a gap is filled from its beginning, so it wants the oldest; a rewind
   * meets the newest
   */
  insert(
    sequence: number,
    after: number,
    packet: Uint8Array,
    blockEnd: number,
    prefer: 'oldest' | 'newest',
  ): InsertVerdict {
    if (this.#isCovered(sequence, after)) return 'duplicate'
    while (this.#size === this.#capacity || this.#heldBytes + packet.length > this.#maxBytes) {
      this.#overflows++
      if (this.#size === 0) return 'dropped'
      const isNewest = prefer === 'newest'
      if (isNewest ? sequence <= this.sequenceAt(0) : sequence >= this.sequenceAt(this.#size - 1)) return 'dropped'
      if (isNewest) this.dropFirst()
      else this.#dropLast()
    }
    let index = this.#size
    while (index > 0 && this.sequenceAt(index - 1) > sequence) index--
    for (let i = this.#size; i > index; i--) this.#move(this.#slot(i - 1), this.#slot(i))
    const slot = this.#slot(index)
    this.#sequences[slot] = sequence
    this.#afters[slot] = after
    this.#blockEnds[slot] = blockEnd
    this.#packets[slot] = packet
    this.#size++
    this.#heldBytes += packet.length
    return 'kept'
  }

  /** Forgets the oldest packet. */
  dropFirst(): void {
    this.#heldBytes -= this.packetAt(0).length
    this.#packets[this.#head] = undefined
    this.#head = this.#slot(1)
    this.#size--
  }

  #dropLast(): void {
    this.#heldBytes -= this.packetAt(this.#size - 1).length
    this.#packets[this.#slot(this.#size - 1)] = undefined
    this.#size--
  }

  /** Forgets the packets that reach beyond `next`. @returns how many */
  dropAfter(next: number): number {
    const before = this.#size
    while (this.#size > 0 && this.afterAt(this.#size - 1) > next) this.#dropLast()
    return before - this.#size
  }

  clear(): void {
    while (this.#size > 0) this.dropFirst()
  }

  #isCovered(sequence: number, after: number): boolean {
    let index = this.#size - 1
    while (index >= 0 && this.sequenceAt(index) > sequence) index--
    return index >= 0 && this.afterAt(index) >= after
  }

  #slot(index: number): number {
    const slot = this.#head + index
    return slot < this.#capacity ? slot : slot - this.#capacity
  }

  #move(from: number, to: number): void {
    this.#sequences[to] = this.#sequences[from]!
    this.#afters[to] = this.#afters[from]!
    this.#blockEnds[to] = this.#blockEnds[from]!
    this.#packets[to] = this.#packets[from]
  }
}
