/**
 * Sessions that go on in one another, by the real roles on simulated machines: in order, and with the death of a role at every
 * step of the switch. Each process is always started with the id of the first session.
 */
import { type Test, test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { FIRST, oneChain, RollLan, textOf } from './roll-lan.js'

const STORES = ['a', 'b', 'c']
/** Longer than any silence that is waited for. */
const SETTLE_MS = 2_500

test('three sessions in a row without voters', async (t) => {
  const lan = new RollLan(t, { seed: 1, voters: false, sequencers: ['s1'], stores: ['a'] })
  await lan.run(1_000)
  t.equal(lan.openSession, FIRST)
  for (const next of ['ROLL2', 'ROLL3', 'ROLL4']) {
    lan.roll()
    await lan.run(500)
    t.equal(lan.openSession, next)
  }
  await lan.run(500)
  oneChain(t, lan, 4)
  t.strictSame(lan.failures, [])
})

test('a session that has rolled by its plan is not rolled again while its end is said', async (t) => {
  const lan = new RollLan(t, { seed: 43, voters: false, sequencers: ['s1'], stores: ['a'], roll: { events: 150 } })
  await lan.run(9_500)
  t.equal(lan.openSession, 'ROLL3')
  t.strictSame(lan.saidBy('s1', /not rolled over/), [])
  t.strictSame(lan.failures, [])
})

test('one datagram that says that a session was dropped ends no sequencer whose store records it', async (t) => {
  const lan = new RollLan(t, { seed: 9, voters: false, sequencers: ['s1'], stores: ['a'] })
  await lan.run(1_000)
  for (const name of ['stranger', 'a']) {
    lan.sayDropped(name, FIRST, 'EVIL')
    await lan.run(300)
    t.equal(lan.openSession, FIRST, `in the name of ${name}`)
  }
  t.strictSame(lan.failures, [])
})

test('three sessions in a row with voters, and a standby that takes over the last one', async (t) => {
  const lan = new RollLan(t, { seed: 2, voters: true, sequencers: ['s1', 's2'], stores: STORES })
  await lan.run(2_500)
  for (const next of ['ROLL2', 'ROLL3']) {
    lan.roll()
    await lan.run(700)
    t.equal(lan.openSession, next)
  }
  lan.kill('s1')
  await lan.run(2_000)
  t.equal(lan.openSession, 'ROLL3', 'the standby has followed, and takes over')
  lan.roll()
  await lan.run(700)
  t.equal(lan.openSession, 'ROLL4')
  oneChain(t, lan, 4)
  t.strictSame(lan.failures, [])
})

test('however fast sessions follow each other, a store leaves each of them', async (t) => {
  const lan = new RollLan(t, { seed: 41, voters: true, sequencers: ['s1'], stores: ['a'] })
  await lan.run(1_500)
  for (let i = 0; i < 25; i++) {
    lan.roll()
    await lan.run(900)
  }
  t.equal(lan.openSession, 'ROLL26')
  const open = lan.openLogs('a')
  t.ok(open < 18, `${open} are open: those of the last five seconds, and those that are kept`)
  t.strictSame(lan.failures, [])
})

test('a voter that is away for the switch follows when it comes back, and a majority is enough to begin', async (t) => {
  const lan = new RollLan(t, { seed: 3, voters: true, sequencers: ['s1'], stores: STORES })
  await lan.run(1_500)
  lan.kill('c')
  await lan.run(1_200)
  lan.roll()
  await lan.run(1_500)
  t.equal(lan.openSession, 'ROLL2')
  lan.roll()
  await lan.run(1_500)
  t.equal(lan.openSession, 'ROLL3')
  lan.start('c')
  await lan.run(4_000)
  oneChain(t, lan, 3)
  lan.kill('a')
  const before = lan.next()
  await lan.run(1_000)
  t.ok(lan.next() > before + 10, 'it votes in the last one')
  t.strictSame(lan.failures, [])
})

/** Kills the role that says this first, once the switch is asked for, and starts it again. */
async function killedAt(t: Test, voters: boolean, who: RegExp, text: RegExp, seed: number): Promise<void> {
  const [sequencers, stores] = voters ? [['s1', 's2'], STORES] : [['s1'], ['a']]
  const lan = new RollLan(t, { seed, voters, sequencers, stores })
  await lan.run(voters ? 2_000 : 1_000)
  let killed = ''
  lan.onSaid = (said) => {
    if (killed !== '' || !who.test(said.who) || !text.test(said.text)) return
    killed = said.who
    lan.world.after(0, () => {
      lan.kill(killed)
      lan.world.after(300_000, () => lan.start(killed))
    })
  }
  lan.roll()
  await lan.run(SETTLE_MS)
  t.not(killed, '', `${String(text)} is said`)
  if (lan.openSession === FIRST) {
    lan.roll()
    await lan.run(SETTLE_MS)
  }
  t.equal(lan.openSession, 'ROLL2')
  const before = lan.next()
  await lan.run(500)
  t.ok(lan.next() > before, 'it goes on')
  oneChain(t, lan, 2)
}

const SEQUENCER_POINTS = [
  /^sequencer ending$/,
  /goes on in its successor/,
  /goes on in the next session/,
  /^sequencer seeding$/,
  /after the end of its predecessor/,
]
const STORE_POINTS = [/has ended, nothing more/, /^store: recording/, /goes on in its successor/]

for (const voters of [true, false]) {
  const how = voters ? 'with voters' : 'without voters'
  SEQUENCER_POINTS.forEach((point, i) => {
    test(`${how}, the sequencer dies at ${point.source}`, (t) => killedAt(t, voters, /^s/, point, 10 + i))
  })
  STORE_POINTS.forEach((point, i) => {
    test(`${how}, a store dies at ${point.source}`, (t) => killedAt(t, voters, /^[abc]$/, point, 20 + i))
  })
}
for (const point of [/^reign claiming$/, /^reign adopting$/, /^sequencer: reigns$/]) {
  test(`with voters, the sequencer dies at ${point.source}`, (t) => killedAt(t, true, /^s/, point, 30))
}

test('a voter that alone has an end which is lost stays in the session that goes on', async (t) => {
  const lan = new RollLan(t, { seed: 40, voters: true, sequencers: ['s1', 's2'], stores: STORES })
  await lan.run(2_000)
  const alone = ['s1', 'a']
  const { network, machines } = lan.world
  const parted = machines.flatMap((one) =>
    machines
      .filter(({ name }) => alone.includes(name) !== alone.includes(one.name))
      .map((other) => [one, other] as const),
  )
  lan.onSaid = ({ who, text }) => {
    if (who !== 's1' || text !== 'sequencer ending') return
    lan.onSaid = () => {}
    for (const [one, other] of parted) network.cut(one, other)
    lan.world.after(50_000, () => {
      for (const name of alone) lan.kill(name)
    })
  }
  lan.roll()
  await lan.run(100)
  t.equal(lan.chainOf('a').length, 2, 'it has the end, and has made ready for the next session')
  lan.start('a')
  await lan.run(1_000)
  t.equal(lan.openSession, FIRST, 'the others go on without the end')
  t.strictSame(lan.saidBy('a', /goes on in its successor/), [], 'nobody has said that it is stable')
  for (const [one, other] of parted) network.heal(one, other)
  lan.start('s1')
  await lan.run(6_000)
  const before = lan.next()
  lan.kill('b')
  await lan.run(500)
  t.ok(lan.next() > before + 5, 'it votes')
  t.ok((lan.chainOf('a')[0]?.log.durableSequence ?? 0) > before)
  lan.start('b')
  lan.roll()
  await lan.run(SETTLE_MS)
  t.equal(lan.openSession, 'ROLL2')
  oneChain(t, lan, 2)
})

for (const dies of [false, true]) {
  test(`an end that is lost names the same session as the end that holds: who has it, ${dies ? 'and lost its sequencer, ' : ''}reads on`, async (t) => {
    const lan = new RollLan(t, { seed: 43, voters: true, sequencers: ['s1', 's2'], stores: STORES })
    await lan.run(2_000)
    const alone = ['s1', 'a']
    const { network, machines } = lan.world
    const parted = machines.flatMap((one) =>
      machines
        .filter(({ name }) => alone.includes(name) !== alone.includes(one.name))
        .map((other) => [one, other] as const),
    )
    lan.onSaid = ({ who, text }) => {
      if (who !== 's1' || text !== 'sequencer ending') return
      lan.onSaid = () => {}
      for (const [one, other] of parted) network.cut(one, other)
    }
    lan.roll()
    await lan.run(300)
    t.equal(lan.chainOf('a').length, 2, 'it has the end, and has made ready for the next session')
    if (dies) lan.kill('s1')
    await lan.run(1_500)
    t.equal(lan.openSession, FIRST, 'the others go on without the end')
    lan.roll()
    await lan.run(7_000)
    t.equal(lan.openSession, 'ROLL2')
    const eventsOf = (store: string): string => textOf(lan.chainOf(store)[0]?.log, 1_000)
    t.not(eventsOf('a'), eventsOf('b'), 'the end that it has is another one')
    for (const [one, other] of parted) network.heal(one, other)
    await lan.run(4_000)
    t.equal(eventsOf('a'), eventsOf('b'))
    oneChain(t, lan, 2)
    const before = lan.next()
    lan.kill('b')
    await lan.run(500)
    t.ok(lan.next() > before + 5, 'it votes')
    t.strictSame(lan.failures, [])
  })
}

test('a voter that loses its disk just after the switch recovers its vote in the new session, too', async (t) => {
  const lan = new RollLan(t, { seed: 41, voters: true, sequencers: ['s1', 's2'], stores: STORES })
  await lan.run(2_000)
  lan.roll()
  await lan.run(1_000)
  t.equal(lan.openSession, 'ROLL2')
  lan.kill('b')
  lan.world.machines.find(({ name }) => name === 'b')?.disk.wipe()
  lan.start('b')
  await lan.run(1_500)
  t.equal(lan.chainOf('b').length, 2)
  t.equal(lan.saidBy('b', /^voter recovering/).length, 2, 'in the session that has ended, and in the one that goes on')
  const before = lan.next()
  lan.kill('c')
  await lan.run(500)
  t.ok(lan.next() > before + 5, 'it votes')
  lan.start('c')
  await lan.run(500)
  oneChain(t, lan, 2)
})

test('the first id of a long chain leads to its newest session', async (t) => {
  const lan = new RollLan(t, { seed: 42, voters: false, sequencers: ['s1'], stores: ['a'] })
  await lan.run(1_000)
  for (let i = 0; i < 11; i++) {
    lan.roll()
    await lan.run(6_000)
  }
  t.equal(lan.openSession, 'ROLL12')
  lan.kill('s1')
  lan.start('s1')
  await lan.run(6_000)
  t.equal(lan.openSession, 'ROLL12', 'and is not begun a second time')
  t.strictSame(lan.failures, [])
})

test('kills at random moments, while one session follows the other: one chain, and it goes on', async (t) => {
  for (let seed = 100; seed < 104; seed++) {
    const voters = seed % 2 === 0
    const [sequencers, stores] = voters ? [['s1', 's2'], STORES] : [['s1'], ['a']]
    const lan = new RollLan(t, { seed, voters, sequencers, stores })
    await lan.run(voters ? 2_000 : 1_000)
    const random = new Prng(seed)
    const roles = [...sequencers, ...stores]
    const dead = new Set<string>()
    for (let i = 0; i < 7; i++) {
      lan.roll()
      const victim = roles[random.integer(0, roles.length - 1)] ?? ''
      const isSpared = dead.size > 0 || random.chance(0.3)
      const atUs = random.integer(0, 60_000)
      if (!isSpared) {
        dead.add(victim)
        lan.world.after(atUs, () => lan.kill(victim))
        lan.world.after(atUs + random.integer(1_000, 900_000), () => {
          lan.start(victim)
          dead.delete(victim)
        })
      }
      await lan.run(random.integer(100, 700))
    }
    await lan.run(6_000)
    const before = lan.next()
    await lan.run(1_000)
    t.ok(lan.next() > before + 10, `seed ${seed}: session ${lan.openSession} goes on`)
    oneChain(t, lan, 2)
    for (const store of stores) t.ok((lan.chainOf(store).at(-1)?.log.durableSequence ?? 0) > 10, `${store} records it`)
    lan.world.close()
  }
})
