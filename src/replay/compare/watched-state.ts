/**
 * A state whose hash is known after every event without reading all of it. Handlers are given a stand-in of the state, which notes
 * what it hands out; after the event only that is hashed again.
 *
 * Collections are watched (Map, Set, what holds one, and what is large); what lies below them is handed out as it is, and counts as
 * touched. An object that can be reached in two ways is hashed again in both. What can't be watched clears `isTrusted`; what
 * escapes shows when the hash is compared with one over all of the state.
 */
import { hasOwnForm } from '../../component/large/own-form.js'
import type { IgnoredPaths } from './ignored-paths.js'
import { circular, collectionKind, entriesOf, ValueHash } from './value-hash.js'
import { mapMethods, setMethods } from './watched-methods.js'
import { Slot, WatchedNode } from './watched-node.js'

/** Arrays and objects with more entries are watched by entry. */
const LARGE = 32

export class WatchedState {
  /** To be given to handlers. */
  readonly view: unknown
  /** False: something is there that can't be watched, and the hash may miss a change. */
  isTrusted = true
  readonly #root: WatchedNode | undefined
  readonly #state: unknown
  readonly #nodes = new WeakMap<object, WatchedNode>()
  readonly #raw = new WeakMap<object, object>()
  readonly #owners = new WeakMap<object, Slot | Set<Slot>>()
  readonly #queue: Slot[] = []
  readonly #hash = new ValueHash((value) => this.#visit(value))
  readonly #keyHash = new ValueHash()
  /** The slot that is hashed, and those that share an object with it. */
  #current: Slot | undefined
  #sharing: Slot[] = []

  constructor(state: unknown, ignored?: IgnoredPaths) {
    this.#state = state
    const isRoot = typeof state === 'object' && state !== null && !isWhole(state)
    this.#root = isRoot ? this.#attach(state, ignored) : undefined
    this.view = this.#root?.view ?? state
    this.settle()
  }

  get a(): number {
    this.#takeRoot()
    return this.#hash.a
  }

  get b(): number {
    this.#takeRoot()
    return this.#hash.b
  }

  /** Hashes again what was touched. To be called after each event. */
  settle(): void {
    for (let slot = this.#queue.pop(); slot !== undefined; slot = this.#queue.pop()) {
      slot.isQueued = false
      this.#leave(slot)
      if (!slot.isGone) this.#recompute(slot)
    }
  }

  /** For the stand-ins of collections: */

  /** The object itself, where a stand-in was given. */
  unwrap(value: unknown): unknown {
    return typeof value === 'object' && value !== null ? (this.#raw.get(value) ?? value) : value
  }

  /** What a handler gets for a value of the state. */
  hand(node: WatchedNode, key: unknown, value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    const slot = node.slots.get(key)
    if (slot === undefined) return value
    if (slot.child?.target === value) return slot.child.view
    this.#touch(slot)
    slot.handed ??= value
    return this.#nodes.get(value)?.view ?? value
  }

  /** An entry was written. */
  written(node: WatchedNode, key: unknown): void {
    const slot = node.slots.get(key) ?? this.#addSlot(node, key)
    if (slot !== undefined) this.#touch(slot)
  }

  removed(node: WatchedNode, key: unknown): void {
    const slot = node.slots.get(key)
    if (slot === undefined) return
    node.remove(slot, this.#hash)
    this.#changed(node)
  }

  #takeRoot(): void {
    if (this.#root === undefined) this.#hash.take(this.#state)
    else this.#root.takeHash(this.#hash)
  }

  #touch(slot: Slot): void {
    if (slot.isQueued) return
    slot.isQueued = true
    this.#queue.push(slot)
  }

  #changed(node: WatchedNode): void {
    for (const slot of node.parents) this.#touch(slot)
  }

  /** What was handed out, and is not there any more, may be in other places, too. */
  #leave(slot: Slot): void {
    const { handed } = slot
    slot.handed = undefined
    if (handed !== undefined && (slot.isGone || slot.node.read(slot.key) !== handed)) this.#touchOwners(handed)
  }

  #touchOwners(value: object): void {
    const owners = this.#owners.get(value)
    for (const owner of owners instanceof Slot ? [owners] : (owners ?? [])) this.#touch(owner)
    if (isWhole(value) || this.#nodes.has(value)) return
    for (const [, item] of entriesOf(value)) {
      if (typeof item === 'object' && item !== null) this.#touchOwners(item)
    }
  }

  #recompute(slot: Slot): void {
    const { node } = slot
    const value = node.kind === 'set' ? undefined : this.#read(slot)
    this.#current = slot
    this.#sharing = []
    const child = this.#childOf(value, slot)
    if (child !== slot.child) {
      slot.child?.parents.delete(slot)
      if (child?.encloses(node)) throw circular()
      child?.parents.add(slot)
      slot.child = child
    }
    child?.takeHash(this.#hash)
    if (!node.update(slot, this.#hash)) return
    this.#changed(node)
    for (const other of this.#sharing) this.#touch(other)
  }

  /** The value of an entry; a stand-in that was put inside of something new is replaced by what it stands for. */
  #read(slot: Slot): unknown {
    const found = slot.node.read(slot.key)
    const value = this.unwrap(found)
    if (value !== found) slot.node.write(slot.key, value)
    return value
  }

  /** The node of a value that is watched by itself; undefined: its hash is taken. */
  #childOf(value: unknown, slot: Slot): WatchedNode | undefined {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) {
      this.#hash.take(value)
      return undefined
    }
    const known = this.#nodes.get(value)
    if (known !== undefined) {
      if (known.ignored !== slot.ignored) this.isTrusted = false
      return known
    }
    return this.#hash.take(value, slot.ignored) ? undefined : this.#attach(value, slot.ignored)
  }

  /** Is shown each object of what is hashed as a whole. @returns false where something in it must be watched by itself */
  #visit(value: object): boolean {
    if (this.#nodes.has(value) || this.#raw.has(value) || mustBeWatched(value)) return false
    const slot = this.#current
    const owners = this.#owners.get(value)
    if (slot === undefined || owners === slot) return true
    if (owners === undefined) this.#owners.set(value, slot)
    else if (owners instanceof Slot) this.#share(value, new Set([owners, slot]), slot)
    else this.#share(value, owners.add(slot), slot)
    return true
  }

  #share(value: object, owners: Set<Slot>, slot: Slot): void {
    for (const other of owners) {
      if (other.isGone) owners.delete(other)
      else if (other !== slot) this.#sharing.push(other)
    }
    this.#owners.set(value, owners)
  }

  #attach(target: object, ignored: IgnoredPaths | undefined): WatchedNode {
    const node = new WatchedNode(target, collectionKind(target), ignored)
    node.view = this.#viewOf(node)
    this.#nodes.set(target, node)
    this.#raw.set(node.view, target)
    // Whoever held it as a part of something else watches it now, too.
    const owners = this.#owners.get(target)
    for (const owner of owners instanceof Slot ? [owners] : (owners ?? [])) this.#touch(owner)
    for (const [key] of entriesOf(target)) this.written(node, key)
    return node
  }

  #addSlot(node: WatchedNode, key: unknown): Slot | undefined {
    const ignored = node.ignored?.below(key)
    if (ignored?.isWhole) return undefined
    if (typeof key === 'object' && key !== null) this.isTrusted = false
    this.#keyHash.take(key)
    return node.add(key, this.#keyHash, ignored, this.#hash)
  }

  #viewOf(node: WatchedNode): object {
    if (node.kind === 'map') return this.#viewOfMethods(node, mapMethods(this, node))
    if (node.kind === 'set') return this.#viewOfMethods(node, setMethods(this, node))
    return new Proxy(node.target, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'object' ? this.hand(node, node.keyOf(name), value) : value
      },
      set: (target, name, value) => {
        const before = Array.isArray(target) ? target.length : 0
        const isSet = Reflect.set(target, name, this.unwrap(value))
        if (Array.isArray(target) && name === 'length') {
          for (let i = before - 1; i >= target.length; i--) this.removed(node, i)
        } else this.written(node, node.keyOf(name))
        return isSet
      },
      defineProperty: (target, name, descriptor) => {
        const isDefined = Reflect.defineProperty(target, name, { ...descriptor, value: this.unwrap(descriptor.value) })
        this.written(node, node.keyOf(name))
        return isDefined
      },
      deleteProperty: (target, name) => {
        const isDeleted = Reflect.deleteProperty(target, name)
        this.removed(node, node.keyOf(name))
        return isDeleted
      },
    })
  }

  #viewOfMethods(node: WatchedNode, methods: ReadonlyMap<string | symbol, unknown>): object {
    return new Proxy(node.target, {
      get: (target, name) => {
        if (name === 'size') return Reflect.get(target, name, target)
        const method = methods.get(name)
        if (method !== undefined) return method
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name !== 'constructor') this.isTrusted = false // It may hand out what is not noted.
        return value
      },
    })
  }
}

/** Nothing that could be handed out is in it. */
function isWhole(value: object): boolean {
  return value instanceof Uint8Array || (value instanceof Map && hasOwnForm(value))
}

function mustBeWatched(value: object): boolean {
  if (isWhole(value)) return false
  if (value instanceof Map || value instanceof Set) return true
  return (Array.isArray(value) ? value.length : Object.keys(value).length) > LARGE
}
