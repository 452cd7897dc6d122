/** A collection that is watched: the hash of each entry, and their sum. */
import type { IgnoredPaths } from './ignored-paths.js'
import type { CollectionKind, ValueHash } from './value-hash.js'

/** One entry. */
export class Slot {
  readonly node: WatchedNode
  readonly key: unknown
  readonly keyA: number
  readonly keyB: number
  readonly ignored: IgnoredPaths | undefined
  /** What it adds to the sums. */
  a = 0
  b = 0
  /** Its value, where that is watched by itself. */
  child: WatchedNode | undefined
  before: Slot | undefined
  after: Slot | undefined
  /** What a handler got from here first in this event, where that is an object. */
  handed: object | undefined
  isQueued = false
  isGone = false

  constructor(node: WatchedNode, key: unknown, keyA: number, keyB: number, ignored: IgnoredPaths | undefined) {
    this.node = node
    this.key = key
    this.keyA = keyA
    this.keyB = keyB
    this.ignored = ignored
  }
}

export class WatchedNode {
  readonly target: object
  readonly kind: CollectionKind
  readonly ignored: IgnoredPaths | undefined
  /** What handlers get; set by who makes it. */
  view: object
  /** Of an array by index. */
  readonly slots = new Map<unknown, Slot>()
  /** The entries whose value it is: several where the state holds it twice. */
  readonly parents = new Set<Slot>()
  readonly #isOrdered: boolean
  #last: Slot | undefined
  #sumA = 0
  #sumB = 0

  constructor(target: object, kind: CollectionKind, ignored: IgnoredPaths | undefined) {
    this.target = target
    this.kind = kind
    this.ignored = ignored
    this.view = target
    this.#isOrdered = kind === 'map' || kind === 'set'
  }

  /** The key of an entry, from the name of a property. */
  keyOf(name: string | symbol): unknown {
    return this.kind === 'array' && typeof name === 'string' && /^[0-9]+$/.test(name) ? Number(name) : name
  }

  read(key: unknown): unknown {
    return this.target instanceof Map ? this.target.get(key) : Reflect.get(this.target, nameOf(key))
  }

  write(key: unknown, value: unknown): void {
    if (this.target instanceof Map) this.target.set(key, value)
    else Reflect.set(this.target, nameOf(key), value)
  }

  /** Whether `other` is this one, or lies within it. */
  encloses(other: WatchedNode): boolean {
    if (other === this) return true
    for (const { node } of other.parents) if (this.encloses(node)) return true
    return false
  }

  /** Adds an entry, the last one of an ordered collection. */
  add(key: unknown, keyHash: ValueHash, ignored: IgnoredPaths | undefined, hash: ValueHash): Slot {
    const slot = new Slot(this, key, keyHash.a, keyHash.b, ignored)
    this.slots.set(key, slot)
    if (this.#isOrdered) {
      slot.before = this.#last
      if (this.#last !== undefined) this.#last.after = slot
      this.#last = slot
      this.#following(slot.before, slot, 1, hash)
    }
    return slot
  }

  remove(slot: Slot, hash: ValueHash): void {
    this.slots.delete(slot.key)
    slot.isGone = true
    slot.child?.parents.delete(slot)
    this.#sumA = (this.#sumA - slot.a) | 0
    this.#sumB = (this.#sumB - slot.b) | 0
    if (!this.#isOrdered) return
    const { before, after } = slot
    this.#following(before, slot, -1, hash)
    if (after !== undefined) {
      this.#following(slot, after, -1, hash)
      this.#following(before, after, 1, hash)
      after.before = before
    } else this.#last = before
    if (before !== undefined) before.after = after
  }

  /** The value of an entry has the hash that is in `hash`. @returns whether that is another one */
  update(slot: Slot, hash: ValueHash): boolean {
    hash.takeEntry(slot.keyA, slot.keyB, hash.a, hash.b)
    if (hash.a === slot.a && hash.b === slot.b) return false
    this.#sumA = (this.#sumA - slot.a + hash.a) | 0
    this.#sumB = (this.#sumB - slot.b + hash.b) | 0
    slot.a = hash.a
    slot.b = hash.b
    return true
  }

  takeHash(hash: ValueHash): void {
    hash.takeCollection(this.kind, this.slots.size, this.#sumA, this.#sumB)
  }

  #following(before: Slot | undefined, slot: Slot, sign: 1 | -1, hash: ValueHash): void {
    hash.takeFollowing(before?.keyA ?? 0, before?.keyB ?? 0, slot.keyA, slot.keyB)
    this.#sumA = (this.#sumA + sign * hash.a) | 0
    this.#sumB = (this.#sumB + sign * hash.b) | 0
  }
}

function nameOf(key: unknown): string | symbol {
  return typeof key === 'symbol' ? key : String(key)
}
