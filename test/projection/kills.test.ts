/** A few real kills of projectors and of PostgreSQL; `npm run test-projections` has as many as one likes. */
import { test } from 'tap'
import { Postgres, withoutPostgres } from '../fixtures/postgres.js'
import { stage } from '../fixtures/processes.js'
import { killProjections } from './kills.js'

test('killed at random, the rows are those of the events', { skip: withoutPostgres(), timeout: 120_000 }, async (t) => {
  const seed = Math.floor(Math.random() * 1_000_000)
  t.comment(`seed ${seed}`)
  const server = await Postgres.open(t)
  const place = await stage(t)
  const report = await killProjections(place, server, { kills: 3, seed, events: 6_000, say: (text) => t.comment(text) })
  t.equal(report.kills, 3)
  t.strictSame(report.wrong, [])
})
