/** Room for copies of datagrams, cut from larger pieces: an allocation for each would be the dearest part of a delivery. */
const SLAB_BYTES = 64 * 1024

export class Slab {
  #slab = new ArrayBuffer(0)
  #used = 0

  /** Bytes that nobody else has. */
  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    if (this.#used + length > this.#slab.byteLength) {
      this.#slab = new ArrayBuffer(Math.max(SLAB_BYTES, length))
      this.#used = 0
    }
    const copy = new Uint8Array(this.#slab, this.#used, length)
    this.#used += length
    copy.set(bytes)
    return copy
  }
}
