/** A session that goes on in another one: the end that names it, the opening, and what is taken when. */
import { test } from 'tap'
import type { SequencerOptions } from '../../src/protocol/sequencer-types.js'
import type { StaticEvents } from '../../src/protocol/session-opening.js'
import {
  ACTIVATED,
  activatedCodec,
  EFFECT_OWED,
  PASSIVATED,
  SEED_DONE,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  seedDoneCodec,
  sessionEndedCodec,
  sessionOpenedCodec,
  sessionStartedCodec,
} from '../../src/wire/runtime-events.js'
import { Bench, bytes, commandPacket, parse, SESSION } from './sequencer-kit.js'

const ACTIVE = [
  { component: 'orders', instance: 'a', incarnation: 11 },
  { component: 'router', instance: 'b', incarnation: 12 },
]
const TIME = { high: 0, low: 0, timeUs: 0 }
const PREDECESSOR = { session: 'TEST00', sequence: 900, time: TIME, active: ACTIVE, passive: [], retired: [] }
const STATICS: StaticEvents = {
  hash: 'cafe',
  events: [
    { type: 300, payload: bytes(10) },
    { type: 301, payload: bytes(3_000) },
  ],
}

const seedDone = (component: string, events = 0): { type: number; payload: Uint8Array } => ({
  type: SEED_DONE,
  payload: seedDoneCodec.encode({ component, events, pending: 0 }),
})

function successor(options: Partial<SequencerOptions> = {}): Bench {
  const bench = new Bench(options)
  bench.sequencer.goOnFrom(PREDECESSOR)
  return bench.open()
}

const typesOf = (bench: Bench): number[] => bench.events().map(({ type }) => type)

test('the end names the session that goes on, and is the last event', (t) => {
  const bench = new Bench().open()
  const sequence = bench.sequencer.roll('TEST02', 'the day is over', bench.nowUs, bench.wallUs)
  t.equal(sequence, 2)
  const last = bench.events().at(-1)
  t.equal(last?.type, SESSION_ENDED)
  const body = { reason: 'the day is over', successor: 'TEST02' }
  t.strictSame(sessionEndedCodec.decode(last?.payload ?? bytes(0)), body)
  t.strictSame(bench.sequencer.sessionEnd, { ...body, sequence: 2 })
  const { time, ...predecessor } = bench.sequencer.predecessor
  t.equal(time.timeUs, Number((last?.timestampNs ?? 0n) / 1_000n))
  t.strictSame(predecessor, { session: SESSION, sequence: 2, active: [], passive: [], retired: [] })
  t.match(bench.sequencer.roll('TEST03', '', bench.nowUs, bench.wallUs), 'ending')
  t.end()
})

test('what an operator has made passive stays so, and is awaited as well', (t) => {
  const bench = new Bench()
  bench.sequencer.goOnFrom({ ...PREDECESSOR, passive: ['archive'] })
  bench.open()
  t.strictSame(typesOf(bench), [SESSION_STARTED, ACTIVATED, ACTIVATED, PASSIVATED])
  t.strictSame(bench.sequencer.awaited, ['archive', 'orders', 'router'])
  t.end()
})

test('a session is not rolled while commands of the last one are still to come', (t) => {
  const bench = new Bench({ seeders: ['orders'] }).open()
  const source = bench.register('orders/seed', 1, { component: 'orders' })
  const done = seedDoneCodec.encode({ component: 'orders', events: 0, pending: 2 })
  bench.command(commandPacket(source, 1, [{ type: SEED_DONE, payload: done }]))
  const roll = (): number | string => bench.sequencer.roll('TEST02', '', bench.nowUs, bench.wallUs)
  t.match(roll(), 'of orders commands of the last session')
  bench.command(commandPacket(source, 2, [{ type: 400, payload: bytes(1) }]))
  t.match(roll(), 'of orders commands of the last session')
  bench.command(commandPacket(source, 3, [{ type: 400, payload: bytes(1) }]))
  t.type(roll(), 'number')
  t.end()
})

test('the end of a session that goes on is not announced before it is stable', (t) => {
  const bench = new Bench({ voters: ['a', 'b', 'c'] }).open()
  const sequence = Number(bench.sequencer.roll('TEST02', '', bench.nowUs, bench.wallUs))
  const marks = (): number => {
    bench.tick()
    return bench.sent.filter(({ bytes: packet }) => parse(packet).count === 0xffff).length
  }
  t.equal(marks(), 0)
  bench.advance(200_000)
  bench.acknowledge('a', sequence)
  t.equal(marks(), 0, 'one voter is no majority')
  bench.acknowledge('b', sequence)
  t.equal(marks(), 1)
  for (let i = 0; i < 100; i++) {
    bench.advance(100_000)
    bench.tick()
  }
  t.equal(bench.sequencer.state, 'ending', 'it is said until the successor runs')
  bench.sequencer.succeeded(bench.nowUs)
  for (let i = 0; i < 12; i++) {
    bench.advance(100_000)
    bench.tick()
  }
  t.equal(bench.sequencer.state, 'ended')
  t.end()
})

test('a session begins no earlier than the last one has ended, whatever the clock says', (t) => {
  const first = new Bench().open()
  first.advance(5_000_000)
  first.sequencer.roll('TEST02', '', first.nowUs, first.wallUs)
  const next = new Bench()
  next.sequencer.goOnFrom(first.sequencer.predecessor)
  t.ok(next.wallUs < first.wallUs)
  next.open()
  t.equal(next.events()[0]?.timestampNs, first.events().at(-1)?.timestampNs)
  const restarted = new Bench({ voters: ['a'], seeders: ['orders'] })
  restarted.sequencer.goOnFrom({ ...PREDECESSOR, time: first.sequencer.predecessor.time })
  restarted.open()
  const again = new Bench({ voters: ['a'], seeders: ['orders'] }).rebuildFrom(restarted)
  again.sequencer.goOnFrom(PREDECESSOR)
  again.open(2)
  t.ok(
    (again.events()[0]?.timestampNs ?? 0n) >= (restarted.events().at(-1)?.timestampNs ?? 1n),
    'what it has read counts',
  )
  t.end()
})

test('a session that is not open, or is its own successor, is not rolled', (t) => {
  const bench = successor()
  t.equal(bench.sequencer.state, 'seeding')
  t.match(bench.sequencer.roll('TEST02', '', bench.nowUs, bench.wallUs), 'seeding, not open')
  const open = new Bench().open()
  t.match(open.sequencer.roll(SESSION, '', open.nowUs, open.wallUs), 'its own successor')
  t.end()
})

test('a successor begins with the static events, who is active, and the seeds; then it is open', (t) => {
  const bench = successor({ staticEvents: STATICS, seeders: ['facilities', 'orders'] })
  const [first] = bench.events()
  t.match(sessionStartedCodec.decode(first?.payload ?? bytes(0)), {
    predecessor: 'TEST00',
    predecessorSequence: 900,
    seeders: ['facilities', 'orders', 'router'],
    staticEvents: 4,
    staticHash: 'cafe',
  })
  t.strictSame(typesOf(bench), [SESSION_STARTED, 300, 301, 301, 301, ACTIVATED, ACTIVATED])
  t.strictSame(
    bench
      .events()
      .slice(1, 5)
      .map(({ source, flags, payload }) => [source, flags, payload.length]),
    [
      [0, 3, 10],
      [0, 1, 1_342],
      [0, 0, 1_342],
      [0, 2, 316],
    ],
  )
  t.strictSame(
    bench
      .events()
      .slice(5)
      .map(({ payload }) => activatedCodec.decode(payload)),
    ACTIVE.map((one) => ({ ...one, term: 1, reason: 'rolled over' })),
  )
  t.strictSame(bench.sequencer.awaited, ['facilities', 'orders', 'router'])
  bench.tick()
  const beat = bench.control.findLast(({ kind }) => kind === 'sequencer')
  t.match(beat?.body, { state: 'seeding', awaited: ['facilities', 'orders', 'router'] })

  const outside = bench.register('clients', 1)
  const orders = bench.register('orders/seed', 2, { component: 'orders' })
  const router = bench.register('router/seed', 3, { component: 'router' })
  const facilities = bench.register('facilities/seed', 4, { component: 'facilities' })
  bench.command(commandPacket(outside, 1, [{ type: 400, payload: bytes(1) }]))
  t.equal(bench.sequencer.counters['seeding-packets'], 1, 'a command of others waits')
  bench.command(commandPacket(orders, 1, [{ type: 400, payload: bytes(1) }, seedDone('orders', 1)]))
  bench.command(commandPacket(orders, 3, [{ type: 400, payload: bytes(1) }]))
  t.equal(bench.sequencer.counters['seeding-packets'], 2, 'and so does what follows a seed')
  bench.command(commandPacket(router, 1, [seedDone('router')]))
  t.equal(bench.sequencer.state, 'seeding')
  bench.command(commandPacket(facilities, 1, [seedDone('facilities')]))
  bench.flush()
  t.equal(bench.sequencer.state, 'open')
  t.strictSame(typesOf(bench).slice(7), [
    ...[SOURCE_REGISTERED, SOURCE_REGISTERED, SOURCE_REGISTERED, SOURCE_REGISTERED],
    ...[400, SEED_DONE, SEED_DONE, SEED_DONE, SESSION_OPENED],
  ])
  bench.command(commandPacket(orders, 3, [{ type: 400, payload: bytes(1) }]))
  bench.command(commandPacket(outside, 1, [{ type: 400, payload: bytes(1) }]))
  bench.flush()
  t.strictSame(typesOf(bench).slice(-2), [400, 400])
  t.strictSame(bench.sequencer.awaited, [])
  t.end()
})

test('a first session with static events only is open when they are sequenced', (t) => {
  const bench = new Bench({ staticEvents: STATICS }).open()
  t.strictSame(typesOf(bench), [SESSION_STARTED, 300, 301, 301, 301, SESSION_OPENED])
  t.equal(bench.sequencer.state, 'open')
  t.end()
})

test('who restarts or takes over goes on where the opening stands', (t) => {
  const options = { staticEvents: STATICS, voters: ['a'] }
  const whole = successor(options)
  whole.register('orders/seed', 2, { component: 'orders' })
  whole.command(commandPacket(1, 1, [seedDone('orders')]))
  whole.register('router/seed', 3, { component: 'router' })
  whole.command(commandPacket(2, 1, [seedDone('router')]))
  whole.flush()
  const all = whole.events()
  t.equal(all.at(-1)?.type, SESSION_OPENED)
  for (let cut = 1; cut <= all.length; cut++) {
    const bench = new Bench(options)
    let left = cut
    for (const { bytes: packet } of whole.sent) {
      const view = new DataView(packet.buffer)
      const count = Math.min(left, view.getUint16(18) % 0xffff)
      if (count === 0) continue
      let end = 20
      for (let i = 0; i < count; i++) end += 2 + view.getUint16(end)
      bench.sequencer.rebuild(Number(view.getBigUint64(10)), count, packet, 20, end)
      left -= count
    }
    const isOpen = cut === all.length
    t.equal(bench.sequencer.missingPredecessor, isOpen ? '' : 'TEST00')
    if (!isOpen) bench.sequencer.goOnFrom(PREDECESSOR)
    bench.open(2)
    const seedSource = (name: string, nonce: number): number => {
      bench.register(name, nonce, { component: name.replace('/seed', '') })
      return [1, 2].find((source) => source === (name === 'orders/seed' ? 1 : 2)) ?? 0
    }
    bench.command(commandPacket(seedSource('orders/seed', 2), 1, [seedDone('orders')]))
    bench.command(commandPacket(seedSource('router/seed', 3), 1, [seedDone('router')]))
    bench.flush()
    const types = [...all.slice(0, cut), ...bench.events()].map(({ type }) => type).filter((type) => type !== 11)
    t.strictSame(types.sort(), all.map(({ type }) => type).sort(), `after ${cut} events`)
    t.equal(bench.sequencer.state, 'open')
  }
  t.end()
})

test('other static events do not continue an opening', (t) => {
  const first = new Bench({ staticEvents: STATICS, seeders: ['x'] }).open()
  const packet = first.sent[0]?.bytes ?? bytes(0)
  const again = new Bench({ staticEvents: { ...STATICS, hash: 'beef' }, seeders: ['x'] })
  const firstEnd = 20 + 2 + new DataView(packet.buffer).getUint16(20)
  again.sequencer.rebuild(1, 1, packet, 20, firstEnd)
  t.throws(() => again.open(), { code: 'E_CONFIG', message: /static events of another content/ })
  const same = new Bench({ staticEvents: STATICS })
  same.sequencer.rebuild(1, 1, packet, 20, firstEnd)
  same.open()
  t.strictSame(same.sequencer.awaited, ['x'], 'the seeders are those of the first event')
  t.equal(same.events().length, 4)
  t.end()
})

test('an operator opens a session whose seed does not come, and that is recorded', (t) => {
  const bench = successor()
  const ask = (nonce: number): void => {
    const body = {
      nonce,
      action: 'open-session',
      component: '',
      instance: '',
      incarnation: 0,
      expectedTerm: 0,
      reason: 'router is gone',
    }
    bench.sequencer.onControl({ session: SESSION, sender: 5, kind: 'adminRequest', body }, bench.nowUs, bench.wallUs)
    bench.flush()
  }
  bench.register('orders/seed', 2, { component: 'orders' })
  bench.command(commandPacket(1, 1, [seedDone('orders')]))
  ask(70)
  const last = bench.events().at(-1)
  t.strictSame(sessionOpenedCodec.decode(last?.payload ?? bytes(0)), { reason: 'router is gone', missing: ['router'] })
  t.equal(bench.sequencer.state, 'open')
  ask(71)
  t.match(bench.control.at(-1)?.body, { nonce: 71, error: 'the session is open already' })
  t.end()
})

test('while it is seeding replicas may be made active: one may have died in the switch', (t) => {
  const bench = successor()
  const body = {
    nonce: 9,
    action: 'offer',
    component: 'orders',
    instance: 'c',
    incarnation: 13,
    expectedTerm: 1,
    reason: 'silent',
  }
  bench.sequencer.onControl({ session: SESSION, sender: 5, kind: 'adminRequest', body }, bench.nowUs, bench.wallUs)
  bench.flush()
  t.match(activatedCodec.decode(bench.events().at(-1)?.payload ?? bytes(0)), { instance: 'c', term: 2 })
  t.end()
})

test('words of a seed are taken from the source of a seed only', (t) => {
  const bench = new Bench().open()
  const plain = bench.register('orders', 1)
  for (const type of [SEED_DONE, EFFECT_OWED]) bench.command(commandPacket(plain, 1, [{ type, payload: bytes(0) }]))
  t.equal(bench.sequencer.counters['forbidden-type'], 2)
  t.end()
})

test('an end that was adopted before it was stable names its successor again', (t) => {
  const first = new Bench({ voters: ['a'] }).open()
  first.sequencer.roll('TEST02', 'rolled', first.nowUs, first.wallUs)
  const next = new Bench({ voters: ['a'] }).rebuildFrom(first).open(2)
  const last = next.events().at(-1)
  t.strictSame(sessionEndedCodec.decode(last?.payload ?? bytes(0)), { reason: 'rolled', successor: 'TEST02' })
  t.match(next.sequencer.sessionEnd, { successor: 'TEST02', sequence: 4 })
  t.end()
})

test('a large opening waits for room in the window, and for its turn', (t) => {
  const events = Array.from({ length: 2_000 }, () => ({ type: 300, payload: bytes(500) }))
  const bench = new Bench({ voters: ['a'], windowPackets: 50, staticEvents: { hash: 'x', events } }).open()
  t.equal(bench.sequencer.state, 'held')
  t.match(bench.sequencer.roll('TEST02', '', bench.nowUs, bench.wallUs), 'seeding, not open')
  let turns = 0
  for (; bench.sequencer.state !== 'open' && turns < 1_000; turns++) {
    bench.flush()
    bench.acknowledge('a', bench.sequencer.nextSequence - 1)
    bench.tick()
    bench.advance(100)
  }
  bench.flush()
  t.equal(bench.sequencer.state, 'open')
  t.equal(typesOf(bench).filter((type) => type === 300).length, 2_000)
  t.equal(typesOf(bench).at(-1), SESSION_OPENED)
  t.ok(turns > 10, `${turns} turns`)
  t.end()
})
