/** `seqcast bench rollover`: in short on real processes, and its judges on chains that are wrong in every way that they look for. */
import { readdirSync } from 'node:fs'
import { test } from 'tap'
import type { ChainEvent } from '../../../src/cli/bench/rollover/chain-reader.js'
import { EffectsAudit } from '../../../src/cli/bench/rollover/effects-audit.js'
import { sessionOfDay } from '../../../src/cli/bench/rollover/plan.js'
import { resultOf, rolloverText } from '../../../src/cli/bench/rollover/report.js'
import type { SmsMessages } from '../../../src/examples/sms/generated/sms.js'
import { addRoute, type Routes } from '../../../src/examples/sms/network.js'
import type { Scan } from '../../../src/examples/sms/scans.js'
import { ShipmentAudit } from '../../../src/examples/sms/shipment-audit.js'
import { stage } from '../../fixtures/processes.js'

/** Several processes start, and the machine may be busy. */
const WITHIN_MS = 120_000

test('a rollover under load: measured and verified, and nothing is left', async (t) => {
  const { path, start } = await stage(t)
  const flags = ['--rollovers', '1', '--rate', '600', '--live', '50', '--voters', 'a', '--dir', path('data')]
  const { lines, status, stderr } = await start('bench', 'rollover', ...flags, '--json').result(WITHIN_MS)
  t.equal(status, 0, stderr)
  const result = JSON.parse(lines[0] ?? '{}')
  t.match(result, { bench: 'rollover', verified: true, voters: 1, repeats: 0, problems: [] })
  t.match(result.rollovers, [{ pauseMs: Number, endMs: Number, seedMs: Number }])
  t.ok(result.pauseMs.count === 1 && result.scans > 1_000 && result.carried > 40, lines[0] ?? '')
  t.match(rolloverText(result), /^rollover: 1 time at 600 commands a second/)
  t.strictSame(readdirSync(path('data')), [], 'its directory is removed')
})

test('what is not verified is said, and a bench without a rollover has no times', (t) => {
  const shipments = { sessions: [], scans: 0, shipments: 0, delivered: 0, rejected: 0, histories: [], problems: [] }
  const effects = { effects: 0, owed: 0, repeated: 0, problems: [] }
  const report = {
    events: 0,
    commandsPerSecond: 0,
    rollovers: [],
    shipments,
    effects,
    problems: ['scan 7 follows scan 5'],
  }
  const result = resultOf(report, { rate: 10, voters: ['a'] })
  t.equal(result.verified, false)
  t.match(rolloverText(result), /NOT VERIFIED\nPROBLEM {2}scan 7 follows scan 5/)
  t.equal(sessionOfDay('R12345601', 12), 'R12345612')
  t.end()
})

const SCANS: readonly Scan[] = [
  { scan: 'expected', shipment: 's', from: 'A', to: 'B' },
  { scan: 'arrived', shipment: 's', facility: 'A', damaged: false },
  { scan: 'arrived', shipment: 's', facility: 'B', damaged: false },
  { scan: 'handed-over', shipment: 's' },
]

/** One shipment over two sessions, as it should be; each test changes one thing. */
type Step = { [N in keyof SmsMessages]: readonly [N, SmsMessages[N]] }[keyof SmsMessages] | 'begin' | 'opened'

const GOOD: readonly Step[] = [
  'begin',
  'opened',
  ['ShipmentExpected', { key: 1, shipment: 's', from: 'A', to: 'B' }],
  ['ShipmentArrived', { key: 2, shipment: 's', facility: 'A', damaged: false }],
  ['ShipmentAccepted', { key: 2, shipment: 's', facility: 'A', to: 'B' }],
  'begin',
  [
    'ShipmentCarried',
    { shipment: 's', from: 'A', to: 'B', status: 'ACCEPTED', at: 'A', scans: 2, next: '', lateUs: 0 },
  ],
  ['ScansCarried', { key: 2 }],
  'opened',
  ['ShipmentInTransit', { key: 2, shipment: 's', from: 'A', to: 'B', minutes: 5 }],
  ['ShipmentArrived', { key: 3, shipment: 's', facility: 'B', damaged: false }],
  ['ShipmentAccepted', { key: 3, shipment: 's', facility: 'B', to: 'B' }],
  ['ShipmentOutForDelivery', { key: 3, shipment: 's', facility: 'B' }],
  ['ShipmentHandedOver', { key: 4, shipment: 's' }],
  ['ShipmentDelivered', { key: 4, shipment: 's', facility: 'B' }],
]

function problemsOf(steps: readonly Step[]): readonly string[] {
  const routes: Routes = new Map([['B', new Map()]])
  addRoute(routes, 'A', 'B', 5)
  const audit = new ShipmentAudit(SCANS, routes)
  for (const step of steps) {
    if (step === 'begin') audit.begin('D')
    else if (step === 'opened') audit.opened()
    else audit.onEvent(step[0], step[1])
  }
  return audit.report(true).problems
}

const without = (at: number): readonly Step[] => GOOD.filter((_, i) => i !== at)
const instead = (at: number, ...steps: Step[]): readonly Step[] => [
  ...GOOD.slice(0, at),
  ...steps,
  ...GOOD.slice(at + 1),
]

test('the audit of shipments: a good chain, and everything that can be wrong with one', (t) => {
  t.strictSame(problemsOf(GOOD), [])
  const wrong: readonly (readonly [string, readonly Step[], RegExp])[] = [
    ['a scan is lost', without(10), /scan 4 follows scan 2/],
    ['the last scan is lost', GOOD.slice(0, -2), /3 of 4 scans/],
    ['an answer is lost', without(9), /scan 2 has no ShipmentInTransit/],
    ['an answer is there twice', [...GOOD, GOOD.at(-1) ?? 'begin'], /ShipmentDelivered .* where nothing must come/],
    [
      'an answer says something else',
      instead(4, ['ShipmentAccepted', { key: 2, shipment: 's', facility: 'A', to: 'A' }]),
      /must come/,
    ],
    ['a shipment is not carried over', without(6), /s was not carried over/],
    ['it is carried over twice', instead(6, GOOD[6] ?? 'begin', GOOD[6] ?? 'begin'), /is none that lives/],
    [
      'it is carried over as something else',
      instead(6, [
        'ShipmentCarried',
        { shipment: 's', from: 'A', to: 'B', status: 'EXPECTED', at: '', scans: 1, next: '', lateUs: 0 },
      ]),
      /is carried over as/,
    ],
    [
      'the last key is forgotten',
      instead(7, ['ScansCarried', { key: 1 }]),
      /the last scan was 2, and 1 was carried over/,
    ],
    [
      'a scan comes before the opening',
      [...GOOD.slice(0, 8), GOOD[10] ?? 'begin', 'opened', GOOD[9] ?? 'begin', ...GOOD.slice(11)],
      /before the opening/,
    ],
    ['a seed comes after the opening', [...GOOD, ['ScansCarried', { key: 4 }]], /after the opening/],
    [
      'a scan has changed on its way',
      instead(10, ['ShipmentArrived', { key: 3, shipment: 's', facility: 'A', damaged: false }]),
      /and not/,
    ],
  ]
  for (const [what, steps, problem] of wrong) t.match(problemsOf(steps).join('\n'), problem, what)
  t.end()
})

test('the audit of effects: each owed until it is done, once, under one key', (t) => {
  const at = (session: string, sequence: number, epoch = 1): ChainEvent => ({
    ...{ session, sequence, epoch, type: 272, source: 1, timeUs: 0, payload: new Uint8Array() },
  })
  const done = { component: 'notifier', index: 0, epoch: 1 }
  const owed = { component: 'notifier', session: 'D1', timeUs: 0, index: 0, type: 272, payload: new Uint8Array() }
  const chain = (change: { owes?: boolean; done?: number; seen?: string }): readonly string[] => {
    const audit = new EffectsAudit()
    audit.begin()
    audit.onEvent(at('D1', 5), 's')
    audit.onEvent(at('D1', 6, 2), 't')
    audit.onDone(at('D1', 7), { ...done, sequence: 5 })
    audit.begin()
    if (change.owes !== false) audit.onOwed(at('D2', 3), { ...owed, key: 'D1/6/0/2', sequence: 6 })
    audit.opened({ session: 'D2' })
    for (let i = 0; i < (change.done ?? 1); i++) audit.onDone(at('D2', 9), { ...done, sequence: 3 })
    return audit.report(change.seen ?? 'D1/5/0 s\nD1/6/0/2 t\nD1/6/0/2 t\n').problems
  }
  t.strictSame(chain({}), [], 'one that is repeated under its key is no problem')
  t.match(chain({ owes: false }), [/D1\/6\/0\/2 was owed, and is not carried over/, /event 3 is done, which has none/])
  t.match(chain({ done: 2 }), [/D1\/6\/0\/2 is closed 2 times/])
  t.match(chain({ done: 0 }), [/D1\/6\/0\/2 is closed 0 times/])
  t.match(chain({ seen: 'D1/5/0 s\n' }), [/D1\/6\/0\/2 was never seen outside/])
  t.match(chain({ seen: 'D1/5/0 s\nD1/6/0/2 t\nD2/3/0 t\n' }), [/D2\/3\/0 t: this key is of no effect/])
  t.match(chain({ seen: 'D1/5/0 t\nD1/6/0/2 t\n' })[0], /this key is of s/)
  t.end()
})
