/**
 * A stranger on the network. Without a key one datagram may cost a moment, but ends nobody and loses nothing; with a key it has no
 * effect at all, and is counted.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type Test, test } from 'tap'
import { sessionBytes } from '../../src/core/session.js'
import { type ControlBodies, encodeControl } from '../../src/wire/control.js'
import { MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, MOLD_HEARTBEAT, writeMoldHeader } from '../../src/wire/moldudp64.js'
import { eventPacket } from '../fixtures/event-packets.js'
import { Load } from './load.js'
import { loadsOf, readRecording, talliesOf } from './recorded.js'
import { LOAD, tallyOf } from './tally.js'
import { World } from './world.js'

const HUGE = 2 ** 53 - 1_000
const SOMEBODY = 4_242
const RATE = ['--rate', '20000']

class Stranger {
  readonly #world: World
  readonly #socket: Socket

  private constructor(world: World, socket: Socket) {
    this.#world = world
    this.#socket = socket
  }

  static async open(t: Test, world: World): Promise<Stranger> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.setMulticastInterface('127.0.0.1')
    t.teardown(() => socket.close())
    return new Stranger(world, socket)
  }

  /** On the event stream. */
  event(packet: Uint8Array): void {
    const { group, port } = this.#world.options.eventGroup
    this.#socket.send(packet, port, group)
  }

  /** A packet without blocks. */
  mark(sequence: number, count: number): void {
    const packet = new Uint8Array(MOLD_HEADER_BYTES)
    writeMoldHeader(packet, 0, sessionBytes(this.#world.session), sequence, count)
    this.event(packet)
  }

  heartbeat(body: Partial<ControlBodies['sequencer']>, sender = SOMEBODY): void {
    const { session } = this.#world
    this.#control(encodeControl({ session, sender, kind: 'sequencer', body: { ...HEARTBEAT, ...body } }))
  }

  store(body: Partial<ControlBodies['store']>): void {
    const { session } = this.#world
    this.#control(encodeControl({ session, sender: SOMEBODY, kind: 'store', body: { ...STATUS, ...body } }))
  }

  #control(packet: Uint8Array): void {
    const { group, port } = this.#world.options.controlGroup
    this.#socket.send(packet, port, group)
  }
}

const HEARTBEAT: ControlBodies['sequencer'] = {
  ...{ epoch: 1, nextSequence: 1, stableSequence: 0, epochTable: [{ epoch: 1, sequence: 1 }] },
  ...{ publishedIsStable: false, state: 'open', held: false, requestPort: 7_712, counters: {} },
}
const STATUS: ControlBodies['store'] = {
  ...{ name: 'z', voter: '', epoch: 1, durableSequence: 0, committedSequence: 0 },
  ...{ requestPort: 7_710, rewindPort: 7_711, state: 'live', counters: {}, promised: 0, lastEpoch: 1 },
}

/** What one datagram can say that receivers act on. The sequencer itself stops at a claim that is above its own: see PROTOCOL. */
const LIES: Readonly<Record<string, (stranger: Stranger, next: number, sequencer: number, session: string) => void>> = {
  'an end of session here': (stranger, next) => {
    for (let ahead = 0; ahead < 200; ahead++) stranger.mark(next + ahead, MOLD_END_OF_SESSION)
  },
  'an end of session far ahead': (stranger) => stranger.mark(HUGE, MOLD_END_OF_SESSION),
  'a heartbeat far ahead': (stranger) => stranger.mark(HUGE, MOLD_HEARTBEAT),
  'an event far ahead': (stranger, _next, _sequencer, session) => stranger.event(eventPacket(HUGE, 1, 1, session)),
  'a control heartbeat from the past': (stranger) => stranger.heartbeat({ nextSequence: 1 }),
  'another epoch table': (stranger) => {
    const epochTable = [
      { epoch: 1, sequence: 1 },
      { epoch: 2, sequence: 2 },
    ]
    stranger.heartbeat({ epoch: 2, nextSequence: 1, epochTable })
  },
  'ports that are none, and a gap to ask them for': (stranger, next, sequencer) => {
    stranger.store({ name: 'z1', requestPort: 0, committedSequence: HUGE })
    stranger.store({ name: 'z2', requestPort: 70_000, rewindPort: 70_000, committedSequence: HUGE })
    stranger.heartbeat({ requestPort: 70_000, nextSequence: next + 50 }, sequencer)
    stranger.mark(next + 100, MOLD_HEARTBEAT)
  },
  'a control heartbeat far ahead, in the name of the sequencer': (stranger, _next, sequencer) =>
    stranger.heartbeat({ nextSequence: HUGE }, sequencer),
}

test('no single datagram of a stranger ends a receiver or loses an event', async (t) => {
  const world = await World.open(t)
  const stores = [world.startStore('a', '--voter', 'a'), world.startStore('b')]
  const sequencer = world.startSequencer('--voters', 'a')
  const replicas = [world.startTally('one')]
  await world.until('the active component', () => world.tally('one')?.state === 'active', ...stores, ...replicas)
  const sender = world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await world.until('its first events', () => (world.tally('one')?.nextSequence ?? 0) > 500, sender)
  const running = [...stores, ...replicas, sequencer, sender]
  const stranger = await Stranger.open(t, world)
  const next = (): number => world.tally('one')?.nextSequence ?? 1
  const [incarnation = 0] = world.observer.heard.sequencers.keys()
  for (const [name, lie] of Object.entries(LIES)) {
    const until = next() + 10_000
    lie(stranger, next(), incarnation, world.session)
    world.forget()
    const isOver = (): boolean =>
      (world.tally('one')?.nextSequence ?? 0) > until &&
      world.tally('one')?.state === 'active' &&
      ['a', 'b'].every((s) => (world.store(s)?.durableSequence ?? 0) > until && world.store(s)?.state !== 'rewinding')
    await world.until(`everybody to get over ${name}`, isOver, ...running)
    t.pass(name)
  }
  const sent = await load.end()
  await world.ask()
  const end = await world.decide('digest', 'tally')
  await world.until('both stores', () => ['a', 'b'].every((s) => (world.store(s)?.durableSequence ?? 0) >= end))
  await world.stop(...replicas, sequencer, ...stores)
  for (const name of ['a', 'b']) {
    const { events } = await readRecording(world.storeDirectory(name), world.session)
    t.equal(loadsOf(events).length, sent.messages, `${name}: all of them`)
    t.ok(
      loadsOf(events).every((n, i) => n === i + 1),
      `${name}: once, in order`,
    )
    t.strictSame(talliesOf(events), [tallyOf(sent.messages)])
  }
})

test('with a key a stranger has no effect, and is counted', async (t) => {
  const world = await World.open(t)
  writeFileSync(world.place.path('key'), 'thirty-two bytes that are secret')
  const key = ['--key-file', world.place.path('key')]
  const store = world.startStore('a', '--voter', 'a', ...key)
  const sequencer = world.startSequencer('--voters', 'a', ...key)
  await sequencer.says('sequencer: session open')
  const sender = world.startSend(LOAD, ...RATE, ...key)
  const load = new Load(sender)
  const stranger = await Stranger.open(t, world)
  for (let round = 0; round < 20; round++) {
    for (const lie of Object.values(LIES)) lie(stranger, 1 + round * 5, SOMEBODY, world.session)
    stranger.store({ name: 'a', voter: 'a', durableSequence: HUGE, committedSequence: HUGE })
    stranger.heartbeat({ nextSequence: HUGE })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const status = await world.place.run(['status', ...world.place.streams, ...key, '--json'])
  const { sequencers, stores } = JSON.parse(status.lines[0] ?? '')
  t.equal(sequencers.length, 1)
  t.equal(sequencers[0].state, 'open')
  t.ok(sequencers[0].counters.unauthenticated >= 20, 'the sequencer counts them')
  t.equal(stores.length, 1)
  t.ok(stores[0].counters['control.unauthenticated'] >= 20, 'the store counts those of the control stream')
  t.ok(stores[0].counters['link.unauthenticated'] >= 20, 'and of the event stream')
  t.equal(stores[0].counters['bad-end'] ?? 0, 0)
  const sent = await load.end()
  await world.stop(sequencer, store)
  const { events } = await readRecording(world.storeDirectory('a'), world.session)
  t.equal(loadsOf(events).length, sent.messages)
})

test('idle and garbled connections do not keep a rewind from its place', async (t) => {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a')
  await world.until('the sequencer', () => (world.sequencer?.nextSequence ?? 0) > 1, store, sequencer)
  const port = world.store('a')?.rewindPort ?? 0
  const clients = Array.from({ length: 200 }, (_, i) => {
    const client = connect({ host: '127.0.0.1', port })
    client.on('error', () => {})
    if (i % 2 === 0) client.write(Buffer.from(`\u00ff\u00ff${i} is no login`))
    return client
  })
  t.teardown(() => {
    for (const client of clients) client.destroy()
  })
  const tail = await world.place.run(['tail', ...world.place.streams, '--from', '1', '--count', '1', '--json'])
  t.equal(tail.status, 0, tail.stderr)
  t.equal(JSON.parse(tail.lines[0] ?? '').sequence, 1)
  t.notOk(store.isOver)
})
