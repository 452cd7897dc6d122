/** A fingerprint of a run: two runs of one seed must have the same one, or something in them is not on virtual time. */

/** So many bytes of a datagram are looked at: its end differs more often than its beginning. */
const SAMPLE_BYTES = 12

export class Trace {
  #hash = 0x811c_9dc5

  get hash(): number {
    return this.#hash >>> 0
  }

  note(a: number, b: number, c: number): void {
    let hash = Math.imul(this.#hash ^ (a | 0), 0x0100_0193)
    hash = Math.imul(hash ^ (b | 0), 0x0100_0193)
    this.#hash = Math.imul(hash ^ (c | 0), 0x0100_0193) ^ (hash >>> 15)
  }

  noteBytes(bytes: Uint8Array): void {
    let hash = Math.imul(this.#hash ^ bytes.length, 0x0100_0193)
    for (let at = Math.max(0, bytes.length - SAMPLE_BYTES); at < bytes.length; at++) {
      hash = Math.imul(hash ^ bytes[at]!, 0x0100_0193)
    }
    this.#hash = hash
  }
}
