/**
 * Large maps of two versions right after the first event after which they differ: what differs can only lie under keys that the event changed in
 * one of them, so only these are looked at.
 */
import type { LargeKey } from '../../component/large/large-key.js'
import { largeMapsIn } from '../../component/large/large-tables.js'
import { copyState } from '../state-diff.js'

/** Keys by the name of the large map. */
export type LargeKeys = Readonly<Record<string, readonly LargeKey[]>>

/** From now on changes are noted. */
export function noteChanges(state: unknown): void {
  for (const map of largeMapsIn(state)) map.seal()
}

/** Keys that were written since. */
export function changedKeys(state: unknown): LargeKeys {
  return Object.fromEntries(largeMapsIn(state).map((map) => [map.name, map.changedKeys()]))
}

export function united(a: LargeKeys, b: LargeKeys): LargeKeys {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries([...names].map((name) => [name, [...new Set([...(a[name] ?? []), ...(b[name] ?? [])])]]))
}

/** A copy of a state, with large maps as Maps of these keys only. */
export function copyWithKeys(state: unknown, keys: LargeKeys): unknown {
  const cut = new Map<object, object>()
  for (const map of largeMapsIn(state)) {
    const entries = (keys[map.name] ?? []).filter((key) => map.has(key)).map((key) => [key, map.get(key)] as const)
    cut.set(map, new Map(entries))
  }
  return copyState(state, cut)
}
