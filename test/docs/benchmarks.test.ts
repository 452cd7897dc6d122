/** The page of benchmarks is what its script makes of the recorded results and findings; and what it makes of single results. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { page } from '../../scripts/bench-doc/page.js'
import { type Quantiles, readRun } from '../../scripts/bench-doc/results.js'
import { root } from './documents.js'

const folder = join(root, 'docs', 'benchmarks')
const recorded = readRun(join(folder, 'results.jsonl'))

test('the page is up to date', (t) => {
  const written = readFileSync(join(root, 'docs', 'BENCHMARKS.md'), 'utf8').replace(/^!\[.*\n\n/gm, '')
  const findings = readFileSync(join(folder, 'findings.md'), 'utf8')
  t.equal(page(recorded, [], findings), written, 'else: npm run bench-doc -- --from docs/benchmarks/results.jsonl')
  t.end()
})

test('commands are printed as they are typed, and no quantile passes the maximum', (t) => {
  const measured: Quantiles = { p50: 1, p90: 2, p99: 3, 'p99.9': 4, 'p99.99': 12.5, max: 12 }
  const results = [{ bench: 'store', command: 'seqcast bench store', measured }]
  const text = page({ machine: recorded.machine, results }, [], '')
  t.match(text, /^npx seqcast bench store$/m)
  t.match(text, '| measured | 1 | 2 | 3 | 4 | 12 | 12 |')
  t.match(text, 'behind a full queue')
  t.end()
})
