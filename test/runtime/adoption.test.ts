/**
 * What a new sequencer fetches of the log that it adopts, by the real roles on simulated machines: nothing, the part that it lacks, or
 * all of it; and from another store where the first one dies meanwhile.
 */
import { test } from 'tap'
import { Lan, sameLogs } from './lan.js'

test('a standby that missed the last seconds fetches just these', async (t) => {
  const lan = new Lan(t, 1, ['s1', 's2'])
  await lan.run(3_000)
  t.equal(lan.sequencers.get('s1')?.sequencer.state, 'open')
  lan.deafen('s2', true)
  const had = lan.next('s2')
  await lan.run(2_000)
  t.ok(had > 20 && lan.next('s2') <= had + 5, 'it has the beginning only')
  const sent = lan.next('s1')
  lan.machine('s1').kill()
  lan.deafen('s2', false)
  await lan.run(3_000)
  const [rebuilding, ...more] = lan.saidBy('s2', /rebuilding/)
  t.strictSame(more, [])
  t.equal(rebuilding?.fields.from, had, 'not from the first event')
  t.ok(Number(rebuilding?.fields.through) >= sent - 2)
  t.match(lan.saidBy('s2', /^sequencer: reigns$/), [{ fields: { epoch: 2, adopted: 'store' } }])
  sameLogs(t, lan, 's2')
})

test('one that has all of it fetches nothing', async (t) => {
  const lan = new Lan(t, 2, ['s1', 's2'])
  await lan.run(3_000)
  lan.machine('s1').kill()
  await lan.run(3_000)
  t.strictSame(lan.saidBy('s2', /rebuilding/), [])
  t.match(lan.saidBy('s2', /^sequencer: reigns$/), [{ fields: { adopted: 'own' } }])
  sameLogs(t, lan, 's2')
})

test('one that missed a whole reign reads all of it anew', async (t) => {
  const lan = new Lan(t, 3, ['s1', 's2', 's3'])
  await lan.run(4_000)
  lan.deafen('s3', true)
  await lan.run(500)
  lan.machine('s1').kill()
  await lan.run(2_000)
  t.equal(lan.sequencers.get('s2')?.sequencer.epoch, 2)
  lan.machine('s2').kill()
  lan.deafen('s3', false)
  await lan.run(4_000)
  t.match(lan.saidBy('s3', /rebuilding/).at(-1)?.fields, { from: 1 })
  t.match(lan.saidBy('s3', /^sequencer: reigns$/), [{ fields: { epoch: 3, adopted: 'store' } }])
  sameLogs(t, lan, 's3')
})

test('a store that dies while it is read from is left for another one', async (t) => {
  const lan = new Lan(t, 4, ['s1', 's2'])
  await lan.run(3_000)
  lan.deafen('s2', true)
  await lan.run(2_000)
  let killed = ''
  lan.onSaid = ({ who, message, fields }) => {
    if (who !== 's2' || !/rebuilding/.test(message) || killed !== '') return
    killed = String(fields.store)
    lan.world.after(0, () => lan.machine(killed).kill())
  }
  lan.machine('s1').kill()
  lan.deafen('s2', false)
  await lan.run(8_000)
  t.not(killed, '')
  const from = lan.saidBy('s2', /rebuilding/).map(({ fields }) => fields.store)
  t.ok(from.length > 1 && from.at(-1) !== killed, from.join())
  lan.startStore(killed)
  await lan.run(3_000)
  t.equal(lan.sequencers.get('s2')?.sequencer.state, 'open')
  sameLogs(t, lan, 's2')
})
