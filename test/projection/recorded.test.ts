/** Recordings become rows: all of them, in ranges, after interruptions, over several sessions, and the same rows each time. */
import { join } from 'node:path'
import { test } from 'tap'
import { schema } from '../../src/examples/ledger/generated/ledger.js'
import { defineProjection, type ProjectionEvent } from '../../src/projection/definition.js'
import { LmdbTarget } from '../../src/projection/lmdb-target.js'
import { openRecordedSource } from '../../src/projection/recorded-source.js'
import { LmdbLogReader } from '../../src/store/lmdb-log-reader.js'
import { newModel, recordLedger } from './ledger-recording.js'
import { innerProjection, LEDGER, load, modelOf, scratch, textOf } from './tables.js'

const EVENTS = 2_000

test('a recording gives the rows that its events say, once, however often it is loaded', async (t) => {
  const dir = scratch(t)
  const { last, model } = await recordLedger({ directory: dir, session: 'S1', seed: 1, events: EVENTS })
  const to = `lmdb:${join(dir, 'tables')}`
  const report = await load(to, { dir, session: 'S1' })
  t.match(report, {
    events: model.entries.size,
    swapped: false,
    position: { session: 'S1', sequence: last, successor: '' },
  })
  t.equal(textOf(await modelOf(to)), textOf(model))
  t.match(await load(to, { dir, session: 'S1' }), { events: 0, commits: 0 })
  t.match(
    await load(to, { dir, session: 'S1', from: 5, to: 900 }),
    { events: 0 },
    'a range that is in the rows already',
  )
  t.equal(textOf(await modelOf(to)), textOf(model))
})

test('loaded in pieces that end anywhere, also inside of messages and packets, the rows are the same', async (t) => {
  const dir = scratch(t)
  const { model, last } = await recordLedger({ directory: dir, session: 'S1', seed: 7, events: EVENTS })
  const to = `lmdb:${join(dir, 'tables')}`
  let next = 1
  for (let piece = 0; next <= last; piece++) {
    const end = Math.min(last, next + ((piece * 7) % 23))
    const { position } = await load(to, { dir, session: 'S1', from: next, to: end })
    if (position?.sequence !== end) t.equal(position?.sequence, end, 'each piece ends where it should')
    next = end + 1
  }
  t.equal(textOf(await modelOf(to)), textOf(model))
})

test('a range holds its events only, and no hole is left', async (t) => {
  const dir = scratch(t)
  const { model, last } = await recordLedger({ directory: dir, session: 'S1', seed: 3, events: EVENTS, accounts: 3 })
  const to = `lmdb:${join(dir, 'tables')}`
  await load(to, { dir, session: 'S1', to: 500 })
  const first = await modelOf(to)
  const expected = [...model.entries].filter(([, row]) => Number(row.split(' ').at(-1)) <= 500)
  t.strictSame([...first.entries].sort(), expected.sort())
  await t.rejects(load(to, { dir, session: 'S1', from: 502 }), {
    code: 'E_PROJECTION',
    message: /502 would leave a hole/,
  })
  await load(to, { dir, session: 'S1', from: 501 })
  t.equal(textOf(await modelOf(to)), textOf(model))
  await t.rejects(
    load(to, { dir, session: 'S1', from: last - 200, reset: true }),
    { code: 'E_HANDLER', message: /which was never opened/ },
    'without its beginning this projection has nothing to add to: its handler says so',
  )
  t.equal(textOf(await modelOf(to)), textOf(model), 'and readers still have the old rows')
})

test('sessions that follow each other are one history', async (t) => {
  const dir = scratch(t)
  const model = newModel()
  const common = { directory: dir, events: 600, accounts: 8, model }
  await recordLedger({ ...common, session: 'S1', seed: 1, successor: 'S2' })
  await recordLedger({ ...common, session: 'S2', seed: 2, predecessor: 'S1', successor: 'S3' })
  const to = `lmdb:${join(dir, 'tables')}`
  const two = await load(to, { dir, session: 'S1' })
  t.match(two.position, { session: 'S2', earlier: ['S1'], successor: 'S3' })
  t.equal(textOf(await modelOf(to)), textOf(model))
  await recordLedger({ ...common, session: 'S3', seed: 3, predecessor: 'S2' })
  const three = await load(to, { dir, session: 'S1' })
  t.match(three.position, { session: 'S3', earlier: ['S1', 'S2'], successor: '' })
  t.equal(textOf(await modelOf(to)), textOf(model))
  const alone = `lmdb:${join(dir, 'alone')}`
  await load(alone, { dir, session: 'S3' })
  t.strictSame(
    (await modelOf(alone)).accounts,
    model.accounts,
    'who begins with the last session learns what was carried over',
  )
  await t.rejects(load(alone, { dir, session: 'S1' }), { code: 'E_PROJECTION', message: /does not lead to S1/ })
})

test('another recording of the same name is noticed', async (t) => {
  const dir = scratch(t)
  await recordLedger({ directory: dir, session: 'S1', seed: 1, events: 300, ended: false })
  const to = `lmdb:${join(dir, 'tables')}`
  await load(to, { dir, session: 'S1' })
  const longer = join(dir, 'longer')
  await recordLedger({ directory: longer, session: 'S1', seed: 2, events: 600, startUs: 1_800_000_000_000_000 })
  await t.rejects(load(to, { dir: longer, session: 'S1' }), {
    code: 'E_PROJECTION',
    message: /is not the one that projection/,
  })
  const shorter = join(dir, 'shorter')
  await recordLedger({ directory: shorter, session: 'S1', seed: 1, events: 100 })
  await t.rejects(load(to, { dir: shorter, session: 'S1' }), {
    code: 'E_PROJECTION',
    message: /and projection ledger is at/,
  })
  await t.rejects(load(to, { dir: longer, session: 'S9', reset: true }), { code: 'E_SESSION_UNKNOWN' })
})

test('rows and position are of one moment at every commit', async (t) => {
  const dir = scratch(t)
  await recordLedger({ directory: dir, session: 'S1', seed: 5, events: EVENTS })
  const target = new LmdbTarget(LEDGER, join(dir, 'tables'), 'write')
  t.equal(await target.open(), undefined)
  const source = await openRecordedSource(
    { projection: LEDGER, session: 'S1', openLog: (id) => LmdbLogReader.open(dir, id) },
    undefined,
  )
  const batch = await source.next()
  await source.close()
  if (batch === undefined) throw new Error('there are events')
  t.equal(await target.commit([], batch.position), true)
  t.strictSame(await target.open(), batch.position, 'what was stored is what is read')
  await target.close()
})

test('one process writes at a time', async (t) => {
  const dir = scratch(t)
  await recordLedger({ directory: dir, session: 'S1', seed: 5, events: 100 })
  const target = new LmdbTarget(LEDGER, join(dir, 'tables'), 'write')
  await target.open()
  await t.rejects(load(`lmdb:${join(dir, 'tables')}`, { dir, session: 'S1' }), { code: 'E_STORE_HELD' })
  await target.close()
  await load(`lmdb:${join(dir, 'tables')}`, { dir, session: 'S1' })
})

test('handlers are told what begins a session and is known already', async (t) => {
  const dir = scratch(t)
  const model = newModel()
  const common = { directory: dir, events: 100, accounts: 3, model }
  await recordLedger({ ...common, session: 'S1', seed: 1, successor: 'S2' })
  const accounts = model.accounts.size
  await recordLedger({ ...common, session: 'S2', seed: 2, predecessor: 'S1' })
  const seen: string[] = []
  const note = ({ session, name, carriedOver }: ProjectionEvent): void => {
    if (carriedOver) seen.push(`${session} ${name}`)
    else if (session === 'S2' && seen.length === accounts) seen.push(`then ${name}`)
  }
  const projection = innerProjection(
    defineProjection({
      ...{ name: 'noted', schema, tables: { none: { key: ['a'], columns: { a: 'text' } } } },
      on: { AccountCarried: note, Deposited: note, Paid: note, AccountOpened: note },
    }),
  )
  await load(`lmdb:${join(dir, 'tables')}`, { dir, session: 'S1', projection })
  const carried = Array.from({ length: accounts }, () => 'S2 AccountCarried')
  t.strictSame(
    seen,
    [...carried, 'then Deposited'],
    'what was under way at the end of the last session is new in this one',
  )
})
