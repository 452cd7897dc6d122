/** What retention drops, what it keeps, and why; and how sessions that go on from each other are checked. */
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Catalogue } from '../../src/store/catalogue.js'
import { CheckpointStore } from '../../src/store/checkpoint-store.js'
import { droppedSessions, successorOfDropped } from '../../src/store/dropped-sessions.js'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { clearLeftBehind, dropSession, planRetention, type RetentionLimits } from '../../src/store/retention.js'
import { type ChainLink, chainProblems } from '../../src/store/session-chain.js'
import { sessionPath } from '../../src/store/session-directory.js'
import { type ChainSession, dayUs, recordSession } from './chains.js'
import { appendMessages, eventBytes, scratchDirectory } from './recordings.js'

function place(t: Test): string {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  return scratch.path
}

/** Each session and why it stays, or 'dropped'. */
async function plan(directory: string, limits: RetentionLimits): Promise<Record<string, string>> {
  const decisions = await planRetention(directory, await new Catalogue(directory).list(), limits)
  return Object.fromEntries(decisions.map(({ session, drop, reason }) => [session, drop ? 'dropped' : reason]))
}

const everything: RetentionLimits = { olderThanUs: dayUs(1000) }

/** S1 to S3, a day each, all whole. @param change of the second one */
async function threeSessions(directory: string, change: Partial<ChainSession> = {}): Promise<void> {
  const seeds = [{ component: 'shipments', events: 3, pending: 2 }]
  const first = await recordSession(directory, { session: 'S1', successor: 'S2', startUs: dayUs(0) })
  const from = { predecessor: 'S1', predecessorSequence: first, successor: 'S3', startUs: dayUs(1) }
  const second = await recordSession(directory, { session: 'S2', ...from, seeds, ...change })
  await recordSession(directory, {
    session: 'S3',
    predecessor: 'S2',
    predecessorSequence: second,
    seeds,
    startUs: dayUs(2),
  })
}

test('a whole chain: the oldest go, the newest stays', async (t) => {
  const directory = place(t)
  await threeSessions(directory)
  t.strictSame(await plan(directory, everything), { S1: 'dropped', S2: 'dropped', S3: 'the newest session' })
  t.strictSame(await plan(directory, { olderThanUs: dayUs(1) }), {
    S1: 'dropped',
    S2: 'within the limits',
    S3: 'within the limits',
  })
  const { sessions } = await new Catalogue(directory).list()
  t.match(sessions, [
    { predecessor: '', successor: 'S2', ended: true },
    { predecessor: 'S1', successor: 'S3', ended: true },
    { predecessor: 'S2', successor: '', ended: false },
  ])
  t.strictSame(chainProblems(await links(directory)), [])
})

test('by size: the oldest go until the rest fits', async (t) => {
  const directory = place(t)
  await threeSessions(directory)
  const all = await planRetention(directory, await new Catalogue(directory).list(), {})
  const bytes = all.map((decision) => decision.bytes)
  t.ok(bytes.every((each) => each > 0))
  const sum = bytes.reduce((total, each) => total + each, 0)
  t.match(await plan(directory, { largerThanBytes: sum }), { S1: 'within the limits' })
  t.match(await plan(directory, { largerThanBytes: sum - 1 }), { S1: 'dropped', S2: 'within the limits' })
  t.match(await plan(directory, { largerThanBytes: 0 }), { S1: 'dropped', S2: 'dropped', S3: 'the newest session' })
})

test('a session stays as long as its successor has not all that it carries over', async (t) => {
  const cases: [string, Partial<ChainSession>, string | RegExp][] = [
    ['the seed is whole', {}, 'dropped'],
    ['nothing of it', { seeds: [], silent: ['shipments'] }, /still needs it: .* has come: shipments$/],
    ['no SeedDone', { seeds: [{ component: 'shipments', events: 3, pending: 0, recorded: 3 }] }, /shipments$/],
    [
      'a pending one is missing',
      { seeds: [{ component: 'shipments', events: 3, pending: 2, recorded: 5 }] },
      /shipments$/,
    ],
    ['one of two', { silent: ['router'] }, /has come: router$/],
    ['not open', { opened: false }, /still needs it: it is not open yet$/],
  ]
  for (const [name, change, wanted] of cases) {
    const directory = place(t)
    await threeSessions(directory, change)
    const { S1 } = await plan(directory, everything)
    if (typeof wanted === 'string') t.equal(S1, wanted, name)
    else t.match(S1, wanted, name)
  }
  const alone = place(t)
  await recordSession(alone, { session: 'S1', successor: 'S2' })
  await recordSession(alone, { session: 'X1', startUs: dayUs(5) })
  t.match(await plan(alone, everything), { S1: /successor S2 is not recorded here/ })
})

test('what is open, held, pinned or can’t be read stays', async (t) => {
  const directory = place(t)
  await recordSession(directory, { session: 'OPEN' })
  await recordSession(directory, { session: 'PINNED', successor: '', startUs: dayUs(1) })
  writeFileSync(join(sessionPath(directory, 'PINNED'), 'keep'), 'the audit of May\n')
  await recordSession(directory, { session: 'HELD', successor: '', startUs: dayUs(2) })
  const log = await LmdbEventLog.open({ directory, session: 'HELD' })
  await recordSession(directory, { session: 'NEW', successor: '', startUs: dayUs(3) })
  mkdirSync(join(directory, 'TORN'))
  writeFileSync(join(directory, 'TORN', 'session.json'), '{')
  mkdirSync(join(directory, 'OTHER'))
  t.match(await plan(directory, everything), {
    OPEN: /has not ended/,
    PINNED: 'pinned: the audit of May',
    HELD: /^process \d+ has it open/,
    NEW: 'the newest session',
    TORN: /can't be read/,
    OTHER: undefined,
  })
  t.match(await plan(directory, { ...everything, includeOpen: true }), { OPEN: 'dropped' })
  t.throws(() => dropSession(directory, { session: 'HELD', successor: '' }), { code: 'E_STORE_HELD' })
  t.ok(existsSync(sessionPath(directory, 'HELD')))
  await log.close()
})

test('a dropped session is gone at once; what a killed drop or import left is cleared away', async (t) => {
  const directory = place(t)
  await threeSessions(directory)
  dropSession(directory, { session: 'S1', successor: 'S2' })
  t.strictSame(readdirSync(directory).sort(), ['S2', 'S3', 'dropped.json'])
  t.strictSame(chainProblems(await links(directory)), [], 'what was dropped contradicts nothing')
  const nowMs = Date.now()
  for (const name of ['.dropped-S0-1', '.import-OLD', '.import-NEW'])
    mkdirSync(join(directory, name, 'S'), { recursive: true })
  utimesSync(join(directory, '.import-OLD'), new Date(nowMs - 7_200_000), new Date(nowMs - 7_200_000))
  const importing = await LmdbEventLog.open({ directory: join(directory, '.import-HELD'), session: 'HELD' })
  utimesSync(join(directory, '.import-HELD'), new Date(nowMs - 7_200_000), new Date(nowMs - 7_200_000))
  t.strictSame(clearLeftBehind(directory, nowMs).sort(), ['.dropped-S0-1', '.import-OLD'])
  t.strictSame((await new Catalogue(directory).list()).sessions.length, 2)
  await importing.close()
})

async function links(directory: string): Promise<readonly ChainLink[]> {
  return (await new Catalogue(directory).list()).sessions
}

test('sessions that contradict each other are named', async (t) => {
  const start = { session: 'S1', successor: 'S2' }
  const cases: [ChainSession, Partial<ChainSession>, RegExp][] = [
    [start, { predecessorSequence: 5 }, /^S2: it goes on from event 5 of S1, of which 2 are recorded$/],
    [start, { predecessorSequence: 1 }, /^S2: it goes on from event 1 of S1, which is not its end$/],
    [{ session: 'S1' }, { predecessorSequence: 1 }, /^S2: .* which is not its end$/],
    [{ ...start, successor: 'S9' }, {}, /^S2: it goes on from event 2 of S1, which names S9 as its successor$/],
    [{ ...start, successor: '' }, {}, /which names nobody/],
    [start, { predecessor: 'S0', predecessorSequence: 7 }, /^S1: its successor S2 goes on from S0$/],
    [start, { predecessor: '', predecessorSequence: 0 }, /^S1: its successor S2 goes on from no session$/],
    [start, { startUs: dayUs(-1) }, /^S2: it begins earlier than S1 ends$/],
  ]
  for (const [first, change, wanted] of cases) {
    const directory = place(t)
    const last = await recordSession(directory, first)
    const from = { predecessor: 'S1', predecessorSequence: last, startUs: dayUs(1) }
    await recordSession(directory, { session: 'S2', ...from, ...change })
    const found = chainProblems(await links(directory)).map(({ session, detail }) => `${session}: ${detail}`)
    t.match(found, [wanted])
  }
})

test('a session may go on from any of the ends that later reigns said again', async (t) => {
  for (const [predecessorSequence, wanted] of [
    [1, [/which is not its end/]],
    [2, []],
    [4, []],
    [6, []],
    [7, [/of which 6 are recorded/]],
  ] as const) {
    const directory = place(t)
    t.equal(await recordSession(directory, { session: 'S1', successor: 'S2', saidAgain: 2 }), 6)
    await recordSession(directory, { session: 'S2', predecessor: 'S1', predecessorSequence, startUs: dayUs(1) })
    const found = chainProblems(await links(directory))
    t.match(found, wanted.length === 0 ? [] : [{ session: 'S2', detail: wanted[0] }])
    t.equal(found.length, wanted.length, `event ${predecessorSequence}`)
  }
})

test('a store that records the beginning only', async (t) => {
  const directory = place(t)
  await recordSession(directory, { session: 'S1', successor: 'S2' })
  const log = await LmdbEventLog.open({ directory, session: 'S2', firstSequence: 50 })
  appendMessages(log, [eventBytes({ timeUs: dayUs(1) })])
  await log.close()
  t.match(await plan(directory, everything), { S1: /its beginning is not recorded here/ })
  t.strictSame(chainProblems(await links(directory)), [])
})

test('a session that went on and was dropped is not begun anew', async (t) => {
  const directory = place(t)
  await threeSessions(directory)
  dropSession(directory, { session: 'S1', successor: 'S2' })
  dropSession(directory, { session: 'S2', successor: 'S3' })
  await t.rejects(LmdbEventLog.open({ directory, session: 'S1' }), { code: 'E_SESSION_EXISTS', hint: /--session S3$/ })
  t.strictSame(readdirSync(directory).sort(), ['S3', 'dropped.json'], 'nothing was made')
  t.strictSame(
    [...droppedSessions(directory)],
    [
      ['S1', 'S2'],
      ['S2', 'S3'],
    ],
  )
  t.strictSame(
    ['S1', 'S2', 'S3', 'S9'].map((session) => successorOfDropped(directory, session)),
    ['S3', 'S3', undefined, undefined],
  )
  const log = await LmdbEventLog.open({ directory, session: 'S3' })
  await log.close()
  await recordSession(directory, { session: 'S1b', successor: '' })
  dropSession(directory, { session: 'S1b', successor: '' })
  await (await LmdbEventLog.open({ directory, session: 'S1b' })).close()
  writeFileSync(join(directory, 'dropped.json'), '{')
  await t.rejects(LmdbEventLog.open({ directory, session: 'S1' }), { code: 'E_STORE_CORRUPT' })
})

test('a log that was retired is read on, and its session can be dropped', async (t) => {
  const directory = place(t)
  await threeSessions(directory)
  const log = await LmdbEventLog.open({ directory, session: 'S2' })
  const before = log.nextSequence
  await log.retire()
  t.throws(() => appendMessages(log, [eventBytes({})]), /retired/)
  t.match(await plan(directory, everything), { S2: 'dropped' })
  dropSession(directory, { session: 'S2', successor: 'S3' })
  let events = 0
  log.read(1, Number.POSITIVE_INFINITY, (_sequence, count) => {
    events += count
    return true
  })
  t.equal(events, before - 1)
  await log.close()
  t.notOk(existsSync(sessionPath(directory, 'S2')))
  const again = await LmdbEventLog.open({ directory, session: 'S3' })
  await again.retire()
  await again.close()
  t.equal((await LmdbEventLog.open({ directory, session: 'S3' })).lastHolder, 'clean')
})

test('a pinned session may go when the one after it has gone; checkpoints without a recording go by age', async (t) => {
  const directory = place(t)
  await threeSessions(directory)
  const pin = join(sessionPath(directory, 'S1'), 'keep')
  writeFileSync(pin, '')
  t.match(await plan(directory, everything), { S1: 'pinned: the file keep is in its directory', S2: 'dropped' })
  dropSession(directory, { session: 'S2', successor: 'S3' })
  rmSync(pin)
  t.match(await plan(directory, everything), { S1: 'dropped' })

  const elsewhere = place(t)
  for (const [session, day] of [
    ['S1', 1],
    ['S2', 2],
    ['S3', 3],
  ] as const) {
    const store = await CheckpointStore.open(elsewhere, session, 'write')
    await store.close()
    const seconds = dayUs(day) / 1e6
    utimesSync(join(sessionPath(elsewhere, session), 'checkpoints', 'data.mdb'), seconds, seconds)
  }
  t.strictSame(await plan(elsewhere, everything), { S1: 'dropped', S2: 'dropped', S3: 'the newest checkpoints' })
  t.match(await plan(elsewhere, { olderThanUs: dayUs(2) }), { S1: 'dropped', S2: 'within the limits' })
  dropSession(elsewhere, { session: 'S1', successor: '' })
  t.strictSame(readdirSync(elsewhere).sort(), ['S2', 'S3'])
})
