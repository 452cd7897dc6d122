/** A sequencer that is started again goes on where the store's record ends, or refuses where nobody has a record. */
import { test } from 'tap'
import { Load } from './load.js'
import { loadsOf, readRecording, talliesOf } from './recorded.js'
import { LOAD, tallyOf } from './tally.js'
import { World } from './world.js'

const RATE = ['--rate', '20000']

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`${signal}, and a restart: every command once`, async (t) => {
    const world = await World.open(t)
    const stores = [world.startStore('a', '--voter', 'a'), world.startStore('b')]
    let sequencer = world.startSequencer('--voters', 'a')
    const replicas = [world.startTally('one')]
    await world.until('the active component', () => world.tally('one')?.state === 'active', ...stores, ...replicas)
    replicas.push(world.startTally('two', '--standby'))
    await world.until('the standby', () => world.tally('two')?.state === 'standby', ...stores, ...replicas)

    const sender = world.startSend(LOAD, ...RATE)
    const load = new Load(sender)
    const running = [...stores, ...replicas, sender]
    for (let round = 0; round < 2; round++) {
      const from = world.tally('two')?.nextSequence ?? 0
      await world.until('events', () => (world.tally('two')?.nextSequence ?? 0) > from + 2_000, ...running)
      const { status } = await sequencer.stop(signal)
      t.equal(status, signal === 'SIGTERM' ? 0 : null)
      world.forget()
      sequencer = world.startSequencer('--voters', 'a')
      await world.until('the new sequencer', () => (world.sequencer?.nextSequence ?? 0) > 0, sequencer, ...running)
    }
    const from = world.sequencer?.nextSequence ?? 0
    await world.until('events', () => (world.tally('two')?.nextSequence ?? 0) > from + 2_000, sequencer, ...running)
    const sent = await load.end()
    await world.ask()
    const digestAt = await world.decide('digest', 'tally')
    const isEqual = (): boolean =>
      ['one', 'two'].every((instance) => world.tally(instance)?.digestSequence === digestAt)
    await world.until('both digests', isEqual, sequencer, ...stores, ...replicas)
    t.strictSame(world.tally('one')?.digest, world.tally('two')?.digest)
    t.equal(world.tally('one')?.state, 'active', 'it stayed active')
    await world.until('both stores', () => ['a', 'b'].every((s) => (world.store(s)?.durableSequence ?? 0) >= digestAt))
    await world.stop(...replicas, sequencer, ...stores)
    for (const name of ['a', 'b']) {
      const { lastHolder, events } = await readRecording(world.storeDirectory(name), world.session)
      t.equal(lastHolder, 'clean')
      t.equal(loadsOf(events).length, sent.messages, `${name}: all of them`)
      t.ok(
        loadsOf(events).every((n, i) => n === i + 1),
        `${name}: once, in order`,
      )
      t.strictSame(talliesOf(events), [tallyOf(sent.messages)])
    }
  })
}

test('a sequencer that is stopped in order leaves nothing behind that is not stable', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a', '--loss', '0.4', '--reorder', '0.2')
  const sequencer = world.startSequencer('--voters', 'a')
  const replica = world.startTally('one')
  await world.until('the active component', () => world.tally('one')?.state === 'active', store, sequencer, replica)
  const sender = world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  const events = (): number => world.tally('one')?.nextSequence ?? 0
  await world.until('events', () => events() > 5_000, store, sequencer, replica, sender)
  await world.stop(sequencer)
  const [, nextSequence] = /"nextSequence":(\d+),"msg":"sequencer: stopped"/.exec(sequencer.stderr) ?? []
  t.ok(Number(nextSequence) > 5_000)
  world.forget()
  await world.until('the store', () => world.store('a') !== undefined, store)
  t.equal(world.store('a')?.durableSequence, Number(nextSequence) - 1)

  const next = world.startSequencer('--voters', 'a')
  await world.until('events', () => events() > Number(nextSequence) + 5_000, store, next, replica, sender)
  t.equal((await load.end()).messages, load.written, 'nobody has noticed')
})

test('a session whose record nobody has is not begun again', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a')
  const replica = world.startTally('one')
  await world.until('the active component', () => world.tally('one')?.state === 'active', store, sequencer, replica)
  await sequencer.stop('SIGKILL')
  await store.stop('SIGKILL')
  const results = await Promise.all([world.startSequencer().result(), world.startSequencer('--voters', 'a').result()])
  for (const { status, code } of results) t.strictSame([status, code], [1, 'E_SESSION_NEEDS_STORE'])
  t.notOk(replica.isOver, 'the component waits')
})
