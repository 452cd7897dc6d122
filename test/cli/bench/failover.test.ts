/** `seqcast bench failover`: in short on real processes, and its judges on logs that are wrong in every way that they look for. */
import { readdirSync } from 'node:fs'
import { test } from 'tap'
import { ORDER_TYPE, REPLY_TYPE } from '../../../src/cli/bench/failover/desk.js'
import { LoadLedger } from '../../../src/cli/bench/failover/load-ledger.js'
import { LogAudit, type RecordCheckOptions } from '../../../src/cli/bench/failover/record-check.js'
import { type FailoverResult, failoverText } from '../../../src/cli/bench/failover/report.js'
import { spreadOf, Values } from '../../../src/cli/bench/failover/spread.js'
import { StableNotes } from '../../../src/cli/bench/failover/stable-notes.js'
import { createHistogram } from '../../../src/cli/bench/histogram.js'
import { writeU16, writeU32 } from '../../../src/wire/bytes.js'
import { stampEvent, WHOLE_MESSAGE, writeCommandHeader } from '../../../src/wire/event.js'
import { EPOCH_OPENED } from '../../../src/wire/runtime-events.js'
import { stage } from '../../fixtures/processes.js'

/** A dozen processes start, and the machine may be busy. */
const WITHIN_MS = 120_000

const json = (line: string | undefined): Record<string, unknown> => JSON.parse(line ?? '{}')

test('kill -9 under load, and a quiet while: verified, and nothing is left', async (t) => {
  const { path, start } = await stage(t)
  const flags = [
    '--kills',
    '1',
    '--rate',
    '2000',
    '--quiet-minutes',
    '0.02',
    '--dir',
    path('data'),
    '--out',
    path('out'),
  ]
  const { lines, status, stderr } = await start('bench', 'failover', ...flags, '--json').result(WITHIN_MS)
  t.equal(status, 0, stderr)
  const [takeover, result] = lines.map(json)
  t.match(takeover, { bench: 'failover', takeover: 1, claimedMs: Number, publishedMs: Number, stableMs: Number })
  t.match(result, {
    ...{ bench: 'failover', ending: 'kill', takeovers: 1, voters: 3, commandsPerSecond: 2_000, suspectMs: 300 },
    published: { takeoverMs: { count: 1 }, outstanding: { count: 1 }, backMs: Object },
    stable: { takeoverMs: { count: 1 }, outstanding: { count: 1 }, backMs: Object },
    ...{ lostAfterStable: 0, unaskedTakeovers: 0, verified: true, problems: [] },
    quiet: { takeovers: 0, busyPercent: Number, longestSilenceMs: Number },
    record: { logs: 3, epochs: 2 },
    digest: { replicas: 2, equal: true, replayEqual: true },
  })
  t.strictSame(readdirSync(path('data')), [], 'what it recorded is removed')
  t.strictSame(readdirSync(path('out')).filter((name) => name.endsWith('.hgrm')).length, 6)
})

interface Fact {
  readonly type: number
  readonly source: number
  readonly number: number
  readonly key: number
  readonly epoch?: number
}

/** Events one after the other, as a log gives them. */
function run(facts: readonly Fact[]): Uint8Array {
  const bytes = new Uint8Array(facts.length * 26)
  facts.forEach(({ type, source, number, key, epoch = 1 }, i) => {
    const at = i * 26 + 2
    writeU16(bytes, at - 2, 24)
    writeCommandHeader(bytes, at, type, source, number, WHOLE_MESSAGE)
    stampEvent(bytes, at, { high: 0, low: i }, epoch)
    writeU32(bytes, at + 20, key)
  })
  return bytes
}

const order = (key: number): Fact => ({ type: ORDER_TYPE, source: 1, number: key, key })
const reply = (key: number): Fact => ({ type: REPLY_TYPE, source: 2, number: key, key })
const GOOD = [order(1), reply(1), order(2), order(3), reply(2), reply(3)]

function audit(facts: readonly Fact[], more: Partial<RecordCheckOptions> = {}, other?: LogAudit): LogAudit {
  const options = { session: 'S', directories: new Map(), issued: 3, endedAtUs: new Map(), progress: () => {} }
  const notes = { sequences: [], chains: [] }
  const result = new LogAudit(other === undefined ? 'a' : 'b', facts.length, { ...options, notes, ...more }, other)
  result.onRun(1, facts.length, run(facts), 0)
  result.finish()
  return result
}

/** What the watch would have noted of a log. */
function notesOf(facts: readonly Fact[]): { sequences: number[]; chains: number[] } {
  const notes = { sequences: [0], chains: [0] }
  const probe = audit(facts, { notes })
  return { sequences: facts.map((_, i) => i + 1), chains: probe.chains.slice(1) }
}

test('a log with every order once and one reply to each has no problem', (t) => {
  const notes = notesOf(GOOD)
  const first = audit(GOOD, { notes })
  t.strictSame(first.problems, [])
  t.strictSame(audit(GOOD, { notes }, first).problems, [])
  t.equal(first.lostAfterStable, 0)
  t.end()
})

test('what must not be in a log, or must be, is found', (t) => {
  const opened = (epoch: number): Fact => ({ type: EPOCH_OPENED, source: 0, number: 1, key: 0, epoch })
  const wrong: [string, readonly Fact[], RegExp][] = [
    ['an order twice', [...GOOD, { ...order(3), number: 4 }], /event 7 is order 3, and not 4/],
    ['an order missing', GOOD.filter((fact) => fact !== GOOD[3]), /2 of 3 orders are events/],
    ['orders in another order', [order(1), order(3), order(2), reply(1), reply(2), reply(3)], /event 2 is order 3/],
    ['a reply twice', [...GOOD, { ...reply(3), number: 4 }], /4 replies to 3 orders/],
    [
      'a reply before its order',
      [reply(1), ...GOOD.filter((_, i) => i !== 1)],
      /replies to order 1, which comes later/,
    ],
    ['a command number twice', [...GOOD, { ...reply(4), number: 3 }], /command 3 of source 2, after 3/],
    ['an epoch that nobody opened', GOOD.map((fact, i) => ({ ...fact, epoch: i > 2 ? 2 : 1 })), /does not open it/],
    ['an older epoch', [...GOOD, opened(3), { ...opened(2), epoch: 2 }], /of epoch 2 follows epoch 3/],
  ]
  for (const [name, facts, problem] of wrong) t.match(audit(facts).problems.join('\n'), problem, name)
  t.end()
})

test('logs that differ, and a log without what was stable', (t) => {
  const other = GOOD.map((fact, i) => (i === 4 ? { ...fact, epoch: 2 } : fact))
  t.match(audit(other, {}, audit(GOOD)).problems.join('\n'), /b: from event 5 on it is not what a has/)
  const lost = audit(other, { notes: notesOf(GOOD) })
  t.equal(lost.lostAfterStable, 2)
  t.match(lost.problems.join('\n'), /events 5 to 6 were stable/)
  t.equal(audit(GOOD.slice(0, 4), { notes: notesOf(GOOD) }).lostAfterStable, 2, 'a log that is too short')
  t.end()
})

test('notes are of what is stable and was delivered, and go back with the stream', (t) => {
  const notes = new StableNotes()
  notes.reported(2)
  notes.take(0)
  t.equal(notes.stable, 0, 'not delivered')
  for (const sequence of [1, 2, 3]) notes.delivered(sequence, sequence * 10)
  notes.take(0)
  t.equal(notes.chain, 30)
  notes.revoked(3)
  t.strictSame([notes.sequence, notes.chain], [2, 20])
  notes.delivered(3, 31)
  notes.reported(3)
  notes.take(10)
  t.equal(notes.stable, 2, 'not so often')
  notes.take(20, true)
  t.strictSame(
    [notes.sequences, notes.chains],
    [
      [2, 3],
      [20, 31],
    ],
  )
  t.end()
})

test('commands under way at a crash, and when each was there', (t) => {
  const ledger = new LoadLedger()
  for (const us of [1_000, 2_000, 3_000, 9_000]) ledger.issue(us)
  ledger.progress(2, 1, 4_000)
  t.notOk(ledger.isSettled(5_000))
  ledger.progress(1, 1, 6_000)
  ledger.progress(4, 4, 10_000)
  t.ok(ledger.isSettled(5_000))
  t.strictSame(
    ledger.outstandingAt(5_000),
    { published: [5, 5], stable: [5, 5] },
    'the second had come back, and was revoked',
  )
  t.strictSame(ledger.outstandingAt(500), { published: [], stable: [] })
  t.end()
})

test('the report says what was measured, or what is wrong', (t) => {
  const values = new Values()
  values.addAll([330, 340, 1_200, Number.NaN])
  const spread = values.spread()
  t.match(spread, { count: 3, min: 330, max: 1_200 })
  t.ok(Math.abs(spread.p50 - 340) < 0.5, 'three digits')
  const none = spreadOf(createHistogram())
  const level = { takeoverMs: spread, outstanding: spread, backMs: none }
  const result: FailoverResult = {
    ...{ bench: 'failover', idle: 'block', ending: 'kill', takeovers: 3, commandsPerSecond: 20_000, bytes: 64 },
    ...{ datagram: 1_400, voters: 3, suspectMs: 300, chosenBy: 'voters' },
    ...{ detectionMs: spread, pauseMs: spread, published: level },
    ...{ stable: level, replies: { outstanding: spread, backMs: none }, revokedAfterPublished: 1, lostAfterStable: 0 },
    ...{ unaskedTakeovers: 0, quiet: undefined, heldBackMs: 0, verified: true, problems: [] },
    record: { events: 9, epochs: 4, orders: 3, replies: 3, logs: 3, stableNotes: 2 },
    digest: { sequence: 9, digest: 'ab', replicas: 2, equal: true, replayEqual: true },
  }
  const text = failoverText(result)
  t.match(text, /^kill -9 of the active sequencer, 3 times$/m)
  t.match(text, /^to the first new command, stable +330\.0 +340\.\d +1200\.\d +1200\.\d +1200\.0$/m)
  t.match(text, /^component: what it owed was published +- +- +- +- +-$/m)
  t.match(text, /^revoked after published: 1 event;/m)
  t.match(text, /^verified$/m)
  const problem = failoverText({ ...result, verified: false, problems: ['a: event 3 is order 1, and not 2'] })
  t.match(problem, /^NOT VERIFIED\nPROBLEM {2}a: event 3/m)
  t.notMatch(problem, /^verified$/m)
  t.end()
})
