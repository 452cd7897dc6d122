/**
 * The end of a session is published, cannot become stable, and its sequencer dies: the standby makes it stable, and everybody ends
 * as if nothing had been. A start on a session that has ended says so.
 */
import { test } from 'tap'
import { readRecording } from './recorded.js'
import { World } from './world.js'

const VOTERS = ['a', 'b', 'c'] as const
const SEQUENCER = ['--voters', VOTERS.join(',')]

test('the end that was not stable yet is made stable by the successor', async (t) => {
  const world = await World.open(t)
  const stores = VOTERS.map((name) => world.startStore(name, '--voter', name))
  const first = world.startSequencer(...SEQUENCER)
  const state = (wanted: string) => () => [...world.observer.heard.sequencers.values()].some((s) => s.state === wanted)
  await world.until('a sequencer', state('open'), first, ...stores)
  const second = world.startSequencer(...SEQUENCER, '--standby')
  await world.until('a standby', state('standby'), first, second, ...stores)
  const stopped = stores.slice(1)
  for (const store of stopped) store.child.kill('SIGSTOP')
  const end = await world.decide('end-session')
  await world.until('the end in one store', () => (world.store('a')?.durableSequence ?? 0) >= end, second)
  first.child.kill('SIGKILL')
  await first.result()
  world.forget()
  for (const store of stopped) store.child.kill('SIGCONT')
  await world.until('the end', () => second.isOver, ...stores)
  t.equal((await second.result()).status, 0, second.stderr)
  const durable = (name: string) => world.store(name)?.durableSequence ?? 0
  await world.until('the end in all stores', () => VOTERS.every((name) => durable(name) === end + 2), ...stores)
  const refused = async (...more: string[]): Promise<void> => {
    const late = world.startSequencer(...SEQUENCER, ...more)
    const { status, code, stderr } = await late.result()
    t.strictSame([status, code], [1, 'E_SESSION_EXISTS'])
    t.match(stderr, /has ended/)
  }
  await refused()
  await refused('--standby')
  await world.stop(...stores)
  world.forget()
  const again = VOTERS.map((name) => world.startStore(name, '--voter', name))
  await world.until('all stores again', () => VOTERS.every((name) => durable(name) === end + 2), ...again)
  await refused()
  await world.stop(...again)
  const records = await Promise.all(VOTERS.map((name) => readRecording(world.storeDirectory(name), world.session)))
  for (const { events } of records) t.equal(events.length, end + 2, 'no start has added to it')
  for (const { events } of records.slice(1)) t.same(events, records[0]?.events)
})
