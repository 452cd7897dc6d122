/**
 * A Map that may be larger than memory. What changed since the last checkpoint is in memory, the rest lies in files, where the runtime gave
 * them; without files all of it is in memory.
 *
 * It is a Map with three differences, which make it the same on every replica whatever lies where. Values are copied when they are set and when
 * they are read, so a value that was read can't be changed: `set` it again, or use `update`. Keys are strings and numbers. A loop
 * goes by the order of keys: numbers first, then texts.
 */
import { guard } from '../guard.js'
import { ContentSum, hashOfEntry, SUM_BYTES } from './content-sum.js'
import { type LargeBase, type LargeChange, ROW_HASH_BYTES } from './large-base.js'
import { compareKeys, decodeKey, encodeKey, type LargeKey } from './large-key.js'
import { decodeValue, encodeValue } from './large-value.js'
import { DIGESTED, KEPT, type OwnForm } from './own-form.js'
import { newScratchFiles, type ScratchFiles } from './scratch.js'
import { UnguardedBase } from './unguarded-base.js'

/** A tool's large map holds so many changes in memory. */
const SCRATCH_CHANGES = 10_000

/** An entry that is not as in the layer below. */
interface Change {
  /** Undefined: it is deleted. */
  bytes: Uint8Array | undefined
  /** What of it is in the sum: undefined where nothing is. */
  counted: Uint8Array | undefined
  /** What is in the sum is not `bytes`. */
  isPending: boolean
}

/** What a checkpoint holds of a large map. */
export interface KeptLargeMap {
  readonly name: string
  readonly count: number
  readonly sum: Uint8Array
  /** All of it, where there are no files. */
  readonly entries: ReadonlyMap<LargeKey, Uint8Array> | undefined
}

export class LargeMap<K extends LargeKey, V> extends Map<K, V> implements OwnForm {
  readonly name: string
  /** Where the rest is; undefined: in memory. */
  base: LargeBase | undefined
  /** It was restored from a checkpoint that has its entries elsewhere. */
  needsBase = false
  readonly #sum = new ContentSum()
  /** Of a tool; they are the base then. */
  #scratch: ScratchFiles | undefined
  /** Loops that are under way: what they go over must stay. */
  #loops = 0
  #changes = new Map<LargeKey, Change>()
  /** Taken for a checkpoint that is not written yet. */
  #sealed: Map<LargeKey, Change> | undefined
  #pending: LargeKey[] = []
  #lastKey: LargeKey | undefined
  #lastRow: Uint8Array | undefined

  constructor(name: string) {
    super()
    this.name = name
  }

  /** A copy; it can't be changed. */
  override get(key: K): Readonly<V> | undefined {
    const bytes = this.#bytesOf(key)
    return bytes === undefined ? undefined : (decodeValue(bytes, true) as V)
  }

  override has(key: K): boolean {
    return this.#bytesOf(key) !== undefined
  }

  /** Keeps a copy of the value. @throws SeqcastError E_NONDETERMINISM where it is no plain data */
  override set(key: K, value: V): this {
    this.#put(key, encodeValue(value))
    return this
  }

  /**
   * Reads a value, lets `change` change it in place, and keeps it.
   * @returns false where the key is not there: `change` was not called
   */
  update(key: K, change: (value: V) => void): boolean {
    const bytes = this.#bytesOf(key)
    if (bytes === undefined) return false
    const value = decodeValue(bytes, false) as V
    change(value)
    this.set(key, value)
    return true
  }

  override delete(key: K): boolean {
    if (!this.has(key)) return false
    this.#put(key, undefined)
    return true
  }

  /** Reads all keys. */
  override clear(): void {
    for (const key of this.keys()) this.delete(key)
  }

  override get size(): number {
    this.#settle()
    return this.#sum.count
  }

  override *keys(): Generator<K, undefined, undefined> {
    yield* this.#keysFrom(undefined, undefined)
  }

  override *values(): Generator<V, undefined, undefined> {
    for (const [, value] of this.entries()) yield value
  }

  override *entries(): Generator<[K, V], undefined, undefined> {
    yield* this.between()
  }

  /**
   * Entries in the order of keys, `from` included and `before` excluded. What comes while the loop goes on is not in it; what is deleted before it
   * is reached is not, either.
   */
  *between(from?: K, before?: K): Generator<[K, V], undefined, undefined> {
    for (const key of this.#keysFrom(from, before)) {
      const bytes = this.#bytesOf(key)
      if (bytes !== undefined) yield [key, decodeValue(bytes, true) as V]
    }
  }

  override forEach(each: (value: V, key: K, map: Map<K, V>) => void, self?: unknown): void {
    for (const [key, value] of this) each.call(self, value, key, this)
  }

  override [Symbol.iterator](): Generator<[K, V], undefined, undefined> {
    return this.entries()
  }

  override get [Symbol.toStringTag](): string {
    return 'LargeMap'
  }

  [DIGESTED](): Uint8Array {
    const bytes = new Uint8Array(8 + 32)
    new DataView(bytes.buffer).setFloat64(0, this.size)
    bytes.set(this.#sum.bytes(), 8)
    return bytes
  }

  [KEPT](): KeptLargeMap {
    const count = this.size
    const isHere = this.base === undefined || this.#scratch !== undefined
    const entries = isHere ? this.#allBytes() : undefined
    return { name: this.name, count, sum: this.#sum.bytes(), entries }
  }

  /** As a checkpoint had it. @returns false where what it has contradicts itself */
  restore({ count, sum, entries }: Omit<KeptLargeMap, 'name'>): boolean {
    this.needsBase = entries === undefined
    if (entries === undefined) {
      this.#sum.set(count, sum)
      return true
    }
    for (const [key, bytes] of entries) this.#put(key, bytes)
    return this.size === count && Buffer.compare(this.#sum.bytes(), sum) === 0
  }

  /** Changes up to now are those of a checkpoint. */
  seal(): void {
    if (this.#sealed !== undefined) this.unseal()
    this.#settle()
    this.#sealed = this.#changes
    this.#changes = new Map()
  }

  /** What was sealed: to be written to the base. */
  *sealed(): Generator<LargeChange> {
    for (const [key, { bytes, counted }] of this.#sealed ?? []) {
      const encoded = encodeKey(key)
      if (bytes === undefined || counted === undefined) yield { map: this.name, key: encoded, row: undefined }
      else yield { map: this.name, key: encoded, row: Buffer.concat([counted, bytes]) }
    }
  }

  /** What was sealed is in the base now. */
  written(): void {
    this.#sealed = undefined
    this.#lastKey = undefined
  }

  /** What was sealed is not written after all. */
  unseal(): void {
    const sealed = this.#sealed
    if (sealed === undefined) return
    this.#settle()
    for (const [key, change] of this.#changes) sealed.set(key, change)
    this.#changes = sealed
    this.#sealed = undefined
  }

  /** Keys that were written since the last `seal`. */
  changedKeys(): readonly LargeKey[] {
    return [...this.#changes.keys()]
  }

  /** Entries that are in memory because the base does not have them. */
  get changes(): number {
    return this.#changes.size + (this.#sealed?.size ?? 0)
  }

  #bytesOf(key: LargeKey): Uint8Array | undefined {
    const normal = normalKey(key)
    const change = this.#changes.get(normal) ?? this.#sealed?.get(normal)
    if (change !== undefined) return change.bytes
    return this.#row(normal)?.subarray(ROW_HASH_BYTES)
  }

  #put(key: LargeKey, bytes: Uint8Array | undefined): void {
    const normal = normalKey(key)
    const change = this.#changes.get(normal)
    if (change === undefined) {
      encodeKey(normal) // What is no key is refused at once.
      this.#changes.set(normal, { bytes, counted: this.#countedBelow(normal), isPending: true })
    } else {
      change.bytes = bytes
      if (change.isPending) return
      change.isPending = true
    }
    this.#pending.push(normal)
    if (this.#changes.size >= SCRATCH_CHANGES) this.#spill()
  }

  /** Without files of its replica: memory is made free where the process has files for that. */
  #spill(): void {
    if (this.#loops > 0 || this.#sealed !== undefined || (this.base !== undefined && this.#scratch === undefined))
      return
    guard.outside(() => {
      this.#scratch ??= newScratchFiles()
      if (this.#scratch === undefined) return
      this.base = new UnguardedBase(this.#scratch)
      this.seal()
      this.#scratch.write(this.sealed())
      this.written()
    })
  }

  /** The hash of the entry as it is in the layers below. */
  #countedBelow(key: LargeKey): Uint8Array | undefined {
    const sealed = this.#sealed?.get(key)
    if (sealed !== undefined) return sealed.counted
    return this.#row(key)?.subarray(0, ROW_HASH_BYTES)
  }

  /** The row of the base. What is read is mostly what is written next. */
  #row(key: LargeKey): Uint8Array | undefined {
    if (key !== this.#lastKey) {
      this.#lastRow = this.base?.get(this.name, encodeKey(key))
      this.#lastKey = key
    }
    return this.#lastRow
  }

  /** Brings the sum up to date: an entry that was set many times is hashed once. */
  #settle(): void {
    for (const key of this.#pending) {
      const change = this.#changes.get(key)
      if (change === undefined) continue
      const { bytes, counted } = change
      if (counted !== undefined) this.#sum.subtract(counted)
      change.counted = bytes === undefined ? undefined : hashOfEntry(encodeKey(key), bytes)
      if (change.counted !== undefined) this.#sum.add(change.counted)
      change.isPending = false
    }
    this.#pending = []
  }

  *#keysFrom(from: K | undefined, before: K | undefined): Generator<K, undefined, undefined> {
    this.#loops++
    try {
      yield* this.#merged(from, before)
    } finally {
      this.#loops--
    }
  }

  *#merged(from: K | undefined, before: K | undefined): Generator<K, undefined, undefined> {
    const inMemory = this.#keysInMemory(from, before)
    const bound = (key: K | undefined): Uint8Array | undefined => (key === undefined ? undefined : encodeKey(key))
    let at = 0
    for (const encoded of this.base?.keys(this.name, bound(from), bound(before)) ?? []) {
      // `K` is the key type of who wrote it.
      const key = decodeKey(encoded) as K
      while (at < inMemory.length && compareKeys(inMemory[at]!, key) < 0) yield inMemory[at++]!
      if (at < inMemory.length && compareKeys(inMemory[at]!, key) === 0) at++
      if (this.#bytesOf(key) !== undefined) yield key
    }
    while (at < inMemory.length) yield inMemory[at++]!
  }

  /** Sorted; what is deleted is not in it. */
  #keysInMemory(from: K | undefined, before: K | undefined): K[] {
    const isWithin = (key: LargeKey): boolean =>
      (from === undefined || compareKeys(key, from) >= 0) && (before === undefined || compareKeys(key, before) < 0)
    const keys: LargeKey[] = []
    for (const [key, { bytes }] of this.#changes) if (bytes !== undefined && isWithin(key)) keys.push(key)
    for (const [key, { bytes }] of this.#sealed ?? []) {
      if (bytes !== undefined && !this.#changes.has(key) && isWithin(key)) keys.push(key)
    }
    return keys.sort(compareKeys) as K[]
  }

  #allBytes(): Map<LargeKey, Uint8Array> {
    const all = new Map<LargeKey, Uint8Array>()
    for (const key of this.keys()) {
      const bytes = this.#bytesOf(key)
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

/** Both zeros are one key, as in a Map. */
const normalKey = (key: LargeKey): LargeKey => (key === 0 ? 0 : key)
