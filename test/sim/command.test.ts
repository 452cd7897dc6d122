/** `npm run sim`: its output for machines and for people, what it says of seeds, and wrong usage. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { root } from '../docs/documents.js'

function sim(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const program = join(root, 'dist', 'scripts', 'sim.js')
  const env = { ...process.env, NODE_OPTIONS: '' }
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env })
}

test('for machines: an object for each run, and one for all', (t) => {
  const { status, stdout, stderr } = sim('--seed', '1', '--runs', '2', '--json')
  t.equal(status, 0, stderr)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.strictSame(
    lines.map(({ kind }) => kind),
    ['run', 'run', 'total'],
  )
  t.match(lines[0], { seed: 1, exercised: { reigns: Number }, traceHash: Number })
  t.match(lines[2], { firstSeed: 1, runs: 2, failures: [] })
  const shared = sim('--seed', '1', '--runs', '2', '--jobs', '2', '--json')
  const hashes = (text: string): string[] =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ kind }) => kind === 'run')
      .map(({ seed, traceHash }) => `${seed} ${traceHash}`)
      .sort()
  t.strictSame(hashes(shared.stdout), hashes(stdout), 'a seed is the same run in any process')
  t.end()
})

test('for people: the table, the seeds, and what happens where it is wanted', (t) => {
  const { status, stdout, stderr } = sim('--seed', '3', '--only', 'none', '--verbose')
  t.equal(status, 0, stderr)
  t.match(stderr, 'seeds from 3 on')
  t.match(stdout, /sequencer-\d +started \(1\)/)
  t.match(stdout, /^ {2}reigns +1$/m)
  t.match(stdout, /^1 run \(seed 3\), 0 violations; \d+ events in \d+ s of virtual time$/m)
  t.match(sim('--runs', '1', '--only', 'none').stderr, /seeds from \d+ on/, 'a fresh one is printed')
  t.end()
})

test('wrong usage', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'seqcast-sim-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'schedule.json')
  writeFileSync(file, JSON.stringify([{ kind: 'pause', atUs: 1, node: 'nobody', forUs: 1 }]))
  t.match(sim('--seed', '1', '--schedule', file), { status: 2, stderr: /no node nobody/ })
  t.match(sim('--runs', 'many'), { status: 2, stderr: /--runs many: a whole number is wanted/ })
  t.match(sim('--seed', '99999999999999'), { status: 2, stderr: /seed 99999999999999/ })
  t.match(sim('--nonsense'), { status: 2, stderr: /^error E_USAGE: Unknown option/m })
  t.match(sim('--schedule', join(directory, 'none.json')), { status: 2, stderr: /^error E_USAGE: ENOENT/m })
  t.match(sim('--help'), { status: 0, stdout: /usage: npm run sim/ })
  t.end()
})
