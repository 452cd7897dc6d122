/** Sessions that go on in one another, with real processes, disks and kills: what an operator types, and what is there afterwards. */
import { writeFileSync } from 'node:fs'
import { test } from 'tap'
import { ControlLink } from '../../src/runtime/control-link.js'
import { randomIncarnation } from '../../src/runtime/platform.js'
import { SESSION_ENDED, SESSION_OPENED, SESSION_STARTED, sessionEndedCodec } from '../../src/wire/runtime-events.js'
import { IndependentSoupClient } from '../fixtures/independent-soup-client.js'
import type { Running } from '../fixtures/processes.js'
import { readRecording } from './recorded.js'
import { World } from './world.js'

const VOTERS = ['a', 'b', 'c'] as const
const SEQUENCER = ['--voters', VOTERS.join(','), '--tick-ms', '20']

interface Rolled {
  readonly session: string
  readonly successor: string
  readonly sequence: number
  readonly state: string
}

/** `seqcast admin roll-session`, always with the id of the first session. */
async function roll(world: World, ...more: readonly string[]): Promise<Rolled> {
  const { status, stderr, lines } = await world.place.run([
    'admin',
    'roll-session',
    ...more,
    ...world.place.streams,
    '--json',
  ])
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(lines[0] ?? '')
}

const isOpen = (world: World) => () =>
  [...world.observer.heard.sequencers.values()].some(({ state }) => state === 'open')

test('with voters: three sessions, the sequencer and a voter are killed, everybody is started with the first id', async (t) => {
  const world = await World.open(t)
  const statics = world.place.path('statics.jsonl')
  writeFileSync(statics, '{"type": 300, "payload": "AQ=="}\n{"type": 301, "payload": "AgM="}\n')
  const startStore = (name: string): Running => world.startStore(name, '--voter', name)
  const startSequencer = (...more: readonly string[]): Running =>
    world.startSequencer(...SEQUENCER, '--static', statics, ...more)
  const stores = new Map(VOTERS.map((name) => [name, startStore(name)]))
  const first = startSequencer()
  await world.until('a sequencer', isOpen(world), first, ...stores.values())
  const standby = startSequencer('--standby')
  const one = await roll(world)
  t.match(one, { session: world.session, state: 'open' })

  first.child.kill('SIGKILL')
  stores.get('c')?.child.kill('SIGKILL')
  await stores.get('c')?.result()
  const two = await roll(world, '--to', 'SECOND')
  t.match(two, { session: one.successor, successor: 'SECOND', state: 'open' }, 'the standby has taken over, and rolls')
  stores.set('c', startStore('c'))
  const third = startSequencer('--standby')
  const three = await roll(world, '--to', 'THIRD', '--reason', 'a test')
  t.match(three, { session: 'SECOND', successor: 'THIRD', state: 'open' })
  await t.rejects(roll(world, '--to', 'SECOND'), /session SECOND exists already/)
  const shown = await world.place.run(['status', ...world.place.streams])
  t.match(shown.stdout, new RegExp(`session THIRD .*\\n.*session ${world.session} has gone on in it`))
  await world.stop(third, standby, ...stores.values())

  const chain = [world.session, one.successor, 'SECOND', 'THIRD']
  for (const [i, session] of chain.entries()) {
    const records = await Promise.all(VOTERS.map((name) => readRecording(world.storeDirectory(name), session)))
    const shortest = Math.min(...records.map(({ events }) => events.length))
    for (const { events } of records.slice(1)) t.same(events.slice(0, shortest), records[0]?.events.slice(0, shortest))
    const events = records[0]?.events ?? []
    const types = events.map(({ type }) => type)
    t.strictSame(
      types.filter((type) => [SESSION_STARTED, 300, 301, SESSION_OPENED].includes(type)),
      [SESSION_STARTED, 300, 301, SESSION_OPENED],
    )
    const end = events.findLast(({ type }) => type === SESSION_ENDED)
    const successor = end === undefined ? undefined : sessionEndedCodec.decode(end.bytes.subarray(20))?.successor
    t.equal(successor, chain[i + 1], `the end of ${session}`)
  }
})

test('a store serves all that it has recorded on one port, and says of what was dropped where it went on', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a')
  const sequencer = world.startSequencer('--tick-ms', '20', '--roll-events', '20')
  await world.until('a successor', () => (world.store('a')?.successor ?? '') !== '', sequencer, store)
  const successor = world.store('a')?.successor ?? ''
  const port = world.store('a')?.rewindPort ?? 0
  const client = await IndependentSoupClient.connect({ port, session: world.session })
  await client.waitForEnd()
  t.ok(client.messages.length > 20)
  const next = await IndependentSoupClient.connect({ port, session: successor })
  await next.waitForMessages(1)
  t.equal(next.messages[0]?.bytes.readUInt16BE(0), SESSION_STARTED)
  await world.stop(sequencer, store)

  const { status, stderr } = await world.place.run([
    ...['retain', '--dir', world.storeDirectory('a'), '--larger-than', '1B'],
  ])
  t.equal(status, 0, stderr)
  world.forget()
  const again = world.startStore('a')
  await world.until('its words', () => world.store('a')?.state === 'dropped', again)
  const resumed = world.startSequencer('--tick-ms', '20')
  const listened = await ControlLink.open({ ...world.options }, randomIncarnation(), world.observer.cycle, () => {})
  t.teardown(() => listened.close())
  const newest = world.store('a')?.successor ?? ''
  listened.follow(newest)
  let isSequenced = false
  listened.listen(({ kind, body }) => {
    isSequenced ||= kind === 'sequencer' && body.state === 'open'
  })
  await world.until('a sequencer of the newest', () => isSequenced, again, resumed)
  await world.stop(resumed, again)
})
