/** The rows as handlers see them, what a definition may say, and what is stable of what was delivered. */
import { test } from 'tap'
import { BatchRows } from '../../src/projection/batch-rows.js'
import type { UntypedRow } from '../../src/projection/columns.js'
import { defineProjection, isProjection, type UntypedTableAccess } from '../../src/projection/definition.js'
import type { Batch } from '../../src/projection/event-decoder.js'
import { parseTarget } from '../../src/projection/open-target.js'
import { beginningOf } from '../../src/projection/position.js'
import { StableQueue } from '../../src/projection/stable-queue.js'
import type { StoreStatus } from '../../src/wire/control.js'
import { schema } from './kinds.js'
import { innerProjection } from './tables.js'

const PAIRS = innerProjection(
  defineProjection({
    name: 'pairs',
    schema,
    tables: { pairs: { key: ['key'], columns: { key: 'text', value: 'integer', tree: 'json?' } } },
    on: {},
  }),
)

/** Rows over a table that is a Map, and how often it was read. */
function rowsOver(stored: Map<string, UntypedRow>, isEmpty = false, keptRows?: number) {
  const state = { reads: 0 }
  const read = async (_table: unknown, key: UntypedRow): Promise<UntypedRow | undefined> => {
    state.reads += 1
    await new Promise((resolve) => setImmediate(resolve))
    return stored.get(String(key.key))
  }
  const rows = new BatchRows(PAIRS, { read }, isEmpty, keptRows)
  const { pairs } = rows.tables
  if (pairs === undefined) throw new Error('there is one table')
  return { rows, pairs, state }
}

const get = (pairs: UntypedTableAccess, key: string): Promise<unknown> => pairs.get(key)

test('what was put is read back, what was read is kept, and a batch writes each row once', async (t) => {
  const { rows, pairs, state } = rowsOver(new Map([['a', { key: 'a', value: 1 }]]))
  t.strictSame(await get(pairs, 'a'), { key: 'a', value: 1 })
  t.strictSame(await get(pairs, 'a'), { key: 'a', value: 1 })
  t.equal(await get(pairs, 'b'), undefined)
  t.equal(await get(pairs, 'b'), undefined)
  t.equal(state.reads, 2)
  pairs.put({ key: 'a', value: 2 })
  pairs.put({ key: 'b', value: 3 })
  pairs.put({ key: 'b', value: 4 })
  pairs.put({ key: 'c', value: 5 })
  pairs.delete('a')
  pairs.delete('c')
  t.equal(await get(pairs, 'a'), undefined)
  const [changes] = rows.changes()
  t.strictSame(changes?.puts, [{ key: 'b', value: 4 }])
  t.strictSame(changes?.deletes.map(({ key }) => key).sort(), ['a', 'c'])
  rows.committed()
  t.strictSame(rows.changes(), [])
  t.equal(state.reads, 2, 'what was committed is still known')
})

test('a row that was handed out may be changed without changing what is kept', async (t) => {
  const tree = { list: [1] }
  const { rows, pairs } = rowsOver(new Map())
  pairs.put({ key: 'a', value: 1, tree })
  tree.list.push(2)
  const found = await get(pairs, 'a')
  t.strictSame(found, { key: 'a', value: 1, tree: { list: [1] } })
  Object.assign(found as object, { value: 9 })
  t.strictSame(rows.changes()[0]?.puts, [{ key: 'a', value: 1, tree: { list: [1] } }])
})

test('tables that were empty are not asked, until more was kept than fits', async (t) => {
  const stored = new Map<string, UntypedRow>()
  const { rows, pairs, state } = rowsOver(stored, true, 4)
  t.equal(await get(pairs, 'none'), undefined)
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) pairs.put({ key, value: 1 })
  for (const row of rows.changes()[0]?.puts ?? []) stored.set(String(row.key), row)
  rows.committed()
  t.equal(state.reads, 0)
  for (const key of stored.keys()) t.match(await get(pairs, key), { key, value: 1 })
  t.equal(state.reads, 4, 'the older ones are read again')
  t.equal(await get(pairs, 'none'), undefined)
  t.equal(state.reads, 5)
})

test('mistakes of a handler are told by table and column', async (t) => {
  const { rows, pairs } = rowsOver(new Map())
  t.throws(() => pairs.put({ key: 'a', value: 1.5 }), { message: /pairs.value is 1.5, and must be a whole number/ })
  t.throws(() => pairs.put({ key: 'a' }), { message: /pairs.value is undefined, and must be .* missing/ })
  t.throws(() => pairs.put({ key: 'a\u0000', value: 1 }), { message: /pairs.key .* without NUL/ })
  t.throws(() => pairs.put({ key: 'a', value: 1, tree: new Map() }), { message: /pairs.tree .* what JSON can say/ })
  t.throws(() => pairs.put({ key: 'a', value: 1, other: 1 }), { message: /no column 'other'/ })
  t.throws(() => pairs.delete(), { message: /the key of pairs is \(key\): 0 given/ })
  t.throws(() => pairs.delete(7), { message: /pairs.key is 7, and must be a string/ })
  t.throws(() => pairs.put(undefined), { message: /takes a row/ })
  rows.check()
  const forgotten = get(pairs, 'x')
  t.throws(() => rows.check(), { message: /did not wait for pairs.get/ })
  await forgotten
  rows.check()
})

test('what reading a row threw is not swallowed by a handler', async (t) => {
  const rows = new BatchRows(PAIRS, { read: () => Promise.reject(new Error('the server is gone')) }, false)
  await rows.tables.pairs?.get('a').catch(() => {})
  t.throws(() => rows.check(), { message: 'the server is gone' })
})

test('definitions that can not work are refused when the program starts', (t) => {
  const define = (change: object): unknown => {
    const tables = { pairs: { key: ['key'], columns: { key: 'text' } } }
    const definition = { name: 'pairs', schema, tables, on: {}, ...change }
    return defineProjection(definition as Parameters<typeof defineProjection>[0])
  }
  const table = (columns: object, key: readonly string[] = ['key']): object => ({ tables: { pairs: { key, columns } } })
  t.ok(isProjection(define({})))
  t.throws(() => define({ name: 'Pairs' }), { message: /small letters/ })
  t.throws(() => define({ tables: {} }), { message: /has no tables/ })
  t.throws(() => define(table({ key: 'string' })), { message: /of type 'string'; the types are text/ })
  t.throws(() => define(table({ key: 'text?' })), { message: /not optional/ })
  t.throws(() => define(table({ key: 'number' })), { message: /a key is made of/ })
  t.throws(() => define(table({ key: 'text' }, [])), { message: /each row needs one/ })
  t.throws(() => define(table({ key: 'text' }, ['other'])), { message: /none of its columns/ })
  t.throws(() => define(table({ key: 'text' }, ['key', 'key'])), { message: /are both 'key'/ })
  t.throws(() => define(table({ key: 'text', orderId: 'text', order_id: 'text' })), { message: /are both 'order_id'/ })
  t.throws(() => define(table({ key: 'text', 'a b': 'text' })), { message: /must be 1 to 40 letters/ })
  t.throws(() => define({ on: { Other: () => {} } }), { message: /no event of its schema/ })
  t.throws(() => define({ on: { Noted: 7 } }), { message: /not a function/ })
  t.throws(() => define({ tables: { seqcast_position: { key: ['a'], columns: { a: 'text' } } } }), {
    message: /runtime's own/,
  })
  const hash = (version: number) =>
    defineProjection({ name: 'a', schema, version, tables: { b: { key: ['c'], columns: { c: 'text' } } }, on: {} }).hash
  t.not(hash(1), hash(2), 'a new version is another definition')
  t.end()
})

test('places are named as they are, and never with a password', (t) => {
  t.match(parseTarget('lmdb:some/where'), { kind: 'local', at: 'some/where' })
  t.match(parseTarget('postgresql://me@db/x', 's1'), { kind: 'postgres', schema: 's1' })
  t.throws(() => parseTarget('mysql://me:secret@db/x'), { code: 'E_CONFIG', message: /^(?!.*secret)/ })
  t.throws(() => parseTarget('postgres://db/x', 'A-B'), { code: 'E_CONFIG' })
  t.throws(() => parseTarget('lmdb:'), { code: 'E_CONFIG' })
  t.end()
})

test('only what is stable is handed on', (t) => {
  const queue = new StableQueue()
  const batch = (sequence: number, epoch: number, voters: readonly string[] = ['a', 'b', 'c'], events = 1): Batch => ({
    events: Array.from({ length: events }, () => ({
      session: 'S',
      sequence,
      timeUs: 0,
      source: 1,
      name: '',
      payload: {},
      carriedOver: false,
    })),
    position: { ...beginningOf('S'), sequence, mark: `1.2.${epoch}`, voters },
  })
  const status = (voter: string, epoch: number, durableSequence: number): StoreStatus => ({
    ...{
      name: voter,
      voter,
      epoch,
      durableSequence,
      committedSequence: durableSequence,
      requestPort: 0,
      rewindPort: 0,
    },
    ...{ state: 'open', counters: {}, promised: epoch, lastEpoch: epoch },
  })
  for (const sequence of [5, 6, 7]) queue.push(batch(sequence, 1))
  t.equal(queue.take(10), undefined)
  queue.onStable(6)
  t.match(queue.take(10), { events: [{ sequence: 5 }, { sequence: 6 }], position: { sequence: 6 } })
  queue.onStore(status('a', 1, 7))
  queue.onStore(status('', 1, 7))
  t.equal(queue.take(10), undefined, 'one voter of three, and a copy that has no vote')
  queue.onStore(status('b', 2, 7))
  t.equal(queue.take(10), undefined, 'one that acknowledges another reign says nothing about this one')
  queue.onStore(status('c', 1, 7))
  t.match(queue.take(10), { position: { sequence: 7 } })
  queue.push(batch(8, 1, [], 3))
  queue.push(batch(9, 1, [], 3))
  t.match(queue.take(2), { position: { sequence: 8 } }, 'without voters all is; no more is taken than was asked for')
  queue.forget()
  t.equal(queue.size, 0)
  queue.push(batch(9, 1))
  queue.push(batch(10, 1, undefined, 0))
  queue.push(batch(11, 1, undefined, 0))
  t.equal(queue.size, 3, 'runs without an event for the projection are one')
  queue.onAllStable()
  t.match(queue.take(10), { events: [{ sequence: 9 }], position: { sequence: 11 } })
  t.end()
})
