import { test } from 'tap'
import { createCounters } from '../../src/core/counters.js'
import { SeqcastError } from '../../src/core/errors.js'
import { MAX_SOURCE_SEQUENCE } from '../../src/core/limits.js'
import { silentLogger } from '../../src/core/log.js'
import { CommandIntake } from '../../src/protocol/command-intake.js'
import { EventBatch } from '../../src/protocol/event-batch.js'
import { SEQUENCER_COUNTERS } from '../../src/protocol/sequencer-types.js'
import { SourceTable } from '../../src/protocol/source-table.js'
import { Timestamper } from '../../src/protocol/timestamper.js'
import type { AdminRequest } from '../../src/wire/control.js'
import {
  activatedCodec,
  digestRequestedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../../src/wire/runtime-events.js'
import { Bench, bytes, commandPacket, parse, registration, SESSION, START_WALL_US } from './sequencer-kit.js'

test('a new session opens with SessionStarted, byte for byte', (t) => {
  const bench = new Bench({ voters: ['a'] }).open()
  const payload = sessionStartedCodec.encode({
    session: SESSION,
    protocolVersion: 1,
    datagramBytes: 1_400,
    fragmentBytes: 1_400 - 20 - 2 - 20 - 16,
    voters: ['a'],
    predecessor: '',
    predecessorSequence: 0,
    seeders: [],
    staticEvents: 0,
    staticHash: '',
  })
  const expected = Buffer.concat([
    Buffer.from('TEST01    ', 'latin1'),
    Buffer.from('0000000000000001' + '0001', 'hex'),
    Buffer.from((20 + payload.length).toString(16).padStart(4, '0'), 'hex'),
    Buffer.from('0001' + '0000' + '00000001', 'hex'),
    Buffer.from((BigInt(START_WALL_US) * 1_000n).toString(16).padStart(16, '0'), 'hex'),
    Buffer.from('0001' + '0003', 'hex'),
    payload,
  ])
  t.equal(Buffer.from(bench.sent[0]!.bytes).toString('hex'), expected.toString('hex'))
  t.equal(bench.sent.length, 1)
  t.strictSame(bench.states, [['open', 'new session']])
  t.match(bench.control, [
    {
      kind: 'sequencer',
      body: { nextSequence: 2, stableSequence: 0, state: 'open', epochTable: [{ epoch: 1, sequence: 1 }] },
    },
  ])
  t.end()
})

test('a command packet alone in its turn is the event packet: same buffer, 26 bytes of it changed per block at most', (t) => {
  const bench = new Bench().open()
  const source = bench.register('client', 5)
  bench.advance(10)
  const packet = commandPacket(source, 1, [
    { type: 300, payload: bytes(3) },
    { type: 301, payload: bytes(0) },
  ])
  const before = packet.slice()
  bench.command(packet)
  t.equal(bench.packets().length, 2, 'nothing goes out before the end of the turn')
  bench.flush()
  const last = bench.sent.at(-1)!
  t.equal(last.packet, packet, 'the very same object')
  const view = new DataView(before.buffer)
  view.setBigUint64(10, 3n)
  for (const at of [20, 45]) {
    view.setBigUint64(at + 10, BigInt(bench.wallUs) * 1_000n)
    view.setUint16(at + 18, 1)
  }
  t.strictSame(last.bytes, before)
  t.equal(bench.sequencer.counters['passed-through-packets'], 1)
  t.equal(bench.sequencer.nextSequence, 5)
  t.end()
})

test('what one turn brings is gathered up to the datagram, never beyond', (t) => {
  const bench = new Bench({ datagramBytes: 300 }).open()
  const a = bench.register('a', 1)
  const b = bench.register('b', 2)
  const from = bench.sent.length
  for (let i = 1; i <= 10; i++) {
    bench.command(commandPacket(a, i, [{ type: 256, payload: bytes(40, i) }]))
    bench.command(commandPacket(b, i, [{ type: 257, payload: bytes(50, i) }]))
  }
  bench.flush()
  const sent = bench.sent.slice(from)
  t.ok(
    sent.every(({ bytes }) => bytes.length <= 300 - 16),
    'room for the authentication tag is left',
  )
  t.ok(
    sent.slice(0, -1).every(({ bytes }) => bytes.length > 300 - 16 - 72),
    'and packets are filled',
  )
  t.strictSame(
    sent.flatMap(({ bytes }) => parse(bytes).blocks.map(({ source, sourceSequence }) => [source, sourceSequence])),
    Array.from({ length: 20 }, (_, i) => [i % 2 === 0 ? a : b, Math.floor(i / 2) + 1]),
  )
  t.end()
})

test('a partly repeated packet gives only what is new', (t) => {
  const bench = new Bench().open()
  const source = bench.register('a', 1)
  const commands = [1, 2, 3, 4].map((n) => ({ type: 256, payload: bytes(5, n) }))
  bench.command(commandPacket(source, 1, commands.slice(0, 2)))
  bench.command(commandPacket(source, 1, commands))
  bench.command(commandPacket(source, 1, commands))
  bench.command(commandPacket(source, 6, commands))
  bench.command(commandPacket(source + 1, 1, commands))
  bench.flush()
  t.strictSame(
    bench
      .events()
      .slice(2)
      .map(({ payload }) => payload[0]),
    [1, 2, 3, 4],
  )
  t.equal(bench.sequencer.counters['repeated-commands'], 6)
  t.equal(bench.sequencer.counters['ahead-packets'], 1)
  t.equal(bench.sequencer.counters['unregistered-source'], 1)
  t.end()
})

test('registration: idempotent, shared bound once, exclusive closes the earlier one', (t) => {
  const bench = new Bench().open()
  const last = () => sourceRegisteredCodec.decode(bench.events().at(-1)!.payload)
  t.equal(bench.register('shared', 1), 1)
  t.match(last(), { name: 'shared', nonce: 1, source: 1, closes: 0, exclusive: false })
  t.equal(bench.register('shared', 1), 1, 'same nonce')
  t.equal(bench.register('shared', 2), 1, 'another replica')
  t.equal(bench.register('mine', 3, { exclusive: true }), 2)
  t.equal(bench.register('mine', 4, { exclusive: true }), 3)
  t.match(last(), { name: 'mine', nonce: 4, source: 3, closes: 2, exclusive: true })
  t.equal(bench.register('mine', 3, { exclusive: true }), 3, 'a late repeat of the closed one changes nothing')
  bench.command(commandPacket(2, 1, [{ type: 256, payload: bytes(1) }]))
  bench.command(commandPacket(3, 1, [{ type: 256, payload: bytes(1) }]))
  bench.flush()
  t.equal(bench.events().at(-1)!.source, 3)
  t.equal(bench.sequencer.counters['closed-source'], 1)
  t.equal(bench.sequencer.counters['repeated-registrations'], 3)
  t.end()
})

test('registrations that are refused say why, under their nonce', (t) => {
  const bench = new Bench({ datagramBytes: 256 }).open()
  bench.register('a', 1, { component: 'c' })
  const count = bench.events().length
  bench.register('a', 2, { exclusive: true, component: 'c' })
  bench.register('a', 3, { component: 'other' })
  bench.register('b', 1)
  bench.register('', 4)
  bench.register('x'.repeat(65), 5)
  bench.register('é'.repeat(33), 6)
  bench.register('x'.repeat(64), 7, { component: 'y'.repeat(64), schemaHash: 'z'.repeat(70) })
  bench.register('d', 0)
  t.equal(bench.events().length, count)
  const refused = bench.control.filter(({ kind }) => kind === 'refused').map(({ body }) => body)
  t.match(refused, [
    { nonce: 2, reason: /registered as shared/ },
    { nonce: 3, reason: /belongs to component 'c'/ },
    { nonce: 1, reason: /was used for source 'a'/ },
    { nonce: 4, reason: /1 to 64 bytes/ },
    { nonce: 5, reason: /1 to 64 bytes/ },
    { nonce: 6, reason: /1 to 64 bytes/ },
    { nonce: 7, reason: /do not fit/ },
    { nonce: 0, reason: /nonce/ },
  ])
  t.equal(bench.register('x'.repeat(64), 7), 2, 'what was refused bound nothing')
  t.end()
})

test('types and fragments', (t) => {
  const bench = new Bench().open()
  const source = bench.register('a', 1)
  let next = 1
  const tries = (type: number, flags: number, payloadBytes = 1): boolean => {
    const before = bench.sequencer.nextSequence
    bench.command(commandPacket(source, next, [{ type, flags, payload: bytes(payloadBytes) }]))
    const isTaken = bench.sequencer.nextSequence > before
    if (isTaken) next++
    return isTaken
  }
  t.notOk(tries(1, 3), 'SessionStarted is not a command')
  t.notOk(tries(255, 3))
  t.notOk(tries(10, 3), 'RegisterSource comes from source 0 only')
  t.ok(tries(6, 3), 'EffectDone')
  t.ok(tries(8, 3), 'DigestTaken')
  t.equal(bench.sequencer.counters['forbidden-type'], 3)
  t.notOk(tries(256, 0), 'a middle without a first')
  t.notOk(tries(256, 2), 'a last without a first')
  t.ok(tries(256, 1))
  t.notOk(tries(256, 1), 'a first within a message')
  t.notOk(tries(256, 3), 'a whole within a message')
  t.notOk(tries(257, 2), 'the end of another type')
  t.ok(tries(256, 0))
  t.ok(tries(256, 2))
  t.ok(tries(257, 3))
  t.equal(bench.sequencer.counters['broken-fragments'], 5)
  t.ok(tries(256, 3, 1_342), 'the largest fragment')
  t.notOk(tries(256, 3, 1_343))
  t.equal(bench.sequencer.counters['oversize-command'], 1)
  t.notOk(tries(256, 3, 2_000))
  t.equal(bench.sequencer.counters['oversize-packet'], 1)
  t.end()
})

test('a command packet that leaves no room for the authentication tag is split', (t) => {
  const bench = new Bench({ datagramBytes: 300 }).open()
  const source = bench.register('a', 1)
  const from = bench.sent.length
  const commands = [1, 2].map((n) => ({ type: 256, payload: bytes(114, n) }))
  bench.command(commandPacket(source, 1, commands))
  bench.flush()
  t.strictSame(
    bench.sent.slice(from).map(({ bytes: { length } }) => length),
    [156, 156],
  )
  bench.command(commandPacket(source, 3, [{ type: 256, payload: bytes(242) }]))
  t.equal(bench.sent.at(-1)!.bytes.length, 284, 'a full packet does not wait for the end of the turn')
  t.end()
})

test('source sequences start at 1 and end before they wrap', (t) => {
  const bench = new Bench().open()
  const source = bench.register('a', 1)
  const two = [1, 2].map((n) => ({ type: 256, payload: bytes(1, n) }))
  bench.command(commandPacket(source, 0, two))
  t.equal(bench.sequencer.nextSequence, 3)
  t.equal(bench.sequencer.counters['broken-numbering'], 1)

  const counters = createCounters(SEQUENCER_COUNTERS)
  const sources = new SourceTable()
  const session = new TextEncoder().encode('TEST01    ')
  const batch = new EventBatch(session, 1_384, () => {})
  const time = new Timestamper(counters, silentLogger)
  const options = { session, datagramBytes: 1_400, payloadBytes: 1_342 }
  const intake = new CommandIntake(options, counters, sources, time, batch)
  sources.advance(1, MAX_SOURCE_SEQUENCE - 1, 0)
  t.equal(intake.take(commandPacket(1, MAX_SOURCE_SEQUENCE - 1, two), 0, START_WALL_US), 2)
  t.equal(intake.take(commandPacket(1, MAX_SOURCE_SEQUENCE, two), 0, START_WALL_US), 0)
  t.equal(counters['exhausted-source'], 1)
  t.end()
})

test('heartbeats: soon after the last packet, doubling; control at a steady pace', (t) => {
  const bench = new Bench({ heartbeatMinUs: 2_000, heartbeatMaxUs: 20_000 }).open()
  const startUs = bench.nowUs
  const heartbeats: number[] = []
  const controls: number[] = []
  while (bench.nowUs < startUs + 70_000) {
    const [sent, control] = [bench.sent.length, bench.control.length]
    const nextUs = bench.tick()
    if (bench.sent.length > sent) heartbeats.push(bench.nowUs - startUs)
    if (bench.control.length > control) controls.push(bench.nowUs - startUs)
    t.ok(nextUs > bench.nowUs, 'no busy loop')
    bench.advance(nextUs - bench.nowUs)
  }
  t.strictSame(heartbeats, [2_000, 6_000, 14_000, 30_000, 50_000])
  t.strictSame(controls, [20_000, 40_000, 60_000])
  t.equal(Buffer.from(bench.sent.at(-1)!.bytes).toString('latin1'), `TEST01    ${'\0'.repeat(7)}\x02\0\0`)
  const source = bench.register('a', 1)
  bench.command(commandPacket(source, 1, [{ type: 256, payload: bytes(1) }]))
  bench.flush()
  const before = bench.sent.length
  bench.advance(1_999).tick()
  t.equal(bench.sent.length, before)
  bench.advance(1).tick()
  t.equal(parse(bench.sent.at(-1)!.bytes).sequence, 4)
  t.equal(bench.sent.length, before + 1)
  t.end()
})

test('a Tick when nothing was sequenced for a while', (t) => {
  const bench = new Bench({ tickUs: 50_000 }).open()
  const startUs = bench.nowUs
  while (bench.nowUs < startUs + 200_000) {
    if (bench.nowUs === startUs + 50_000) bench.register('a', 1)
    bench.advance(Math.min(bench.tick(), startUs + 200_000) - bench.nowUs)
  }
  const types = bench.events().map(({ type }) => type)
  t.strictSame(types, [1, 2, 3, 3])
  t.strictSame(bench.events().at(-1)!.timestampNs, BigInt(START_WALL_US + 150_000) * 1_000n)
  t.strictSame(
    bench.events().map(({ sourceSequence }) => sourceSequence),
    [1, 2, 3, 4],
  )
  t.end()
})

test('ticks do not start the heartbeats anew: an idle session is quiet', (t) => {
  const bench = new Bench({ tickUs: 50_000, heartbeatMinUs: 2_000, heartbeatMaxUs: 100_000 }).open()
  const untilUs = bench.nowUs + 1_000_000
  while (bench.nowUs < untilUs) bench.advance(Math.min(bench.tick(), untilUs) - bench.nowUs)
  const ticks = bench.events().filter(({ type }) => type === 3).length
  t.equal(ticks, 19)
  // Those between the first event and the first tick, and none after a tick.
  t.equal(bench.sent.length - bench.events().length, 4)
  t.end()
})

test('the end: SessionEnded, then end of session packets for a second, then silence', (t) => {
  const bench = new Bench().open()
  bench.sequencer.end('done', bench.nowUs, bench.wallUs)
  bench.sequencer.end('again', bench.nowUs, bench.wallUs)
  const startUs = bench.nowUs
  while (bench.sequencer.state === 'ending') {
    const nextUs = bench.tick()
    bench.advance(nextUs === Number.POSITIVE_INFINITY ? 0 : nextUs - bench.nowUs)
  }
  t.equal(bench.nowUs - startUs, 1_000_000)
  t.strictSame(
    bench.events().map(({ type }) => type),
    [1, 9],
  )
  const ends = bench.sent.filter(({ bytes }) => parse(bytes).count === 0xffff)
  t.equal(ends.length, 21)
  t.equal(bench.sent.length, 2 + 21, 'and no heartbeat')
  t.equal(Buffer.from(ends[0]!.bytes).toString('hex').slice(20), '0000000000000003ffff')
  t.equal(bench.tick(), Number.POSITIVE_INFINITY)
  t.match(bench.control.at(-1), { kind: 'sequencer', body: { state: 'ended', nextSequence: 3 } })
  t.end()
})

test('the end waits for stability, but not for ever', (t) => {
  const run = (acknowledgeAtUs: number): number => {
    const bench = new Bench({ voters: ['a'] }).open()
    const startUs = bench.nowUs
    bench.sequencer.end('done', bench.nowUs, bench.wallUs)
    while (bench.sequencer.state === 'ending') {
      if (bench.nowUs - startUs >= acknowledgeAtUs) bench.acknowledge('a', 2)
      bench.advance(50_000).tick()
    }
    t.match(
      bench.states.at(-1)?.[1],
      acknowledgeAtUs < 20_000_000 ? 'all events are stable' : '2 events are not stable',
    )
    return bench.nowUs - startUs
  }
  t.equal(run(0), 1_000_000)
  t.equal(run(3_000_000), 3_050_000)
  t.equal(run(30_000_000), 10_000_000)
  t.end()
})

test('the window fills, holds, and opens when stability catches up', (t) => {
  const bench = new Bench({ voters: ['a', 'b', 'c'], windowPackets: 16, datagramBytes: 300 }).open()
  const source = bench.register('a', 1)
  const send = (n: number): void => {
    bench.command(commandPacket(source, n, [{ type: 256, payload: bytes(200, n) }]))
    bench.flush()
  }
  let n = 1
  while (bench.sequencer.state === 'open' && n < 100) send(n++)
  t.ok(n >= 12 && n <= 16, `held after ${n} packets`)
  t.match(bench.control.at(-1), { body: { held: true, state: 'held' } }, 'and says so at once')
  const held = bench.sequencer.nextSequence
  send(n)
  t.equal(bench.sequencer.nextSequence, held)
  t.equal(bench.sequencer.counters['held-packets'], 1)
  bench.acknowledge('a', 5)
  t.equal(bench.sequencer.state, 'held')
  t.equal(bench.sequencer.stableSequence, 0, 'one of three is no majority')
  bench.acknowledge('zzz', 5)
  bench.acknowledge('b', 5, 2)
  t.equal(bench.sequencer.stableSequence, 0)
  t.equal(bench.sequencer.counters['unknown-voter'], 1)
  t.equal(bench.sequencer.counters['other-epoch'], 1)
  bench.acknowledge('b', 4)
  t.equal(bench.sequencer.stableSequence, 4)
  t.equal(bench.sequencer.state, 'open')
  bench.flush()
  t.match(bench.control.at(-1), { body: { held: false, state: 'open', stableSequence: 4 } })
  const controls = bench.control.length
  bench.flush()
  t.equal(bench.control.length, controls, 'once per advance')
  send(n)
  t.equal(bench.sequencer.nextSequence, held + 1)
  bench.request(1, 1)
  t.equal(bench.answers.length, 1, 'what is stable is kept while there is room')
  t.end()
})

test('the end can be said even when held, with a full batch open', (t) => {
  const bench = new Bench({ voters: ['a'], windowPackets: 8, datagramBytes: 256 }).open()
  const source = bench.register('a', 1)
  for (let n = 1; bench.sequencer.state === 'open'; n += 2) {
    const commands = [1, 2].map(() => ({ type: 256, payload: bytes(80) }))
    bench.command(commandPacket(source, n, commands))
  }
  bench.sequencer.end('done', bench.nowUs, bench.wallUs)
  t.equal(bench.sequencer.state, 'ending')
  t.equal(bench.events().at(-1)?.type, 9)
  t.end()
})

test('requests give exactly what was sent, also from the middle of a packet', (t) => {
  const bench = new Bench({ datagramBytes: 500 }).open()
  const source = bench.register('a', 1)
  for (let n = 1; n <= 60; n += 3) {
    bench.command(
      commandPacket(
        source,
        n,
        [0, 1, 2].map((k) => ({ type: 256, payload: bytes((n * 7 + k) % 60, n + k) })),
      ),
    )
    if (n % 2 === 0) bench.flush()
  }
  bench.flush()
  const events = bench.events()
  for (let from = 1; from <= events.length; from++) {
    bench.answers.length = 0
    bench.advance(10_000).request(from, 17)
    const got = bench.answers.map(({ bytes }) => parse(bytes))
    t.equal(got[0]!.sequence, from)
    t.strictSame(
      got.flatMap(({ blocks }) => blocks),
      events.slice(from - 1, from + 16),
    )
    t.ok(bench.answers.every(({ bytes }) => bytes.length <= 500 - 16))
    got.forEach((packet, i) => {
      if (i > 0) t.equal(packet.sequence, got[i - 1]!.sequence + got[i - 1]!.count)
    })
  }
  t.end()
})

const ADMIN: AdminRequest = {
  nonce: 1,
  action: 'activate',
  component: 'oms',
  instance: 'A',
  incarnation: 11,
  expectedTerm: 0,
  reason: 'test',
}

function admin(bench: Bench, request: Partial<AdminRequest>): { error: string; sequence: number } {
  const body = { ...ADMIN, ...request }
  bench.sequencer.onControl({ session: SESSION, sender: 55, kind: 'adminRequest', body }, bench.nowUs, bench.wallUs)
  bench.flush()
  const reply = bench.control.filter(({ kind }) => kind === 'adminReply').at(-1)
  if (reply?.kind !== 'adminReply') throw new Error('no reply')
  return { error: reply.body.error, sequence: reply.body.sequence }
}

function heard(bench: Bench, instance: string, incarnation: number, state = 'standby'): void {
  const body = {
    component: 'oms',
    instance,
    state,
    reason: '',
    term: 0,
    nextSequence: 1,
    digestSequence: 0,
    digest: new Uint8Array(0),
    outboxCommands: 0,
    counters: {},
  }
  bench.sequencer.onControl(
    { session: SESSION, sender: incarnation, kind: 'component', body },
    bench.nowUs,
    bench.wallUs,
  )
}

test('administration: an offer counts in exactly its term, and not where the active replica is heard', (t) => {
  const bench = new Bench().open()
  const offer = (nonce: number, instance: string, incarnation: number, expectedTerm: number): string => {
    const request = { nonce, action: 'offer', instance, incarnation, expectedTerm }
    return admin(bench, request).error
  }
  t.match(offer(1, 'A', 0, 0), /names its component and its process/)
  t.equal(offer(2, 'A', 11, 0), '')
  t.match(offer(3, 'B', 12, 0), /in term 1, not 0/, 'term 0 is a term: the rival comes too late')
  t.equal(offer(2, 'A', 11, 0), '', 'the same request again is the same decision')
  heard(bench, 'A', 11, 'active')
  bench.advance(150_000)
  t.match(offer(4, 'B', 12, 1), /'A' of component 'oms' is active, and was heard 150 ms ago/)
  heard(bench, 'A', 11, 'rewinding')
  t.equal(offer(5, 'B', 12, 1), '', 'it speaks, but is not active')
  heard(bench, 'A', 11, 'active')
  bench.advance(1_000)
  t.equal(offer(6, 'C', 13, 2), '', 'it thinks that it is active, and is not')
  heard(bench, 'C', 13, 'active')
  bench.advance(201_000)
  t.equal(offer(7, 'B', 12, 3), '')
  t.match(activatedCodec.decode(bench.events().at(-1)!.payload), { instance: 'B', incarnation: 12, term: 4 })
  t.end()
})

test('administration: decisions are events, carried out once', (t) => {
  const bench = new Bench().open()
  t.strictSame(admin(bench, {}), { error: '', sequence: 2 })
  t.strictSame(admin(bench, {}), { error: '', sequence: 2 }, 'repeated')
  t.strictSame(activatedCodec.decode(bench.events().at(-1)!.payload), {
    component: 'oms',
    instance: 'A',
    incarnation: 11,
    term: 1,
    reason: 'test',
  })
  t.strictSame(admin(bench, { nonce: 2 }), { error: '', sequence: 2 }, 'is active already')
  t.match(admin(bench, { nonce: 3, instance: 'B', incarnation: 12, expectedTerm: 5 }).error, /in term 1, not 5/)
  t.match(admin(bench, { nonce: 4, instance: 'B', incarnation: 0 }).error, /not heard of/)
  heard(bench, 'B', 21)
  heard(bench, 'B', 22)
  t.strictSame(admin(bench, { nonce: 4, instance: 'B', incarnation: 0, expectedTerm: 1 }), { error: '', sequence: 3 })
  t.match(activatedCodec.decode(bench.events().at(-1)!.payload), { instance: 'B', incarnation: 22, term: 2 })
  heard(bench, 'C', 23, 'failed')
  t.match(admin(bench, { nonce: 5, instance: 'C', incarnation: 0 }).error, /is failed/)
  bench.advance(5_000_001)
  t.match(admin(bench, { nonce: 5, instance: 'B', incarnation: 0 }).error, /not heard of lately/)
  t.strictSame(admin(bench, { nonce: 6, action: 'passivate' }), { error: '', sequence: 4 })
  t.match(admin(bench, { nonce: 7, action: 'passivate' }).error, /no instance/)
  t.strictSame(admin(bench, { nonce: 8, action: 'digest', component: '' }), { error: '', sequence: 5 })
  t.strictSame(digestRequestedCodec.decode(bench.events().at(-1)!.payload), { component: '', nonce: 8 })
  t.strictSame(admin(bench, { nonce: 8, action: 'digest', component: '' }), { error: '', sequence: 5 }, 'repeated')
  t.match(admin(bench, { nonce: 9, action: 'dance' }).error, /unknown action 'dance'/)
  t.match(admin(bench, { nonce: 9, instance: '' }).error, /must be named/)
  t.strictSame(admin(bench, { nonce: 10, action: 'end-session' }), { error: '', sequence: 6 })
  const replies = bench.control.length
  t.strictSame(admin(bench, { nonce: 10, action: 'end-session' }), { error: '', sequence: 6 }, 'also when it is over')
  t.equal(bench.control.length, replies + 1)
  t.strictSame(
    bench.events().map(({ type }) => type),
    [1, 4, 4, 5, 7, 9],
  )
  t.end()
})

test('of two sequencers the one with fewer events stops', (t) => {
  const meet = (nextSequence: number, sender: number, rebuilt = true): [string, string] => {
    const bench = new Bench()
    if (rebuilt) bench.open()
    const body = {
      epoch: 1,
      nextSequence,
      stableSequence: 0,
      publishedIsStable: true,
      epochTable: [],
      state: 'open',
      held: false,
      requestPort: 1,
      counters: {},
    }
    bench.sequencer.onControl({ session: SESSION, sender, kind: 'sequencer', body }, bench.nowUs, bench.wallUs)
    if (!rebuilt) t.throws(() => bench.open(), { code: 'E_SECOND_SEQUENCER' })
    if (bench.sequencer.state === 'stopped') t.equal(bench.tick(), Number.POSITIVE_INFINITY)
    return bench.states.at(-1) ?? ['', '']
  }
  t.strictSame(meet(3, 99), ['stopped', 'second-sequencer'])
  t.strictSame(meet(1, 1), ['open', 'new session'])
  t.strictSame(meet(2, 99), ['open', 'new session'], 'a tie: the smaller incarnation stays')
  t.strictSame(meet(2, 1), ['stopped', 'second-sequencer'])
  t.strictSame(meet(99, 7), ['open', 'new session'], 'its own heartbeat')
  t.strictSame(meet(1, 99, false), ['stopped', 'second-sequencer'], 'one runs before this one opens')
  t.end()
})

test('a store that has more than was sent stops the sequencer: its numbers are in use', (t) => {
  const bench = new Bench().open()
  bench.acknowledge('', 1)
  t.equal(bench.sequencer.state, 'open')
  bench.acknowledge('', 2)
  t.strictSame(bench.states.at(-1), ['stopped', 'behind-store'])
  bench.command(registration({ name: 'a', nonce: 1 }))
  t.equal(bench.sequencer.counters['not-open-packets'], 1)
  t.end()
})

test('what was not sent yet is not said to be', (t) => {
  const bench = new Bench().open()
  bench.command(registration({ name: 'a', nonce: 1 }))
  bench.request(2, 1)
  t.equal(bench.answers.length, 0)
  t.equal(bench.sequencer.requestCounters['request-past-end'], 1)
  t.equal(bench.sequencer.stableSequence, 1)
  bench.flush()
  t.equal(bench.sequencer.stableSequence, 2)
  t.end()
})

test('a rebuilt sequencer knows who is active and the last time, and has the last packets', (t) => {
  const first = new Bench().open()
  admin(first, { nonce: 1 })
  admin(first, { nonce: 2, instance: 'B', incarnation: 12 })
  const second = new Bench().rebuildFrom(first)
  second.wallUs -= 60_000_000
  second.open()
  t.equal(second.packets().length, 0, 'no second SessionStarted')
  t.strictSame(second.states, [['open', 'continued at 4']])
  t.equal(second.sequencer.stableSequence, 3, 'no voters: what is in the stream is stable')
  second.request(2, 1)
  t.strictSame(parse(second.answers[0]!.bytes).blocks, [first.events()[1]])
  t.match(admin(second, { nonce: 3, expectedTerm: 1 }).error, /in term 2/)
  t.strictSame(admin(second, { nonce: 4, expectedTerm: 2 }), { error: '', sequence: 4 })
  const event = second.events().at(-1)!
  t.match(activatedCodec.decode(event.payload), { term: 3, instance: 'A' })
  t.equal(event.timestampNs, first.events().at(-1)!.timestampNs, 'the wall clock is behind')
  t.equal(event.sourceSequence, 4)

  const voted = new Bench({ voters: ['a'] }).open()
  const third = new Bench({ voters: ['a'] }).rebuildFrom(voted).open(2)
  t.equal(third.sequencer.stableSequence, 0)
  third.acknowledge('a', 2, 2)
  t.equal(third.sequencer.stableSequence, 2, 'stable when acknowledged, although this run did not send all of it')
  t.equal(third.sequencer.state, 'open')
  t.end()
})

test('a session that has ended, was configured otherwise, or is damaged does not open', (t) => {
  const first = new Bench().open()
  first.register('a', 1)
  const second = new Bench().rebuildFrom(first).open()
  second.sequencer.end('done', second.nowUs, second.wallUs)
  const third = new Bench().rebuildFrom(first).rebuildFrom(second)
  t.throws(() => third.open(), { code: 'E_SESSION_EXISTS', hint: /--session/ })
  t.throws(() => new Bench({ datagramBytes: 1_500 }).rebuildFrom(first), {
    code: 'E_CONFIG',
    fields: { field: 'datagramBytes' },
  })
  t.throws(() => new Bench({ voters: ['a'] }).rebuildFrom(first), { code: 'E_CONFIG', fields: { field: 'voters' } })
  t.throws(() => new Bench().rebuildFrom(second), { code: 'E_STORE_CORRUPT' }, 'the beginning is missing')
  const bytes = first.sent[0]!.bytes
  for (let length = 20; length < bytes.length; length++) {
    t.throws(() => new Bench().sequencer.rebuild(1, 1, bytes, 20, length), SeqcastError)
  }
  t.throws(() => new Bench().open().rebuildFrom(first), /cannot be rebuilt/)
  t.end()
})

test('a name for each bad option', (t) => {
  t.throws(() => new Bench({ windowPackets: 3 }), /window is too small/)
  t.throws(() => new Bench({ datagramBytes: 100 }), /datagramBytes/)
  t.throws(() => new Bench({ datagramBytes: 256, voters: ['v'.repeat(200)] }), { code: 'E_CONFIG' })
  t.throws(() => new Bench().sequencer.end('x', 0, 0), /not open/)
  t.end()
})

test('without voters stability is no news: what is published wakes nobody on the control stream', (t) => {
  for (const voters of [[], ['a']]) {
    const bench = new Bench({ voters }).open()
    const source = bench.register('S', 1)
    bench.tick()
    const before = bench.control.length
    for (let i = 1; i <= 40; i++) {
      bench.advance(1_100)
      bench.command(commandPacket(source, i, [{ type: 300, payload: bytes(1) }]))
      bench.flush()
      bench.acknowledge('a', bench.sequencer.nextSequence - 1)
      bench.tick()
    }
    t.equal(bench.control.length - before, voters.length === 0 ? 0 : 40)
    t.match(bench.control.at(-1), { body: { publishedIsStable: voters.length === 0 } })
  }
  t.end()
})

test('without a key a full packet of commands fills a datagram and goes out as it came', (t) => {
  // 20 bytes of header and 16 blocks of 86: more than a datagram of 1,400 holds beside a tag.
  const full = Array.from({ length: 16 }, () => ({ type: 300, payload: bytes(64) }))
  for (const tagBytes of [0, 16]) {
    const bench = new Bench({ tagBytes }).open()
    const source = bench.register('S', 1)
    const before = bench.packets().length
    bench.command(commandPacket(source, 1, full))
    bench.flush()
    t.strictSame(
      bench
        .packets()
        .slice(before)
        .map(({ count }) => count),
      tagBytes === 0 ? [16] : [15, 1],
    )
  }
  t.end()
})
