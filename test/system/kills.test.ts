/** `kill -9` of any process of the demo loses nothing and doubles nothing. */
import { test } from 'tap'
import { expectedReport } from '../examples/oms-reference.js'
import { generatedInput, runDemo, selected } from './demo-run.js'

const input = generatedInput(1_500, 11)
const expected = expectedReport(input)
/** Slow enough that what was killed is back before the input is at its end: kills meet a running system. */
const RATE = ['--rate', '1500']

const PLANS: readonly (readonly string[])[] = [
  ['client-proxy@0.15', 'order-manager@0.3', 'order-router@0.45', 'exchange-gateway@0.6', 'store-b@0.75'],
  ['exchange-gateway@0.1', 'store-a@0.1', 'client-proxy@0.4', 'store-b@0.4', 'client-proxy@0.8', 'store-a@0.8'],
  ['sequencer@0.5'],
]

for (const kills of PLANS) {
  test(`kill -9 of ${kills.join(', ')}`, async (t) => {
    const report = await runDemo(t, input, ...RATE, '--kill', ...kills)
    t.strictSame(report.problems, [])
    t.equal(report.verified, true)
    t.strictSame(selected(report, expected), expected)
    t.equal(report.restarts, kills.length)
    t.equal(report.counters.lostEvents, 0)
  })
}
