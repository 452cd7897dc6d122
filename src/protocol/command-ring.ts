/**
 * The memory of an outbox: a growing ring of bytes that holds commands as ready-made message blocks (length u16, header
 * 20, payload), so that a packet is filled by one copy of a whole stretch. Beside it, rings of numbers by source
 * sequence: where the block lies, when it was appended and sent, which event it became. A block never wraps around the
 * end of the ring.
 */
import { copyBytes, readU16, writeU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, EVENT_SOURCE_AT, eventFlags, LAST_FRAGMENT, setCommandHeader } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'

const INITIAL_COMMANDS = 256
const INITIAL_BYTES = 32 * 1024

export class CommandRing {
  #bytes: Uint8Array = new Uint8Array(INITIAL_BYTES)
  #view: DataView = new DataView(this.#bytes.buffer)
  #writeAt = 0
  /** Slots are `source sequence & mask`. */
  #mask = INITIAL_COMMANDS - 1
  #offsets: Float64Array = new Float64Array(INITIAL_COMMANDS)
  #appendedUs: Float64Array = new Float64Array(INITIAL_COMMANDS)
  #sentUs: Float64Array = new Float64Array(INITIAL_COMMANDS)
  #events: Float64Array = new Float64Array(INITIAL_COMMANDS)
  #first: number
  #nextReturned: number
  #next: number
  /** Of the newest command that was let go. */
  #releasedSequence = 0

  constructor(firstSourceSequence: number) {
    this.#first = firstSourceSequence
    this.#nextReturned = firstSourceSequence
    this.#next = firstSourceSequence
  }

  /** The oldest command held. */
  get first(): number {
    return this.#first
  }

  /** The first command that has not come back as an event. */
  get nextReturned(): number {
    return this.#nextReturned
  }

  /** The first command of the message that ends with `sourceSequence` or later: all before it are whole messages. */
  messageStart(sourceSequence: number): number {
    let n = sourceSequence
    while (n > this.#first && !this.#endsMessage(n - 1)) n--
    return n
  }

  /** The number of the next command appended. */
  get next(): number {
    return this.#next
  }

  /** Where the blocks lie; another array after an append that had to grow. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** The same memory as `bytes`. */
  get view(): DataView {
    return this.#view
  }

  /** Where a held command's block begins (its length field). */
  offset(sourceSequence: number): number {
    return this.#offsets[sourceSequence & this.#mask]!
  }

  appendedUs(sourceSequence: number): number {
    return this.#appendedUs[sourceSequence & this.#mask]!
  }

  sentUs(sourceSequence: number): number {
    return this.#sentUs[sourceSequence & this.#mask]!
  }

  /** The sequence of the event that the command became; meaningful once it was set. */
  eventSequence(sourceSequence: number): number {
    return this.#events[sourceSequence & this.#mask]!
  }

  /** The command that was next to come back is event `sequence`. */
  returned(sequence: number): void {
    this.#events[this.#nextReturned & this.#mask] = sequence
    this.#nextReturned++
  }

  /**
   * Events from `fromSequence` on are no more: the commands that had become one of them have not come back.
   * @returns false where one of them is held no longer
   */
  revoke(fromSequence: number): boolean {
    while (this.#nextReturned > this.#first && this.eventSequence(this.#nextReturned - 1) >= fromSequence) {
      this.#nextReturned--
    }
    return this.#releasedSequence < fromSequence
  }

  /** Adds one block with `payload[start, end)`, numbered `next`. */
  append(
    type: number,
    source: number,
    flags: number,
    payload: Uint8Array,
    start: number,
    end: number,
    us: number,
  ): void {
    const at = this.claim(type, source, flags, end - start, us)
    copyBytes(payload, start, end, this.#bytes, at)
  }

  /** Adds one block with room for a payload that is still to be written. @returns where it begins in `bytes` */
  claim(type: number, source: number, flags: number, payloadBytes: number, us: number): number {
    const lengthBytes = EVENT_HEADER_BYTES + payloadBytes
    if (this.#next - this.#first > this.#mask) this.#growIndex()
    const at = this.#reserve(BLOCK_LENGTH_BYTES + lengthBytes)
    this.#view.setUint16(at, lengthBytes)
    setCommandHeader(this.#view, at + BLOCK_LENGTH_BYTES, type, source, this.#next, flags)
    const slot = this.#next & this.#mask
    this.#offsets[slot] = at
    this.#appendedUs[slot] = us
    this.#writeAt = at + BLOCK_LENGTH_BYTES + lengthBytes
    this.#next++
    return at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES
  }

  /**
   * Measures the stretch of adjoining blocks that begins with `from`: at most `maxCommands` of them in at most `maxBytes`,
   * and stamps them as sent. @returns its number of commands; it ends where the last one's block does
   */
  takeStretch(from: number, maxCommands: number, maxBytes: number, sentUs: number): number {
    const start = this.offset(from)
    let end = start
    let taken = 0
    while (taken < maxCommands) {
      const slot = (from + taken) & this.#mask
      if (this.#offsets[slot] !== end) break
      const blockEnd = end + BLOCK_LENGTH_BYTES + readU16(this.#bytes, end)
      if (blockEnd - start > maxBytes) break
      this.#sentUs[slot] = sentUs
      end = blockEnd
      taken++
    }
    return taken
  }

  /** The blocks from `sourceSequence` on, one behind the other. */
  copyFrom(sourceSequence: number): Uint8Array {
    let lengthBytes = 0
    for (let n = sourceSequence; n < this.#next; n++) lengthBytes += this.end(n) - this.offset(n)
    const copy = new Uint8Array(lengthBytes)
    let at = 0
    for (let n = sourceSequence; n < this.#next; n++) {
      copy.set(this.#bytes.subarray(this.offset(n), this.end(n)), at)
      at += this.end(n) - this.offset(n)
    }
    return copy
  }

  /** Where a held command's block ends. */
  end(sourceSequence: number): number {
    const at = this.offset(sourceSequence)
    return at + BLOCK_LENGTH_BYTES + readU16(this.#bytes, at)
  }

  /** Lets go of all commands below `sourceSequence`, which have come back. */
  release(sourceSequence: number): void {
    if (sourceSequence === this.#first) return
    this.#releasedSequence = this.eventSequence(sourceSequence - 1)
    this.#first = sourceSequence
  }

  /** Writes the source number into every block held. */
  setSource(source: number): void {
    for (let n = this.#first; n < this.#next; n++) {
      writeU16(this.#bytes, this.offset(n) + BLOCK_LENGTH_BYTES + EVENT_SOURCE_AT, source)
    }
  }

  #endsMessage(sourceSequence: number): boolean {
    const flags = eventFlags(this.#bytes, this.offset(sourceSequence) + BLOCK_LENGTH_BYTES)
    return (flags & LAST_FRAGMENT) !== 0
  }

  /** @returns where a block of that size can be written */
  #reserve(blockBytes: number): number {
    if (this.#first === this.#next) this.#writeAt = 0
    else {
      const readAt = this.offset(this.#first)
      // Equal means full: an empty ring starts over at 0.
      const wrapped = this.#writeAt <= readAt
      if (!wrapped && this.#writeAt + blockBytes > this.#bytes.length && blockBytes <= readAt) return 0
      if (wrapped && this.#writeAt + blockBytes > readAt) this.#growBytes(blockBytes)
    }
    if (this.#writeAt + blockBytes > this.#bytes.length) this.#growBytes(blockBytes)
    return this.#writeAt
  }

  #growBytes(blockBytes: number): void {
    const from = this.#bytes
    const to = new Uint8Array(Math.max(from.length * 2, from.length + blockBytes))
    let at = 0
    for (let n = this.#first; n < this.#next; n++) {
      const start = this.offset(n)
      const end = this.end(n)
      copyBytes(from, start, end, to, at)
      this.#offsets[n & this.#mask] = at
      at += end - start
    }
    this.#bytes = to
    this.#view = new DataView(to.buffer)
    this.#writeAt = at
  }

  #growIndex(): void {
    const size = (this.#mask + 1) * 2
    this.#offsets = this.#spread(this.#offsets, size)
    this.#appendedUs = this.#spread(this.#appendedUs, size)
    this.#sentUs = this.#spread(this.#sentUs, size)
    this.#events = this.#spread(this.#events, size)
    this.#mask = size - 1
  }

  #spread(from: Float64Array, size: number): Float64Array {
    const to = new Float64Array(size)
    for (let n = this.#first; n < this.#next; n++) to[n & (size - 1)] = from[n & this.#mask]!
    return to
  }
}
