/**
 * A hash of a set of entries that is kept up to date: the sum, modulo 2^256, of the SHA-256 of each. An entry that goes is subtracted, one that
 * comes is added, and the order does not count.
 */
import { hash } from 'node:crypto'

export const SUM_BYTES = 32
const WORDS = 8

/** The hash of one entry. */
export function hashOfEntry(key: Uint8Array, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + key.length + value.length)
  bytes[0] = key.length >> 8
  bytes[1] = key.length
  bytes.set(key, 2)
  bytes.set(value, 2 + key.length)
  return hash('sha256', bytes, 'buffer')
}

export class ContentSum {
  /** How many entries. */
  count = 0
  /** The least significant word first. */
  readonly #words = new Uint32Array(WORDS)

  add(hash: Uint8Array): void {
    this.count++
    this.#combine(hash, 1)
  }

  subtract(hash: Uint8Array): void {
    this.count--
    this.#combine(hash, -1)
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(SUM_BYTES)
    const view = new DataView(bytes.buffer)
    for (let i = 0; i < WORDS; i++) view.setUint32(i * 4, this.#words[i] ?? 0)
    return bytes
  }

  set(count: number, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.count = count
    for (let i = 0; i < WORDS; i++) this.#words[i] = view.getUint32(i * 4)
  }

  #combine(hash: Uint8Array, sign: 1 | -1): void {
    const view = new DataView(hash.buffer, hash.byteOffset, hash.length)
    let carry = 0
    for (let i = 0; i < WORDS; i++) {
      const word = (this.#words[i] ?? 0) + sign * view.getUint32(i * 4) + carry
      this.#words[i] = word // Modulo 2^32.
      carry = Math.floor(word / 0x1_0000_0000)
    }
  }
}
