/** The whole flow beside a sequential program: every count, and the final book. */
import { deepStrictEqual } from 'node:assert'
import { rmSync } from 'node:fs'
import fc from 'fast-check'
import tap, { test } from 'tap'
import { generateItchFile } from '../../src/examples/oms/itch-generator.js'
import { itchWriter } from '../../src/examples/oms/itch-writer.js'
import { dataFile, REAL, SIMULATED, temporaryFolder, writeInput } from './data.js'
import { expectedReport } from './oms-reference.js'
import { Pipeline, type PipelineResult } from './pipeline.js'

const folder = temporaryFolder()
tap.teardown(() => rmSync(folder, { recursive: true }))

function openOf(result: PipelineResult): number {
  const state = result.states.get('order-manager')
  if (typeof state !== 'object' || state === null || !('open' in state) || !(state.open instanceof Map)) return -1
  return state.open.size
}

for (const name of [REAL, SIMULATED]) {
  const path = dataFile(name)
  const skip = path === undefined ? `../shared/data/${name} is not there` : false
  test(`${name}: as the sequential program has it`, { skip }, async (t) => {
    if (path === undefined) return
    for (const seed of name === REAL ? [1, 2] : [1]) {
      const result = await new Pipeline({ input: path, seed }).run()
      t.same(result.report, expectedReport(path))
      t.same(result.problems, [])
      t.equal(openOf(result), result.report?.openOrders, 'the order manager knows what is open')
      t.equal(result.latencies.length, result.report?.executions)
    }
  })
}

test('the real opening: the figures that were counted by hand', { skip: dataFile(REAL) === undefined }, async (t) => {
  const { report } = await new Pipeline({ input: dataFile(REAL) ?? '', seed: 3 }).run()
  t.match(report, { messages: 1_000, orders: 560, cancels: 28, unknown: 399, openOrders: 532 })
  t.same(report?.openShares, { buy: 73_868, sell: 81_649 })
})

test('generated flow: the engine executes what the exchange executed, always', async (t) => {
  const path = writeInput(folder, 'generated.itch50', generateItchFile({ orders: 3_000, seed: 7 }))
  const result = await new Pipeline({ input: path, seed: 4 }).run()
  t.same(result.report, expectedReport(path))
  t.same(result.problems, [])
  const { report } = result
  t.equal(report?.orders, 3_000)
  t.equal(report?.exchangeDiffers, 0)
  t.equal(report?.rejected, 0)
  for (const count of [report?.exchangeAgrees, report?.cancels, report?.replaces, report?.unknown]) {
    t.ok((count ?? 0) > 20, `${count}`)
  }
})

/** A message about some of few references, so that all goes wrong that can: duplicates, gone orders, crossed books, zeros. */
const anyMessage = fc.record({
  type: fc.constantFrom('A', 'A', 'A', 'F', 'E', 'C', 'X', 'D', 'U', 'P'),
  reference: fc.integer({ min: 0, max: 14 }),
  newReference: fc.integer({ min: 0, max: 14 }),
  buy: fc.boolean(),
  shares: fc.integer({ min: 0, max: 9 }),
  price: fc.integer({ min: 0, max: 4 }),
  symbol: fc.constantFrom('AA', 'BB'),
})

function fileOf(messages: readonly (typeof anyMessage extends fc.Arbitrary<infer M> ? M : never)[]): Uint8Array {
  const writer = itchWriter()
  for (const m of messages) {
    if (m.type === 'A' || m.type === 'F') writer.add(1, 1, { ...m, participant: m.type === 'F' ? 'ABCD' : undefined })
    else if (m.type === 'E') writer.executed(1, 1, { ...m, match: 1 })
    else if (m.type === 'C') writer.executedAt(1, 1, { ...m, match: 1 }, m.price)
    else if (m.type === 'X') writer.reduced(1, 1, m.reference, m.shares)
    else if (m.type === 'D') writer.deleted(1, 1, m.reference)
    else if (m.type === 'U') writer.replaced(1, 1, m)
    else writer.trade(1, 1, { ...m, match: 1 })
  }
  return writer.end()
}

test('any flow, in any interleaving, also around a change of proxies: the same counts and the same book', async (t) => {
  const seen = { rejected: 0, executions: 0, replaces: 0, exchangeAgrees: 0, exchangeDiffers: 0 }
  const run = fc.record({
    messages: fc.array(anyMessage, { maxLength: 60, size: 'max' }),
    seed: fc.integer(),
    switchAfter: fc.integer({ min: 1, max: 120 }),
    oldCommands: fc.constantFrom('lost' as const, 'late' as const),
  })
  await fc.assert(
    fc.asyncProperty(run, async ({ messages, ...options }) => {
      const input = writeInput(folder, 'any.itch50', fileOf(messages))
      const result = await new Pipeline({ input, ...options }).run()
      const reference = expectedReport(input)
      deepStrictEqual(result.report, reference)
      deepStrictEqual(result.problems, [])
      deepStrictEqual(openOf(result), reference.openOrders)
      for (const key of ['rejected', 'executions', 'replaces', 'exchangeAgrees', 'exchangeDiffers'] as const) {
        seen[key] += reference[key]
      }
    }),
    { numRuns: 200 },
  )
  for (const [what, count] of Object.entries(seen)) t.ok(count > 20, `${what}: ${count}`)
})

test('a standby proxy goes on where the other one stopped', async (t) => {
  const path = writeInput(folder, 'switch.itch50', generateItchFile({ orders: 2_000, seed: 9 }))
  for (const oldCommands of ['lost', 'late'] as const) {
    for (const switchAfter of [1, 5, 500, 4_000]) {
      const result = await new Pipeline({ input: path, seed: switchAfter, switchAfter, oldCommands }).run()
      t.same(result.report, expectedReport(path), `${oldCommands} after ${switchAfter}`)
      t.same(result.problems, [])
    }
  }
})
