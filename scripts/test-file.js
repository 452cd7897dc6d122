/**
 * Runs one test file as a process of its own, and counts what it says (TAP). Without tap's own runner: that has every process
 * that a test starts load its hooks, which doubled the work of all tests, and is not how a user's processes run.
 */
import { spawn } from 'node:child_process'
import { root } from './build.js'

/** The processes that run now; each leads a group of all that it starts. */
const running = new Set()

/**
 * @param {string} path from the project's folder
 * @param {number} seconds that it may take, on a machine that has much else to do
 * @returns {Promise<{passed: number, failed: number, skipped: string[], seconds: number, output: string}>}
 */
export function runTestFile(path, seconds) {
  const startMs = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', path], {
    ...{ cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    env: { ...process.env, TAP_TIMEOUT: String(seconds) },
  })
  running.add(child)
  const chunks = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
  // tap says at the time limit what it waited for; where the process is stuck, nothing does.
  const limit = setTimeout(() => kill(child), (seconds + 10) * 1000)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    // What it has left running would hold its output open, and load the machine for those that follow.
    child.once('exit', () => kill(child))
    child.once('close', (code, signal) => {
      clearTimeout(limit)
      running.delete(child)
      const output = Buffer.concat(chunks).toString()
      const result = { ...counted(output, code), seconds: (performance.now() - startMs) / 1000, output }
      const tests = result.passed + result.skipped.length
      if (result.failed > 0 || (code === 0 && tests > 0)) resolve(result)
      else resolve({ ...result, failed: 1, output: `${output}\nended with ${signal ?? code} after ${tests} tests` })
    })
  })
}

/** Ends what runs, with all that it started. */
export function killRunning() {
  for (const child of running) kill(child)
}

function kill({ pid }) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // The group is gone.
  }
}

/** The file's own tests are not indented; what they are made of is. */
function counted(output, status) {
  const result = { passed: 0, failed: 0, skipped: [] }
  for (const [, not, title] of output.matchAll(/^(not )?ok \d+(.*)$/gm)) {
    if (/ # (?:SKIP|TODO)\b/i.test(title)) result.skipped.push(title.replace(/^ - /, ''))
    else if (not === undefined) result.passed += 1
    else result.failed += 1
  }
  const none = /^1\.\.0 # (.*)$/m.exec(output)?.[1]
  if (status === 0 && none !== undefined) result.skipped.push(`# SKIP ${none}`)
  return result
}
