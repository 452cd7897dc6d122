/** Replicas that begin at checkpoints, on real processes: after kill -9, of another replica, and where checkpoints are not what they should be. */
import { test } from 'tap'
import { readConfiguration } from '../../src/cli/configuration.js'
import { checkpointOptions } from '../../src/cli/run-checkpoints.js'
import { CheckpointStore } from '../../src/store/checkpoint-store.js'
import type { Checkpoint } from '../../src/wire/checkpoint.js'
import type { Running } from '../fixtures/processes.js'
import { Load } from './load.js'
import { LOAD } from './tally.js'
import { World } from './world.js'

const EVERY = 500
const HISTORY = 3_000

test('a killed replica comes back from its checkpoint, and others begin at it', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a')
  const active = world.startTally('active')
  const roles = [store, sequencer, active]
  await world.until('the active component', () => world.tally('active')?.state === 'active', ...roles)
  const directory = world.place.path('checkpoints')
  const checkpoints = ['--checkpoints', directory, '--checkpoint-every', String(EVERY), '--checkpoint-keep', '3']
  const startStandby = (...more: string[]): Running => world.startTally('standby', '--standby', ...checkpoints, ...more)
  let standby = startStandby()
  const sender = world.startSend(LOAD, '--rate', '3000')
  const load = new Load(sender)
  const written = (): number => world.tally('standby')?.counters.checkpointsWritten ?? 0
  await world.until('checkpoints', () => written() >= 3, ...roles, standby, sender)

  await standby.stop('SIGKILL')
  standby = startStandby('--checkpoint-port', '0')
  await standby.says('from a checkpoint')
  await standby.says('checkpoint port: ')
  const port = /checkpoint port: (\d+)/.exec(standby.stderr)?.[1]
  const other = world.startTally('other', '--standby', '--checkpoints-from', `127.0.0.1:${port}`)
  await other.says('checkpoint: taken from another replica')
  await other.says('from a checkpoint')
  const begun = [standby, other].map(({ stderr }) => Number(/begins after event (\d+)/.exec(stderr)?.[1]))
  t.ok(
    begun.every((sequence) => sequence > EVERY / 2),
    `they begin after ${begun}`,
  )
  await world.until('a history', () => (world.tally('active')?.nextSequence ?? 0) > HISTORY, ...roles, sender)
  await load.end()
  const sameDigests = async (...instances: string[]): Promise<void> => {
    const digestAt = await world.decide('digest')
    const all = ['active', ...instances]
    await world.until('digests', () => all.every((each) => world.tally(each)?.digestSequence === digestAt), ...roles)
    for (const each of instances) t.strictSame(world.tally(each)?.digest, world.tally('active')?.digest, each)
  }
  await sameDigests('standby', 'other')
  t.equal((await standby.stop()).status, 0)

  await damage(directory, world.session)
  const again = startStandby()
  await again.says('from a checkpoint')
  t.match(again.stderr, /it is damaged|its body is damaged/, 'the newest one is damaged')
  await again.says('the stream has another event')
  await world.until('the standby', () => world.tally('standby')?.state === 'standby', ...roles)
  const starts = [...again.stderr.matchAll(/begins after event (\d+)/g)].map(([, sequence]) => Number(sequence))
  t.ok(starts.length === 2 && starts[0]! > starts[1]!, `the second is of another branch, the third is used: ${starts}`)
  await sameDigests('standby')
  await world.decide('activate', 'tally', '--instance', 'standby')
  await world.until('the change', () => world.tally('standby')?.state === 'active', ...roles)
  await world.ask()
  await sameDigests('standby')
  await world.stop(again, other, ...roles.reverse())
})

/** The newest one is damaged, the one before it is of another branch. */
async function damage(directory: string, session: string): Promise<void> {
  const store = await CheckpointStore.open(directory, session, 'write')
  const [branch, newest] = store.list('tally').slice(-2)
  if (branch === undefined || newest === undefined) throw new Error('no two checkpoints')
  const change = async (sequence: number, by: (checkpoint: Checkpoint) => Checkpoint): Promise<void> => {
    await store.write(by(store.read('tally', sequence)))
  }
  await change(branch.sequence, ({ header, body }) => ({ header: { ...header, eventHash: header.bodyHash }, body }))
  await change(newest.sequence, ({ header, body }) => {
    const damaged = body.slice()
    damaged[body.length - 1]! ^= 1
    return { header, body: damaged }
  })
  await store.close()
}

test('wrong flags say what is missing', async (t) => {
  const cases: [object, string, RegExp][] = [
    [{ checkpointPort: 0 }, 'E_USAGE', /no checkpoints to write/],
    [{ checkpointEvery: 10 }, 'E_USAGE', /no checkpoints to write/],
    [{ checkpointsFrom: 'nowhere' }, 'E_CONFIG', /HOST:PORT/],
    [{ checkpointsFrom: '127.0.0.1:70000' }, 'E_CONFIG', /HOST:PORT/],
  ]
  for (const [flags, code, message] of cases) {
    t.throws(() => checkpointOptions(readConfiguration({ ...flags })), { code, message })
  }
  t.strictSame(checkpointOptions(readConfiguration({})), {})
  t.strictSame(checkpointOptions(readConfiguration({ checkpoints: 'd', checkpointPort: 0, checkpointsFrom: 'h:1' })), {
    checkpoints: {
      ...{ every: 100_000, keep: 5, directory: 'd' },
      ...{ serve: { address: '127.0.0.1', port: 0 }, from: { address: 'h', port: 1 } },
    },
  })
  await t.rejects(CheckpointStore.open('/proc/nothing', 'S', 'write'), { code: 'E_STORE_IO' })
})
