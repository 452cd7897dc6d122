/**
 * Around the switch from one session to the next, on the real roles in virtual time: what was made ready and is not wanted, what was made
 * ready and failed, and who may believe what of the end.
 */
import { test } from 'tap'
import { FIRST, RollLan, textOf } from './roll-lan.js'

const STORES = ['a', 'b', 'c']

test('a session that was made ready and never followed is nothing any more when others have', async (t) => {
  const lan = new RollLan(t, { seed: 41, voters: true, sequencers: ['s1'], stores: ['a'] })
  await lan.run(1_500)
  lan.ask(FIRST, 'prepare-session', 'ODD')
  await lan.run(100)
  // So often that the store no longer serves the session that it was made ready for.
  for (let i = 0; i < 20; i++) {
    lan.roll()
    await lan.run(900)
  }
  t.equal(lan.openSession, 'ROLL21')
  lan.claim('ODD', 1)
  await lan.run(300)
  t.equal(lan.openSession, 'ROLL21')
  t.strictSame(lan.failures, [])
})

test('a session that was made ready for another predecessor knows its own', async (t) => {
  const lan = new RollLan(t, { seed: 42, voters: true, sequencers: ['s1'], stores: STORES })
  await lan.run(1_500)
  lan.ask(FIRST, 'prepare-session', 'ROLL3')
  await lan.run(100)
  for (let i = 0; i < 2; i++) {
    lan.roll()
    await lan.run(900)
  }
  t.equal(lan.openSession, 'ROLL3')
  t.strictSame(
    lan.said.map(({ text }) => text).filter((text) => text.includes('was begun without')),
    [],
  )
})

test('who asks with another name while the end becomes stable does not undo what was made ready', async (t) => {
  const lan = new RollLan(t, { seed: 43, voters: true, sequencers: ['s1'], stores: STORES })
  await lan.run(1_500)
  const { network, machines } = lan.world
  const s1 = machines.filter(({ name }) => name === 's1')
  const far = machines.filter(({ name }) => name === 'b' || name === 'c')
  const links = s1.flatMap((one) => far.map((other) => [one, other] as const))
  lan.onSaid = ({ text }) => {
    if (text !== 'sequencer ending') return
    lan.onSaid = () => {}
    for (const [one, other] of links) network.cut(one, other)
    lan.world.after(50_000, () => lan.ask(FIRST, 'roll-session', 'OTHER'))
    lan.world.after(1_500_000, () => {
      for (const [one, other] of links) network.heal(one, other)
    })
  }
  lan.roll()
  await lan.run(4_000)
  t.equal(lan.openSession, 'ROLL2')
  t.strictSame(
    lan.reasons.filter((reason) => reason.includes('claims epoch 2')),
    [],
    'nobody claims against itself',
  )
  t.strictSame(lan.failures, [])
})

test('a sequencer that can open nothing for the next session goes on with this one', async (t) => {
  const lan = new RollLan(t, { seed: 45, voters: true, sequencers: ['s1'], stores: STORES })
  await lan.run(1_500)
  lan.hasSockets = false
  lan.roll()
  await lan.run(300)
  t.strictSame(lan.failures, [])
  t.equal(lan.openSession, FIRST)
  lan.hasSockets = true
  lan.roll()
  await lan.run(900)
  t.equal(lan.openSession, 'ROLL2')
})

test('a voter that lost its disk, and is killed again at the switch, recovers in the next session before it votes', async (t) => {
  const lan = new RollLan(t, { seed: 41, voters: true, sequencers: ['s1', 's2'], stores: STORES })
  await lan.run(2_000)
  lan.roll()
  await lan.run(1_000)
  t.equal(lan.openSession, 'ROLL2')
  lan.kill('b')
  lan.world.machines.find(({ name }) => name === 'b')?.disk.wipe()
  lan.onSaid = ({ who, text }) => {
    if (who !== 'b' || !text.startsWith('voter voting')) return
    lan.onSaid = () => {}
    lan.world.after(300, () => {
      for (const name of ['b', 's1', 's2']) lan.kill(name)
      lan.world.after(10_000, () => lan.start('b'))
      lan.world.after(400_000, () => lan.claim('ROLL2', 1))
    })
  }
  const from = lan.said.length
  lan.start('b')
  await lan.run(3_000)
  const inNext = lan.said.slice(from).filter(({ who, session }) => who === 'b' && session === 'ROLL2')
  t.ok(inNext.some(({ text }) => text.startsWith('voter recovering')))
})

test('that a session was dropped, said once, is no proof to a store whose end may be lost', async (t) => {
  const lan = new RollLan(t, { seed: 43, voters: true, sequencers: ['s1', 's2'], stores: STORES })
  await lan.run(2_000)
  const { network, machines } = lan.world
  const inside = machines.filter(({ name }) => name === 's1' || name === 'a')
  const outside = machines.filter((one) => one.name !== 'operator' && !inside.includes(one))
  const links = inside.flatMap((one) => outside.map((other) => [one, other] as const))
  lan.onSaid = ({ who, text }) => {
    if (who !== 's1' || text !== 'sequencer ending') return
    lan.onSaid = () => {}
    for (const [one, other] of links) {
      network.cut(one, other)
      network.cut(other, one)
    }
  }
  lan.ask(FIRST, 'roll-session', '')
  await lan.run(300)
  t.equal(lan.chainOf('a').length, 2, 'it has the end, and has made ready for the next session')
  lan.kill('s1')
  lan.sayDropped('nobody', FIRST, 'ROLL2')
  await lan.run(1_500)
  t.strictSame(lan.saidBy('a', /goes on in its successor/), [])
  t.equal(lan.openSession, FIRST, 'the others go on without that end')
  lan.roll()
  await lan.run(7_000)
  t.equal(lan.openSession, 'ROLL2')
  for (const [one, other] of links) {
    network.heal(one, other)
    network.heal(other, one)
  }
  await lan.run(6_000)
  const eventsOf = (store: string): string => textOf(lan.chainOf(store)[0]?.log, 1_000)
  t.ok(eventsOf('a') === eventsOf('b'), 'one history of the first session')
  t.strictSame(lan.failures, [])
})
