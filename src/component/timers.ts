/**
 * Timers of a component. They run on stream time: a timer fires before the first event whose time is at or after its
 * due time, so that every replica, and every replay, fires it at the same place.
 *
 * An indexed binary heap, ordered by due time and then by the order of starting; a timer is named by (name, key), and
 * starting it again replaces it.
 */
import { COMPONENT_TIMERS } from '../core/limits.js'

export interface Timer {
  readonly name: string
  readonly key: string
  /** Stream time at which it fires, microseconds since the Unix epoch. */
  readonly dueUs: number
}

/** The index of an entry that has left the heap because it is about to fire. */
const DETACHED = -1

interface Entry extends Timer {
  readonly order: number
  index: number
}

export class Timers {
  readonly #heap: Entry[] = []
  readonly #byName = new Map<string, Map<string, Entry>>()
  readonly #capacity: number
  #order = 0

  constructor(capacity = COMPONENT_TIMERS) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#heap.length
  }

  /** When the next one fires; Infinity where there is none. */
  get nextDueUs(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0]!.dueUs
  }

  /** @throws RangeError where the bound is reached: a programmer's error, as timers that are never due are a leak */
  start(name: string, key: string, dueUs: number): void {
    this.cancel(name, key)
    if (this.#heap.length >= this.#capacity) throw new RangeError(`more than ${this.#capacity} timers are pending`)
    const entry: Entry = { name, key, dueUs, order: this.#order++, index: this.#heap.length }
    this.#heap.push(entry)
    this.#keysOf(name).set(key, entry)
    this.#up(entry)
  }

  /** @returns whether it was pending */
  cancel(name: string, key: string): boolean {
    const entry = this.#byName.get(name)?.get(key)
    if (entry === undefined) return false
    this.#byName.get(name)?.delete(key)
    if (entry.index !== DETACHED) this.#detach(entry)
    return true
  }

  /**
   * Fires what is due at `timeUs`, in order. What the handlers start waits for a later event, even where it is due
   * already, so that a timer that starts itself anew without delay cannot hold up the stream.
   */
  fire(timeUs: number, handle: (timer: Timer) => void): void {
    if (this.nextDueUs > timeUs) return
    const due: Entry[] = []
    while (this.nextDueUs <= timeUs) due.push(this.#detach(this.#heap[0]!))
    for (const entry of due) {
      const keys = this.#byName.get(entry.name)
      if (keys?.get(entry.key) !== entry) continue // Cancelled, or started anew, by a handler that fired before it.
      keys.delete(entry.key)
      handle(entry)
    }
  }

  /** What is pending, in the order of firing. */
  pending(): Timer[] {
    return [...this.#heap].sort(compare).map(({ name, key, dueUs }) => ({ name, key, dueUs }))
  }

  #keysOf(name: string): Map<string, Entry> {
    let keys = this.#byName.get(name)
    if (keys === undefined) {
      keys = new Map()
      this.#byName.set(name, keys)
    }
    return keys
  }

  #detach(entry: Entry): Entry {
    const index = entry.index
    entry.index = DETACHED
    const last = this.#heap.pop()!
    if (last === entry) return entry
    this.#place(last, index)
    this.#up(last)
    this.#down(last)
    return entry
  }

  #place(entry: Entry, index: number): void {
    this.#heap[index] = entry
    entry.index = index
  }

  #up(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1]!
      if (compare(parent, entry) <= 0) return
      const index = entry.index
      this.#place(entry, parent.index)
      this.#place(parent, index)
    }
  }

  #down(entry: Entry): void {
    for (;;) {
      const left = this.#heap[entry.index * 2 + 1]
      if (left === undefined) return
      const right = this.#heap[entry.index * 2 + 2]
      const child = right !== undefined && compare(right, left) < 0 ? right : left
      if (compare(entry, child) <= 0) return
      const index = entry.index
      this.#place(entry, child.index)
      this.#place(child, index)
    }
  }
}

function compare(a: Entry, b: Entry): number {
  return a.dueUs - b.dueUs || a.order - b.order
}
