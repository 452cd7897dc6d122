/**
 * One encoding for equal state: what a digest is taken over. Each value is a tag and its bytes, so that no two different
 * states give the same bytes.
 *
 * State is plain data: null, undefined, booleans, numbers (minus zero and zero differ, all NaN are one), strings, arrays,
 * plain objects, Map, Set and Uint8Array. Properties are sorted, because their order is a matter of style. The order of a
 * Map or a Set is kept: a loop over it sees that order, so it is part of the state. Everything else is refused with the
 * path to it, because two replicas could not be compared.
 */
import { SeqcastError } from '../core/errors.js'
import {
  ARRAY,
  ASCII,
  BYTES,
  DOUBLE,
  FALSE,
  INTEGER,
  MAP,
  NULL,
  OBJECT,
  OWN_FORM,
  SET,
  TRUE,
  UNDEFINED,
  UTF16,
} from './canonical-tags.js'
import { DIGESTED, hasOwnForm } from './large/own-form.js'

/** Deeper nesting is refused: it would exhaust the stack. */
const MAX_DEPTH = 500
const CHUNK_BYTES = 64 * 1024

/** Takes the encoding piece by piece; a piece is valid during the call. */
export type ChunkSink = (chunk: Uint8Array) => void

/**
 * Encodes a value.
 * @throws SeqcastError E_NONDETERMINISM with the path to what is no plain data
 */
export function encodeCanonical(value: unknown, sink: ChunkSink): void {
  const encoder = new CanonicalEncoder(sink)
  encoder.encode(value)
  encoder.flush()
}

/** The whole encoding, for tests and small values. @throws SeqcastError E_NONDETERMINISM */
export function canonicalBytes(value: unknown): Uint8Array {
  const chunks: Uint8Array[] = []
  encodeCanonical(value, (chunk) => chunks.push(chunk.slice()))
  return new Uint8Array(Buffer.concat(chunks))
}

/** Encodes values one after the other. After an error it must not be used again. */
export class CanonicalEncoder {
  readonly #sink: ChunkSink
  readonly #buffer = new Uint8Array(CHUNK_BYTES)
  readonly #view = new DataView(this.#buffer.buffer)
  /** The objects that enclose the one at hand, and the names that led here. */
  readonly #ancestors: object[] = []
  readonly #path: (string | number)[] = []
  #lastNames: readonly string[] = []
  #lastSorted: readonly string[] = []
  #at = 0

  constructor(sink: ChunkSink) {
    this.#sink = sink
  }

  flush(): void {
    if (this.#at > 0) this.#sink(this.#buffer.subarray(0, this.#at))
    this.#at = 0
  }

  encode(value: unknown): void {
    if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'string') this.#string(value)
    else if (typeof value === 'boolean') this.#tag(value ? TRUE : FALSE)
    else if (value === undefined) this.#tag(UNDEFINED)
    else if (value === null) this.#tag(NULL)
    else if (value instanceof Uint8Array) this.#bytes(value)
    else if (typeof value === 'object') this.#object(value)
    else this.#refuse(`a ${typeof value}`)
  }

  #room(lengthBytes: number): void {
    if (this.#at + lengthBytes > CHUNK_BYTES) this.flush()
  }

  #tag(tag: number): void {
    this.#room(1)
    this.#buffer[this.#at++] = tag
  }

  #tagAndLength(tag: number, length: number): void {
    this.#room(5)
    this.#buffer[this.#at] = tag
    this.#view.setUint32(this.#at + 1, length)
    this.#at += 5
  }

  #number(value: number): void {
    this.#room(9)
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.#buffer[this.#at] = INTEGER
      this.#view.setInt32(this.#at + 1, value)
      this.#at += 5
      return
    }
    this.#buffer[this.#at] = DOUBLE
    this.#view.setFloat64(this.#at + 1, Number.isNaN(value) ? Number.NaN : value)
    this.#at += 9
  }

  #string(text: string): void {
    const isAscii = isAsciiText(text)
    this.#tagAndLength(isAscii ? ASCII : UTF16, text.length)
    for (let i = 0; i < text.length; i++) {
      if (this.#at + 2 > CHUNK_BYTES) this.flush()
      const code = text.charCodeAt(i)
      if (!isAscii) this.#buffer[this.#at++] = code >>> 8
      this.#buffer[this.#at++] = code
    }
  }

  #bytes(bytes: Uint8Array): void {
    this.#tagAndLength(BYTES, bytes.length)
    if (bytes.length > CHUNK_BYTES) {
      this.flush()
      this.#sink(bytes)
      return
    }
    this.#room(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #object(value: object): void {
    if (this.#ancestors.includes(value)) this.#refuse('a cycle: it holds itself')
    if (this.#ancestors.length >= MAX_DEPTH) this.#refuse(`nested deeper than ${MAX_DEPTH}`)
    this.#ancestors.push(value)
    if (Array.isArray(value)) this.#array(value)
    else if (value instanceof Map) this.#map(value)
    else if (value instanceof Set) this.#set(value)
    else this.#plain(value)
    this.#ancestors.pop()
  }

  #child(name: string | number, value: unknown): void {
    this.#path.push(name)
    this.encode(value)
    this.#path.pop()
  }

  #array(values: readonly unknown[]): void {
    this.#tagAndLength(ARRAY, values.length)
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined && !Object.hasOwn(values, i)) this.#refuse(`an array with a hole at ${i}`)
      this.#child(i, value)
    }
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    if (Object.getPrototypeOf(map) !== Map.prototype) {
      if (!hasOwnForm(map)) this.#refuseInstance(map)
      this.#tag(OWN_FORM)
      this.#bytes(map[DIGESTED]())
      return
    }
    this.#tagAndLength(MAP, map.size)
    for (const [key, value] of map) {
      this.#child('(key)', key)
      this.#child(typeof key === 'string' || typeof key === 'number' ? key : '(value)', value)
    }
  }

  #set(set: ReadonlySet<unknown>): void {
    if (Object.getPrototypeOf(set) !== Set.prototype) this.#refuseInstance(set)
    this.#tagAndLength(SET, set.size)
    for (const value of set) this.#child('(member)', value)
  }

  #plain(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) this.#refuseInstance(value)
    if (Object.getOwnPropertySymbols(value).length > 0) this.#refuse('an object with a symbol for a name')
    const names = this.#sortedNames(Object.keys(value))
    this.#tagAndLength(OBJECT, names.length)
    for (const name of names) {
      this.#string(name)
      this.#child(name, Reflect.get(value, name))
    }
  }

  /** Sorts the names of properties. Objects of one kind follow each other, so the last answer is mostly the next one. */
  #sortedNames(names: readonly string[]): readonly string[] {
    if (!areEqual(names, this.#lastNames)) {
      this.#lastNames = names
      this.#lastSorted = [...names].sort()
    }
    return this.#lastSorted
  }

  #refuseInstance(value: object): never {
    this.#refuse(`an instance of ${value.constructor?.name || 'a class'}`)
  }

  #refuse(what: string): never {
    const path = pathText(this.#path)
    throw new SeqcastError('E_NONDETERMINISM', `${path} is ${what}, which a digest of the state can't cover`, {
      hint: 'keep plain data, Map, Set and Uint8Array in the state (amounts as numbers, times as microseconds), or leave it out with `digestOf`',
      fields: { path },
    })
  }
}

function isAsciiText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

function areEqual(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** The way to a value, as a user reads it. */
export function pathText(path: readonly (string | number)[]): string {
  const shown = path.length > 12 ? [...path.slice(0, 6), '…', ...path.slice(-4)] : path
  return shown.reduce<string>(
    (text, part) => `${text}[${typeof part === 'number' ? part : JSON.stringify(part)}]`,
    'state',
  )
}
