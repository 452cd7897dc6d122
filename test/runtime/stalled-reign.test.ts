/**
 * Cuts in one direction, by the real roles on simulated machines: a sequencer that the standby hears and a majority of the voters does not, or
 * that does not hear them, is replaced; a standby that has gone deaf replaces nobody.
 */
import { test } from 'tap'
import { Lan, sameLogs } from './lan.js'

const cuts: Readonly<Record<string, (lan: Lan) => void>> = {
  'two voters do not hear the sequencer': ({ world, machine }) => {
    for (const voter of ['b', 'c']) world.network.cut(machine('s1'), machine(voter))
  },
  'the sequencer does not hear two voters': ({ world, machine }) => {
    for (const voter of ['b', 'c']) world.network.cut(machine(voter), machine('s1'))
  },
}

for (const [name, cut] of Object.entries(cuts)) {
  test(`${name}: a standby takes over, after it has waited longer than for a silence`, async (t) => {
    const lan = new Lan(t, 11, ['s1', 's2'])
    await lan.run(3_000)
    cut(lan)
    await lan.run(2_000)
    t.strictSame(lan.saidBy('s2', /taking over/), [], 'not for a short while')
    await lan.run(4_000)
    t.match(lan.saidBy('s2', /taking over/), [{ fields: { reason: /nothing becomes stable/ } }], 'once')
    t.match(lan.saidBy('s2', /^sequencer: reigns$/), [{ fields: { epoch: 2 } }])
    await lan.run(10_000)
    lan.world.network.healAll()
    await lan.run(5_000)
    t.equal(lan.saidBy('s1', /^sequencer: reigns$/).length, 1, 'nobody takes it back')
    t.equal(lan.sequencers.get('s2')?.sequencer.state, 'open')
    sameLogs(t, lan, 's2')
  })
}

test('a standby that has gone deaf leaves the sequencer alone', async (t) => {
  const lan = new Lan(t, 12, ['s1', 's2'])
  await lan.run(3_000)
  lan.deafen('s2', true)
  await lan.run(20_000)
  t.strictSame(lan.saidBy('s2', /taking over/), [])
  t.equal(lan.sequencers.get('s1')?.sequencer.epoch, 1)
  lan.deafen('s2', false)
  await lan.run(3_000)
  t.equal(lan.next('s2'), lan.next('s1'))
  t.equal(lan.sequencers.get('s1')?.sequencer.epoch, 1)
})

test('a voter that does not hear the sequencer waits, and takes from another one what is left when nobody sequences', async (t) => {
  const lan = new Lan(t, 13, ['s1'])
  const recorded = (voter: string): number => lan.stores.get(voter)?.log.durableSequence ?? 0
  await lan.run(2_000)
  lan.world.network.cut(lan.machine('s1'), lan.machine('c'))
  await lan.run(8_000)
  t.ok(recorded('c') < recorded('a') - 300, 'while a sequencer may be heard elsewhere')
  lan.machine('s1').kill()
  await lan.run(4_000)
  t.ok(recorded('c') < recorded('a') - 300, 'while a standby may begin')
  await lan.run(3_000)
  t.equal(recorded('c'), recorded('a'))
})
