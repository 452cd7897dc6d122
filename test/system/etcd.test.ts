/**
 * Chosen by a real etcd: who sequences next is what it says and the voters grant. It is killed, comes back, with its data and
 * without, and is written to by others; the session has one branch all the same.
 */
import { test } from 'tap'
import { Etcd, NO_ETCD } from '../fixtures/etcd.js'
import { RATE, Session } from './failover-session.js'
import { Load } from './load.js'
import { LOAD } from './tally.js'

/** Far longer than a suspicion: whoever could be elected would be. */
const NOBODY_CLAIMS_MS = 2_000
const SLEEP_MS = 5_000

test('kill -9 and SIGSTOP of the active sequencer, chosen by an etcd', { skip: NO_ETCD }, async (t) => {
  const etcd = await Etcd.open(t)
  const session = await Session.open(t, '--etcd', etcd.url)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(2_000, sender)
  const key = `seqcast/${session.world.session}`
  t.equal(await etcd.get(`${key}/epoch`), String(session.epoch), 'the etcd has given the epoch')

  const [first] = session.sequencers
  if (first === undefined) throw new Error('nobody to kill')
  session.gone(first)
  const epoch = session.epoch
  const killedMs = performance.now()
  first.child.kill('SIGKILL')
  const tookMs = await session.takeover(epoch, killedMs, sender)
  t.comment(`takeover after kill -9: ${tookMs.toFixed(0)} ms`)
  t.equal(await etcd.get(`${key}/epoch`), String(session.epoch), 'the epoch is the one that the etcd gave')
  await session.events(2_000, sender)
  await session.addStandby('--etcd', etcd.url)

  const [second] = session.sequencers
  if (second === undefined) throw new Error('nobody to stop')
  const stoppedMs = performance.now()
  const before = session.epoch
  second.child.kill('SIGSTOP')
  t.comment(`takeover after SIGSTOP: ${(await session.takeover(before, stoppedMs, sender)).toFixed(0)} ms`)
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, SLEEP_MS - (performance.now() - stoppedMs))))
  const reign = session.epoch
  session.world.forget()
  second.child.kill('SIGCONT')
  await second.says('stepped down')
  await session.standby()
  await session.events(2_000, sender)
  t.equal(session.epoch, reign, 'nobody claimed again')
  const sent = await load.end()
  session.sequencers.reverse()
  await session.check(t, sent.messages)
})

test('the etcd is killed, and comes back: with its data, without, and with what others wrote', {
  skip: NO_ETCD,
}, async (t) => {
  const etcd = await Etcd.open(t)
  const session = await Session.open(t, '--etcd', etcd.url)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(1_000, sender)
  for (const comesBack of ['with its data', 'empty', 'with a wrong number'] as const) {
    await etcd.kill()
    await session.events(3_000, sender)
    t.pass(`${comesBack}: the reign goes on without the etcd`)
    const [active] = session.sequencers
    if (active === undefined) throw new Error('nobody to kill')
    session.gone(active)
    const epoch = session.epoch
    active.child.kill('SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, NOBODY_CLAIMS_MS))
    t.equal(session.epoch, epoch, `${comesBack}: nobody is chosen while there is no etcd`)
    if (comesBack === 'empty') etcd.wipe()
    await etcd.start()
    if (comesBack === 'with a wrong number') await etcd.put(`seqcast/${session.world.session}/epoch`, '65535')
    const backMs = performance.now()
    t.comment(
      `${comesBack}: takeover ${(await session.takeover(epoch, backMs, sender)).toFixed(0)} ms after the etcd is back`,
    )
    t.ok(session.epoch > epoch && session.epoch < epoch + 20, `${comesBack}: the next epochs, no wrong number`)
    await session.events(1_000, sender)
    await session.addStandby('--etcd', etcd.url)
  }
  const sent = await load.end()
  await session.check(t, sent.messages)
})

test('no etcd: a start says so', { skip: NO_ETCD }, async (t) => {
  const session = await Session.open(t)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(500, sender)
  const standby = await session.addStandby('--etcd', 'http://127.0.0.1:1')
  await standby.says('no sequencer can be made the active one until the etcd is back')
  const sent = await load.end()
  await session.check(t, sent.messages)
})
