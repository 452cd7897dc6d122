/** The hash that is kept up to date is that of the whole state, whatever handlers do; and equal states have equal hashes. */
import { equal, notEqual } from 'node:assert/strict'
import { types } from 'node:util'
import fc from 'fast-check'
import { test } from 'tap'
import { canonicalBytes } from '../../../src/component/canonical.js'
import { IgnoredPaths } from '../../../src/replay/compare/ignored-paths.js'
import { entriesOf, ValueHash } from '../../../src/replay/compare/value-hash.js'
import { WatchedState } from '../../../src/replay/compare/watched-state.js'

interface Entity {
  id: number
  shares: number
  tags: string[]
  next?: Entity
}

interface State {
  count: number
  byId: Map<number, Entity>
  bySymbol: Map<string, Entity[]>
  books: Map<string, { bids: Map<number, Entity>; names: Set<string> }>
  log: number[]
  seen: Set<number>
  last: Entity | undefined
  extra: Record<string, unknown>
}

const newState = (): State => ({
  count: 0,
  byId: new Map(),
  bySymbol: new Map(),
  books: new Map(),
  log: [],
  seen: new Set(),
  last: undefined,
  extra: {},
})

function hashOf(state: unknown, ignored?: IgnoredPaths): string {
  const hash = new ValueHash()
  hash.take(state, ignored)
  return `${hash.a} ${hash.b}`
}

type Step = (state: State, n: number) => void
const key = (n: number): string => `s${n % 5}`

/** What handlers do: with what is shared, nested, large, moved, put aside and taken back. */
const STEPS: readonly Step[] = [
  (state, n) => {
    const entity: Entity = { id: n, shares: n, tags: [] }
    state.byId.set(n, entity)
    const list = state.bySymbol.get(key(n)) ?? []
    list.push(entity)
    state.bySymbol.set(key(n), list)
    entity.shares++ // After it was put in.
  },
  (state, n) => {
    const entity = state.byId.get(n)
    if (entity !== undefined) entity.shares++
  },
  (state, n) => state.byId.get(n)?.tags.push(key(n)),
  (state, n) => void state.byId.delete(n),
  (state, n) => {
    const entity = state.byId.get(n)
    state.byId.delete(n)
    if (entity !== undefined) state.byId.set(n, entity) // It is the last one now.
  },
  (state, n) => {
    const book = state.books.get(key(n)) ?? { bids: new Map(), names: new Set() }
    state.books.set(key(n), book)
    const entity = state.byId.get(n)
    if (entity !== undefined) book.bids.set(n, entity)
    book.names.add(key(n + 1))
  },
  (state, n) => {
    for (const [price, entity] of state.books.get(key(n))?.bids ?? []) if (price % 2 === 0) entity.shares = 0
  },
  (state, n) => {
    const book = state.books.get(key(n))
    if (book !== undefined) state.books.set(key(n + 1), book) // The same one twice.
  },
  (state, n) => void state.books.get(key(n))?.names.delete(key(n)),
  (state, n) => void state.books.delete(key(n)),
  (state, n) => void state.log.push(n),
  (state, n) => {
    state.log = state.log.filter((_, i) => i % 7 !== n % 7)
  },
  (state) => void state.log.shift(),
  (state, n) => void state.log.splice(n % 5, 2, 1, 2, 3),
  (state, n) => {
    state.log.length = Math.min(state.log.length, n * 3)
  },
  (state, n) => void Object.assign(state, { count: n }),
  (state, n) => void state.seen.add(n),
  (state, n) => void state.seen.delete(n),
  (state) => state.seen.clear(),
  (state, n) => {
    state.last = state.byId.get(n)
  },
  (state) => {
    if (state.last !== undefined) state.last.shares += 3
  },
  (state, n) => {
    const next = state.byId.get(n + 1)
    const entity = state.byId.get(n)
    if (entity !== undefined && next !== undefined && next.next === undefined && n !== 0) entity.next = next
  },
  (state, n) => {
    state.extra[key(n)] = { books: state.books.get(key(n)), n }
  },
  (state, n) => {
    state.extra[`x${n}`] = Array.from({ length: n * 4 }, () => ({ n }))
  },
  (state, n) => void delete state.extra[key(n)],
  (state) => {
    for (const value of Object.values(state.extra)) if (Array.isArray(value) && value[3]) value[3].n++
  },
  (state) =>
    state.byId.forEach((entity) => {
      entity.shares -= 1
    }),
  (state) => {
    state.books = new Map([...state.books].reverse())
  },
  (state) => {
    state.bySymbol = new Map()
  },
]

/** A state that a program may make: chains of entities must not become circles. */
function isPlain(state: State): boolean {
  try {
    canonicalBytes(state)
    return true
  } catch {
    return false
  }
}

/** What is only for handlers must not stay in the state. */
function holdsStandIn(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return types.isProxy(value) || [...entriesOf(value)].some(([, item]) => holdsStandIn(item))
}

const aStep = fc.record({ step: fc.nat(STEPS.length - 1), n: fc.nat(12) })

test('the hash of a watched state is that of the whole state', (t) => {
  let compared = 0
  fc.assert(
    fc.property(
      fc.array(fc.array(aStep, { maxLength: 4 }), { minLength: 20, maxLength: 60, size: 'max' }),
      (events) => {
        const [state, bare] = [newState(), newState()]
        const watched = new WatchedState(state)
        const view = watched.view as State
        for (const event of events) {
          for (const { step, n } of event) {
            STEPS[step]!(view, n)
            STEPS[step]!(bare, n)
          }
          if (!isPlain(bare)) return
          watched.settle()
          equal(`${watched.a} ${watched.b}`, hashOf(state), 'the one that was kept up to date')
          equal(hashOf(state), hashOf(bare), 'handlers do the same to it as to the state itself')
          equal(watched.isTrusted, true)
          equal(holdsStandIn(state), false)
          compared++
        }
      },
    ),
    { numRuns: 400 },
  )
  t.ok(compared > 5_000, String(compared))
  t.end()
})

const aValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, undefined, true, false, 0, -0, 1, 1.5, Number.NaN, '', 'a', 'ä'),
    fc.uint8Array({ maxLength: 3 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '0'), tie('value'), { noNullPrototype: true, maxKeys: 3 }),
    fc.array(fc.tuple(fc.constantFrom('a', 'b', 0, 1), tie('value')), { maxLength: 3 }).map((e) => new Map(e)),
    fc.array(fc.constantFrom('a', 'b', 0, 1), { maxLength: 3 }).map((members) => new Set(members)),
  ),
})).value

test('values have the same hash where a digest is the same, and only there', (t) => {
  fc.assert(
    fc.property(aValue, aValue, (a, b) => {
      const areEqual = Buffer.compare(canonicalBytes(a), canonicalBytes(b)) === 0
      if (areEqual) equal(hashOf(a), hashOf(b))
      else notEqual(hashOf(a), hashOf(b))
    }),
    { numRuns: 5_000 },
  )
  t.not(
    hashOf(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    ),
    hashOf(
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ),
    'the order of a Map',
  )
  t.not(hashOf([1, 2]), hashOf([2, 1]))
  t.equal(hashOf({ a: 1, b: 2 }), hashOf({ b: 2, a: 1 }), 'not that of properties')
  t.end()
})

test('what is ignored', (t) => {
  const ignored = IgnoredPaths.of(['stats', 'orders.*.note', 'books["A"].depth'])
  const state = (note: string, stats: object, depth: number): object => ({
    stats,
    orders: new Map([[1, { note, shares: 1 }]]),
    books: { A: { depth }, B: { depth: 1 } },
  })
  t.equal(hashOf(state('x', { n: 1 }, 1), ignored), hashOf(state('y', { m: 2 }, 2), ignored))
  t.not(hashOf(state('x', {}, 1), ignored), hashOf({ ...state('x', {}, 1), books: {} }, ignored))
  const target = { stats: new Map(), orders: new Map([[1, { note: '', shares: 1 }]]), books: {} }
  const watched = new WatchedState(target, ignored)
  const view = watched.view as typeof target
  const before = `${watched.a} ${watched.b}`
  view.stats.set(1, 1)
  view.orders.get(1)!.note = 'new'
  watched.settle()
  t.equal(`${watched.a} ${watched.b}`, before)
  view.orders.get(1)!.shares++
  watched.settle()
  t.not(`${watched.a} ${watched.b}`, before)
  t.equal(`${watched.a} ${watched.b}`, hashOf(target, ignored))
  t.end()
})

test('what can not be watched is said, so that somebody looks at all of it', (t) => {
  const keyed = new WatchedState({ map: new Map([[{ id: 1 }, 1]]) })
  t.equal(keyed.isTrusted, false, 'objects as keys')
  const state = { map: new Map([[1, { n: 1 }]]) }
  const watched = new WatchedState(state)
  t.equal(watched.isTrusted, true)
  Reflect.get(watched.view as typeof state, 'map').toString()
  t.equal(watched.isTrusted, false, 'methods that are not known')
  const map = new Map([['a', { note: 1 }]])
  const twice = new WatchedState({ kept: map, other: map }, IgnoredPaths.of(['other.*.note']))
  t.equal(twice.isTrusted, false, 'one thing in two places of which one is ignored')
  t.end()
})
