/**
 * A hash of plain data in two lanes of 32 bits, which is fast and can be kept up to date: the hash of a collection is made of a sum
 * over its entries, so that one that changes is taken out and put in again without a look at the others. Values are equal for it
 * where their digests are: the order of properties does not count, the order of a Map or a Set does.
 *
 * It finds what differs; it does not stand against somebody who looks for collisions, as a digest does.
 */
import { DIGESTED, hasOwnForm } from '../../component/large/own-form.js'
import { SeqcastError } from '../../core/errors.js'
import type { IgnoredPaths } from './ignored-paths.js'

export type CollectionKind = 'object' | 'array' | 'map' | 'set'

const TAGS: Readonly<Record<CollectionKind, number>> = { object: 101, array: 102, map: 103, set: 104 }
const NULL = 1
const UNDEFINED = 2
const FALSE = 3
const TRUE = 4
const NUMBER = 5
const STRING = 6
const BYTES = 7
const OTHER = 8
const FOLLOWS = 9
/** As deep as a digest goes. */
const MAX_DEPTH = 500
const SEED_A = 0x243f_6a88
const SEED_B = 0x1319_8a2e

const double = new DataView(new ArrayBuffer(8))

export function mixA(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e37_79b1)
  return mixed ^ (mixed >>> 15)
}

export function mixB(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x85eb_ca77)
  return mixed ^ (mixed >>> 13)
}

/** Spreads the bits before hashes are added up. */
function spread(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x7feb_352d)
  h = Math.imul(h ^ (h >>> 15), 0x846c_a68b)
  return h ^ (h >>> 16)
}

export function collectionKind(value: object): CollectionKind {
  if (value instanceof Map) return 'map'
  if (value instanceof Set) return 'set'
  return Array.isArray(value) ? 'array' : 'object'
}

/** Results are left in `a` and `b`: a pair for each value would be garbage. */
export class ValueHash {
  a = 0
  b = 0
  readonly #visit: ((value: object) => boolean) | undefined
  #isStopped = false
  #depth = 0

  /** @param visit is shown each object on the way, and returns false to stop: then there is no result */
  constructor(visit?: (value: object) => boolean) {
    this.#visit = visit
  }

  /** @returns false where `visit` stopped it. @throws SeqcastError E_NONDETERMINISM where the value holds itself */
  take(value: unknown, ignored?: IgnoredPaths): boolean {
    this.#isStopped = false
    this.#depth = 0
    this.#value(value, ignored)
    return !this.#isStopped
  }

  /** The hash of one entry of a collection, of the hashes of its key and of its value. */
  takeEntry(keyA: number, keyB: number, valueA: number, valueB: number): void {
    this.a = spread(mixA(mixA(SEED_A, keyA), valueA))
    this.b = spread(mixB(mixB(SEED_B, keyB), valueB))
  }

  /** That one key comes right after another, or first (0, 0). In distinct keys all of these together are the order. */
  takeFollowing(beforeA: number, beforeB: number, keyA: number, keyB: number): void {
    this.a = spread(mixA(mixA(mixA(SEED_A, FOLLOWS), beforeA), keyA))
    this.b = spread(mixB(mixB(mixB(SEED_B, FOLLOWS), beforeB), keyB))
  }

  /** Of the sums over all entries. */
  takeCollection(kind: CollectionKind, count: number, sumA: number, sumB: number): void {
    this.a = mixA(mixA(mixA(SEED_A, TAGS[kind]), count), sumA)
    this.b = mixB(mixB(mixB(SEED_B, TAGS[kind]), count), sumB)
  }

  #value(value: unknown, ignored: IgnoredPaths | undefined): void {
    if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'string') this.#string(value)
    else if (typeof value === 'boolean') this.#word(value ? TRUE : FALSE)
    else if (value === undefined) this.#word(UNDEFINED)
    else if (value === null) this.#word(NULL)
    else if (value instanceof Uint8Array) this.#bytes(value)
    else if (typeof value === 'object') this.#object(value, ignored)
    else this.#word(OTHER)
  }

  #word(tag: number): void {
    this.a = mixA(SEED_A, tag)
    this.b = mixB(SEED_B, tag)
  }

  #number(value: number): void {
    double.setFloat64(0, Number.isNaN(value) ? Number.NaN : value)
    const high = double.getInt32(0)
    const low = double.getInt32(4)
    this.a = mixA(mixA(SEED_A ^ NUMBER, high), low)
    this.b = mixB(mixB(SEED_B ^ NUMBER, high), low)
  }

  #string(text: string): void {
    let a = mixA(SEED_A ^ STRING, text.length)
    let b = mixB(SEED_B ^ STRING, text.length)
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      a = mixA(a, code)
      b = mixB(b, code)
    }
    this.a = a
    this.b = b
  }

  #bytes(bytes: Uint8Array): void {
    this.#visit?.(bytes)
    let a = mixA(SEED_A ^ BYTES, bytes.length)
    let b = mixB(SEED_B ^ BYTES, bytes.length)
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!
      a = mixA(a, byte)
      b = mixB(b, byte)
    }
    this.a = a
    this.b = b
  }

  #object(value: object, ignored: IgnoredPaths | undefined): void {
    if (this.#visit?.(value) === false) this.#isStopped = true
    if (this.#isStopped) return
    if (value instanceof Map && hasOwnForm(value)) {
      this.#bytes(value[DIGESTED]()) // What changed is hashed, and the rest is not read.
      return
    }
    if (++this.#depth > MAX_DEPTH) throw circular()
    const kind = collectionKind(value)
    const sums = new EntrySums(kind)
    for (const [key, item] of entriesOf(value)) {
      const below = ignored?.below(key)
      if (below?.isWhole) continue
      this.#value(key, undefined)
      const [keyA, keyB] = [this.a, this.b]
      if (kind === 'set') this.#word(UNDEFINED)
      else this.#value(item, below)
      if (this.#isStopped) return
      sums.add(this, keyA, keyB)
    }
    this.takeCollection(kind, sums.count, sums.a, sums.b)
    this.#depth--
  }
}

/** A digest refuses it, too. */
export function circular(): SeqcastError {
  return new SeqcastError('E_NONDETERMINISM', `the state holds itself, or is nested deeper than ${MAX_DEPTH}`, {
    hint: 'keep plain data, Map, Set and Uint8Array in the state, and keys instead of the objects themselves',
  })
}

/** Adds entries up in order. */
class EntrySums {
  a = 0
  b = 0
  count = 0
  readonly #isOrdered: boolean
  #lastA = 0
  #lastB = 0

  constructor(kind: CollectionKind) {
    this.#isOrdered = kind === 'map' || kind === 'set'
  }

  /** The entry whose key has this hash, and whose value's hash is in `hash`. */
  add(hash: ValueHash, keyA: number, keyB: number): void {
    this.count++
    hash.takeEntry(keyA, keyB, hash.a, hash.b)
    this.a = (this.a + hash.a) | 0
    this.b = (this.b + hash.b) | 0
    if (!this.#isOrdered) return
    hash.takeFollowing(this.#lastA, this.#lastB, keyA, keyB)
    this.a = (this.a + hash.a) | 0
    this.b = (this.b + hash.b) | 0
    this.#lastA = keyA
    this.#lastB = keyB
  }
}

/** Keys and values; a Set's members are keys, an array's indexes are numbers. */
export function entriesOf(value: object): Iterable<[unknown, unknown]> {
  if (value instanceof Map || value instanceof Set) return value.entries()
  if (Array.isArray(value)) return value.entries()
  return Object.entries(value)
}
