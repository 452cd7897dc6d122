/** `npm run test-projections`: projectors and PostgreSQL killed at random, for as long as one likes. */
import { Postgres, withoutPostgres } from '../fixtures/postgres.js'
import { stage } from '../fixtures/processes.js'
import { killProjections } from './kills.js'

const flag = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

const missing = withoutPostgres()
if (missing !== false) {
  process.stderr.write(`${missing}\n`)
  process.exit(1)
}
const teardowns: (() => unknown)[] = []
const teardown = (run: () => unknown): void => {
  teardowns.unshift(run)
}
const seed = flag('seed', Math.floor(Math.random() * 1_000_000))
const options = { kills: flag('kills', 100), seed, events: flag('events', 30_000) }
const started = performance.now()
const server = await Postgres.open({ teardown })
const place = await stage({ teardown })
const say = (text: string): void => void process.stdout.write(`${text}\n`)
say(`seed ${seed}, ${options.kills} kills, two sessions of ${options.events} events`)
try {
  const { kills, atWork, rounds, wrong } = await killProjections(place, server, { ...options, say })
  const seconds = Math.round((performance.now() - started) / 1_000)
  for (const each of wrong) say(`WRONG ${each}`)
  say(`${kills} kills, ${atWork} of them at work, ${rounds} rounds in ${seconds} s: ${wrong.length} wrong`)
  process.exitCode = wrong.length === 0 && kills > 0 ? 0 : 1
} finally {
  for (const run of teardowns) await run()
}
