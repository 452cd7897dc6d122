/** The engine beside a market that scans a list for everything. */
import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { test } from 'tap'
import { bookDigest, openTotals } from '../../src/examples/oms/book-digest.js'
import {
  cancel,
  createMatchingEngine,
  enterImmediateOrCancel,
  enterLimit,
  type MatchingEngine,
  reduce,
  replace,
} from '../../src/examples/oms/matching-engine.js'
import { NaiveMarket } from './oms-reference.js'

type Step =
  | { do: 'limit' | 'immediate'; symbol: string; buy: boolean; shares: number; price: number }
  | { do: 'cancel'; pick: number }
  | { do: 'reduce'; pick: number; shares: number }
  | { do: 'replace'; pick: number; shares: number; price: number }

const shares = fc.integer({ min: 1, max: 12 })
const price = fc.integer({ min: 1, max: 6 })
const pick = fc.nat(40)
const entering = { symbol: fc.constantFrom('A', 'B'), buy: fc.boolean(), shares, price }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('limit' as const), ...entering }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('immediate' as const), ...entering }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reduce' as const), pick, shares }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replace' as const), pick, shares, price }) },
)

/** What a step did, in words that both sides can say: fills, shares left, shares taken, or 'not live'. */
type Said = { fills: [number, number][]; left: number } | { taken: number; left: number } | 'not live'

function engineDoes(engine: MatchingEngine, orderId: number, what: Step): Said {
  switch (what.do) {
    case 'limit':
    case 'immediate': {
      const enter = what.do === 'limit' ? enterLimit : enterImmediateOrCancel
      const { fills, sharesLeft } = enter(engine, { orderId, ...what })
      return { fills: fills.map((f) => [f.restingId, f.shares]), left: sharesLeft }
    }
    case 'cancel': {
      const taken = cancel(engine, what.pick)
      return taken === undefined ? 'not live' : { taken, left: 0 }
    }
    case 'reduce': {
      const reduced = reduce(engine, what.pick, what.shares)
      return reduced === undefined ? 'not live' : { taken: reduced.sharesTaken, left: reduced.sharesLeft }
    }
    case 'replace': {
      const outcome = replace(engine, what.pick, orderId, what.shares, what.price)
      if (outcome === undefined) return 'not live'
      return { fills: outcome.fills.map((f) => [f.restingId, f.shares]), left: outcome.sharesLeft }
    }
  }
}

function marketDoes(market: NaiveMarket, orderId: number, what: Step): Said {
  const live = 'pick' in what ? market.resting.find((r) => r.id === BigInt(what.pick)) : undefined
  const enter = (symbol: string, buy: boolean, price: number, size: number, rests: boolean): Said => {
    const order = { id: BigInt(orderId), symbol, buy, price, shares: size }
    const fills = market.execute(order).map((f): [number, number] => [Number(f.id), f.shares])
    if (rests && order.shares > 0) market.resting.push(order)
    return { fills, left: order.shares }
  }
  if (what.do === 'limit' || what.do === 'immediate') {
    return enter(what.symbol, what.buy, what.price, what.shares, what.do === 'limit')
  }
  if (live === undefined) return 'not live'
  const before = live.shares
  if (what.do === 'reduce') live.shares = Math.max(0, live.shares - what.shares)
  const gone = what.do !== 'reduce' || live.shares === 0
  if (gone) market.resting = market.resting.filter((r) => r !== live)
  if (what.do === 'replace') return enter(live.symbol, live.buy, what.price, what.shares, true)
  return what.do === 'cancel' ? { taken: before, left: 0 } : { taken: before - live.shares, left: live.shares }
}

test('every step does what a scan of all orders would do, and the books stay equal', (t) => {
  const exercised = { fills: 0, cancels: 0, reduces: 0, replaces: 0 }
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const engine = createMatchingEngine()
      const market = new NaiveMarket()
      for (const [orderId, what] of steps.entries()) {
        const said = engineDoes(engine, orderId, what)
        const expected = marketDoes(market, orderId, what)
        deepStrictEqual(said, expected)
        deepStrictEqual(bookDigest(engine), market.digest())
        if (said === 'not live') continue
        if ('fills' in said) exercised.fills += said.fills.length
        if (what.do === 'cancel') exercised.cancels += 1
        if (what.do === 'reduce') exercised.reduces += 1
        if (what.do === 'replace') exercised.replaces += 1
      }
      const sum = (buy: boolean) => market.resting.reduce((n, r) => n + (r.buy === buy ? r.shares : 0), 0)
      const totals = { orders: market.resting.length, sharesBuy: sum(true), sharesSell: sum(false) }
      deepStrictEqual(openTotals(engine), totals)
    }),
    { numRuns: 500 },
  )
  for (const [what, count] of Object.entries(exercised)) t.ok(count > 100, `${what}: ${count}`)
  t.end()
})

test('time decides among equal prices, and a replace loses its place', (t) => {
  const engine = createMatchingEngine()
  const sell = { symbol: 'A', buy: false, shares: 10, price: 5 }
  for (const orderId of [1, 2, 3]) enterLimit(engine, { orderId, ...sell })
  replace(engine, 1, 4, 10, 5)
  reduce(engine, 2, 9)
  const { fills, sharesLeft } = enterLimit(engine, { orderId: 5, symbol: 'A', buy: true, shares: 12, price: 6 })
  t.same(fills, [
    { restingId: 2, shares: 1, price: 5 },
    { restingId: 3, shares: 10, price: 5 },
    { restingId: 4, shares: 1, price: 5 },
  ])
  t.equal(sharesLeft, 0)
  t.same([...engine.orders.keys()], [4])
  t.end()
})

test('an immediate-or-cancel order leaves nothing behind, and an empty book no level', (t) => {
  const engine = createMatchingEngine()
  enterLimit(engine, { orderId: 1, symbol: 'A', buy: true, shares: 5, price: 10 })
  const outcome = enterImmediateOrCancel(engine, { orderId: 2, symbol: 'A', buy: false, shares: 8, price: 10 })
  t.same(outcome, { fills: [{ restingId: 1, shares: 5, price: 10 }], sharesLeft: 3 })
  t.same(engine.orders.size, 0)
  t.same(engine.books.get('A'), { buys: [], sells: [] })
  t.equal(cancel(engine, 1), undefined)
  t.equal(reduce(engine, 1, 1), undefined)
  t.equal(replace(engine, 1, 3, 1, 1), undefined)
  t.end()
})

test('a hundred thousand orders at one price are cancelled in any order without a scan', (t) => {
  const engine = createMatchingEngine()
  const count = 100_000
  const before = process.cpuUsage()
  for (let orderId = 0; orderId < count; orderId++) {
    enterLimit(engine, { orderId, symbol: 'A', buy: true, shares: 1, price: 5 })
  }
  for (let orderId = 0; orderId < count; orderId++) cancel(engine, (orderId * 7_919) % count)
  t.equal(engine.orders.size, 0)
  t.ok(process.cpuUsage(before).user < 3_000_000, 'a scan for each would take minutes')
  t.end()
})
