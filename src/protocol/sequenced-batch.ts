/**
 * Turns runs of message blocks into SoupBinTCP sequenced data packets, many of them in one buffer: a block is length n and
 * n bytes, a packet is length n + 1, 'S', and the same bytes.
 */
import { copyBytes, readU16, writeU16 } from '../wire/bytes.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { SOUP_HEADER_BYTES, SOUP_LENGTH_BYTES, SOUP_MAX_PAYLOAD_BYTES, SOUP_SEQUENCED } from '../wire/soupbintcp.js'

/** One send carries so much; the largest packet fits. */
const BATCH_BYTES = SOUP_LENGTH_BYTES + 0xffff
/** Enough for a single small event, so that a live event costs no large buffer. */
const SMALL_BYTES = 2_048

export class SequencedBatch {
  readonly #send: (bytes: Uint8Array) => void
  #buffer: Uint8Array = new Uint8Array(0)
  #length = 0

  /** @param send takes a full buffer, handed over */
  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send
  }

  /** @throws Error where a block is longer than a SoupBinTCP packet can be (65,534 bytes) */
  add(count: number, bytes: Uint8Array, start: number, end: number): void {
    let at = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      if (lengthBytes > SOUP_MAX_PAYLOAD_BYTES) throw new Error(`a block of ${lengthBytes} bytes fits no packet`)
      at += BLOCK_LENGTH_BYTES
      this.#reserve(SOUP_HEADER_BYTES + lengthBytes, end - at + count - i)
      const to = this.#length
      writeU16(this.#buffer, to, lengthBytes + 1)
      this.#buffer[to + SOUP_LENGTH_BYTES] = SOUP_SEQUENCED
      copyBytes(bytes, at, at + lengthBytes, this.#buffer, to + SOUP_HEADER_BYTES)
      this.#length = to + SOUP_HEADER_BYTES + lengthBytes
      at += lengthBytes
    }
  }

  /** Sends what is left. */
  flush(): void {
    if (this.#length === 0) return
    const full = this.#buffer.subarray(0, this.#length)
    this.#buffer = new Uint8Array(0)
    this.#length = 0
    this.#send(full)
  }

  /** Makes room for a packet. `moreBytes` are known to follow, so a first small buffer is not outgrown at once. */
  #reserve(packetBytes: number, moreBytes: number): void {
    if (this.#length + packetBytes <= this.#buffer.length) return
    if (this.#length + packetBytes > BATCH_BYTES) this.flush()
    const wanted = this.#length === 0 && packetBytes + moreBytes <= SMALL_BYTES ? SMALL_BYTES : BATCH_BYTES
    const larger = new Uint8Array(wanted)
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }
}
