/**
 * `npm test`: every test, or those in files whose path contains one of the words given. One line a file, the whole output of
 * what fails, and one line of totals at the end. Each test file is a process of its own, one at a time, because several of
 * them load the machine. `--suite FOLDER` takes the long files (`*.suite.ts`) of that folder of test/ instead.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ensureBuilt, root, run } from './build.js'

const TAP = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')
/** A file of a long suite may take so long, on a machine that has much else to do. */
const SUITE_FILE_SECONDS = 1_800
/** tap builds its plugins into node_modules: again after each install. */
const PLUGINS_BUILT = join(root, 'node_modules', '.seqcast-tap-built')

ensureBuilt()
if (!existsSync(PLUGINS_BUILT)) {
  run(process.execPath, [TAP, 'build'])
  writeFileSync(PLUGINS_BUILT, '')
}
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

const totals = { passed: 0, failed: 0, skipped: 0 }
/** The lines of the file that is running: shown whole when it fails. */
let lines = []
const limits = isSuite ? [`--timeout=${SUITE_FILE_SECONDS}`] : []
const child = spawn(process.execPath, [TAP, '--reporter=tap', ...limits, ...files], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
})
// An interrupted run must leave no test behind; it ends as the runner does.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
for await (const line of createInterface({ input: child.stdout })) readLine(line)
const status = await new Promise((resolve) => {
  if (child.exitCode !== null) resolve(child.exitCode)
  else child.once('exit', (code) => resolve(code ?? 1))
})
if (status !== 0 && totals.failed === 0) {
  totals.failed += 1
  console.log(lines.join('\n'))
}
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`)
process.exit(totals.failed > 0 ? 1 : 0)

/** TAP 14: tests of a file are indented by four, the file's own result is not indented. */
function readLine(line) {
  lines.push(line)
  const test = /^ {4}(not ok|ok) \d+(?: - (.*))?$/.exec(line)
  if (test !== null) countTest(test[1] === 'ok', test[2] ?? '')
  const file = /^(not ok|ok) \d+ - (\S+)(.*)$/.exec(line)
  if (file === null) return
  console.log(
    `${file[1] === 'ok' ? 'pass' : 'FAIL'}  ${secondsOf(file[3] ?? '')}  ${file[2]}${withoutTime(file[3] ?? '')}`,
  )
  if (file[1] !== 'ok') {
    console.log(lines.join('\n'))
    if (!lines.some((l) => /^ {4}not ok/.test(l))) totals.failed += 1
  }
  lines = []
}

/** Of tap's `# time=1234.567ms`: a column of seconds. */
function secondsOf(comment) {
  const ms = /# time=([\d.]+)ms/.exec(comment)?.[1]
  return (ms === undefined ? '' : `${(Number(ms) / 1000).toFixed(1)} s`).padStart(7)
}

function withoutTime(comment) {
  const rest = comment.replace(/\s*# time=[\d.]+ms/, '').replace(/\s*\{$/, '')
  return rest.trim() === '' ? '' : ` ${rest.trim()}`
}

function countTest(passed, title) {
  const skip = /# (?:SKIP|TODO)\b\s*(.*)/i.exec(title)
  if (skip !== null) {
    totals.skipped += 1
    console.log(`skip  ${title}`)
  } else if (passed) totals.passed += 1
  else totals.failed += 1
}
