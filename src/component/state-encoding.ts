/**
 * A state as bytes that give the same state back: what a checkpoint holds. It takes the same plain data as the digest's canonical
 * encoding does, and keeps what that leaves out because two replicas may differ in it, but what a handler can see all the same: the
 * order of properties, and that one object is reached by two ways. `state-decoding.ts` reads it.
 */
import { SeqcastError } from '../core/errors.js'
import { pathText } from './canonical.js'
import { hasOwnForm, KEPT } from './large/own-form.js'
import * as tag from './state-tags.js'

const FIRST_BYTES = 64 * 1024
/** Longer ones are worth a call of the machine's own copy. */
const LOOP_UP_TO = 24

/** @throws SeqcastError E_NONDETERMINISM with the path to what is no plain data */
export function encodeState(value: unknown): Uint8Array {
  const encoder = new StateEncoder()
  encoder.encode(value)
  return encoder.bytes()
}

class StateEncoder {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES)
  #view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length)
  #at = 0
  /** Each object that was met, by the number of its turn. */
  readonly #seen = new Map<object, number>()
  readonly #shapes = new tag.ShapeBook()
  readonly #path: (string | number)[] = []

  bytes(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(0, this.#at))
  }

  encode(value: unknown): void {
    if (typeof value === 'string') this.#string(value)
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'boolean') this.#tag(value ? tag.TRUE : tag.FALSE)
    else if (value === undefined) this.#tag(tag.UNDEFINED)
    else if (value === null) this.#tag(tag.NULL)
    else if (typeof value === 'object') this.#object(value)
    else this.#refuse(`a ${typeof value}`)
  }

  #room(lengthBytes: number): void {
    const needed = this.#at + lengthBytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
    this.#view = new DataView(larger.buffer, larger.byteOffset, larger.length)
  }

  #tag(kind: number): void {
    this.#room(1)
    this.#buffer[this.#at++] = kind
  }

  #tagAndLength(kind: number, length: number): void {
    this.#room(5)
    this.#buffer[this.#at] = kind
    this.#view.setUint32(this.#at + 1, length)
    this.#at += 5
  }

  #number(value: number): void {
    this.#room(9)
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.#buffer[this.#at] = tag.INTEGER
      this.#view.setInt32(this.#at + 1, value)
      this.#at += 5
      return
    }
    this.#buffer[this.#at] = tag.DOUBLE
    this.#view.setFloat64(this.#at + 1, value)
    this.#at += 9
  }

  #string(text: string): void {
    const { length } = text
    if (length > 0xff || !isLatin1(text)) {
      this.#longString(text)
      return
    }
    this.#room(2 + length)
    this.#buffer[this.#at] = tag.SHORT_LATIN1
    this.#buffer[this.#at + 1] = length
    this.#at += 2
    if (length > LOOP_UP_TO) this.#buffer.write(text, this.#at, 'latin1')
    else for (let i = 0; i < length; i++) this.#buffer[this.#at + i] = text.charCodeAt(i)
    this.#at += length
  }

  #longString(text: string): void {
    const encoding = isLatin1(text) ? 'latin1' : 'utf16le'
    const lengthBytes = encoding === 'latin1' ? text.length : text.length * 2
    this.#tagAndLength(encoding === 'latin1' ? tag.LATIN1 : tag.UTF16, lengthBytes)
    this.#room(lengthBytes)
    this.#buffer.write(text, this.#at, encoding)
    this.#at += lengthBytes
  }

  #object(value: object): void {
    const known = this.#seen.get(value)
    if (known !== undefined) {
      this.#tagAndLength(tag.REFERENCE, known)
      return
    }
    this.#seen.set(value, this.#seen.size)
    if (value instanceof Uint8Array) this.#bytes(value)
    else if (this.#path.length >= tag.MAX_DEPTH) this.#refuse(`nested deeper than ${tag.MAX_DEPTH}`)
    else if (Array.isArray(value)) this.#array(value)
    else if (value instanceof Map) this.#map(value)
    else if (value instanceof Set) this.#set(value)
    else this.#plain(value)
  }

  #bytes(bytes: Uint8Array): void {
    const prototype: unknown = Object.getPrototypeOf(bytes)
    if (prototype !== Uint8Array.prototype && prototype !== Buffer.prototype) this.#refuseInstance(bytes)
    this.#tagAndLength(prototype === Buffer.prototype ? tag.BUFFER : tag.BYTES, bytes.length)
    this.#room(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #child(name: string | number, value: unknown): void {
    this.#path.push(name)
    this.encode(value)
    this.#path.pop()
  }

  #array(values: readonly unknown[]): void {
    if (Object.getPrototypeOf(values) !== Array.prototype) this.#refuseInstance(values)
    this.#tagAndLength(tag.ARRAY, values.length)
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined && !Object.hasOwn(values, i)) this.#refuse(`an array with a hole at ${i}`)
      this.#child(i, value)
    }
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    if (Object.getPrototypeOf(map) !== Map.prototype) {
      if (!hasOwnForm(map)) this.#refuseInstance(map)
      this.#tag(tag.LARGE_MAP)
      this.encode(map[KEPT]())
      return
    }
    this.#tagAndLength(tag.MAP, map.size)
    for (const [key, value] of map) {
      this.#child('(key)', key)
      this.#child(typeof key === 'string' || typeof key === 'number' ? key : '(value)', value)
    }
  }

  #set(set: ReadonlySet<unknown>): void {
    if (Object.getPrototypeOf(set) !== Set.prototype) this.#refuseInstance(set)
    this.#tagAndLength(tag.SET, set.size)
    for (const value of set) this.#child('(member)', value)
  }

  #plain(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) this.#refuseInstance(value)
    if (Object.getOwnPropertySymbols(value).length > 0) this.#refuse('an object with a symbol for a name')
    const names = Object.keys(value)
    const isBare = prototype === null
    const shape = this.#shapes.numberOf(names, isBare)
    if (shape !== undefined) this.#tagAndLength(tag.SHAPED, shape)
    else {
      this.#tagAndLength(isBare ? tag.BARE_OBJECT : tag.OBJECT, names.length)
      for (const name of names) this.#string(name)
      this.#shapes.note(names, isBare)
    }
    for (const name of names) this.#child(name, Reflect.get(value, name))
  }

  #refuseInstance(value: object): never {
    this.#refuse(`an instance of ${value.constructor?.name || 'a class'}`)
  }

  #refuse(what: string): never {
    const path = pathText(this.#path)
    throw new SeqcastError('E_NONDETERMINISM', `${path} is ${what}, which a checkpoint can't hold`, {
      hint: 'keep plain data, Map, Set and Uint8Array in the state, or say with `checkpoint` in the definition how it is saved and loaded',
      fields: { path },
    })
  }
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false
  return true
}
