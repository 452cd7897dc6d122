/** A signal may come while a role is starting, which has said already that it is there: it is stopped in order all the same. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const RUN_ROLE = fileURLToPath(new URL('../../src/cli/run-role.js', import.meta.url))

/** A process of a role that sends itself signals while it starts, and says why it is stopped. */
function run(start: string): { status: number | null; stdout: string } {
  const code = `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { runRole } from ${JSON.stringify(RUN_ROLE)}
    let resolve
    const done = new Promise((yes) => { resolve = yes })
    const role = { done, async stop(reason) { console.log(reason); resolve() } }
    const signal = async (name) => { process.kill(process.pid, name); await sleep(20) }
    setInterval(() => {}, 1_000)
    const start = async () => { ${start} }
    await runRole(start, { error: console.error })
    console.log('over')
    process.exit()
  `
  const { NODE_OPTIONS: _, ...env } = process.env
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', env })
}

test('a signal while it starts stops it as soon as it is there', (t) => {
  for (const name of ['SIGTERM', 'SIGINT']) {
    const { status, stdout } = run(`await signal('${name}'); return role`)
    t.strictSame([status, stdout], [0, `received ${name}\nover\n`])
  }
  t.end()
})

test('a start that waits for others is given up', (t) => {
  const { status, stdout } = run(`await signal('SIGTERM'); await new Promise(() => {})`)
  t.strictSame([status, stdout], [1, ''])
  t.end()
})

test('a second signal ends a start at once', (t) => {
  const { status, stdout } = run(
    `await signal('SIGTERM'); await signal('SIGTERM'); console.log('went on'); return role`,
  )
  t.strictSame([status, stdout], [1, ''])
  t.end()
})

test('a start that fails fails as it would without a signal', (t) => {
  const { status, stdout } = run(`await signal('SIGTERM'); throw new Error('no')`)
  t.strictSame([status, stdout], [1, ''])
  t.end()
})
