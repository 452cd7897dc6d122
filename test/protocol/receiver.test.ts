import { test } from 'tap'
import { Receiver } from '../../src/protocol/receiver.js'
import { endOfSessionPacket, eventPacket, heartbeatPacket, SESSION } from '../fixtures/event-packets.js'
import { permutations, subsets } from '../fixtures/permutations.js'
import { ReceiverRig } from '../fixtures/receiver-rig.js'

const PACKETS = [1, 3, 5, 7, 9]
const LAST = 10

test('events in order are delivered where they lie', (t) => {
  const packet = eventPacket(1, 3)
  let delivered: Uint8Array | undefined
  const receiver = new Receiver(
    { session: SESSION, nextSequence: 1, servers: 0, seed: 1, startRewinding: false },
    {
      deliver: (_sequence, _count, bytes) => {
        delivered = bytes
      },
      request: () => t.fail('no request'),
      startRewind: () => t.fail('no rewind'),
      stopRewind: () => t.fail('no rewind'),
      stateChanged: () => t.fail('no change'),
      lost: () => t.fail('no loss'),
    },
  )
  receiver.onPacket(packet, 5)
  t.equal(delivered, packet, 'the very array, no copy')
  t.equal(receiver.nextSequence, 4)
  t.equal(receiver.tick(6), Number.POSITIVE_INFINITY, 'nothing to wait for')
  t.end()
})

test('a partly repeated packet is cut, a repeated one is dropped', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 3)
  rig.events(2, 4)
  rig.events(3, 3)
  t.equal(rig.delivered, 5)
  t.match(rig.receiver.counters, { 'partly-repeated': 1, duplicate: 1, 'delivered-events': 5 })
  rig.events(8, 2)
  rig.events(5, 4)
  t.equal(rig.delivered, 9, 'a buffered packet is cut too')
  t.equal(rig.receiver.counters['partly-repeated'], 3)
  t.end()
})

test('buffered packets may overlap in every way', (t) => {
  const rig = new ReceiverRig()
  rig.events(5, 2)
  rig.events(5, 4)
  rig.events(3, 10)
  rig.events(4, 3)
  rig.events(12, 3)
  rig.events(1, 2)
  t.equal(rig.delivered, 14)
  t.equal(rig.receiver.bufferedPackets, 0)
  t.end()
})

test('all 120 orders of five packets: late is not lost', (t) => {
  for (const order of permutations(PACKETS)) {
    const rig = new ReceiverRig()
    for (const first of order) {
      rig.events(first, 2)
      rig.advance(30)
    }
    rig.advance(10_000)
    t.equal(rig.delivered, LAST, order.join())
    t.equal(rig.asked.length, 0, 'nothing is asked for')
    t.strictSame(rig.said, [], 'and no state is left')
    t.equal(rig.receiver.bufferedPackets, 0)
  }
  t.end()
})

test('all 120 orders of five packets, slowly: every hole is asked for once', (t) => {
  for (const order of permutations(PACKETS)) {
    const rig = new ReceiverRig()
    rig.answerWith(() => LAST, 2, 100)
    let reached = 1
    const expected: string[] = []
    for (const first of order) {
      if (first > reached) expected.push(`${reached}+${first - reached}`)
      reached = Math.max(reached, first + 2)
      rig.events(first, 2)
      rig.advance(5_000)
    }
    t.equal(rig.delivered, LAST, order.join())
    t.strictSame(
      rig.asked.map(({ from, count }) => `${from}+${count}`),
      expected,
    )
    t.equal(rig.receiver.state, 'live')
    t.equal(rig.receiver.counters.gaps, expected.length)
  }
  t.end()
})

/** The runs of neighbours among lost packets, as requests would name them. */
function holesOf(lost: readonly number[]): string[] {
  const starts = lost.filter((first) => !lost.includes(first - 2))
  return starts.map((start) => {
    let end = start
    while (lost.includes(end)) end += 2
    return `${start}+${end - start}`
  })
}

test('all 32 losses among five packets, with a server that answers', (t) => {
  for (const lost of subsets(PACKETS)) {
    const rig = new ReceiverRig()
    rig.answerWith(() => LAST, 2, 100)
    for (const first of PACKETS) if (!lost.includes(first)) rig.events(first, 2)
    rig.packet(heartbeatPacket(LAST + 1))
    rig.advance(5_000)
    t.equal(rig.delivered, LAST, `lost ${lost.join()}`)
    t.strictSame(
      rig.asked.map(({ from, count }) => `${from}+${count}`),
      holesOf(lost),
      'each hole is asked for once, all in one round',
    )
    t.equal(rig.receiver.state, 'live')
    t.strictSame(rig.said, lost.length > 0 ? ['gap', 'live'] : [])
    t.equal(rig.receiver.tick(rig.clock.nowUs), Number.POSITIVE_INFINITY)
  }
  t.end()
})

test('all 32 losses among five packets, with nobody who answers', (t) => {
  for (const lost of subsets(PACKETS)) {
    const rig = new ReceiverRig({ servers: 2, rewindStallUs: Number.POSITIVE_INFINITY })
    for (const first of PACKETS) if (!lost.includes(first)) rig.events(first, 2)
    rig.packet(heartbeatPacket(LAST + 1))
    rig.advance(60_000_000)
    const [hole] = holesOf(lost)
    if (hole === undefined) {
      t.equal(rig.delivered, LAST)
      continue
    }
    const [from = 0, count = 0] = hole.split('+').map(Number)
    t.equal(rig.delivered, from - 1, 'everything before the hole')
    t.strictSame(rig.said, ['gap', 'rewinding', `rewind ${from}`, 'lost', 'stop', `lost ${from}-${from + count - 1}`])
    t.equal(rig.asked.length, 6 * holesOf(lost).length, 'three rounds over two servers, then the rewind')
    t.equal(rig.receiver.counters['lost-events'], count)
    rig.events(from, 10)
    t.equal(rig.delivered, from - 1, 'nothing is delivered after a loss')
    t.equal(rig.receiver.counters['after-end'], 1)
  }
  t.end()
})

test('requests wait a random time, which follows from the seed', (t) => {
  const waits = [1, 1, 2, 3, 4, 5].map((seed) => {
    const rig = new ReceiverRig({ seed })
    rig.events(2)
    rig.advance(2_000)
    return (rig.asked[0]?.atUs ?? 0) - 1_000_000
  })
  t.equal(waits[0], waits[1])
  t.ok(new Set(waits).size > 3, 'seeds differ')
  for (const wait of waits) t.ok(wait >= 200 && wait <= 1_500, `${wait} us`)
  t.end()
})

test('an unanswered request goes to the next server, later each time', (t) => {
  const rig = new ReceiverRig({ servers: 3, requestRounds: 4 })
  rig.events(2)
  rig.advance(900_000)
  const servers = rig.asked.map(({ server }) => server)
  const first = servers[0] ?? 0
  t.equal(servers.length, 8)
  t.strictSame(
    servers,
    servers.map((_, i) => (first + i) % 3),
  )
  const gaps = rig.asked.slice(1).map(({ atUs }, i) => atUs - (rig.asked[i]?.atUs ?? 0))
  t.strictSame(gaps, [10_000, 20_000, 40_000, 80_000, 160_000, 200_000, 200_000])
  t.equal(rig.receiver.counters['request-timeouts'], 7)
  t.end()
})

test('after part of an answer the rest is asked for at once, of the same server', (t) => {
  const rig = new ReceiverRig({ servers: 2 })
  rig.answerWith(() => 20, 2, 100)
  const answer = rig.onAsked
  rig.onAsked = (asked) => answer({ ...asked, count: Math.min(asked.count, 4) })
  rig.events(11, 2)
  rig.advance(10_000)
  t.equal(rig.delivered, 12)
  t.strictSame(
    rig.asked.map(({ from, count }) => `${from}+${count}`),
    ['1+10', '5+6', '9+2'],
  )
  t.equal(new Set(rig.asked.map(({ server }) => server)).size, 1)
  t.equal(rig.receiver.counters['request-timeouts'], 0)
  const pauses = rig.asked.slice(1).map(({ atUs }, i) => atUs - (rig.asked[i]?.atUs ?? 0))
  t.strictSame(pauses, [600, 600], 'latency and a short pause, no time-out')
  t.end()
})

test('a lost tail shows through either heartbeat', (t) => {
  for (const kind of ['stream', 'control']) {
    const rig = new ReceiverRig()
    rig.answerWith(() => 4, 10, 100)
    rig.events(1, 2)
    if (kind === 'stream') rig.packet(heartbeatPacket(5))
    else rig.heartbeat(5)
    rig.advance(5_000)
    t.equal(rig.delivered, 4, kind)
    t.strictSame(
      rig.asked.map(({ from, count }) => `${from}+${count}`),
      ['3+2'],
    )
  }
  t.end()
})

test('a heartbeat that overtakes its events is no gap while they come', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 2)
  for (let sequence = 3; sequence < 40; sequence++) {
    rig.packet(heartbeatPacket(sequence + 20))
    rig.advance(100)
    rig.events(sequence, 1)
  }
  t.equal(rig.receiver.counters.requests, 0)
  t.equal(rig.receiver.state, 'live')
  rig.advance(4_000)
  t.ok(rig.receiver.counters.requests > 0, 'when nothing comes any more, the tail is asked for')
  t.end()
})

test('a heartbeat is a hint: a wrong one is mended by the next', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 2)
  rig.packet(heartbeatPacket(2 ** 40))
  rig.advance(1_000)
  t.strictSame(rig.said, ['rewinding', 'rewind 3'])
  rig.packet(heartbeatPacket(3))
  t.equal(rig.receiver.state, 'live')
  rig.events(3)
  t.equal(rig.delivered, 3)
  t.end()
})

test('the end of the session comes after its last event', (t) => {
  const rig = new ReceiverRig()
  rig.answerWith(() => 4, 10, 100)
  rig.events(1, 2)
  rig.packet(endOfSessionPacket(2))
  t.equal(rig.receiver.counters['bad-end'], 1, 'an end before what was delivered is none')
  rig.packet(endOfSessionPacket(5))
  t.equal(rig.receiver.state, 'live')
  rig.advance(5_000)
  t.equal(rig.delivered, 4)
  t.strictSame(rig.said, ['gap', 'ended'])
  rig.events(5)
  t.equal(rig.delivered, 4, 'nothing after the end')
  t.equal(rig.receiver.tick(rig.clock.nowUs), Number.POSITIVE_INFINITY)
  t.end()
})

test('events past a supposed end prove it wrong', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 2)
  rig.packet(endOfSessionPacket(4))
  rig.events(3, 3)
  t.equal(rig.delivered, 5)
  t.equal(rig.receiver.state, 'live')
  t.equal(rig.receiver.counters['bad-end'], 1)
  t.end()
})

test('without servers and without a rewind the loss is said, not kept silent', (t) => {
  const rig = new ReceiverRig({ servers: 0 })
  rig.onStartRewind = () => rig.receiver.onRewindEnd('there is none', rig.clock.nowUs)
  rig.events(1)
  rig.events(4)
  rig.advance(31_000_000)
  t.equal(rig.receiver.state, 'lost')
  t.equal(rig.said.at(-1), 'lost 2-3')
  t.ok(rig.receiver.counters.rewinds > 5, 'it was tried')
  t.ok(rig.receiver.counters.rewinds < 20, 'with back-off')
  t.end()
})

test('without a rewind the servers are asked further', (t) => {
  const rig = new ReceiverRig({ servers: 1 })
  rig.onStartRewind = () => rig.receiver.onRewindEnd('there is none', rig.clock.nowUs)
  rig.events(40_000)
  rig.advance(10_000_000)
  t.equal(rig.receiver.state, 'gap')
  rig.answerWith(() => 40_000, 30, 100)
  rig.advance(10_000_000)
  t.equal(rig.delivered, 40_000)
  t.equal(rig.receiver.state, 'live')
  t.end()
})
