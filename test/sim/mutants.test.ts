/**
 * The mutants fit the code as it is, and the hunt for them works: one that is found at once is hunted here, all of them by
 * `npm run sim-mutants`.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { applyPatches, MUTANTS } from '../../scripts/sim/mutants.js'

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

test('every patch fits the compiled code exactly once', (t) => {
  for (const { name, patches } of MUTANTS) {
    for (const file of new Set(patches.map((patch) => patch.file))) {
      const text = readFileSync(join(dist, 'src', file), 'utf8')
      const ofFile = patches.filter((patch) => patch.file === file)
      t.doesNotThrow(() => applyPatches(file, text, ofFile), name)
      t.not(applyPatches(file, text, ofFile), text, `${name} changes ${file}`)
    }
  }
  t.throws(() => applyPatches('f', 'a b a', [{ file: 'f', find: 'a', replace: 'c' }]), /2 times/)
  t.throws(() => applyPatches('f', 'b', [{ file: 'f', find: 'a', replace: 'c' }]), /0 times/)
  t.end()
})

test('the guide lists the mutants as they are', (t) => {
  const guide = readFileSync(join(dist, '..', 'docs', 'SIMULATION.md'), 'utf8')
  const rows = [...guide.matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)].map((row) => `${row[1]}: ${row[2]}`)
  for (const { name, what } of MUTANTS) t.ok(rows.includes(`${name}: ${what}`), name)
  t.end()
})

test('a mutant is found, and said to be', async (t) => {
  const script = join(dist, 'scripts', 'sim-mutants.js')
  const options = ['--only', 'acknowledge-before-sync', '--runs', '10', '--json']
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...options], {
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const found: { name: string; runs: number; guarantee: string } = JSON.parse(stdout)
  t.match(found, { name: 'acknowledge-before-sync', guarantee: 'G4' })
  t.ok(found.runs <= 10)
})

test('one that gets away ends the program with 1', async (t) => {
  const script = join(dist, 'scripts', 'sim-mutants.js')
  const options = ['--only', 'acknowledge-before-sync', '--runs', '0']
  const env = { ...process.env, NODE_OPTIONS: '' }
  const failure = await promisify(execFile)(process.execPath, [script, ...options], { env }).catch(
    (error: object) => error,
  )
  t.match(failure, { code: 1, stdout: /NOT FOUND in 0 runs/ })
})
