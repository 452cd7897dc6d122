/**
 * Reads what `encodeState` wrote. The bytes may be damaged, or a stranger's: whatever they say, nothing is read outside of them, what is
 * built is no larger than they are, and what is wrong is an exception that the caller of `decodeState` turns into a reason.
 */
import type { LargeKey } from './large/large-key.js'
import { type LargeMap, restoreLargeMap } from './large/large-map.js'
import * as tag from './state-tags.js'

/** The bytes are not an encoded state. */
export class StateDamage extends Error {}

/** @throws StateDamage */
export function decodeState(bytes: Uint8Array): unknown {
  const decoder = new StateDecoder(bytes)
  const value = decoder.value()
  decoder.end()
  return value
}

class StateDecoder {
  readonly #bytes: Buffer
  readonly #view: DataView
  readonly #end: number
  #at = 0
  #depth = 0
  readonly #objects: object[] = []
  readonly #shapes = new tag.ShapeBook()

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#end = bytes.length
  }

  end(): void {
    if (this.#at !== this.#end) throw new StateDamage(`${this.#end - this.#at} bytes too many`)
  }

  value(): unknown {
    const kind = this.#u8()
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
        return this.#view.getInt32(this.#take(4))
      case tag.DOUBLE:
        return this.#view.getFloat64(this.#take(8))
      case tag.SHORT_LATIN1:
      case tag.LATIN1:
      case tag.UTF16:
        return this.#text(kind)
      case tag.REFERENCE:
        return this.#reference()
      default:
        return this.#object(kind)
    }
  }

  #object(kind: number): unknown {
    if (kind === tag.BYTES || kind === tag.BUFFER) return this.#binary(kind)
    if (++this.#depth > tag.MAX_DEPTH + 1) throw new StateDamage('nested too deep')
    const value = this.#nested(kind)
    this.#depth--
    return value
  }

  #nested(kind: number): unknown {
    switch (kind) {
      case tag.ARRAY:
        return this.#array()
      case tag.MAP:
        return this.#map()
      case tag.SET:
        return this.#set()
      case tag.OBJECT:
      case tag.BARE_OBJECT:
        return this.#named(kind === tag.BARE_OBJECT)
      case tag.SHAPED:
        return this.#shaped()
      case tag.LARGE_MAP:
        return this.#largeMap()
      default:
        throw new StateDamage(`tag ${kind} at ${this.#at - 1}`)
    }
  }

  #binary(kind: number): Uint8Array {
    const length = this.#u32()
    const at = this.#take(length)
    const copy = new Uint8Array(this.#bytes.subarray(at, at + length))
    const bytes = kind === tag.BUFFER ? Buffer.from(copy.buffer) : copy
    this.#objects.push(bytes)
    return bytes
  }

  #array(): unknown[] {
    const values: unknown[] = []
    this.#objects.push(values)
    for (let left = this.#count(1); left > 0; left--) values.push(this.value())
    return values
  }

  #map(): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>()
    this.#objects.push(map)
    const count = this.#count(2)
    for (let i = 0; i < count; i++) map.set(this.value(), this.value())
    if (map.size !== count) throw new StateDamage('a Map with one key twice')
    return map
  }

  #largeMap(): LargeMap<LargeKey, unknown> {
    const number = this.#objects.length
    this.#objects.push(this) // Its place; nothing within refers to it.
    const map = restoreLargeMap(this.value())
    if (map === undefined) throw new StateDamage('a large map that is none')
    this.#objects[number] = map
    return map
  }

  #set(): Set<unknown> {
    const set = new Set<unknown>()
    this.#objects.push(set)
    const count = this.#count(1)
    for (let i = 0; i < count; i++) set.add(this.value())
    if (set.size !== count) throw new StateDamage('a Set with one member twice')
    return set
  }

  #named(isBare: boolean): object {
    const object = newObject(isBare)
    this.#objects.push(object)
    const names: string[] = []
    for (let left = this.#count(2); left > 0; left--) names.push(this.#name())
    this.#shapes.note(names, isBare)
    this.#fill(object, names)
    return object
  }

  #shaped(): object {
    const shape = this.#shapes.get(this.#u32())
    if (shape === undefined) throw new StateDamage('an object of an unknown shape')
    const object = newObject(shape.isBare)
    this.#objects.push(object)
    this.#fill(object, shape.names)
    return object
  }

  #fill(object: Record<string, unknown>, names: readonly string[]): void {
    for (const name of names) {
      const value = this.value()
      if (name !== '__proto__') object[name] = value
      else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
    }
  }

  #name(): string {
    const kind = this.#u8()
    if (kind !== tag.SHORT_LATIN1 && kind !== tag.LATIN1 && kind !== tag.UTF16)
      throw new StateDamage('a name that is no text')
    return this.#text(kind)
  }

  #text(kind: number): string {
    const length = kind === tag.SHORT_LATIN1 ? this.#u8() : this.#u32()
    const at = this.#take(length)
    return this.#bytes.toString(kind === tag.UTF16 ? 'utf16le' : 'latin1', at, at + length)
  }

  #reference(): object {
    const object = this.#objects[this.#u32()]
    if (object === undefined) throw new StateDamage('a reference to nothing')
    return object
  }

  /** How many entries follow, each of at least so many bytes: a number that the bytes can't hold is not believed. */
  #count(leastBytes: number): number {
    const count = this.#u32()
    if (count * leastBytes > this.#end - this.#at)
      throw new StateDamage(`${count} entries in ${this.#end - this.#at} bytes`)
    return count
  }

  #u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  /** @returns where the next bytes lie */
  #take(lengthBytes: number): number {
    const at = this.#at
    if (lengthBytes > this.#end - at) throw new StateDamage(`cut off at ${at}`)
    this.#at = at + lengthBytes
    return at
  }
}

function newObject(isBare: boolean): Record<string, unknown> {
  return isBare ? Object.create(null) : {}
}
