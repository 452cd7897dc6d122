import { deepStrictEqual, throws } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { canonicalBytes } from '../../src/component/canonical.js'
import { decodeState, StateDamage } from '../../src/component/state-decoding.js'
import { encodeState } from '../../src/component/state-encoding.js'

const again = (value: unknown): unknown => decodeState(encodeState(value))

/** Everything that a handler can see of a value, the order of properties included. */
function seen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(seen)
  if (value instanceof Map) return [...value].map(([k, v]) => [seen(k), seen(v)])
  if (value instanceof Set) return [...value].map(seen)
  return Object.entries(value).map(([k, v]) => [k, seen(v)])
}

test('what is written is read back, the order of everything included', (t) => {
  const options = { withMap: true, withSet: true, withTypedArray: false, withNullPrototype: true, maxDepth: 5 }
  fc.assert(
    fc.property(fc.anything(options), (value) => {
      const read = again(value)
      deepStrictEqual(read, value)
      deepStrictEqual(seen(read), seen(value))
      deepStrictEqual(canonicalBytes(read), canonicalBytes(value))
      deepStrictEqual(encodeState(read), encodeState(value))
    }),
    { numRuns: 1_000 },
  )
  t.end()
})

test('values that are easily lost', (t) => {
  const values: unknown[] = [
    ...[0, -0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 53, 1.5, Number.NaN, Infinity],
    ...[
      '',
      'a',
      'é',
      'x'.repeat(255),
      'x'.repeat(256),
      'é'.repeat(70_000),
      '\u20ac',
      '\ud800',
      '\u20ac'.repeat(40_000),
    ],
    ...[null, undefined, true, false, [], {}, new Map(), new Set(), new Uint8Array(0), new Uint8Array(100_000).fill(3)],
    ...[[undefined], { a: undefined }, Object.create(null), { b: 1, a: 2 }, { 2: 'x', 1: 'y', z: 0, a: 1 }],
    [JSON.parse('{"__proto__": {"x": 1}, "y": 2}'), JSON.parse('{"__proto__": {"x": 3}, "y": 4}')],
    [
      { 'a\0b': 1, c: 2 },
      { a: 1, 'b\0c': 2 },
      { 'a\0b': 3, c: 4 },
    ],
    Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`key ${i}`, i])),
    Array.from({ length: 6_000 }, (_, i) => ({ [`only ${i}`]: i, x: 1 })),
  ]
  for (const value of values) {
    deepStrictEqual(again(value), value)
    deepStrictEqual(seen(again(value)), seen(value))
  }
  t.equal(Object.keys(Object.getPrototypeOf(again(JSON.parse('{"__proto__": {"x": 1}}')))).length, 0)
  t.ok(Buffer.isBuffer(again(Buffer.from('abc'))), 'a Buffer stays one')
  t.notOk(Buffer.isBuffer(again(new Uint8Array(3))))
  t.end()
})

test('one object that is reached by two ways stays one object', (t) => {
  const order = { id: 1, shares: 100 }
  const state = { byId: new Map([[1, order]]), bySymbol: new Map([['ABC', [order]]]), raw: new Uint8Array(2), self: {} }
  const read = again({ ...state, alias: state.raw, self: state }) as typeof state & { alias: Uint8Array }
  const one = read.byId.get(1)
  t.equal(one, read.bySymbol.get('ABC')?.[0])
  t.equal(read.alias, read.raw)
  const cycle: { me?: unknown; list: unknown[] } = { list: [] }
  cycle.me = cycle
  cycle.list.push(cycle.list)
  const turned = again(cycle) as typeof cycle
  t.equal(turned.me, turned)
  t.equal(turned.list[0], turned.list)
  t.end()
})

test('what is no plain data is refused, with the path to it', (t) => {
  class Order {
    shares = 1
  }
  const refused: [unknown, RegExp][] = [
    [{ open: new Map([['a', new Order()]]) }, /state\["open"\]\["a"\] is an instance of Order/],
    [{ at: new Date(0) }, /an instance of Date/],
    [[() => {}], /state\[0\] is a function/],
    [{ n: 1n }, /a bigint/],
    [new Array(1), /a hole at 0/],
    [{ [Symbol('s')]: 1 }, /a symbol for a name/],
    [new Float64Array(1), /an instance of Float64Array/],
  ]
  for (const [value, pattern] of refused)
    t.throws(() => encodeState(value), { code: 'E_NONDETERMINISM', message: pattern })
  let deep: unknown = 1
  for (let i = 0; i < 600; i++) deep = [deep]
  t.throws(() => encodeState(deep), /nested deeper/)
  t.end()
})

test('damaged bytes are damage, or a value: never anything else', (t) => {
  const state = {
    orders: new Map(Array.from({ length: 20 }, (_, i) => [i, { id: i, name: `order ${i}`, tags: new Set(['a', i]) }])),
    text: '\u20ac'.repeat(300),
    raw: new Uint8Array(300),
  }
  const bytes = encodeState(state)
  const look = (damaged: Uint8Array): void => {
    try {
      decodeState(damaged)
    } catch (error) {
      if (!(error instanceof StateDamage)) throw error
    }
  }
  for (let end = 0; end < bytes.length; end++) throws(() => decodeState(bytes.subarray(0, end)), StateDamage)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      (changes) => {
        const damaged = bytes.slice()
        for (const [at, value] of changes) damaged[at] = value
        look(damaged)
      },
    ),
    { numRuns: 5_000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => look(random)),
    { numRuns: 5_000 },
  )
  const nested = new Uint8Array(5 * 2_000)
  for (let i = 0; i < 2_000; i++) nested.set([11, 0, 0, 0, 1], i * 5)
  t.throws(() => decodeState(nested), /too deep/)
  t.throws(() => decodeState(new Uint8Array([11, 0xff, 0xff, 0xff, 0xff])), /entries in 0 bytes/)
  t.end()
})
