/**
 * The active sequencer dies, or sleeps and comes back: a standby goes on, on one branch, with every command once, and three
 * voters have the same record to the byte.
 */
import { test } from 'tap'
import { RATE, SEQUENCER, Session } from './failover-session.js'
import { Load } from './load.js'
import { LOAD } from './tally.js'

test('kill -9 of the active sequencer, twice: a standby goes on, every command once', async (t) => {
  const session = await Session.open(t)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  for (let round = 1; round <= 2; round++) {
    await session.events(3_000, sender)
    const [active] = session.sequencers
    if (active === undefined) throw new Error('nobody to kill')
    const epoch = session.epoch
    session.gone(active)
    const killedMs = performance.now()
    active.child.kill('SIGKILL')
    const tookMs = await session.takeover(epoch, killedMs, sender)
    t.comment(`takeover ${round}: ${tookMs.toFixed(0)} ms from the kill to stable events of epoch ${session.epoch}`)
    await session.events(3_000, sender)
    await session.addStandby()
  }
  const sent = await load.end()
  await session.check(t, sent.messages)
})

test('SIGSTOP of the active sequencer for 3 seconds: it steps down, and there is one branch', async (t) => {
  const session = await Session.open(t)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(3_000, sender)
  const [active] = session.sequencers
  if (active === undefined) throw new Error('nobody to stop')
  const epoch = session.epoch
  const stoppedMs = performance.now()
  active.child.kill('SIGSTOP')
  const tookMs = await session.takeover(epoch, stoppedMs, sender)
  t.comment(`takeover: ${tookMs.toFixed(0)} ms`)
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, 3_000 - (performance.now() - stoppedMs))))
  const reign = session.epoch
  session.world.forget()
  active.child.kill('SIGCONT')
  await active.says('stepped down')
  await session.standby()
  await session.events(3_000, sender)
  t.equal(session.epoch, reign, 'nobody claimed again')
  const sent = await load.end()
  session.sequencers.reverse()
  await session.check(t, sent.messages)
})

test('a session without a standby: the sequencer is started again, and claims the next epoch', async (t) => {
  const session = await Session.open(t)
  const [active, standby] = session.sequencers
  if (active === undefined || standby === undefined) throw new Error('nobody to stop')
  await session.world.stop(standby)
  session.gone(standby)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(1_000, sender)
  const epoch = session.epoch
  session.gone(active)
  await active.stop('SIGKILL')
  session.sequencers.push(session.world.startSequencer(...SEQUENCER))
  await session.takeover(epoch, performance.now(), sender)
  await session.events(1_000, sender)
  t.equal(session.epoch, epoch + 1)
  const sent = await load.end()
  await session.check(t, sent.messages)
})
