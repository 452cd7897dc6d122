/**
 * Named counts. Every datagram that is dropped, every repeat, every loss adds to one of them, so that nothing happens
 * silently. They are plain numeric fields: an increment costs what an addition costs.
 */

/** A fixed set of counts; the names are the documentation. */
export type Counters<Name extends string> = Record<Name, number>

/** Makes a set of counters, all zero. The shape is fixed here, so that the hot path never changes it. */
export function createCounters<const Name extends string>(names: readonly Name[]): Counters<Name> {
  const counters: Partial<Counters<Name>> = {}
  for (const name of names) counters[name] = 0
  return counters as Counters<Name>
}

/** Only the counts above zero, for reports. */
export function nonZero(counters: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0))
}
