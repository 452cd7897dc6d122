/** The active sequencer goes on purpose: stopped in order it hands over at once, and an operator can have a standby take over. */
import { test } from 'tap'
import { RATE, Session } from './failover-session.js'
import { Load } from './load.js'
import { LOAD } from './tally.js'

/** As long as a test waits for anything: who waited for silence would be found out. */
const PATIENT = ['--suspect-ms', '60000']
/** After so long without a word of it, a voter is not there. */
const UNHEARD_MS = 1_200

test('SIGTERM of the active sequencer: a standby goes on without waiting for silence', async (t) => {
  const session = await Session.open(t, ...PATIENT)
  const { world } = session
  const sender = world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(3_000, sender)
  const [active] = session.sequencers
  if (active === undefined) throw new Error('nobody to stop')
  const epoch = session.epoch
  session.gone(active)
  const stoppedMs = performance.now()
  const stopped = world.stop(active)
  const tookMs = await session.takeover(epoch, stoppedMs, sender)
  t.comment(`${tookMs.toFixed(0)} ms from SIGTERM to stable events of epoch ${session.epoch}`)
  await stopped
  await session.events(3_000, sender)
  await session.check(t, (await load.end()).messages)
})

test('seqcast admin take-over: the standby that is named reigns, the other one waits', async (t) => {
  const session = await Session.open(t, ...PATIENT, '--manual')
  const { world } = session
  const sender = world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(3_000, sender)
  const epoch = session.epoch
  const takeOver = (...which: string[]) =>
    world.place.run(['admin', 'take-over', ...which, ...world.place.streams, '--json'])
  const nobody = await takeOver('127.0.0.1:1')
  t.strictSame([nobody.status, nobody.code], [1, 'E_REFUSED'])
  t.match(nobody.stderr, /sequencer 127.0.0.1:1 is not in standby \(.*127.0.0.1:\d+ is open/)
  t.match(nobody.stderr, /127.0.0.1:\d+ is standby/)
  t.equal(session.epoch, epoch, 'nothing happened')

  const { lines, status, stderr } = await takeOver()
  t.equal(status, 0, stderr)
  t.match(JSON.parse(lines[0] ?? '{}'), { action: 'take-over', epoch: epoch + 1, epochBefore: epoch, sequence: Number })
  const [before, after] = session.sequencers
  if (before === undefined || after === undefined) throw new Error('there were two sequencers')
  await before.says('stepped down')
  world.forget()
  await session.standby()
  await session.events(3_000, sender)
  t.equal(session.epoch, epoch + 1)
  session.sequencers.reverse()
  await session.check(t, (await load.end()).messages)
})

test('a take-over without a majority of the voters fails, and does not happen later', async (t) => {
  const session = await Session.open(t, '--manual')
  const { world } = session
  const epoch = session.epoch
  // Killed and not stopped: what a stopped process has in its sockets it would still take.
  await Promise.all(session.stores.slice(1).map((store) => store.stop('SIGKILL')))
  await new Promise((resolve) => setTimeout(resolve, UNHEARD_MS))
  const { status, code } = await world.place.run(['admin', 'take-over', ...world.place.streams])
  t.strictSame([status, code], [1, 'E_TIMEOUT'])
  session.restartStores()
  await session.events(1)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  t.equal(session.epoch, epoch)
})
