/** What the stand-ins of a Map and of a Set do: the collection's own work, and a note of what was handed out or written. */
import type { WatchedNode } from './watched-node.js'
import type { WatchedState } from './watched-state.js'

type Methods = ReadonlyMap<string | symbol, unknown>
type Each = (value: unknown, key: unknown, collection: unknown) => void

export function mapMethods(state: WatchedState, node: WatchedNode): Methods {
  const map = node.target
  if (!(map instanceof Map)) throw new Error('a Map was expected')
  const hand = (key: unknown, value: unknown): unknown => state.hand(node, key, value)
  function* entries(): Generator<[unknown, unknown]> {
    for (const [key, value] of map as Map<unknown, unknown>) yield [key, hand(key, value)]
  }
  function* values(): Generator<unknown> {
    for (const [key, value] of map as Map<unknown, unknown>) yield hand(key, value)
  }
  return new Map<string | symbol, unknown>([
    ['get', (key: unknown) => hand(state.unwrap(key), map.get(state.unwrap(key)))],
    ['has', (key: unknown) => map.has(state.unwrap(key))],
    [
      'set',
      (given: unknown, value: unknown) => {
        const key = state.unwrap(given)
        map.set(key, state.unwrap(value))
        state.written(node, key)
        return node.view
      },
    ],
    ...removal(state, node, map),
    [
      'forEach',
      (each: Each, self?: unknown) => {
        for (const [key, value] of map) each.call(self, hand(key, value), key, node.view)
      },
    ],
    ['keys', () => map.keys()],
    ['values', values],
    ['entries', entries],
    [Symbol.iterator, entries],
  ])
}

export function setMethods(state: WatchedState, node: WatchedNode): Methods {
  const set = node.target
  if (!(set instanceof Set)) throw new Error('a Set was expected')
  return new Map<string | symbol, unknown>([
    ['has', (member: unknown) => set.has(state.unwrap(member))],
    [
      'add',
      (given: unknown) => {
        const member = state.unwrap(given)
        set.add(member)
        state.written(node, member)
        return node.view
      },
    ],
    ...removal(state, node, set),
    [
      'forEach',
      (each: Each, self?: unknown) => {
        for (const member of set) each.call(self, member, member, node.view)
      },
    ],
    ['keys', () => set.keys()],
    ['values', () => set.values()],
    ['entries', () => set.entries()],
    [Symbol.iterator, () => set.values()],
  ])
}

function removal(
  state: WatchedState,
  node: WatchedNode,
  collection: Map<unknown, unknown> | Set<unknown>,
): [string, unknown][] {
  return [
    [
      'delete',
      (given: unknown) => {
        const key = state.unwrap(given)
        state.removed(node, key)
        return collection.delete(key)
      },
    ],
    [
      'clear',
      () => {
        for (const key of [...collection.keys()]) state.removed(node, key)
        collection.clear()
      },
    ],
  ]
}
