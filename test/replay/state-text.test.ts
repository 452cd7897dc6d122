import { test } from 'tap'
import { changesText, changeToJson } from '../../src/replay/changes-text.js'
import { diffValues } from '../../src/replay/state-diff.js'
import { stateToJson } from '../../src/replay/state-json.js'
import { lineText, valueText } from '../../src/replay/state-text.js'

const text = (value: unknown, limit = 5, width = 60): string[] => valueText(value, { limit, width }).split('\n')

test('a short value is one line', (t) => {
  t.strictSame(text({ a: 1, b: 'x' }), ['{ a: 1, b: "x" }'])
  t.strictSame(text(new Map([[1, { shares: 2 }]])), ['Map(1) { 1: { shares: 2 } }'])
  t.strictSame(text([]), ['[]'])
  t.strictSame(text(new Set(['a'])), ['Set(1) { "a" }'])
  for (const [value, line] of [
    [-0, '-0'],
    [Number.NaN, 'NaN'],
    [null, 'null'],
    [undefined, 'undefined'],
    ['a"b\n', '"a\\"b\\n"'],
    [new Uint8Array([1, 255]), '<2 bytes 01ff>'],
  ] as const) {
    t.equal(lineText(value), line)
  }
  t.equal(lineText({ a: 'x'.repeat(100) }, 20), '{ a: "xxxxxxxxxxxxx…')
  t.end()
})

test('names and values are aligned', (t) => {
  const state = {
    count: 1,
    name: 'a long text that fills the line',
    inner: { x: 'another text that needs a line', y: 2 },
  }
  t.strictSame(text(state, 5, 40), [
    'count  1',
    'name   "a long text that fills the line"',
    'inner',
    '  x  "another text that needs a line"',
    '  y  2',
  ])
  t.end()
})

test('entries of one kind are a table, and the rest is counted', (t) => {
  const orders = new Map([5, 40, 300, 4_000, 50_000].map((id) => [id, { symbol: 'AAPL', shares: id * 2 }]))
  t.strictSame(text(orders, 3), [
    'Map, 5 entries',
    '     symbol  shares',
    '  5  "AAPL"      10',
    ' 40  "AAPL"      80',
    '300  "AAPL"     600',
    '… and 2 more',
  ])
  t.strictSame(text([...orders.values()].slice(0, 2), 5, 30), [
    'list, 2 entries',
    '   symbol  shares',
    '0  "AAPL"      10',
    '1  "AAPL"      80',
  ])
  t.end()
})

test('plain values follow each other', (t) => {
  const numbers = Array.from({ length: 100 }, (_, i) => i)
  t.strictSame(text(numbers, 12, 24), ['list, 100 entries', '0, 1, 2, 3, 4, 5, 6, 7,', '8, 9, 10, 11', '… and 88 more'])
  t.end()
})

test('changes are one line each', (t) => {
  const before = {
    open: new Map([[1, 100]]),
    ids: new Set([1]),
    queue: ['a', 'b'],
    order: new Map([
      ['x', 1],
      ['y', 2],
    ]),
  }
  const after = {
    open: new Map([
      [1, 60],
      [2, 5],
    ]),
    ids: new Set([2]),
    queue: ['b'],
    order: new Map([
      ['y', 2],
      ['x', 1],
    ]),
  }
  const difference = diffValues(before, after)
  t.strictSame(changesText(difference, { width: 80 }), [
    '~ open[1]   100 -> 60',
    '+ open[2]   5',
    '- ids[1]',
    '+ ids[2]',
    '- queue[0]  "a"',
    '~ order     the same entries in another order',
  ])
  t.strictSame(changesText(diffValues(before, after, 2), { width: 80, prefix: 'desk: ' }), [
    '~ desk: open[1]  100 -> 60',
    '+ desk: open[2]  5',
    '… and 4 more changes',
  ])
  t.strictSame(changeToJson(difference.changes[0]!), { kind: 'changed', path: 'open[1]', before: 100, after: 60 })
  t.strictSame(changeToJson(difference.changes[5]!), { kind: 'reordered', path: 'order' })
  t.end()
})

test('a state as JSON', (t) => {
  const state = {
    map: new Map<unknown, unknown>([
      [1, 'one'],
      ['b', new Map([[{ x: 1 }, 2]])],
    ]),
    both: new Map<unknown, unknown>([
      [1, 'number'],
      ['1', 'text'],
    ]),
    set: new Set([1, 2]),
    bytes: new Uint8Array([1, 2]),
    list: [undefined, Number.NaN, -0],
    nothing: undefined,
  }
  t.equal(
    JSON.stringify(stateToJson(state)),
    '{"map":{"1":"one","b":[[{"x":1},2]]},"both":[[1,"number"],["1","text"]],"set":[1,2],"bytes":"AQI=","list":[null,"NaN","-0"]}',
  )
  t.end()
})
