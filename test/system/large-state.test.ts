/**
 * A component whose large map lies in files: killed at any time it goes on where its files are, and what it has come to is what a replay
 * comes to that has all of it in memory.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { cancels, OMS_PROTO, startSystem } from '../fixtures/processes.js'

const ARCHIVE = fileURLToPath(new URL('../fixtures/large-component.js', import.meta.url))

test('a large state outlives its process', async (t) => {
  const s = await startSystem(t)
  const checkpoints = ['--checkpoints', s.path('kept'), '--checkpoint-every', '300']
  const startReplica = () => s.start('run', ARCHIVE, ...s.streams, ...checkpoints, '--json')
  const send = async (first: number, count: number): Promise<void> => {
    const sent = await s.run(['send', ...s.streams, '--proto', OMS_PROTO, '--json'], cancels(first, count))
    t.equal(sent.status, 0, sent.stderr)
  }

  let replica = startReplica()
  await replica.says('"state":"active"')
  await send(1, 2_000)
  await replica.says('checkpoint: written at event')
  replica.child.kill('SIGKILL')
  await replica.result()
  replica = startReplica()
  await replica.says('component: begins after event')
  await replica.says('"state":"active"')
  await send(1_801, 700) // Some of the keys come again.
  t.equal((await s.run(['admin', 'digest', ...s.streams])).status, 0)
  t.notOk(replica.stderr.includes('E_NONDETERMINISM'))

  const next = `N${s.session.slice(1)}`
  await t.test('the session goes on in another one', async (t) => {
    const rolled = await s.run(['admin', 'roll-session', '--to', next, ...s.streams])
    t.equal(rolled.status, 0, rolled.stderr)
    await send(5_000, 700)
    await replica.until(() => existsSync(s.path(`kept/${next}/large/archive-a/data.mdb`)), 'files of the next session')
    replica.child.kill('SIGKILL')
    await replica.result()
    replica = startReplica()
    await replica.says('"state":"active"')
    await send(5_600, 200)
  })

  t.equal((await replica.stop()).status, 0)
  t.equal((await s.run(['admin', 'end-session', ...s.streams])).status, 0)
  await s.sequencer.result()
  t.equal((await s.store.stop()).status, 0)
  for (const [session, digests, commands] of [
    [s.session, 5, 250],
    [next, 2, 60],
  ] as const) {
    const played = await s.run(['replay', '--dir', s.stored, '--session', session, '--run', ARCHIVE, '--json'])
    t.equal(played.status, 0, played.stderr)
    const said = JSON.parse(played.lines[0] ?? '')
    t.match(said, { ended: 'complete' })
    t.ok(said.digestsVerified >= digests, `${said.digestsVerified} digests are those of a replay in memory`)
    t.ok(said.commandsVerified >= commands, `${said.commandsVerified} commands`)
  }
})
