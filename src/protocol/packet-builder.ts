/**
 * Builds downstream packets out of message blocks. Packets are views of large chunks that are written once and never
 * reused, so that whoever receives a packet may keep it, and only one allocation is made for many packets.
 */
import { copyBytes } from '../wire/bytes.js'
import { MOLD_HEADER_BYTES, writeMoldHeader } from '../wire/moldudp64.js'

const CHUNK_BYTES = 256 * 1024

export class PacketBuilder {
  readonly #session: Uint8Array
  readonly #limitBytes: number
  #chunk: Uint8Array
  #start = 0
  #end = MOLD_HEADER_BYTES
  #count = 0

  /** @param limitBytes the longest packet, header included */
  constructor(session: Uint8Array, limitBytes: number) {
    this.#session = session
    this.#limitBytes = limitBytes
    this.#chunk = new Uint8Array(Math.max(CHUNK_BYTES, limitBytes))
  }

  /** How many blocks the open packet has. */
  get count(): number {
    return this.#count
  }

  /** How many more bytes of blocks fit the open packet. */
  get roomBytes(): number {
    return this.#limitBytes - (this.#end - this.#start)
  }

  /** True where so many more bytes of blocks fit the open packet. */
  fits(lengthBytes: number): boolean {
    return this.#end - this.#start + lengthBytes <= this.#limitBytes
  }

  /** Copies `count` blocks (lengths included) to the end of the open packet. The caller asked `fits` before. */
  append(bytes: Uint8Array, start: number, end: number, count: number): void {
    copyBytes(bytes, start, end, this.#chunk, this.#end)
    this.#end += end - start
    this.#count += count
  }

  /** Closes the open packet and hands it over; the next one is open and empty. */
  take(sequence: number): Uint8Array {
    writeMoldHeader(this.#chunk, this.#start, this.#session, sequence, this.#count)
    const packet = this.#chunk.subarray(this.#start, this.#end)
    this.#start = this.#end
    if (this.#start + this.#limitBytes > this.#chunk.length) {
      this.#chunk = new Uint8Array(this.#chunk.length)
      this.#start = 0
    }
    this.discard()
    return packet
  }

  /** Empties the open packet. */
  discard(): void {
    this.#end = this.#start + MOLD_HEADER_BYTES
    this.#count = 0
  }
}
