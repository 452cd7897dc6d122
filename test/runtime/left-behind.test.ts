/**
 * A voter and a sequencer that were cut off when a session was taken over, and come back when everybody else has gone on and left it: their tail is
 * of a lost branch, and only the stores that went on can tell.
 */
import { type Test, test } from 'tap'
import { oneChain, RollLan } from './roll-lan.js'

const STORES = ['a', 'b', 'c']
/** Those who have gone on leave the session before after five seconds. */
const LEFT_MS = 7_000
const BACK_MS = 6_000

interface Sides {
  cut(): void
  heal(): void
}

/** The active sequencer and a voter on one side; the other side takes over. */
async function split(t: Test, seed: number): Promise<Sides & { readonly lan: RollLan }> {
  const lan = new RollLan(t, { seed, voters: true, sequencers: ['s1', 's2'], stores: STORES })
  await lan.run(2_000)
  const both = sides(lan)
  both.cut()
  return { lan, ...both }
}

function sides(lan: RollLan): Sides {
  const { network, machines } = lan.world
  const alone = ['s1', 'c']
  const parted = machines.flatMap((one) =>
    machines
      .filter(({ name }) => alone.includes(name) !== alone.includes(one.name))
      .map((other) => [one, other] as const),
  )
  return {
    cut: () => {
      for (const [one, other] of parted) network.cut(one, other)
    },
    heal: () => {
      for (const [one, other] of parted) network.heal(one, other)
    },
  }
}

async function goesOnWith(t: Test, lan: RollLan, session: string): Promise<void> {
  t.equal(lan.openSession, session)
  t.equal(lan.chainOf('c').at(-1)?.session, session, 'the voter is there')
  lan.kill('b')
  const before = lan.next()
  await lan.run(1_000)
  t.ok(lan.next() > before + 5, 'and it votes')
  lan.start('b')
  await lan.run(1_500)
  oneChain(t, lan, 2)
}

test('a voter that died with the sequencer, and has more of its reign than anybody, comes back after the roll', async (t) => {
  const { lan, heal } = await split(t, 51)
  await lan.run(2_000)
  for (const name of ['s1', 'c']) lan.kill(name)
  heal()
  const tail = lan.chainOf('c')[0]?.log.durableSequence ?? 0
  lan.roll()
  await lan.run(LEFT_MS)
  t.equal(lan.openSession, 'ROLL2')
  lan.start('c')
  await lan.run(BACK_MS)
  t.ok(tail > 0 && lan.saidBy('c', /truncated/).length === 1, 'its tail is of a lost branch')
  lan.start('s1')
  await lan.run(BACK_MS)
  await goesOnWith(t, lan, 'ROLL2')
})

test('a voter that was parted from the others with the sequencer follows them, and that one steps down', async (t) => {
  const { lan, heal } = await split(t, 52)
  await lan.run(2_000)
  lan.roll()
  await lan.run(LEFT_MS)
  heal()
  await lan.run(BACK_MS)
  t.equal(lan.saidBy('s1', /stepped down/).length, 1, 'the sequencer hears that its reign is over')
  lan.kill('s1')
  lan.start('s1')
  await lan.run(BACK_MS)
  lan.roll()
  await lan.run(2_000)
  await goesOnWith(t, lan, 'ROLL3')
})

test('a lost end that names the same successor is not taken for the one that was followed', async (t) => {
  const lan = new RollLan(t, { seed: 53, voters: true, sequencers: ['s1', 's2'], stores: STORES })
  await lan.run(2_000)
  const { cut, heal } = sides(lan)
  lan.onSaid = ({ who, text }) => {
    if (who !== 's1' || text !== 'sequencer ending') return
    lan.onSaid = () => {}
    cut()
  }
  lan.roll()
  await lan.run(2_000)
  t.equal(lan.chainOf('c').length, 2, 'the end is recorded by one voter of three')
  lan.roll()
  await lan.run(LEFT_MS)
  t.equal(lan.openSession, 'ROLL2')
  heal()
  await lan.run(BACK_MS)
  await goesOnWith(t, lan, 'ROLL2')
})
