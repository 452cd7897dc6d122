/**
 * Named counts. Every datagram that is dropped, every repeat, every loss adds to one of them, so that nothing happens
 * silently. They are plain numeric fields: an increment costs what an addition costs.
 */

/** A fixed set of counts; the names are the documentation. */
export type Counters<Name extends string> = Record<Name, number>

/**
 * Makes a set of counters, all zero. The shape is fixed here, so that the hot path never changes it. Made at once, because an
 * object that grows name by name becomes a hash table, and each increment a look-up that costs twenty times as much.
 */
export function createCounters<const Name extends string>(names: readonly Name[]): Counters<Name> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Counters<Name>
}

/** Only the counts above zero, for reports. */
export function nonZero(counters: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0))
}
