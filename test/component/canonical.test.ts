import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { canonicalBytes } from '../../src/component/canonical.js'
import { digestHex, digestOf } from '../../src/component/digest.js'

const hexOf = (value: unknown): string => Buffer.from(canonicalBytes(value)).toString('hex')

test('different states give different bytes', (t) => {
  const values: unknown[] = [
    null,
    undefined,
    false,
    true,
    0,
    -0,
    1,
    -1,
    2 ** 31,
    1.5,
    Number.NaN,
    Infinity,
    '',
    '0',
    'a',
    'é',
    '\ud800',
    '\ufffd',
    'aé',
    [],
    [[]],
    [undefined],
    [null],
    [1, 2],
    [[1], 2],
    {},
    { a: undefined },
    { a: 1 },
    { b: 1 },
    { a: { b: 1 } },
    new Map(),
    new Map([['a', 1]]),
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
    new Map([
      ['b', 2],
      ['a', 1],
    ]),
    new Set(),
    new Set(['a']),
    new Set(['a', 1]),
    new Uint8Array(0),
    new Uint8Array([97]),
    new Map([[0, 1]]),
    new Map([[-1, 1]]),
  ]
  t.equal(new Set(values.map(hexOf)).size, values.length)
  t.end()
})

test('equal states give equal bytes', (t) => {
  t.equal(hexOf({ a: 1, b: 2 }), hexOf({ b: 2, a: 1 }), 'the order of properties does not count')
  t.equal(hexOf(Object.assign(Object.create(null), { a: 1 })), hexOf({ a: 1 }))
  t.equal(hexOf(Buffer.from([1, 2])), hexOf(new Uint8Array([1, 2])))
  const otherNan = new Float64Array(new BigUint64Array([0xfff8_0000_0000_0001n]).buffer)[0]
  t.equal(hexOf(otherNan), hexOf(Number.NaN))
  const shared = { x: 1 }
  t.equal(hexOf([shared, shared]), hexOf([{ x: 1 }, { x: 1 }]), 'sharing does not count')
  fc.assert(
    fc.property(fc.anything({ withMap: true, withSet: true, maxDepth: 4 }), (value) => {
      const copy: unknown = structuredClone(value)
      return hexOf(copy) === hexOf(value)
    }),
    { numRuns: 300 },
  )
  t.end()
})

test('bytes are stable: recorded digests must stay comparable', (t) => {
  const state = {
    open: new Map([['a', 100]]),
    symbols: new Set(['X']),
    price: 1.5,
    raw: new Uint8Array([1]),
    none: null,
  }
  t.equal(
    hexOf(state),
    '0a00000005' +
      '06000000046e6f6e65' +
      '00' +
      '06000000046f70656e' +
      '0b00000001' +
      '060000000161' +
      '0400000064' +
      '06000000057072696365' +
      '053ff8000000000000' +
      '0600000003726177' +
      '080000000101' +
      '060000000773796d626f6c73' +
      '0c00000001' +
      '060000000158',
  )
  t.equal(digestHex(digestOf(state)), createHash('sha256').update(canonicalBytes(state)).digest('hex'))
  t.end()
})

test('states larger than one piece', (t) => {
  const long = 'x'.repeat(200_000)
  const wide = 'é'.repeat(50_001)
  const bytes = new Uint8Array(150_000).fill(7)
  const state = { long, wide, bytes, many: Array.from({ length: 50_000 }, (_, i) => i * 1.5) }
  t.equal(
    canonicalBytes(state).length,
    5 + (10 + 5 + 150_000) + (9 + 5 + 200_000) + (9 + 5) + manyBytes() + (9 + 5 + 100_002),
  )
  const changed = { ...state, long: `${long.slice(0, -1)}y` }
  t.not(digestHex(digestOf(changed)), digestHex(digestOf(state)))
  t.end()

  function manyBytes(): number {
    return state.many.reduce((sum, value) => sum + (Number.isInteger(value) ? 5 : 9), 0)
  }
})

test('what is no plain data is refused, with the path to it', (t) => {
  class Order {
    shares = 1
  }
  class Special extends Map {}
  const cyclic: Record<string, unknown> = {}
  cyclic.self = { again: cyclic }
  const holes: unknown[] = [1]
  holes[2] = 1
  let deep: unknown = 1
  for (let i = 0; i < 600; i++) deep = [deep]
  const refusals: [unknown, RegExp][] = [
    [
      { book: new Map([['AAPL', { best: new Order() }]]) },
      /^state\["book"\]\["AAPL"\]\["best"\] is an instance of Order/,
    ],
    [{ at: [1, new Date(0)] }, /^state\["at"\]\[1\] is an instance of Date/],
    [{ f: () => 1 }, /^state\["f"\] is a function/],
    [{ n: 1n }, /^state\["n"\] is a bigint/],
    [Symbol('x'), /^state is a symbol/],
    [{ [Symbol('x')]: 1 }, /^state is an object with a symbol for a name/],
    [cyclic, /^state\["self"\]\["again"\] is a cycle/],
    [holes, /^state is an array with a hole at 1/],
    [new Special(), /^state is an instance of Special/],
    [new Float64Array(1), /^state is an instance of Float64Array/],
    [new WeakMap(), /^state is an instance of WeakMap/],
    [new Set([new Order()]), /^state\["\(member\)"\] is an instance of Order/],
    [Promise.resolve(), /^state is an instance of Promise/],
    [deep, /nested deeper than 500/],
  ]
  for (const [value, message] of refusals) t.throws(() => digestOf(value), { code: 'E_NONDETERMINISM', message })
  t.end()
})
