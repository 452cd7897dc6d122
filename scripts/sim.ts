/**
 * `npm run sim -- --seed N --runs K`: simulated runs of the whole system under faults, each drawn from its seed. Ends with 1 where a
 * guarantee was broken, or where the batch has left something untested. See docs/SIMULATION.md.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { describeFailure, describeReport } from '../src/sim/report.js'
import type { Fault } from '../src/sim/schedule.js'
import { type SimFailure, type SimulateOptions, type SimulateReport, simulate } from '../src/sim/simulate.js'
import { simulateInJobs } from './sim/jobs.js'
import { SimProgress } from './sim/progress.js'

const USAGE = `usage: npm run sim -- [options]

  --seed N         the first seed; each run takes the next one (default: a fresh one, which is printed)
  --runs K         how many runs (default 100; 1 with --only or --schedule)
  --seconds S      as many runs as fit into S seconds, at most K
  --jobs J         processes that share the runs (default 1)
  --failures F     stop after so many runs that broke a guarantee (default 5)
  --only I,J,...   only these entries of the schedule, from 0; 'none' for a run without faults
  --schedule FILE  a JSON array of faults, instead of what the seed draws
  --shrink T       runs that may be spent on making the schedule of a failure smaller (default 100)
  --verbose        a line for everything that happens
  --json           on stdout one JSON object for each run, one for each failure, and one for all of it
  --help           this text
`
const COMMAND = 'npm run sim --'
/** A batch that is smaller need not have met everything. */
const WHOLE_BATCH = 200

/** A promise that nobody looks at has failed: in a process of its own that would be the end of it. */
let failNow: (error: unknown) => void = () => {}
process.on('unhandledRejection', (error) => failNow(error))

const FLAGS = {
  options: {
    seed: { type: 'string' },
    runs: { type: 'string' },
    seconds: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    failures: { type: 'string', default: '5' },
    only: { type: 'string' },
    schedule: { type: 'string' },
    shrink: { type: 'string', default: '100' },
    verbose: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
} as const
const { values } = readFlags()

if (values.help) process.stdout.write(USAGE)
else process.exitCode = await main().catch(refuse)

/** What the flags or the file ask for can't be. */
function refuse(thrown: unknown): number {
  const isUsage = thrown instanceof RangeError || thrown instanceof SyntaxError
  const isFile = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT'
  if (!(thrown instanceof Error && (isUsage || isFile))) throw thrown
  process.stderr.write(`error E_USAGE: ${thrown.message}\n`)
  return 2
}

function readFlags(): ReturnType<typeof parseArgs<typeof FLAGS>> {
  try {
    return parseArgs(FLAGS)
  } catch (error) {
    process.stderr.write(`error E_USAGE: ${error instanceof Error ? error.message : error}\n`)
    process.exit(2)
  }
}

async function main(): Promise<number> {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : whole('seed')
  const isGiven = values.only !== undefined || values.schedule !== undefined
  const seconds = values.seconds === undefined ? undefined : whole('seconds')
  const runs = values.runs === undefined ? defaultRuns(isGiven, seconds) : whole('runs')
  process.stderr.write(`sim: seeds from ${seed} on\n`)
  const progress = new SimProgress(seconds === undefined ? runs : undefined)
  const untilMs = performance.now() + (seconds ?? Number.POSITIVE_INFINITY) * 1000
  const maxFailures = whole('failures')
  let failures = 0
  const options: SimulateOptions = {
    seed,
    runs,
    ...scheduleOptions(),
    shrinkTries: whole('shrink'),
    ...(values.verbose ? { trace: (line: string) => process.stdout.write(`${line}\n`) } : {}),
    onRun: (run) => {
      progress.onRun(run.violation !== undefined)
      if (values.json) json('run', { ...run, faults: undefined, played: undefined })
      return performance.now() < untilMs && failures < maxFailures
    },
    onFailure: (failure) => {
      failures++
      tell(failure, progress)
    },
    onStart: (_seed, fail) => {
      failNow = fail
    },
  }
  const jobs = whole('jobs')
  const report = jobs > 1 ? await simulateInJobs(options, jobs) : await simulate(options)
  progress.clear()
  conclude(report)
  return report.failures.length > 0 || (report.runs >= WHOLE_BATCH && report.missing.length > 0) ? 1 : 0
}

function defaultRuns(isGiven: boolean, seconds: number | undefined): number {
  if (isGiven) return 1
  return seconds === undefined ? 100 : 1_000_000
}

function scheduleOptions(): Pick<SimulateOptions, 'faults' | 'only'> {
  const { only, schedule } = values
  const entries = only === 'none' ? [] : only?.split(',').map((text) => wholeOf('only', text))
  // What is wrong in it shows when it is played: the file is a developer's own.
  const faults = schedule === undefined ? undefined : (JSON.parse(readFileSync(schedule, 'utf8')) as Fault[])
  return { ...(entries === undefined ? {} : { only: entries }), ...(faults === undefined ? {} : { faults }) }
}

function tell(failure: SimFailure, progress: SimProgress): void {
  progress.clear()
  process.stderr.write(`\n${describeFailure(failure, COMMAND)}\n\n`)
  if (values.json) json('failure', failure)
}

function conclude(report: SimulateReport): void {
  if (values.json) json('total', report)
  else process.stdout.write(describeReport(report, report.runs >= WHOLE_BATCH))
}

function json(kind: string, value: object): void {
  process.stdout.write(`${JSON.stringify({ kind, ...value })}\n`)
}

function whole(name: 'seed' | 'runs' | 'seconds' | 'jobs' | 'failures' | 'shrink'): number {
  return wholeOf(name, values[name] ?? '')
}

function wholeOf(name: string, text: string): number {
  const value = Number(text)
  if (text !== '' && Number.isSafeInteger(value) && value >= 0) return value
  process.stderr.write(`error E_USAGE: --${name} ${text}: a whole number is wanted\n${USAGE}`)
  process.exit(2)
}
