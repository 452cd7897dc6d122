import { equal } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { canonicalBytes } from '../../src/component/canonical.js'
import { largeMap } from '../../src/component/large/large-map.js'
import { areSame, copyState, diffValues } from '../../src/replay/state-diff.js'
import { parsePath, pathText, valueAt } from '../../src/replay/state-path.js'

/** Changes as `kind path before after`. */
function changes(before: unknown, after: unknown): unknown[] {
  return diffValues(before, after).changes.map((change) => [
    change.kind,
    pathText(change.path),
    ...('before' in change ? [change.before] : []),
    ...('after' in change ? [change.after] : []),
  ])
}

test('what differs is told by its place', (t) => {
  t.strictSame(changes({ a: 1, b: { c: 'x' } }, { a: 2, b: { c: 'x' } }), [['changed', 'a', 1, 2]])
  t.strictSame(changes({ a: undefined }, {}), [['removed', 'a', undefined]], 'absent is not undefined')
  t.strictSame(changes(0, -0), [['changed', '(state)', 0, -0]])
  t.strictSame(changes(Number.NaN, Number.NaN), [])
  t.strictSame(changes({ a: [] }, { a: {} }), [['changed', 'a', [], {}]])
  const orders = (shares: number) => ({ orders: new Map([[42, { shares }]]), 'odd name': 1 })
  t.strictSame(changes(orders(100), orders(60)), [['changed', 'orders[42].shares', 100, 60]])
  t.strictSame(changes({ 'odd name': 1 }, { 'odd name': 2 }), [['changed', '["odd name"]', 1, 2]])
  t.strictSame(changes(new Map([['AAPL', 1]]), new Map([['MSFT', 1]])), [
    ['removed', '["AAPL"]', 1],
    ['added', '["MSFT"]', 1],
  ])
  t.strictSame(changes(new Map([[1, 1]]), new Map([['1', 1]])).length, 2, 'a number is another key than its text')
  t.strictSame(changes(new Set(['a', 'b']), new Set(['b', 'c'])), [
    ['removed', '["a"]', 'a'],
    ['added', '["c"]', 'c'],
  ])
  t.strictSame(changes(new Uint8Array([1, 2]), new Uint8Array([1, 3])).length, 1)
  t.strictSame(changes(new Uint8Array([1, 2]), new Uint8Array([1, 2])), [])
  t.end()
})

test('keys that are objects are equal where their content is', (t) => {
  const at = (side: string, shares: number) => new Map([[{ side, price: 1 }, shares]])
  t.strictSame(changes(at('buy', 1), at('buy', 2)), [['changed', '[{"side":"buy","price":1}]', 1, 2]])
  t.strictSame(changes(at('buy', 1), at('sell', 1)).length, 2)
  t.end()
})

test('the order of a Map and of a Set is part of the state', (t) => {
  const map = (...keys: string[]) => new Map(keys.map((key) => [key, 1]))
  t.strictSame(changes(map('a', 'b', 'c'), map('b', 'a', 'c')), [['reordered', '(state)']])
  t.strictSame(changes(map('a', 'b', 'c'), map('a', 'c')), [['removed', '["b"]', 1]], 'one that goes moves none')
  t.strictSame(changes(map('a', 'b'), map('c', 'a', 'b')), [['added', '["c"]', 1]])
  t.strictSame(changes(new Set([1, 2]), new Set([2, 1])), [['reordered', '(state)']])
  t.end()
})

test('a queue that moves on is told as what left and what came', (t) => {
  t.strictSame(changes([1, 2, 3], [2, 3]), [['removed', '[0]', 1]])
  t.strictSame(changes([1, 2, 3], [1, 2, 3, 4]), [['added', '[3]', 4]])
  t.strictSame(changes([1, 2, 3], [1, 9, 3]), [['changed', '[1]', 2, 9]])
  t.strictSame(changes([{ id: 1 }, { id: 2 }], [{ id: 2 }]), [['removed', '[0]', { id: 1 }]])
  t.end()
})

test('a large map is compared as a Map', (t) => {
  const large = largeMap<number, { shares: number }>('orders')
  large.set(2, { shares: 20 })
  large.set(1, { shares: 10 })
  const before = copyState({ orders: large })
  large.set(1, { shares: 11 })
  large.delete(2)
  large.set(3, { shares: 30 })
  t.strictSame(changes(before, { orders: large }), [
    ['changed', 'orders[1].shares', 10, 11],
    ['removed', 'orders[2]', { shares: 20 }],
    ['added', 'orders[3]', { shares: 30 }],
  ])
  t.equal(valueAt({ orders: large }, 'orders[3].shares').value, 30)
  t.end()
})

test('many changes are counted, and the first are kept', (t) => {
  const { changes, total } = diffValues(Array(50).fill(0), Array(50).fill(1), 3)
  t.strictSame([changes.length, total], [3, 50])
  t.end()
})

test('a copy stays as it was', (t) => {
  const shared = { x: 1 }
  const state = { map: new Map([[1, shared]]), set: new Set([1]), list: [shared], bytes: new Uint8Array([1]) }
  const copy = copyState(state)
  t.equal(copy.map.get(1), copy.list[0], 'what is one object is one in the copy')
  shared.x = 2
  state.set.add(2)
  state.bytes[0] = 9
  t.strictSame(
    diffValues(copy, state)
      .changes.map(({ path }) => pathText(path))
      .sort(),
    ['bytes', 'list[0].x', 'map[1].x', 'set[2]'],
  )
  t.end()
})

test('no change is found exactly where the canonical encodings are equal', (t) => {
  const scalar = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.constantFrom('', 'a', '1', -0, null, undefined, true))
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b'), tie('value')),
      fc.array(fc.tuple(scalar, tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
      fc.array(scalar, { maxLength: 3 }).map((items) => new Set(items)),
      fc.uint8Array({ maxLength: 2 }),
    ),
  }))
  const same = (a: unknown, b: unknown): boolean => Buffer.compare(canonicalBytes(a), canonicalBytes(b)) === 0
  fc.assert(
    fc.property(value, value, (a, b) => {
      equal(areSame(a, b), same(a, b))
      equal(areSame(a, copyState(a)), true)
      equal(same(a, copyState(a)), true)
    }),
    { numRuns: 2_000 },
  )
  t.pass('no counterexample')
  t.end()
})

test('paths are read as they are printed', (t) => {
  const state = {
    orders: new Map<unknown, unknown>([
      [42, { shares: 1 }],
      ['7', 'text key'],
      [true, 'yes'],
    ]),
    list: ['a', 'b'],
    'odd.name': { x: 1 },
    names: new Set(['AAPL']),
  }
  for (const [written, printed] of [
    ['orders[42].shares', 'orders[42].shares'],
    ['orders.42.shares', 'orders[42].shares'],
    ['orders["7"]', 'orders["7"]'],
    ['orders.7', 'orders["7"]'],
    ['orders[true]', 'orders[true]'],
    ['list[1]', 'list[1]'],
    ['["odd.name"].x', '["odd.name"].x'],
    ['names[AAPL]', 'names["AAPL"]'],
    ['', '(state)'],
  ] as const) {
    t.equal(pathText(valueAt(state, written).path), printed, written)
  }
  t.equal(valueAt(state, 'orders[42].shares').value, 1)
  t.strictSame(parsePath('a["b.c"][1]'), [
    { text: 'a', isQuoted: false },
    { text: 'b.c', isQuoted: true },
    { text: '1', isQuoted: false },
  ])
  t.throws(() => valueAt(state, 'orders[43]'), { code: 'E_USAGE', hint: 'it has 42, 7, true' })
  t.throws(() => valueAt(state, 'list[2]'), { code: 'E_USAGE', message: '--path list[2]: list has no 2' })
  t.throws(() => valueAt(state, 'orders[42].shares.x'), {
    code: 'E_USAGE',
    hint: 'orders[42].shares holds nothing to go into',
  })
  t.throws(() => parsePath('a[1'), { code: 'E_USAGE' })
  t.throws(() => parsePath('a..b'), { code: 'E_USAGE' })
  t.end()
})
