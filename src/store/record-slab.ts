/**
 * Room for records. They are cut from slabs, because an allocation for each would be the dearest part of an append; a slab is
 * never used again, so that a record stays as it is for as long as anybody holds it.
 */
const SLAB_BYTES = 1024 * 1024

export class RecordSlab {
  #slab: Uint8Array = new Uint8Array(0)
  #used = 0

  /** Bytes that nobody else has; their content is undefined. */
  take(lengthBytes: number): Uint8Array {
    if (this.#used + lengthBytes > this.#slab.length) {
      this.#slab = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, lengthBytes)).buffer)
      this.#used = 0
    }
    const at = this.#used
    this.#used += lengthBytes
    return this.#slab.subarray(at, at + lengthBytes)
  }
}
