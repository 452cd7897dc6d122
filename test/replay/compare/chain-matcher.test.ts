/** Two chains that come in in pieces of any size, one before the other. */
import { equal } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { ChainMatcher } from '../../../src/replay/compare/chain-matcher.js'

test('the first difference, however the chains come in', (t) => {
  const pieces = fc.array(fc.tuple(fc.constantFrom(0 as const, 1 as const), fc.integer({ min: 1, max: 7 })), {
    maxLength: 40,
    size: 'max',
  })
  fc.assert(
    fc.property(pieces, fc.nat(60), fc.nat(1), (arrivals, differsAt, word) => {
      const chains = [0, 1].map((side) =>
        Int32Array.from({ length: 400 }, (_, i) => (side === 1 && i >= 2 * differsAt + word ? -i : i)),
      )
      const matcher = new ChainMatcher()
      const told = [0, 0]
      for (const [side, events] of arrivals) {
        const first = told[side] ?? 0
        const chain = (chains[side] ?? new Int32Array()).subarray(2 * first, 2 * (first + events))
        told[side] = first + events
        const goesOn = matcher.take(side, { first, chain })
        const common = Math.min(...told)
        equal(goesOn, common <= differsAt)
        equal(matcher.firstDifference, common <= differsAt ? undefined : differsAt)
        equal(matcher.equalThrough, Math.min(common, differsAt) - 1)
        if (!goesOn) return
      }
    }),
    { numRuns: 500 },
  )
  t.end()
})
