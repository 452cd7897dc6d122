/** Where large maps keep what is not in memory. Whoever has files implements it. */

/** One row: the hash of the entry, and the value's bytes behind it. */
export const ROW_HASH_BYTES = 32

export interface LargeBase {
  /** The row of a key; undefined where there is none. Nobody changes it. */
  get(map: string, key: Uint8Array): Uint8Array | undefined
  /** Keys in order, `from` included, `before` excluded. They are those of the moment at which the loop begins. */
  keys(map: string, from: Uint8Array | undefined, before: Uint8Array | undefined): Iterable<Uint8Array>
}

/** What a large map adds to its base: undefined for what goes. */
export interface LargeChange {
  readonly map: string
  readonly key: Uint8Array
  readonly row: Uint8Array | undefined
}
