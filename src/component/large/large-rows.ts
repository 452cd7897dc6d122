/**
 * The entries of a large map as bytes, in layers: what has changed, what was sealed for a checkpoint that is not written yet, and the
 * base. A sum over all of them is kept up to date.
 */
import { guard } from '../guard.js'
import { ContentSum, hashOfEntry } from './content-sum.js'
import { type LargeBase, type LargeChange, ROW_HASH_BYTES } from './large-base.js'
import { compareKeys, decodeKey, encodeKey, type LargeKey } from './large-key.js'
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

export class LargeRows {
  readonly name: string
  /** Undefined: all is in memory. */
  base: LargeBase | undefined
  readonly #sum = new ContentSum()
  /** Of a tool; they are the base then. */
  #scratch: ScratchFiles | undefined
  /** Loops that are under way: what they go over must stay. */
  #loops = 0
  #changes = new Map<LargeKey, Change>()
  #sealed: Map<LargeKey, Change> | undefined
  #pending: LargeKey[] = []
  #lastKey: LargeKey | undefined
  #lastRow: Uint8Array | undefined

  constructor(name: string) {
    this.name = name
  }

  /** Whether all of it has to be in a checkpoint: no files outlive the process. */
  get isOnlyHere(): boolean {
    return this.base === undefined || this.#scratch !== undefined
  }

  /** Entries that are in memory because the base does not have them. */
  get changes(): number {
    return this.#changes.size + (this.#sealed?.size ?? 0)
  }

  /** Up to date. */
  get sum(): ContentSum {
    this.#settle()
    return this.#sum
  }

  get(key: LargeKey): Uint8Array | undefined {
    const normal = normalKey(key)
    const change = this.#changes.get(normal) ?? this.#sealed?.get(normal)
    if (change !== undefined) return change.bytes
    return this.#row(normal)?.subarray(ROW_HASH_BYTES)
  }

  /** @param bytes undefined: it goes */
  put(key: LargeKey, bytes: Uint8Array | undefined): void {
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

  /** Sorted: those that are there when the loop begins, and still are when it reaches them. */
  *keys(from: LargeKey | undefined, before: LargeKey | undefined): Generator<LargeKey, undefined, undefined> {
    this.#loops++
    try {
      yield* this.#merged(from, before)
    } finally {
      this.#loops--
    }
  }

  seal(): void {
    if (this.#sealed !== undefined) this.unseal()
    this.#settle()
    this.#sealed = this.#changes
    this.#changes = new Map()
  }

  *sealed(): Generator<LargeChange> {
    for (const [key, { bytes, counted }] of this.#sealed ?? []) {
      const encoded = encodeKey(key)
      if (bytes === undefined || counted === undefined) yield { map: this.name, key: encoded, row: undefined }
      else yield { map: this.name, key: encoded, row: Buffer.concat([counted, bytes]) }
    }
  }

  written(): void {
    this.#sealed = undefined
    this.#lastKey = undefined
  }

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

  /** Without files of its replica: memory is made free where the process has files for that. */
  #spill(): void {
    if (this.#loops > 0 || this.#sealed !== undefined || !this.isOnlyHere) return
    guard.outside(() => {
      this.#scratch ??= newScratchFiles()
      if (this.#scratch === undefined) return
      this.base = new UnguardedBase(this.#scratch)
      this.seal()
      this.#scratch.write(this.sealed())
      this.written()
    })
  }

  *#merged(from: LargeKey | undefined, before: LargeKey | undefined): Generator<LargeKey, undefined, undefined> {
    const inMemory = this.#keysInMemory(from, before)
    const bound = (key: LargeKey | undefined): Uint8Array | undefined =>
      key === undefined ? undefined : encodeKey(key)
    let at = 0
    for (const encoded of this.base?.keys(this.name, bound(from), bound(before)) ?? []) {
      const key = decodeKey(encoded)
      while (at < inMemory.length && compareKeys(inMemory[at]!, key) < 0) yield inMemory[at++]!
      if (at < inMemory.length && compareKeys(inMemory[at]!, key) === 0) at++
      if (this.get(key) !== undefined) yield key
    }
    while (at < inMemory.length) yield inMemory[at++]!
  }

  /** Sorted; what is deleted is not in it. */
  #keysInMemory(from: LargeKey | undefined, before: LargeKey | undefined): LargeKey[] {
    const isWithin = (key: LargeKey): boolean =>
      (from === undefined || compareKeys(key, from) >= 0) && (before === undefined || compareKeys(key, before) < 0)
    const keys: LargeKey[] = []
    for (const [key, { bytes }] of this.#changes) if (bytes !== undefined && isWithin(key)) keys.push(key)
    for (const [key, { bytes }] of this.#sealed ?? []) {
      if (bytes !== undefined && !this.#changes.has(key) && isWithin(key)) keys.push(key)
    }
    return keys.sort(compareKeys)
  }
}

/** Both zeros are one key, as in a Map. */
const normalKey = (key: LargeKey): LargeKey => (key === 0 ? 0 : key)
