/**
 * A Map that may be larger than memory. What changed since the last checkpoint is in memory, the rest lies in files, where the runtime gave
 * them; without files all of it is in memory.
 *
 * It is a Map with three differences, which make it the same on every replica whatever lies where. Values are copied when they are set and when
 * they are read, so a value that was read can't be changed: `set` it again, or use `update`. Keys are strings and numbers. A loop
 * goes by the order of keys: numbers first, then texts.
 */
import { SUM_BYTES } from './content-sum.js'
import type { LargeBase, LargeChange } from './large-base.js'
import type { LargeKey } from './large-key.js'
import { LargeRows } from './large-rows.js'
import { decodeValue, encodeValue } from './large-value.js'
import { DIGESTED, KEPT, type OwnForm } from './own-form.js'

/** What a checkpoint holds of a large map. */
export interface KeptLargeMap {
  readonly name: string
  readonly count: number
  readonly sum: Uint8Array
  /** All of it, where there are no files. */
  readonly entries: ReadonlyMap<LargeKey, Uint8Array> | undefined
}

const COUNT_BYTES = 8
const INSPECTED: unique symbol = Symbol.for('nodejs.util.inspect.custom')
const INSPECTED_ENTRIES = 100

export class LargeMap<K extends LargeKey, V> extends Map<K, V> implements OwnForm {
  readonly #rows: LargeRows
  /** It was restored from a checkpoint that has its entries elsewhere. */
  #needsBase = false

  constructor(name: string) {
    super()
    this.#rows = new LargeRows(name)
  }

  get name(): string {
    return this.#rows.name
  }

  /** A copy; it can't be changed. */
  override get(key: K): Readonly<V> | undefined {
    const bytes = this.#rows.get(key)
    // What is under a key was put there as a `V`.
    return bytes === undefined ? undefined : (decodeValue(bytes, true) as V)
  }

  override has(key: K): boolean {
    return this.#rows.get(key) !== undefined
  }

  /** Keeps a copy of the value. @throws SeqcastError E_NONDETERMINISM where it is no plain data */
  override set(key: K, value: V): this {
    this.#rows.put(key, encodeValue(value))
    return this
  }

  /**
   * Reads a value, lets `change` change it in place, and keeps it.
   * @returns false where the key is not there: `change` was not called
   */
  update(key: K, change: (value: V) => void): boolean {
    const bytes = this.#rows.get(key)
    if (bytes === undefined) return false
    const value = decodeValue(bytes, false) as V
    change(value)
    this.set(key, value)
    return true
  }

  override delete(key: K): boolean {
    if (!this.has(key)) return false
    this.#rows.put(key, undefined)
    return true
  }

  /** Reads all keys. */
  override clear(): void {
    for (const key of this.keys()) this.delete(key)
  }

  override get size(): number {
    return this.#rows.sum.count
  }

  override *keys(): Generator<K, undefined, undefined> {
    for (const key of this.#rows.keys(undefined, undefined)) yield key as K
  }

  override *values(): Generator<V, undefined, undefined> {
    for (const [, value] of this.between()) yield value
  }

  override entries(): Generator<[K, V], undefined, undefined> {
    return this.between()
  }

  /**
   * Entries in the order of keys, `from` included and `before` excluded. What comes while the loop goes on is not in it; what is deleted before it
   * is reached is not, either.
   */
  *between(from?: K, before?: K): Generator<[K, V], undefined, undefined> {
    for (const key of this.#rows.keys(from, before)) {
      const bytes = this.#rows.get(key)
      if (bytes !== undefined) yield [key as K, decodeValue(bytes, true) as V]
    }
  }

  override forEach(each: (value: V, key: K, map: Map<K, V>) => void, self?: unknown): void {
    for (const [key, value] of this) each.call(self, value, key, this)
  }

  override [Symbol.iterator](): Generator<[K, V], undefined, undefined> {
    return this.between()
  }

  override get [Symbol.toStringTag](): string {
    return 'LargeMap'
  }

  /** For `console.log`. */
  [INSPECTED](): ReadonlyMap<K, V> {
    const shown = new Map<K, V>()
    for (const [key, value] of this) if (shown.set(key, value).size === INSPECTED_ENTRIES) break
    return shown
  }

  [DIGESTED](): Uint8Array {
    const { sum } = this.#rows
    const bytes = new Uint8Array(COUNT_BYTES + SUM_BYTES)
    new DataView(bytes.buffer).setFloat64(0, sum.count)
    bytes.set(sum.bytes(), COUNT_BYTES)
    return bytes
  }

  [KEPT](): KeptLargeMap {
    const { sum, isOnlyHere } = this.#rows
    const entries = isOnlyHere ? this.#allBytes() : undefined
    return { name: this.name, count: sum.count, sum: sum.bytes(), entries }
  }

  /** As a checkpoint had it. @returns false where what it has contradicts itself */
  restore({ count, sum, entries }: Omit<KeptLargeMap, 'name'>): boolean {
    this.#needsBase = entries === undefined
    if (entries === undefined) {
      this.#rows.sum.set(count, sum)
      return true
    }
    for (const [key, bytes] of entries) this.#rows.put(key, bytes)
    return this.size === count && Buffer.compare(this.#rows.sum.bytes(), sum) === 0
  }

  /** For whoever has the files (large-tables.ts): where the rest is; undefined: in memory. */
  get base(): LargeBase | undefined {
    return this.#rows.base
  }

  set base(base: LargeBase | undefined) {
    this.#rows.base = base
  }

  get needsBase(): boolean {
    return this.#needsBase
  }

  /** Entries that are in memory because the base does not have them. */
  get changes(): number {
    return this.#rows.changes
  }

  /** Changes up to now are those of a checkpoint. */
  seal(): void {
    this.#rows.seal()
  }

  /** What was sealed: to be written to the base. */
  sealed(): Iterable<LargeChange> {
    return this.#rows.sealed()
  }

  /** What was sealed is in the base now. */
  written(): void {
    this.#rows.written()
  }

  /** What was sealed is not written after all. */
  unseal(): void {
    this.#rows.unseal()
  }

  /** Keys that were written since the last `seal`. */
  changedKeys(): readonly LargeKey[] {
    return this.#rows.changedKeys()
  }

  #allBytes(): Map<LargeKey, Uint8Array> {
    const all = new Map<LargeKey, Uint8Array>()
    for (const key of this.#rows.keys(undefined, undefined)) {
      const bytes = this.#rows.get(key)
      if (bytes !== undefined) all.set(key, bytes)
    }
    return all
  }
}

/** A table of a component's state that may be larger than memory. @param name unique in the component; its files are found by it */
export function largeMap<K extends LargeKey, V>(name: string): LargeMap<K, V> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new Error(`the name of a large map is 1 to 64 letters, digits, '.', '_' and '-', not '${name}'`)
  }
  return new LargeMap(name)
}

/** A large map as a checkpoint keeps it. @returns undefined where it is none */
export function restoreLargeMap(kept: unknown): LargeMap<LargeKey, unknown> | undefined {
  if (typeof kept !== 'object' || kept === null) return undefined
  if (!('name' in kept && 'count' in kept && 'sum' in kept && 'entries' in kept)) return undefined
  const { name, count, sum, entries } = kept
  if (typeof name !== 'string' || typeof count !== 'number') return undefined
  if (!(sum instanceof Uint8Array && sum.length === SUM_BYTES && (entries === undefined || isEntries(entries)))) {
    return undefined
  }
  const map = new LargeMap<LargeKey, unknown>(name)
  return map.restore({ count, sum, entries }) ? map : undefined
}

function isEntries(value: unknown): value is Map<LargeKey, Uint8Array> {
  if (!(value instanceof Map)) return false
  for (const [key, bytes] of value) {
    if (!(typeof key === 'string' || typeof key === 'number') || !(bytes instanceof Uint8Array)) return false
  }
  return true
}
