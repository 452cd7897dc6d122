/** The whole order management system on real processes comes to what a sequential program over the same file comes to. */
import { test } from 'tap'
import { dataFile, REAL, SIMULATED } from '../examples/data.js'
import { expectedReport } from '../examples/oms-reference.js'
import { generatedInput, runDemo, selected } from './demo-run.js'

const FAULTS = ['--loss', '0.05', '--duplicate', '0.02', '--reorder', '0.05']

for (const name of [REAL, SIMULATED]) {
  const input = dataFile(name)
  test(`${name}: every count is the reference's`, {
    skip: input === undefined ? `${name} is absent` : false,
  }, async (t) => {
    if (input === undefined) return
    const expected = expectedReport(input)
    const report = await runDemo(t, input)
    t.strictSame(report.problems, [])
    t.equal(report.verified, true)
    t.strictSame(selected(report, expected), expected)
    t.equal(report.counters.lostEvents, 0)
    t.equal(report.restarts, 0)
  })
}

const real = dataFile(REAL)
test(`${REAL}: the numbers of the issue`, { skip: real === undefined ? `${REAL} is absent` : false }, (t) => {
  if (real !== undefined) {
    const { orders, cancels, unknown, openOrders, openShares } = expectedReport(real)
    t.strictSame([orders, cancels, unknown, openOrders], [560, 28, 399, 532])
    t.strictSame(openShares, { buy: 73_868, sell: 81_649 })
  }
  t.end()
})

test('loss, duplicates and reordering on every hop change nothing', async (t) => {
  const inputs = [real, generatedInput(1_500, 7)].filter((input) => input !== undefined)
  for (const [i, input] of inputs.entries()) {
    const expected = expectedReport(input)
    const report = await runDemo(t, input, ...FAULTS, '--fault-seed', String(i + 1))
    t.strictSame(report.problems, [])
    t.equal(report.verified, true)
    t.strictSame(selected(report, expected), expected)
    t.equal(report.counters.lostEvents, 0)
    t.ok((report.counters.gaps ?? 0) > 0, 'there were gaps')
    t.ok((report.counters.duplicates ?? 0) > 0, 'there were duplicates')
    t.ok((report.counters.commandsResent ?? 0) > 0, 'commands were sent again')
  }
})
