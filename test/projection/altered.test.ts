/** Tables of a projection that somebody else has dropped or altered, and readers whose server goes away. */
import { test } from 'tap'
import { readProjection } from '../../src/projection/reader.js'
import { Postgres, withoutPostgres } from '../fixtures/postgres.js'
import { recordLedger } from './ledger-recording.js'
import { LEDGER, load, modelOf, scratch, textOf } from './tables.js'

const CHANGES = [
  'drop table books.entries',
  'alter table books.accounts drop column balance',
  'alter table books.accounts drop constraint accounts_pkey',
]

test('what somebody has dropped or altered is said, and --reset mends it', {
  skip: withoutPostgres(),
  timeout: 120_000,
}, async (t) => {
  const dir = scratch(t)
  const server = await Postgres.open(t)
  const books = { dir, session: 'S1', schema: 'books' }
  await recordLedger({ directory: dir, session: 'S1', seed: 4, events: 600 })
  await load(server.url, { ...books, reset: true })
  const expected = textOf(await modelOf(server.url, 'books'))
  for (const change of CHANGES) {
    await load(server.url, { ...books, to: 300, reset: true })
    await server.query(change)
    await t.rejects(
      load(server.url, books),
      { code: 'E_PROJECTION', message: /are not as they were made .*SQLSTATE/, hint: /--reset/ },
      change,
    )
    await load(server.url, { ...books, reset: true })
    t.equal(textOf(await modelOf(server.url, 'books')), expected, `mended: ${change}`)
  }
  await server.query('alter table books.accounts add column note text')
  await server.query("update books.accounts set note = 'kept'")
  await load(server.url, { ...books, reset: true })
  const [notes] = await server.query("select count(*) from books.accounts where note = 'kept'")
  t.not(notes?.[0], '0', 'a column that somebody has added stays')
})

test('a reader is told in words, and goes on when the server is back', {
  skip: withoutPostgres(),
  timeout: 60_000,
}, async (t) => {
  const dir = scratch(t)
  const server = await Postgres.open(t)
  await recordLedger({ directory: dir, session: 'S1', seed: 4, events: 600 })
  await load(server.url, { dir, session: 'S1', schema: 'books' })
  const reader = await readProjection(LEDGER, server.url, 'books')
  const all = async (): Promise<number> => {
    let count = 0
    for await (const _ of reader.rows('accounts')) count += 1
    return count
  }
  const accounts = await all()
  for await (const _ of reader.rows('accounts')) break
  t.equal(await all(), accounts, 'who has seen enough of one look may look again')

  await server.kill()
  await t.rejects(all(), { code: 'E_DATABASE', message: /can't be reached/ })
  await t.rejects(reader.get('accounts', 'A-1'), { code: 'E_DATABASE' })
  await t.rejects(reader.refresh(), { code: 'E_DATABASE' })
  await server.start()
  await reader.refresh()
  t.equal(await all(), accounts)

  await server.query('drop table books.accounts')
  await t.rejects(all(), { code: 'E_PROJECTION', message: /relation "books.accounts" does not exist/ })
  await t.rejects(reader.get('accounts', 'A-1'), { code: 'E_PROJECTION' })
  await reader.close()
})
