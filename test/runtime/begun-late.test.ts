/**
 * Everything dies between the end of a session and the first event of the one that it names, and the sequencer is then started with the
 * id of the second one: it has to go on from the first, and not to begin without what that has.
 */
import { type Test, test } from 'tap'
import { FIRST, oneChain, RollLan } from './roll-lan.js'

const SECOND = 'ROLL2'

interface Started {
  readonly voters: boolean
  readonly seed: number
  /** What the sequencer says before all are killed. */
  readonly killedAt: RegExp
  readonly stores?: readonly string[]
}

/** All are dead, and nobody has an event of the second session. */
async function deadAt(
  t: Test,
  { voters, seed, killedAt, stores = voters ? ['a', 'b', 'c'] : ['a'] }: Started,
): Promise<RollLan> {
  const sequencers = ['s1']
  const lan = new RollLan(t, { seed, voters, sequencers, stores })
  await lan.run(voters ? 2_000 : 1_000)
  let isDead = false
  const killAll = (): void => {
    for (const name of [...sequencers, ...stores]) lan.kill(name)
  }
  lan.onSaid = ({ who, text }) => {
    if (isDead || who !== 's1' || !killedAt.test(text)) return
    isDead = true
    lan.world.after(0, killAll)
  }
  lan.roll()
  await lan.run(500)
  t.ok(isDead, `${String(killedAt)} is said`)
  for (const store of stores) t.ok((lan.chainOf(store)[1]?.log.nextSequence ?? 1) === 1, 'the second one has no event')
  return lan
}

async function goesOn(t: Test, lan: RollLan): Promise<void> {
  t.equal(lan.openSession, SECOND)
  const before = lan.next()
  await lan.run(500)
  t.ok(lan.next() > before, 'it goes on')
  oneChain(t, lan, 2)
}

for (const voters of [false, true]) {
  const how = voters ? 'with voters' : 'without voters'
  const points = voters ? [/goes on in the next session/, /^reign adopting$/] : [/goes on in the next session/]
  points.forEach((killedAt, i) => {
    test(`${how}, all dead at ${killedAt.source}: a sequencer that is started with the second id goes on from the first`, async (t) => {
      const lan = await deadAt(t, { voters, seed: 60 + i, killedAt })
      for (const store of lan.stores) lan.start(store)
      await lan.run(300)
      lan.start('s1', SECOND)
      await lan.run(4_000)
      await goesOn(t, lan)
      t.strictSame(lan.failures, [])
    })
  })
}

test('a standby that was told the second id goes on from the first, too', async (t) => {
  const lan = await deadAt(t, { voters: true, seed: 70, killedAt: /goes on in the next session/ })
  for (const store of lan.stores) lan.start(store)
  await lan.run(300)
  lan.startStandby('s1', SECOND)
  await lan.run(5_000)
  await goesOn(t, lan)
})

test('a voter that stands before the switch follows when the second session is heard, of which nobody speaks for the first', async (t) => {
  const lan = await deadAt(t, { voters: true, seed: 71, killedAt: /goes on in the next session/ })
  for (const store of ['a', 'b']) lan.start(store)
  lan.start('s1')
  await lan.run(4_000)
  t.equal(lan.openSession, SECOND, 'a majority goes on')
  for (const name of ['a', 'b', 's1']) lan.kill(name)
  for (const store of ['a', 'b']) lan.start(store, SECOND)
  lan.start('c')
  lan.start('s1', SECOND)
  await lan.run(3_000)
  lan.kill('b')
  await lan.run(500)
  const recorded = (): number => lan.chainOf('c')[1]?.log.durableSequence ?? 0
  const before = recorded()
  await lan.run(500)
  t.equal(lan.openSession, SECOND)
  t.ok(recorded() > before + 5, 'it records, and votes')
})

test('a sequencer that is told a session which nobody has named begins it', async (t) => {
  const lan = new RollLan(t, { seed: 72, voters: false, sequencers: ['s1'], stores: ['a'] })
  await lan.run(700)
  lan.kill('a')
  lan.kill('s1')
  lan.start('a', 'OTHER')
  await lan.run(100)
  lan.start('s1', 'OTHER')
  await lan.run(1_500)
  t.equal(lan.openSession, 'OTHER')
  t.strictSame(lan.failures, [])
})

test('without voters, a sequencer that begins before its store comes stops, and says why', async (t) => {
  const lan = await deadAt(t, { voters: false, seed: 73, killedAt: /goes on in the next session/ })
  lan.start('s1', SECOND)
  await lan.run(1_500)
  await lan.run(1_500)
  t.equal(lan.openSession, SECOND, 'it heard nobody')
  lan.start('a')
  await lan.run(3_000)
  t.match(lan.failures, [/store a has session ROLL1, which goes on in ROLL2; this sequencer heard no store/])
  const told = lan.saidBy('a', /was begun without what session ROLL1 carries over/).length
  const { start } = lan.chainOf('a')[1] ?? {}
  t.ok(
    start?.predecessor === FIRST || told > 0,
    'a start after that begins with the first, or the store has said what is missing',
  )
})

test('a standby that stands in the second session before its stores come is led to the first one', async (t) => {
  const lan = await deadAt(t, { voters: true, seed: 74, killedAt: /goes on in the next session/ })
  lan.startStandby('s1', SECOND)
  await lan.run(1_500)
  for (const store of lan.stores) lan.start(store)
  await lan.run(6_000)
  await goesOn(t, lan)
  t.match(lan.failures, [
    /session ROLL2 goes on from session ROLL1, and store . waits until the end of that one is stable/,
  ])
})

test('a voter that has promised in the second session, and has no event of it, stands before the switch again', async (t) => {
  const lan = await deadAt(t, { voters: true, stores: ['a'], seed: 75, killedAt: /^reign adopting$/ })
  lan.startStandby('s1', SECOND)
  await lan.run(1_500)
  for (const store of lan.stores) lan.start(store)
  await lan.run(6_000)
  await goesOn(t, lan)
  // A promise may have been given before the end was lost: only an event proves that it was not.
  t.match(lan.failures, [/store a waits until the end of that one is stable/])
})

test('a session does not go on in one that somebody has begun beside it', async (t) => {
  const lan = new RollLan(t, { seed: 77, voters: false, sequencers: ['s1'], stores: ['a'] })
  await lan.run(1_200)
  lan.startActive('late', SECOND)
  await lan.run(1_500)
  t.equal(lan.openSession, FIRST)
  lan.roll()
  await lan.run(1_500)
  t.equal(lan.openSession, FIRST, 'it is refused')
  t.strictSame(lan.saidBy('s1', /goes on in its successor/), [])
  lan.kill('late')
  await lan.run(2_000)
  t.equal(lan.openSession, SECOND)
  oneChain(t, lan, 2)
})

test('a sequencer that is told a session while another one goes on is refused, and hears which one that is', async (t) => {
  const lan = new RollLan(t, { seed: 76, voters: true, sequencers: ['s1', 's2'], stores: ['a'] })
  await lan.run(1_200)
  lan.kill('s2')
  lan.startActive('s2', SECOND)
  await lan.run(11_000)
  t.match(lan.failures[0], /no majority of the voters \(a\) of session ROLL2 answers .*; heard there: .* of ROLL1/)
  t.equal(lan.openSession, FIRST)
})
