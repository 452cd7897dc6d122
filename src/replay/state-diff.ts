/**
 * What differs between two states, place by place. States are what a digest covers: plain data, Map, Set and Uint8Array; instances of
 * classes are compared by their fields. Two states without a change here have the same digest, and the other way round.
 */
import { canonicalBytes } from '../component/canonical.js'
import type { PathStep, StatePath } from './state-path.js'

export type ChangeKind = 'added' | 'removed' | 'changed' | 'reordered'

/** One place that differs. `reordered`: a Map or a Set whose entries are the same and come in another order. */
export interface Change {
  readonly path: StatePath
  readonly kind: ChangeKind
  /** Absent where it was added, or reordered. */
  readonly before?: unknown
  /** Absent where it was removed, or reordered. */
  readonly after?: unknown
}

export interface Difference {
  /** The first of them, in the order of the state; the values are those of the states themselves, not copies. */
  readonly changes: readonly Change[]
  /** How many there are. */
  readonly total: number
}

const MAX_CHANGES = 1_000

/** Compares two states. @param maxChanges how many are kept; the rest is counted */
export function diffValues(before: unknown, after: unknown, maxChanges = MAX_CHANGES): Difference {
  const differ = new Differ(maxChanges)
  differ.compare(before, after)
  return { changes: differ.changes, total: differ.total }
}

/** True where `diffValues` would find nothing. */
export function areSame(before: unknown, after: unknown): boolean {
  return diffValues(before, after, 0).total === 0
}

/**
 * A copy that later changes of the state do not touch. What is reached twice in the state is one object in the copy, too.
 * @param replaced what comes in the place of some of its objects
 */
export function copyState<T>(value: T, replaced: ReadonlyMap<object, object> = new Map()): T {
  // Each branch below makes a value of the kind that it was given.
  return copyOf(value, new Map(replaced)) as T
}

function copyOf(value: unknown, done: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = done.get(value)
  if (known !== undefined) return known
  if (value instanceof Uint8Array) return remember(done, value, value.slice())
  if (value instanceof Map) {
    const copy = remember(done, value, new Map<unknown, unknown>())
    for (const [key, item] of value) copy.set(copyOf(key, done), copyOf(item, done))
    return copy
  }
  if (value instanceof Set) {
    const copy = remember(done, value, new Set<unknown>())
    for (const item of value) copy.add(copyOf(item, done))
    return copy
  }
  if (Array.isArray(value)) {
    const copy = remember(done, value, new Array<unknown>(value.length))
    for (let i = 0; i < value.length; i++) copy[i] = copyOf(value[i], done)
    return copy
  }
  const copy = remember(done, value, Object.create(Object.getPrototypeOf(value)))
  for (const name of Object.keys(value)) copy[name] = copyOf(Reflect.get(value, name), done)
  return copy
}

function remember<T>(done: Map<object, unknown>, original: object, copy: T): T {
  done.set(original, copy)
  return copy
}

class Differ {
  readonly changes: Change[] = []
  total = 0
  readonly #maxChanges: number
  readonly #path: PathStep[] = []
  /** The pairs that enclose the one at hand, against states that hold themselves. */
  readonly #ancestors: object[] = []

  constructor(maxChanges: number) {
    this.#maxChanges = maxChanges
  }

  compare(before: unknown, after: unknown): void {
    if (Object.is(before, after)) return
    const kind = kindOf(before)
    if (kind === 'scalar' || kind !== kindOf(after) || !isObject(before) || !isObject(after)) {
      this.#add({ kind: 'changed', before, after })
      return
    }
    if (this.#ancestors.includes(after)) return
    this.#ancestors.push(after)
    this.#inside(before, after)
    this.#ancestors.pop()
  }

  #inside(before: object, after: object): void {
    if (before instanceof Uint8Array && after instanceof Uint8Array) {
      if (Buffer.compare(before, after) !== 0) this.#add({ kind: 'changed', before, after })
    } else if (before instanceof Map && after instanceof Map) this.#maps(before, after)
    else if (before instanceof Set && after instanceof Set) this.#sets(before, after)
    else if (Array.isArray(before) && Array.isArray(after)) this.#arrays(before, after)
    else this.#objects(before, after)
  }

  #add(change: Omit<Change, 'path'>): void {
    this.total++
    if (this.changes.length < this.#maxChanges) this.changes.push({ path: [...this.#path], ...change })
  }

  #at(step: PathStep, visit: () => void): void {
    this.#path.push(step)
    visit()
    this.#path.pop()
  }

  #objects(before: object, after: object): void {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      this.#at({ kind: 'name', name }, () => {
        const [was, is] = [Reflect.get(before, name), Reflect.get(after, name)]
        if (!Object.hasOwn(after, name)) this.#add({ kind: 'removed', before: was })
        else if (!Object.hasOwn(before, name)) this.#add({ kind: 'added', after: is })
        else this.compare(was, is)
      })
    }
  }

  #maps(before: ReadonlyMap<unknown, unknown>, after: ReadonlyMap<unknown, unknown>): void {
    const was = keyed(before.entries())
    const is = keyed(after.entries())
    for (const [id, [key, value]] of was) {
      const now = is.get(id)
      this.#at({ kind: 'key', value: key }, () => {
        if (now === undefined) this.#add({ kind: 'removed', before: value })
        else this.compare(value, now[1])
      })
    }
    for (const [id, [key, value]] of is) {
      if (!was.has(id)) this.#at({ kind: 'key', value: key }, () => this.#add({ kind: 'added', after: value }))
    }
    this.#order(was, is)
  }

  #sets(before: ReadonlySet<unknown>, after: ReadonlySet<unknown>): void {
    const was = keyed(before.entries())
    const is = keyed(after.entries())
    for (const [id, [value]] of was) {
      if (!is.has(id)) this.#at({ kind: 'member', value }, () => this.#add({ kind: 'removed', before: value }))
    }
    for (const [id, [value]] of is) {
      if (!was.has(id)) this.#at({ kind: 'member', value }, () => this.#add({ kind: 'added', after: value }))
    }
    this.#order(was, is)
  }

  /** A loop over a Map or a Set sees the order, so it is part of the state. */
  #order(was: ReadonlyMap<unknown, unknown>, is: ReadonlyMap<unknown, unknown>): void {
    const stayed = [...is.keys()].filter((id) => was.has(id))
    let at = 0
    for (const id of was.keys()) {
      if (!is.has(id) || stayed[at++] === id) continue
      this.#add({ kind: 'reordered' })
      return
    }
  }

  /** What is the same at both ends is left out first, so that a queue that moves on is not told as a change of each place. */
  #arrays(before: readonly unknown[], after: readonly unknown[]): void {
    const shorter = Math.min(before.length, after.length)
    let head = 0
    let tail = 0
    if (before.length !== after.length) {
      while (head < shorter && areSame(before[head], after[head])) head++
      while (tail < shorter - head && areSame(before.at(-1 - tail), after.at(-1 - tail))) tail++
    }
    const common = shorter - tail
    for (let index = head; index < common; index++) {
      this.#at({ kind: 'index', index }, () => this.compare(before[index], after[index]))
    }
    for (let index = common; index < before.length - tail; index++) {
      this.#at({ kind: 'index', index }, () => this.#add({ kind: 'removed', before: before[index] }))
    }
    for (let index = common; index < after.length - tail; index++) {
      this.#at({ kind: 'index', index }, () => this.#add({ kind: 'added', after: after[index] }))
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function kindOf(value: unknown): string {
  if (!isObject(value)) return 'scalar'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Map) return 'map'
  if (value instanceof Set) return 'set'
  return Array.isArray(value) ? 'array' : 'object'
}

/** Entries under a key by which equal ones are found: objects as keys are equal where their content is. */
function keyed(entries: Iterable<[unknown, unknown]>): Map<unknown, [unknown, unknown]> {
  const map = new Map<unknown, [unknown, unknown]>()
  for (const entry of entries) map.set(isObject(entry[0]) ? contentOf(entry[0]) : entry[0], entry)
  return map
}

/** The canonical encoding as text, behind a character with which no key that is text would begin by chance. */
function contentOf(key: object): string {
  return `\0${Buffer.from(canonicalBytes(key)).toString('latin1')}`
}
