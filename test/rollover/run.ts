/**
 * `npm run test-rollover`: three sessions in a row, again and again, with kills at each rollover, in turns with three voters and with a single
 * one; then everything is judged. One line a death, one a run, a table at the end. Ends with status 1 where anything does not hold. A
 * seed gives the same points for the same roles again.
 */
import { parseArgs } from 'node:util'
import { type DaysOutcome, runDays } from './days.js'
import type { FleetDeath } from './fleet.js'
import { judge, type Verdict } from './judge.js'
import { POINTS } from './points.js'

const SHOWN_PROBLEMS = 10
const TOPOLOGIES = [
  { voters: ['a', 'b', 'c'], sequencers: 2, replicas: { scanner: 2, shipments: 2, router: 1, notifier: 2 } },
  { voters: ['a'], sequencers: 1, replicas: { scanner: 2, shipments: 2, router: 1, notifier: 2 } },
] as const

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    sessions: { type: 'string', default: '3' },
    kills: { type: 'string', default: '2' },
    rate: { type: 'string', default: '300' },
    voters: { type: 'string', default: 'all' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1_000_000)) },
    json: { type: 'boolean', default: false },
  },
})
const [runs, sessions, kills, rate, seed] = [values.runs, values.sessions, values.kills, values.rate, values.seed].map(
  Number,
)
const topologies = TOPOLOGIES.filter(({ voters }) => values.voters === 'all' || voters.length === Number(values.voters))
const numbers = [runs, sessions, kills, rate, seed]
if (numbers.some((one) => !Number.isSafeInteger(one) || one === undefined || one < 0) || topologies.length === 0) {
  process.stderr.write(
    'usage: npm run test-rollover -- [--runs N] [--sessions N] [--kills N] [--rate N] [--voters 1|3] [--seed N] [--json]\n',
  )
  process.exit(2)
}

const say = (text: string): void => {
  if (!values.json) process.stdout.write(`${text}\n`)
}
const teardowns: (() => unknown)[] = []
const tidy = async (): Promise<void> => {
  for (const teardown of teardowns.splice(0).reverse()) await teardown()
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    tidy().finally(() => process.exit(1))
  })
}

const deaths: FleetDeath[] = []
const totals = {
  runs: 0,
  rollovers: 0,
  scans: 0,
  shipments: 0,
  carried: 0,
  late: 0,
  repeats: 0,
  effects: 0,
  owed: 0,
  repeated: 0,
}
let failed = 0
for (let i = 0; i < (runs ?? 0); i++) {
  const topology = topologies[i % topologies.length] ?? TOPOLOGIES[0]
  const own = (seed ?? 0) + i
  say(`run ${i + 1}, seed ${own}: ${topology.voters.length} voters`)
  try {
    const outcome = await runDays(
      { teardown: (tear: () => unknown) => teardowns.push(tear) },
      { ...topology, sessions: sessions ?? 0, kills: kills ?? 0, rate: rate ?? 0, seed: own, onDeath: sayDeath },
    )
    const verdict = await judge(outcome)
    count(outcome, verdict)
    if (verdict.problems.length > 0) failed++
  } catch (error) {
    failed++
    process.stderr.write(`seed ${own}: ${error instanceof Error ? error.message : String(error)}\n`)
  }
  await tidy()
}
report()
process.exit(failed === 0 ? 0 : 1)

function sayDeath({ name, point }: FleetDeath, session: string): void {
  say(`  ${session}  ${name.padEnd(12)} ${point || 'at any moment'}`)
}

function count(outcome: DaysOutcome, { rollovers, shipments, effects, problems }: Verdict): void {
  deaths.push(...outcome.deaths)
  totals.runs += 1
  totals.rollovers += rollovers.length
  totals.scans += shipments.scans
  totals.shipments += shipments.shipments
  for (const { carried, late, repeats } of shipments.sessions) {
    totals.carried += carried
    totals.late += late
    totals.repeats += repeats
  }
  totals.effects += effects.effects
  totals.owed += effects.owed
  totals.repeated += effects.repeated
  const pauses = rollovers.map(({ pauseMs }) => `${pauseMs.toFixed(0)} ms`).join(', ')
  say(`  ${shipments.scans} scans of ${shipments.shipments} shipments; pauses ${pauses}`)
  for (const missed of outcome.missed) say(`  nobody came by: ${missed}`)
  for (const problem of problems.slice(0, SHOWN_PROBLEMS)) say(`  VIOLATED: ${problem}`)
  if (problems.length > SHOWN_PROBLEMS) say(`  and ${problems.length - SHOWN_PROBLEMS} more`)
}

function report(): void {
  const points = [...POINTS.map(({ name }) => name), ''].map((point) => ({
    point: point || 'any moment',
    kills: deaths.filter((death) => death.point === point).length,
  }))
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ seed, ...totals, kills: deaths.length, points, failed })}\n`)
    return
  }
  for (const { point, kills: times } of points) say(`${point.padEnd(22)} ${times} kills`)
  const { rollovers, scans, shipments, carried, late, repeats, effects, owed, repeated } = totals
  say(`rollovers              ${rollovers}, with ${deaths.length} kills`)
  say(`shipments              ${shipments}, each with one complete history; ${carried} times one was carried over`)
  say(
    `scans                  ${scans}, each once; ${repeats} came again and were dropped; ${late} answers came a session later`,
  )
  say(`effects                ${effects}; ${owed} owed to the next session, ${repeated} repeated under the same key`)
  say(failed === 0 ? 'everything holds' : `${failed} of ${runs} runs FAILED`)
}
