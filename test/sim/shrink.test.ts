/** A failing list is made as small as it can be, in a bounded number of tries. */
import fc from 'fast-check'
import { test } from 'tap'
import { shrink } from '../../src/sim/shrink.js'

const needs =
  (wanted: readonly number[]) =>
  async (entries: readonly number[]): Promise<boolean> =>
    wanted.every((entry) => entries.includes(entry))

test('what is needed is what remains, in its order', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(40), { maxLength: 24 }),
      fc.infiniteStream(fc.boolean()),
      async (all, coin) => {
        const wanted = all.filter(() => coin.next().value === true)
        const { entries } = await shrink(all, needs(wanted), 10_000)
        t.strictSame(entries, wanted)
      },
    ),
    { numRuns: 200 },
  )
})

test('few tries where one entry of many is to blame', async (t) => {
  const all = Array.from({ length: 64 }, (_, at) => at)
  const { entries, tries } = await shrink(all, needs([37]), 10_000)
  t.strictSame(entries, [37])
  t.ok(tries < 20, `${tries} tries`)
})

test('tries are bounded, and what was found until then fails', async (t) => {
  const all = Array.from({ length: 64 }, (_, at) => at)
  let tried = 0
  const fails = async (entries: readonly number[]): Promise<boolean> => {
    tried++
    return entries.includes(3) && entries.includes(60)
  }
  const { entries, tries } = await shrink(all, fails, 7)
  t.equal(tries, tried)
  t.ok(tries <= 7)
  t.ok(await fails(entries))
  t.strictSame((await shrink(all, fails, 0)).entries, all, 'none at all')
})

test('a failure that needs nothing', async (t) => {
  t.strictSame(await shrink([1, 2, 3], async () => true, 100), { entries: [], tries: 1 })
})
