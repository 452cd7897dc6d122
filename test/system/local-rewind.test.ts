/** A replica on the store's own machine comes by the store's files, or over TCP where they lack the session. */
import { mkdirSync } from 'node:fs'
import { test } from 'tap'
import { Load } from './load.js'
import { LOAD } from './tally.js'
import { World } from './world.js'

const HISTORY = 30_000

test('a late replica rewinds from the store’s files while events flow, another over TCP', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a')
  const early = world.startTally('early')
  const roles = [store, sequencer, early]
  await world.until('the active component', () => world.tally('early')?.state === 'active', ...roles)
  const sender = world.startSend(LOAD, '--rate', '20000')
  const load = new Load(sender)
  await world.until('a history', () => (world.tally('early')?.nextSequence ?? 0) > HISTORY, ...roles, sender)

  const elsewhere = world.place.path('elsewhere')
  mkdirSync(elsewhere)
  roles.push(world.startTally('local', '--standby', '--local-store', world.storeDirectory('a')))
  roles.push(world.startTally('remote', '--standby', '--local-store', elsewhere))
  const late = ['local', 'remote']
  const areStandby = (): boolean => late.every((instance) => world.tally(instance)?.state === 'standby')
  await world.until('both to be live', areStandby, ...roles, sender)
  await load.end()

  const digestAt = await world.decide('digest')
  const haveDigests = (): boolean =>
    ['early', ...late].every((instance) => world.tally(instance)?.digestSequence === digestAt)
  await world.until('all digests', haveDigests, ...roles)
  for (const instance of late) t.strictSame(world.tally(instance)?.digest, world.tally('early')?.digest, instance)
  const [local, remote] = late.map((instance) => world.tally(instance)?.counters ?? {})
  t.ok((local?.localRewinds ?? 0) > 0, 'from the files')
  t.equal(local?.rewinds ?? 0, 0, 'and not over TCP')
  t.ok((remote?.rewinds ?? 0) > 0, 'over TCP')
  await world.stop(...roles.reverse())
})
