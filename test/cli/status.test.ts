/** What an operator sees and decides: `status` and `admin` on a live session. */
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { type Result, startSystem } from '../fixtures/processes.js'

const COUNTER = fileURLToPath(new URL('../fixtures/counting-component.js', import.meta.url))

test('status and admin', async (t) => {
  const s = await startSystem(t)
  const admin = (...what: string[]): Promise<Result> => s.run(['admin', ...what, ...s.streams])
  const problems = async (): Promise<string[]> =>
    JSON.parse((await s.run(['status', ...s.streams, '--json'])).lines[0] ?? '').problems

  const a = s.start('run', COUNTER, ...s.streams)
  await a.says('counter/a is ACTIVE since event')
  const b = s.start('run', COUNTER, ...s.streams, '--standby')
  await b.says('counter/b is standby')
  t.notMatch(a.stderr, /outbox|rewind client|component state/, 'internals are not for a person')

  await t.test('all is well', async (t) => {
    const status = await s.run(['status', ...s.streams, '--check'])
    t.equal(status.status, 0, status.stdout.toString())
    t.match(status.lines[0], `session ${s.session}`)
    t.match(status.lines[1], /^role +name +state +sequence +about +losses$/)
    t.match(status.stdout.toString(), /^component +counter\/a +active .*digest [0-9a-f]{12} at \d+ +none$/m)
    t.strictSame(await problems(), [])
  })

  await t.test('a replica is activated, and says so; the second time it is active already', async (t) => {
    const first = await admin('activate', 'counter', '--instance', 'b')
    const event = /^counter\/b is active since event (\d+)$/.exec(first.lines[0] ?? '')?.[1]
    t.ok(event, first.lines[0] ?? first.stderr)
    const second = await admin('activate', 'counter', '--instance', 'b')
    t.strictSame(second.lines, [`counter/b is active already, since event ${event}`])
    const back = await admin('activate', 'counter', '--json')
    t.match(JSON.parse(back.lines[0] ?? ''), { instance: 'a', already: false, state: 'active' })
  })

  await t.test('digests are waited for and compared', async (t) => {
    const digest = await admin('digest')
    t.equal(digest.status, 0, digest.stderr)
    t.match(digest.lines[0], /^digests after event \d+$/)
    t.match(digest.lines[2], /^counter\/a +active +[0-9a-f]{64} +equal$/)
    t.match(digest.lines[3], /^counter\/b +standby +[0-9a-f]{64} +equal$/)
  })

  await t.test('problems', async (t) => {
    const passive = await admin('passivate', 'counter')
    t.match(passive.lines[0], /^counter\/a is standby, passive since event \d+$/)
    const mend = 'counter has no active replica; mend it with: seqcast admin activate counter'
    const checked = await s.run(['status', ...s.streams, '--check'])
    t.equal(checked.status, 1)
    t.equal(checked.lines.at(-1), `PROBLEM ${mend}`)

    s.store.child.kill('SIGKILL')
    await s.store.result()
    const activated = await admin('activate', 'counter')
    t.match(activated.lines[0], /is active since event/, 'the sequencer goes on')
    const told = await problems()
    t.match(told[0], /^sequencer waits: voter a is not heard, \d+ events are not stable$/)
    t.equal(told[1], 'no store was heard: nothing is recorded')

    const sending = s.start('send', ...s.streams)
    sending.child.stdin?.end('{"type": 300, "payload": ""}\n')
    await sending.says('1 sequenced, not yet stable: waiting for the voters')
    const stopped = await sending.stop()
    t.strictSame([stopped.status, stopped.code], [1, 'E_TIMEOUT'])
    t.match(stopped.stderr, /SIGTERM: 0 stable, 1 sequenced, not yet stable/)
    t.match(stopped.lines[0], /^1 message became 1 event \(\d+\) of session .*not yet stable$/)

    s.sequencer.child.kill('SIGKILL')
    await s.sequencer.result()
    t.equal((await problems())[0], 'no sequencer was heard; start it with: seqcast sequencer')
  })
})

test('the end of a session ends components, and no store', async (t) => {
  const s = await startSystem(t)
  const a = s.start('run', COUNTER, ...s.streams)
  await a.says('counter/a is ACTIVE')
  t.equal((await s.run(['admin', 'end-session', ...s.streams])).status, 0)
  const ended = await a.result()
  t.equal(ended.status, 0, ended.stderr)
  t.match(ended.stderr, /session ended: .*nothing more will come, and this process ends/)
  await s.store.says('nothing more will come; this store stays and serves it')
  const late = s.start('run', COUNTER, ...s.streams, '--instance', 'late')
  t.equal((await late.result()).status, 0, 'one that comes late reads it and ends as well')
  t.equal(s.store.isOver, false)

  const ends = `session ${s.session} has ended`
  const sent = await s.run(['send', ...s.streams], '{"type": 300, "payload": ""}\n')
  t.match([sent.status, sent.code, sent.stderr], [1, 'E_REFUSED', ends])
  const rolled = await s.run(['admin', 'roll-session', ...s.streams])
  t.match([rolled.status, rolled.code, rolled.stderr], [1, 'E_REFUSED', ends])
  const other = [...s.streams, '--session', 'OTHER']
  for (const command of [['status'], ['send']]) {
    const unknown = await s.run([...command, ...other], '')
    t.strictSame([unknown.status, unknown.code], [1, 'E_SESSION_UNKNOWN'])
    t.match(unknown.stderr, `heard there: store of ${s.session}`)
  }
})
