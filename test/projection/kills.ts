/**
 * Real processes, killed at random: `seqcast project` loads two sessions that follow each other into a real PostgreSQL, and now the
 * projector, now the server with all its processes, now both are ended with `kill -9`, and started again. At the end of each round the
 * rows must be those of the events, computed without any of the code under test.
 *
 * `npm run test-projections -- --kills 300 --seed 7` is the long run.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Prng } from '../../src/core/prng.js'
import type { Postgres } from '../fixtures/postgres.js'
import type { Running, Stage } from '../fixtures/processes.js'
import { newModel, recordLedger } from './ledger-recording.js'
import { modelOf, textOf } from './tables.js'

const BALANCES = fileURLToPath(new URL('../../src/examples/ledger/balances.js', import.meta.url))
const WAIT_MS = 120_000

export interface KillsOptions {
  readonly kills: number
  readonly seed: number
  /** Of each of the two sessions. */
  readonly events: number
  readonly say: (text: string) => void
}

export interface KillsReport {
  readonly kills: number
  /** Kills that struck a projector between its first and its last transaction. */
  readonly atWork: number
  readonly rounds: number
  /** Rounds whose rows were not those of the events. */
  readonly wrong: readonly string[]
}

type Victim = 'projector' | 'server' | 'both'

export async function killProjections(place: Stage, server: Postgres, options: KillsOptions): Promise<KillsReport> {
  const { events, seed, say } = options
  const random = new Prng(seed)
  const model = newModel()
  const common = { directory: place.path('recorded'), events, accounts: 500, model }
  await recordLedger({ ...common, session: 'S1', seed, successor: 'S2' })
  await recordLedger({ ...common, session: 'S2', seed: seed + 1, predecessor: 'S1' })
  const expected = textOf(model)
  const wrong: string[] = []
  let kills = 0
  let atWork = 0
  let rounds = 0
  while (kills < options.kills) {
    rounds += 1
    const schema = `round_${rounds}`
    const reset = rounds % 3 === 0
    // A reset replaces rows that are there: of the first session only.
    if (reset) await finished(start(place, server, schema, ['--to-seq', String(events / 2)]))
    let isOver = false
    while (!isOver) {
      const projector = start(place, server, schema, reset ? ['--reset'] : [])
      await begun(projector)
      const longest = random.chance(0.3) ? 4_000 : 1_200
      if (kills < options.kills) await Promise.race([projector.result(WAIT_MS), sleep(random.integer(0, longest))])
      else await projector.result(WAIT_MS)
      if (projector.isOver) {
        const { status, stderr } = await projector.result()
        if (status !== 0) wrong.push(`round ${rounds}: the projector ended with ${status}: ${stderr}`)
        isOver = true
        continue
      }
      kills += 1
      const victim: Victim = random.chance(0.4) ? 'projector' : random.chance(0.7) ? 'server' : 'both'
      const before = await rowsIn(server, schema, reset)
      if (before !== 'none' && before !== 'all') atWork += 1
      say(`round ${rounds}${reset ? ' (reset)' : ''}: kill ${kills}: ${victim}, ${before} in the rows`)
      isOver = await strike(victim, projector, server)
    }
    const rows = textOf(await modelOf(server.url, schema))
    if (rows !== expected) wrong.push(`round ${rounds}: the rows are not those of the events`)
    await server.query(`drop schema ${schema} cascade`)
  }
  return { kills, atWork, rounds, wrong }

  async function rowsIn(at: Postgres, schema: string, reset: boolean): Promise<string> {
    const build = reset ? `${schema}__new` : schema
    const [row] = await at
      .query(`select session || ' ' || sequence, position->>'successor' from ${build}.seqcast_position`)
      .catch(() => [])
    if (row === undefined || row[0]?.startsWith(' ')) return 'none'
    return row[0]?.startsWith('S2') && row[1] === '' ? 'all' : `${row[0]}`
  }
}

/** @returns true where the projector has ended by itself */
async function strike(victim: Victim, projector: Running, server: Postgres): Promise<boolean> {
  if (victim !== 'server') await projector.stop('SIGKILL')
  if (victim !== 'projector') {
    await server.kill()
    await server.start()
  }
  if (victim !== 'server') return false
  // It finds the server again by itself, or has finished just before.
  const { status, stderr } = await projector.result(WAIT_MS)
  if (status !== 0) throw new Error(`a projector did not survive its server: ${status}\n${stderr}`)
  return true
}

function start(place: Stage, server: Postgres, schema: string, flags: readonly string[]): Running {
  const recording = ['--dir', place.path('recorded'), '--session', 'S1']
  return place.start('project', BALANCES, '--to', server.url, '--schema', schema, ...recording, ...flags)
}

async function begun(projector: Running): Promise<void> {
  while (!projector.stderr.includes('projection: begins') && !projector.isOver) await sleep(5)
}

async function finished(projector: Running): Promise<void> {
  const { status, stderr } = await projector.result(WAIT_MS)
  if (status !== 0) throw new Error(`the first load failed: ${stderr}`)
}
