/**
 * A table of lmdb-environment.ts in memory, for rows that come in the order of their keys.
 */
import type { Table } from './lmdb-environment.js'

export class MemoryTable implements Table {
  readonly #keys: number[] = []
  readonly #values: Uint8Array[] = []
  /** Where the last row was found: reading goes forward, so the next one is mostly next to it. */
  #last = 0

  /** Adds a row whose key is above all others. */
  push(key: number, value: Uint8Array): void {
    this.#keys.push(key)
    this.#values.push(value)
  }

  /** Removes the rows from `key` on. */
  truncate(key: number): void {
    this.#keys.length = this.#values.length = this.#indexAtOrAbove(key)
  }

  /** Removes the last row. */
  pop(): void {
    this.#keys.pop()
    this.#values.pop()
  }

  countFrom(key: number): number {
    return this.#keys.length - this.#indexAtOrAbove(key)
  }

  get(key: number): Uint8Array | undefined {
    let index = this.#last + 1
    if (this.#keys[index] !== key) index = this.#indexAtOrAbove(key)
    if (this.#keys[index] !== key) return undefined
    this.#last = index
    return this.#values[index]
  }

  floorKey(key: number): number | undefined {
    const index = this.#indexAtOrAbove(key)
    return this.#keys[index] === key ? key : this.#keys[index - 1]
  }

  ceilingKey(key: number): number | undefined {
    return this.#keys[this.#indexAtOrAbove(key)]
  }

  firstKey(): number | undefined {
    return this.#keys[0]
  }

  lastKey(): number | undefined {
    return this.#keys.at(-1)
  }

  count(): number {
    return this.#keys.length
  }

  #indexAtOrAbove(key: number): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
