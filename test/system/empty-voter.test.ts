/** A voter that comes back without its data has no vote until the others have given it back; then it counts again, by itself. */
import { rmSync } from 'node:fs'
import { type Test, test } from 'tap'
import type { Running } from '../fixtures/processes.js'
import { World } from './world.js'

const VOTERS = ['a', 'b', 'c'] as const

interface Reign {
  readonly world: World
  readonly stores: Map<string, Running>
  readonly sequencer: Running
}

async function reign(t: Test, ...more: readonly string[]): Promise<Reign> {
  const world = await World.open(t)
  const stores = new Map(VOTERS.map((name) => [name, world.startStore(name, '--voter', name, ...more)]))
  const sequencer = world.startSequencer('--voters', VOTERS.join(','), '--tick-ms', '5')
  await world.until('stable events', () => (world.sequencer?.stableSequence ?? 0) > 20, ...stores.values(), sequencer)
  return { world, stores, sequencer }
}

/** Kills a voter, takes its data, starts it again, and waits until it is counted on under the reign. */
async function comesBackEmpty({ world, stores, sequencer }: Reign, name: string, ...more: string[]): Promise<void> {
  await stores.get(name)?.stop('SIGKILL')
  rmSync(world.storeDirectory(name), { recursive: true, force: true })
  world.forget()
  const others = VOTERS.filter((other) => other !== name)
  const again = world.startStore(name, '--voter', name, ...more)
  stores.set(name, again)
  const isBack = (): boolean => {
    const status = world.store(name)
    const known = Math.min(...others.map((other) => world.store(other)?.durableSequence ?? Number.POSITIVE_INFINITY))
    return status !== undefined && status.epoch === world.sequencer?.epoch && status.durableSequence >= known
  }
  await world.until(`voter ${name}, back under the reign`, isBack, ...stores.values(), sequencer)
}

test('each of three voters in turn loses its disk: no stable event is lost, and the session goes on without a pause', async (t) => {
  const session = await reign(t)
  const { world } = session
  for (const name of VOTERS) {
    const before = world.sequencer?.stableSequence ?? 0
    await comesBackEmpty(session, name)
    await world.until('more stable events', () => (world.sequencer?.stableSequence ?? 0) > before + 20)
    t.equal(world.sequencer?.epoch, 1, `${name} is back, and the sequencer was never replaced`)
  }
  await session.world.stop(session.sequencer, ...session.stores.values())
})

test('a voter in memory is one that loses its disk at every start', async (t) => {
  const session = await reign(t, '--memory')
  await comesBackEmpty(session, 'b', '--memory')
  t.equal(session.world.store('b')?.promised, session.world.sequencer?.epoch)
  await session.world.stop(session.sequencer, ...session.stores.values())
})
