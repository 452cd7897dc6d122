/**
 * `npm test`: every test, or those in files whose path contains one of the words given. One line a file, the whole output of
 * what fails, and one line of totals at the end. Each test file is a process of its own; two run at a time, and of those that
 * start real systems one. `--suite FOLDER` takes the long files (`*.suite.ts`) of that folder of test/ instead.
 */
import { readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { join, sep } from 'node:path'
import { ensureBuilt, root } from './build.js'
import { killRunning, runTestFile } from './test-file.js'

/** How many files run at a time. */
const LANES = 2
/**
 * Folders of test/ whose files start whole systems of real processes, which load the machine and notice when others do: no two
 * of these run at the same time. `test/layering.test.ts` knows what a file that is not here must not use.
 */
const SYSTEMS = ['cli/bench', 'kills', 'native-free-bench', 'netns', 'rollover', 'system']
/** A file may take so long, on a machine that has much else to do. */
const FILE_SECONDS = 300
const SUITE_FILE_SECONDS = 1_800

ensureBuilt()
const isSuite = process.argv[2] === '--suite'
const folder = isSuite ? join('dist', 'test', process.argv[3] ?? '') : join('dist', 'test')
const words = process.argv.slice(isSuite ? 4 : 2)
const files = readdirSync(join(root, folder), { recursive: true })
  .map((name) => join(folder, String(name)))
  .filter((name) => name.endsWith(isSuite ? '.suite.js' : '.test.js'))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .sort()
if (files.length === 0) {
  process.stderr.write(`no test file matches: ${words.join(' ')}\n`)
  process.exit(2)
}

// An interrupted run must leave no process behind.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    killRunning()
    process.exit(128 + constants.signals[signal])
  })
}
const totals = { passed: 0, failed: 0, skipped: 0 }
const systems = files.filter(isSystem)
const others = files.filter((file) => !isSystem(file))
let systemRuns = false
await Promise.all(Array.from({ length: LANES }, lane))
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`)
process.exit(totals.failed > 0 ? 1 : 0)

function isSystem(file) {
  return SYSTEMS.some((name) => file.startsWith(join('dist', 'test', name) + sep))
}

/** Takes one file after the other: a system where none runs, else one of the others. */
async function lane() {
  for (;;) {
    const system = systemRuns ? undefined : systems.shift()
    const file = system ?? others.shift()
    if (file === undefined) return
    if (system !== undefined) systemRuns = true
    report(file, await runTestFile(file, isSuite ? SUITE_FILE_SECONDS : FILE_SECONDS))
    if (system !== undefined) systemRuns = false
  }
}

function report(file, { passed, failed, skipped, seconds, output }) {
  totals.passed += passed
  totals.failed += failed
  totals.skipped += skipped.length
  for (const title of skipped) console.log(`skip  ${title}`)
  console.log(`${failed === 0 ? 'pass' : 'FAIL'}  ${`${seconds.toFixed(1)} s`.padStart(7)}  ${file}`)
  if (failed > 0) console.log(output)
}
