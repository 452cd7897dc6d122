import { join } from 'node:path'
import { test } from 'tap'
import { type KeyRange, openTables } from '../../src/store/lmdb-tables.js'

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)

test('rows in the order of their bytes, in parts and in reverse', async (t) => {
  const tables = await openTables(join(t.testdir(), 'new'), { mode: 'write', tables: ['a', 'b'] })
  const a = tables.table('a')
  tables.transactionSync(() => {
    for (const n of [3, 1, 2, 5, 4]) a.put(bytes(n), bytes(n, n))
    tables.table('b').put(bytes(9), bytes())
  })
  const keysOf = (range?: KeyRange): number[] => [...a.keys(range)].map((key) => key[0] ?? -1)
  t.strictSame(keysOf(), [1, 2, 3, 4, 5])
  t.strictSame(keysOf({ start: bytes(2), end: bytes(4) }), [2, 3])
  t.strictSame(keysOf({ start: bytes(2), end: bytes(4), reverse: true }), [3, 2])
  t.strictSame(keysOf({ end: bytes(4), reverse: true, limit: 1 }), [3])
  t.strictSame(keysOf({ start: bytes(4), reverse: true }), [5, 4])
  t.strictSame(
    [...a.entries({ start: bytes(4) })],
    [
      { key: bytes(4), value: bytes(4, 4) },
      { key: bytes(5), value: bytes(5, 5) },
    ],
  )
  const first = a.get(bytes(1))
  a.get(bytes(2))
  t.strictSame(first, bytes(1, 1), 'a copy')
  t.strictSame([a.count(), tables.table('b').count(), a.has(bytes(9))], [5, 1, false])
  await tables.write(() => {
    a.remove(bytes(1))
    a.remove(bytes(77))
    a.put(bytes(2), bytes(0))
  })
  t.strictSame(keysOf(), [2, 3, 4, 5])
  t.strictSame(a.get(bytes(2)), bytes(0))
  t.throws(() => a.put(bytes(1), bytes(1)), /outside of a transaction/)
  t.throws(() => tables.table('c'), /not opened/)
  await tables.close()
})

test('a transaction that throws is undone', async (t) => {
  const path = join(t.testdir(), 'x')
  const tables = await openTables(path, { mode: 'write', tables: ['a'] })
  const a = tables.table('a')
  t.throws(() => {
    tables.transactionSync(() => {
      a.put(bytes(1), bytes(1))
      throw new Error('no')
    })
  }, /no/)
  t.equal(a.count(), 0)
  tables.transactionSync(() => a.put(bytes(2), bytes(2)))
  const reader = await openTables(path, { mode: 'read', tables: ['a'] })
  t.strictSame(reader.table('a').get(bytes(2)), bytes(2))
  tables.transactionSync(() => a.clear())
  reader.refresh()
  t.equal(reader.table('a').count(), 0)
  await reader.close()
  await tables.close()
  await t.rejects(openTables(path, { mode: 'read', tables: ['missing'] }), { code: 'E_STORE_IO' })
  await t.rejects(openTables(join(path, 'nowhere'), { mode: 'read', tables: ['a'] }), { code: 'E_STORE_IO' })
})
