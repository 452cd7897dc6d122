import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { Receiver } from '../../src/protocol/receiver.js'
import { writeU16, writeU64 } from '../../src/wire/bytes.js'
import { endOfSessionPacket, eventPacket, heartbeatPacket, SESSION } from '../fixtures/event-packets.js'
import { ReceiverRig } from '../fixtures/receiver-rig.js'

const REASONS = [
  'short-header',
  'foreign-session',
  'bad-sequence',
  'truncated-block',
  'short-event',
  'wrong-epoch',
] as const

test('every truncation of a valid packet is counted and dropped', (t) => {
  const whole = eventPacket(1, 4)
  const rig = new ReceiverRig()
  for (let length = 0; length < whole.length; length++) {
    rig.packet(whole.slice(0, length))
    const { counters } = rig.receiver
    t.equal(counters[length < 20 ? 'short-header' : 'truncated-block'], length < 20 ? length + 1 : length - 19)
  }
  t.equal(rig.delivered, 0)
  rig.packet(whole)
  t.equal(rig.delivered, 4)
  t.end()
})

test('every corruption of a byte is either counted or still a packet, and never thrown', (t) => {
  for (const whole of [eventPacket(1, 3), heartbeatPacket(4), endOfSessionPacket(4)]) {
    for (let at = 0; at < whole.length; at++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const packet = whole.slice()
        packet[at] = (packet[at] ?? 0) ^ change
        let deliveredEvents = 0
        const receiver = silentReceiver((count) => {
          deliveredEvents += count
        })
        receiver.onPacket(packet, 1)
        receiver.tick(1)
        const dropped = REASONS.reduce((sum, reason) => sum + receiver.counters[reason], 0)
        const { counters } = receiver
        const seen = dropped + counters['unknown-epoch'] + counters.heartbeats + counters.reordered + counters.overflow
        if (deliveredEvents === 0 && seen === 0 && counters['bad-end'] === 0 && receiver.knownNextSequence <= 1) {
          t.fail(`byte ${at} ^ ${change}: neither counted nor used`)
        }
      }
    }
  }
  t.pass()
  t.end()
})

test('random bytes behind a valid header do no harm', (t) => {
  const prng = new Prng(5)
  const receiver = silentReceiver(() => {})
  const header = eventPacket(1, 1).slice(0, 20)
  for (let i = 0; i < 20_000; i++) {
    const packet = new Uint8Array(20 + prng.integer(0, 90))
    packet.set(header)
    writeU64(packet, 10, prng.integer(1, 50))
    writeU16(packet, 18, prng.integer(0, 5))
    for (let at = 20; at < packet.length; at++) packet[at] = prng.chance(0.7) ? 0 : prng.integer(0, 255)
    receiver.onPacket(packet, i)
    if (i % 16 === 0) receiver.tick(i)
  }
  t.ok(receiver.counters['truncated-block'] > 100)
  t.ok(receiver.counters['short-event'] > 100)
  t.end()
})

test('what is not of the session, or not a sequence, is named', (t) => {
  const rig = new ReceiverRig()
  rig.packet(eventPacket(1, 1, 1, 'OTHER'))
  const zero = eventPacket(1, 1)
  writeU64(zero, 10, 0)
  rig.packet(zero)
  const huge = eventPacket(1, 1)
  huge.fill(0xff, 10, 18)
  rig.packet(huge)
  const last = eventPacket(1, 1)
  writeU64(last, 10, Number.MAX_SAFE_INTEGER)
  rig.packet(last)
  const short = eventPacket(1, 1)
  writeU16(short, 20, 19)
  rig.packet(short)
  rig.receiver.onSequencerHeartbeat(1, 1, 0, [], 0)
  rig.receiver.onSequencerHeartbeat(1, 1, 2 ** 60, [], 0)
  rig.receiver.onSequencerHeartbeat(1, 1, 1, [{ epoch: 9, sequence: 4 }], 0)
  t.match(rig.receiver.counters, {
    'foreign-session': 1,
    'bad-sequence': 3,
    'short-event': 1,
    'bad-heartbeat': 2,
    'bad-epoch-table': 1,
  })
  t.equal(rig.delivered, 0)
  t.end()
})

test('trailing bytes are not ours to judge, and are not delivered', (t) => {
  const rig = new ReceiverRig()
  const packet = eventPacket(1, 2)
  const tagged = new Uint8Array(packet.length + 16).fill(0xab)
  tagged.set(packet)
  rig.packet(tagged)
  t.equal(rig.delivered, 2)
  t.end()
})

test('blocks of a foreign stream are opaque', (t) => {
  let got = ''
  const receiver = silentReceiver((_count, bytes) => {
    got += Buffer.from(bytes).toString()
  }, true)
  const packet = eventPacket(1, 1).slice(0, 20 + 9)
  packet.set([0, 3, 0x61, 0x62, 0x63, 0, 0, 0, 0], 20)
  writeU16(packet, 18, 3)
  receiver.onPacket(packet, 1)
  t.equal(got, '\u0000\u0003abc\u0000\u0000\u0000\u0000')
  t.equal(receiver.nextSequence, 4, 'an empty block counts')
  receiver.onPacket(packet.slice(0, 28), 1)
  t.equal(receiver.counters['truncated-block'], 1)
  t.end()
})

test('wrong options are the programmer’s', (t) => {
  const output = {
    deliver() {},
    request() {},
    startRewind() {},
    stopRewind() {},
    stateChanged() {},
    lost() {},
  }
  t.throws(() => new Receiver({ session: SESSION, nextSequence: 0, servers: 1, seed: 1 }, output), RangeError)
  t.throws(() => new Receiver({ session: SESSION, nextSequence: 1, servers: -1, seed: 1 }, output), RangeError)
  t.end()
})

function silentReceiver(deliver: (count: number, bytes: Uint8Array) => void, opaque = false): Receiver {
  return new Receiver(
    { session: SESSION, nextSequence: 1, servers: 1, seed: 1, startRewinding: false, opaque },
    {
      deliver: (_sequence, count, bytes, start, end) => deliver(count, bytes.subarray(start, end)),
      request() {},
      startRewind() {},
      stopRewind() {},
      stateChanged() {},
      lost() {},
    },
  )
}
