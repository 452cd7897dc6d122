/**
 * `npm run bench-doc`: runs the benchmarks and writes docs/BENCHMARKS.md with its plots. Results and histograms are kept in
 * docs/benchmarks, so that `--from FILE` can write the page again without a run. `--short` takes minutes instead of an
 * hour; `--only NAME,NAME` runs some scenarios and keeps the other results.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Picture, page } from './bench-doc/page.js'
import { runPlan } from './bench-doc/plan.js'
import { type Curve, plot, readHgrm } from './bench-doc/plot.js'
import { type Run, readRun, thisMachine, writeRun } from './bench-doc/results.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const folder = join(root, 'docs', 'benchmarks')
const resultsFile = join(folder, 'results.jsonl')

/** Which histograms share a plot: file names without their ending, and what the curve is called. */
const PLOTS: readonly { file: string; title: string; curves: Readonly<Record<string, string>> }[] = [
  ...['spin', 'block'].map((idle) => ({
    file: `rtt-${idle}.svg`,
    title: `Round trip, 64 bytes, idle ${idle}`,
    curves: {
      [`rtt-${idle}-64-floor`]: 'floor',
      [`rtt-${idle}-64`]: 'command to event',
      [`rtt-${idle}-64-standbys-2`]: 'two standbys listening',
      [`rtt-${idle}-1024`]: '1,024 bytes',
    },
  })),
  {
    file: 'seqcast-rtt.svg',
    title: 'Round trip, idle block, with a recording voter and two standbys',
    curves: { 'seqcast-rtt-floor': 'floor', 'seqcast-rtt': 'command to event' },
  },
  {
    file: 'load.svg',
    title: 'Open loop, 64 bytes, idle spin, from the intended time',
    curves: {
      'load-10000-spin-64-raw': '10,000 a second, raw',
      'load-10000-spin-64': '10,000 a second',
      'load-100000-spin-64-raw': '100,000 a second, raw',
      'load-100000-spin-64': '100,000 a second',
    },
  },
  {
    file: 'peers.svg',
    title: 'A message there and back, 64 bytes, idle block',
    curves: {
      'peers-floor': 'floor',
      'peers-seqcast': 'seqcast',
      'peers-nats-request-reply': 'NATS request/reply',
      'peers-nats-jetstream-publish-acknowledged': 'JetStream publish',
      'peers-redis-streams-xadd-to-xread': 'Redis Streams',
    },
  },
]

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
})

mkdirSync(folder, { recursive: true })
const run = values.from === undefined ? await measure() : readRun(values.from)
const findingsFile = join(folder, 'findings.md')
const findings = existsSync(findingsFile) ? readFileSync(findingsFile, 'utf8') : ''
writeFileSync(join(root, 'docs', 'BENCHMARKS.md'), page(run, writePlots(), findings))

async function measure(): Promise<Run> {
  const only = values.only.split(',').filter(Boolean)
  const fresh = await runPlan({ root, histograms: folder, short: values.short, only })
  const kept = only.length > 0 && existsSync(resultsFile) ? readRun(resultsFile).results : []
  const results = [...kept.filter((result) => !fresh.some(({ bench }) => bench === result.bench)), ...fresh]
  const measured: Run = { machine: thisMachine(), results }
  writeFileSync(resultsFile, writeRun(measured))
  return measured
}

/** Those for which there is a histogram. */
function writePlots(): Picture[] {
  return PLOTS.flatMap(({ file, title, curves }) => {
    const drawn = Object.entries(curves).flatMap(([name, label]) => curveOf(name, label))
    if (drawn.length === 0) return []
    writeFileSync(join(folder, file), plot(title, drawn))
    return [{ file, title }]
  })
}

function curveOf(name: string, label: string): Curve[] {
  const path = join(folder, `${name}.hgrm`)
  return existsSync(path) ? [{ name: label, points: readHgrm(readFileSync(path, 'utf8')) }] : []
}
