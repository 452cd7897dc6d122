/** Reads what canonical.ts writes. Properties come in the order of their names. */
import * as tag from './canonical-tags.js'

export class CanonicalDecoder {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #isFrozen: boolean
  #at = 0

  /** @param isFrozen arrays and objects can't be changed. Maps, Sets and bytes always can */
  constructor(bytes: Uint8Array, isFrozen: boolean) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#isFrozen = isFrozen
  }

  /** The next value. @throws RangeError, Error where the bytes are none */
  value(): unknown {
    const kind = this.#view.getUint8(this.#at++)
    switch (kind) {
      case tag.NULL:
        return null
      case tag.UNDEFINED:
        return undefined
      case tag.FALSE:
        return false
      case tag.TRUE:
        return true
      case tag.INTEGER:
        this.#at += 4
        return this.#view.getInt32(this.#at - 4)
      case tag.DOUBLE:
        this.#at += 8
        return this.#view.getFloat64(this.#at - 8)
      case tag.ASCII:
        return this.#text(1)
      case tag.UTF16:
        return this.#text(2)
      case tag.BYTES:
        return this.#take(this.#length()).slice()
      case tag.ARRAY:
        return this.#array()
      case tag.OBJECT:
        return this.#object()
      case tag.MAP:
        return this.#map()
      case tag.SET:
        return new Set(this.#values(this.#length()))
      default:
        throw new Error(`${kind} at byte ${this.#at - 1} is no kind of value`)
    }
  }

  #length(): number {
    this.#at += 4
    return this.#view.getUint32(this.#at - 4)
  }

  #take(lengthBytes: number): Uint8Array {
    if (this.#at + lengthBytes > this.#bytes.length) throw new RangeError('the bytes end within a value')
    this.#at += lengthBytes
    return this.#bytes.subarray(this.#at - lengthBytes, this.#at)
  }

  #text(bytesPerCode: 1 | 2): string {
    const bytes = this.#take(this.#length() * bytesPerCode)
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    return bytesPerCode === 1 ? text.toString('latin1') : Buffer.from(text).swap16().toString('utf16le')
  }

  #array(): unknown[] {
    const values = this.#values(this.#length())
    if (this.#isFrozen) Object.freeze(values)
    return values
  }

  #values(count: number): unknown[] {
    const values: unknown[] = []
    for (let i = 0; i < count; i++) values.push(this.value())
    return values
  }

  #object(): object {
    const object: Record<string, unknown> = {}
    for (let left = this.#length(); left > 0; left--) {
      const name = String(this.value())
      const value = this.value()
      if (name === '__proto__')
        Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
      else object[name] = value
    }
    return this.#isFrozen ? Object.freeze(object) : object
  }

  #map(): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>()
    for (let left = this.#length(); left > 0; left--) {
      const key = this.value()
      map.set(key, this.value())
    }
    return map
  }
}
