/**
 * Readers of PostgreSQL, all the while rows are loaded, built anew and swapped: every snapshot that they take is of one moment (each balance is
 * the sum of its entries), and none finds less than there was before the reset.
 */
import pg from 'pg'
import { test } from 'tap'
import type { Projection } from '../../src/projection/definition.js'
import { Postgres, withoutPostgres } from '../fixtures/postgres.js'
import { recordLedger } from './ledger-recording.js'
import { LEDGER, load, scratch } from './tables.js'

type Isolation = 'read committed' | 'repeatable read'

interface Seen {
  snapshots: number
  wrong: string[]
}

/** Looks until it is told to stop. */
async function look(url: string, isolation: Isolation, signal: AbortSignal, least: number): Promise<Seen> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const seen: Seen = { snapshots: 0, wrong: [] }
  const number = async (sql: string): Promise<number> =>
    Number((await client.query({ text: sql, rowMode: 'array' })).rows[0]?.[0])
  const balances = 'select count(*) from books.accounts'
  const sums = `select count(*) from books.accounts a where a.balance <> (select sum(amount) from books.entries e where e.account = a.account)`
  while (!signal.aborted) {
    await client.query(`begin isolation level ${isolation} read only`)
    // In the first statement a snapshot is taken; with repeatable read all others are of the same moment.
    await client.query('select 1 from pg_class limit 1')
    const unequal = await number(sums)
    const accounts = await number(balances)
    const entries = await number('select count(*) from books.entries')
    await client.query('commit')
    seen.snapshots += 1
    if (unequal > 0) seen.wrong.push(`${unequal} balances are not the sums of their entries`)
    if (entries < least || accounts === 0) seen.wrong.push(`${accounts} accounts and ${entries} entries: a hole`)
  }
  await client.end()
  return seen
}

test('readers see no hole and no half', { skip: withoutPostgres(), timeout: 120_000 }, async (t) => {
  const dir = scratch(t)
  const server = await Postgres.open(t)
  await recordLedger({ directory: dir, session: 'S1', seed: 4, events: 4_000, accounts: 30 })
  const [accounts, entries] = LEDGER.tables
  if (accounts === undefined || entries === undefined) throw new Error('the ledger has two tables')
  const optional = accounts.columns.map((column) =>
    column.name === 'owner' ? { ...column, isOptional: true } : column,
  )
  const changed: Projection = { ...LEDGER, hash: 'changed', tables: [{ ...accounts, columns: optional }, entries] }
  await load(server.url, { dir, session: 'S1', to: 3_000, schema: 'books' })
  const least = Number((await server.query('select count(*) from books.entries'))[0]?.[0])
  const stop = new AbortController()
  const readers = (['read committed', 'repeatable read'] as const).map((isolation) =>
    look(server.url, isolation, stop.signal, least),
  )
  await load(server.url, { dir, session: 'S1', to: 3_500, schema: 'books' })
  await load(server.url, { dir, session: 'S1', to: 3_200, schema: 'books', reset: true })
  await load(server.url, { dir, session: 'S1', schema: 'books' })
  await load(server.url, { dir, session: 'S1', schema: 'books', reset: true, projection: changed })
  stop.abort()
  for (const { snapshots, wrong } of await Promise.all(readers)) {
    t.ok(snapshots > 3, `${snapshots} snapshots`)
    t.strictSame(wrong, [])
  }
  const [column] = await server.query(
    "select is_nullable from information_schema.columns where table_schema = 'books' and column_name = 'owner'",
  )
  t.strictSame(column, ['YES'], 'the tables are those of the new definition')
})

test('rights and views on the tables stay', { skip: withoutPostgres(), timeout: 60_000 }, async (t) => {
  const dir = scratch(t)
  const server = await Postgres.open(t)
  await recordLedger({ directory: dir, session: 'S1', seed: 4, events: 500 })
  await load(server.url, { dir, session: 'S1', schema: 'books' })
  await server.query('create view rich as select account from books.accounts where balance > 0')
  await server.query('create role clerk; grant select on books.accounts to clerk')
  const before = await server.query('select * from rich order by 1')
  await load(server.url, { dir, session: 'S1', schema: 'books', reset: true })
  t.strictSame(await server.query('select * from rich order by 1'), before)
  t.strictSame(await server.query("select has_table_privilege('clerk', 'books.accounts', 'select')::text"), [['true']])
  const changed = { ...LEDGER, hash: 'changed' }
  await t.rejects(load(server.url, { dir, session: 'S1', schema: 'books', reset: true, projection: changed }), {
    code: 'E_DATABASE',
    message: /other objects depend on it/,
  })
  t.strictSame(
    await server.query('select * from rich order by 1'),
    before,
    'a view is not dropped behind its owner’s back',
  )
})
