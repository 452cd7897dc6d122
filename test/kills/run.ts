/**
 * `npm run test-kills`: the active replica is killed two hundred times, spread over the points; then everything is judged. One line a
 * kill, a table at the end. Ends with status 1 where anything does not hold; the seed gives the same points in the same order again.
 */
import { parseArgs } from 'node:util'
import { judge, type Verdict } from './judge.js'
import { GROUPS, POINTS } from './points.js'
import { type KillsOutcome, runKills, type Takeover } from './session.js'

const SHOWN_PROBLEMS = 20

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1_000_000)) },
    json: { type: 'boolean', default: false },
  },
})
const kills = Number(values.kills)
const seed = Number(values.seed)
if (!(Number.isSafeInteger(kills) && kills >= 1 && Number.isSafeInteger(seed))) {
  process.stderr.write('usage: npm run test-kills -- [--kills N] [--seed N] [--json]\n')
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

say(`seed ${seed}: ${kills} kills`)
let status = 1
try {
  const outcome = await runKills({ teardown: (run) => teardowns.push(run) }, { kills, seed, killed: sayKilled })
  const verdict = await judge(outcome)
  const problems = [...verdict.problems, ...unexercised(outcome, verdict)]
  report(outcome, verdict, problems)
  status = problems.length === 0 ? 0 : 1
} catch (error) {
  process.stderr.write(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\n`)
}
await tidy()
process.exit(status)

function sayKilled({ death, tookMs }: Takeover, count: number): void {
  const { instance, point, n } = death
  say(
    `${String(count).padStart(4)}  ${instance.padEnd(5)} ${point.padEnd(22)} ${String(n).padStart(6)}  ${tookMs.toFixed(0).padStart(5)} ms`,
  )
}

/** A run, unless it is a short one, that met none of what it hunts for has shown nothing. */
function unexercised({ takeovers }: KillsOutcome, verdict: Verdict): string[] {
  const { sentBySuccessors, effectsRepeated, droppedBySequencer } = verdict
  if (takeovers.length < 2 * POINTS.length) return []
  const counts = { sentBySuccessors, effectsRepeated, droppedBySequencer }
  const points = POINTS.filter((point) => !takeovers.some(({ death }) => death.point === point))
  return [
    ...Object.entries(counts).flatMap(([what, count]) => (count > 0 ? [] : [`${what} is zero`])),
    ...points.map((point) => `nobody died at ${point}`),
  ]
}

function report({ takeovers }: KillsOutcome, verdict: Verdict, problems: readonly string[]): void {
  const tookMs = takeovers.map((takeover) => takeover.tookMs).sort((a, b) => a - b)
  const at = (share: number): number => Math.round(tookMs[Math.floor(share * (tookMs.length - 1))] ?? 0)
  const takeoverMs = { median: at(0.5), p90: at(0.9), worst: at(1) }
  const groups = Object.entries(GROUPS).map(([name, points]) => {
    const isOne = new Set<string>(points)
    return [name, takeovers.filter(({ death }) => isOne.has(death.point)).length] as const
  })
  if (values.json) {
    const result = {
      seed,
      kills: takeovers.length,
      points: Object.fromEntries(groups),
      takeoverMs,
      ...verdict,
      problems,
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  for (const [name, count] of groups) say(`${name.padEnd(28)} ${count} kills`)
  say(
    `takeover                     ${takeoverMs.median} ms (median), ${takeoverMs.p90} ms (p90), ${takeoverMs.worst} ms (worst)`,
  )
  say(`events                       ${verdict.events}, of ${verdict.orders} orders, each answered once`)
  say(`sent by successors           ${verdict.sentBySuccessors} commands that had been decided and not sent`)
  say(`dropped by the sequencer     ${verdict.droppedBySequencer} commands that came twice or too late`)
  say(
    `effects                      ${verdict.effects}, ${verdict.effectsRepeated} of them repeated, each under its own key and closed once`,
  )
  say(`takeovers without a death    ${verdict.needless}`)
  for (const problem of problems.slice(0, SHOWN_PROBLEMS)) say(`VIOLATED: ${problem}`)
  if (problems.length > SHOWN_PROBLEMS) say(`and ${problems.length - SHOWN_PROBLEMS} more`)
  if (problems.length === 0) say('everything holds')
}
