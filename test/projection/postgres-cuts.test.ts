/**
 * The connection to PostgreSQL is cut at every moment there is: before each thing that the projector says, and after the server has done it but
 * before the projector knows, commits included. The projector goes on, or is killed there and another one does.
 */
import { test } from 'tap'
import { silentLogger } from '../../src/core/log.js'
import { loadProjection } from '../../src/projection/load.js'
import { parseTarget } from '../../src/projection/open-target.js'
import { openRecordedSource } from '../../src/projection/recorded-source.js'
import { LmdbLogReader } from '../../src/store/lmdb-log-reader.js'
import { Postgres, withoutPostgres } from '../fixtures/postgres.js'
import { CuttingRelay } from './cutting-relay.js'
import { recordLedger } from './ledger-recording.js'
import { LEDGER, modelOf, scratch, textOf } from './tables.js'

const EVENTS = 170
/** So that there are several transactions. */
const BATCH_EVENTS = 60
const SESSION = 'S1'
/** Of each moment one way a run, by turns. */
const EVEN = Math.floor(Math.random() * 2)

test('cut at every moment', { skip: withoutPostgres(), timeout: 120_000 }, async (t) => {
  const dir = scratch(t)
  const server = await Postgres.open(t)
  const { model } = await recordLedger({ directory: dir, session: SESSION, seed: 11, events: EVENTS, accounts: 5 })
  const relay = await CuttingRelay.open(new URL(server.url))
  t.teardown(() => relay.close())
  const expected = textOf(model)
  let schema = 0
  t.comment(`moments that end unheard are the ${EVEN === 0 ? 'even' : 'odd'} ones`)

  const load = (reset: boolean, signal?: AbortSignal): Promise<unknown> =>
    loadProjection({
      ...{
        projection: LEDGER,
        reset: reset && 'all',
        logger: silentLogger,
        ...(signal === undefined ? {} : { signal }),
      },
      address: parseTarget(relay.through(server.url), `s${schema}`),
      loadSource: (position) =>
        openRecordedSource(
          {
            projection: LEDGER,
            session: SESSION,
            batchEvents: BATCH_EVENTS,
            openLog: (id) => LmdbLogReader.open(dir, id),
          },
          position,
        ),
    })

  for (const reset of [false, true]) {
    await t.test(reset ? 'while rows are built beside and swapped' : 'while rows are loaded', async (t) => {
      schema += 1
      relay.arm(undefined)
      await load(reset)
      const moments = relay.chunks
      t.ok(moments > 20, `there are ${moments} moments`)
      for (let chunk = 1; chunk <= moments; chunk++) {
        if (!reset) schema += 1
        const when = (chunk + EVEN) % 2 === 0 ? 'unheard' : 'unanswered'
        relay.arm({ chunk, when })
        await load(reset)
        const rows = textOf(await modelOf(server.url, `s${schema}`))
        if (rows !== expected) t.equal(rows, expected, `cut ${when} at ${chunk}`)
      }
      t.equal(relay.cuts, moments, 'each of them was cut at')
      relay.cuts = 0
    })
  }

  await t.test('and the projector is killed there, too', async (t) => {
    schema += 1
    relay.arm(undefined)
    await load(false)
    const moments = relay.chunks
    for (let chunk = 1; chunk <= moments; chunk++) {
      schema += 1
      relay.arm({ chunk, when: (chunk + EVEN) % 2 === 0 ? 'unheard' : 'unanswered' })
      const stop = new AbortController()
      const watch = setInterval(() => relay.cuts > 0 && stop.abort(), 1)
      await load(false, stop.signal)
      clearInterval(watch)
      relay.cuts = 0
      relay.arm(undefined)
      await load(false)
      const rows = textOf(await modelOf(server.url, `s${schema}`))
      if (rows !== expected) t.equal(rows, expected, `killed at ${chunk}`)
    }
    t.ok(moments > 20, `there are ${moments} moments`)
  })
})
