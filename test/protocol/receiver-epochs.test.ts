import { test } from 'tap'
import { EpochTable } from '../../src/protocol/epoch-table.js'
import { Receiver } from '../../src/protocol/receiver.js'
import type { ReceiverOutput } from '../../src/protocol/receiver-options.js'
import { EPOCH_OPENED } from '../../src/wire/runtime-events.js'
import { eventPacket, SESSION } from '../fixtures/event-packets.js'
import { ReceiverRig } from '../fixtures/receiver-rig.js'

const A = 11
const B = 22

test('an event of another epoch than the table names is dropped, before it could pass for a repeat', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 2)
  rig.packet(eventPacket(1, 2, 2))
  rig.packet(eventPacket(3, 1, 0))
  t.equal(rig.delivered, 2)
  t.match(rig.receiver.counters, { 'unknown-epoch': 1, 'wrong-epoch': 1, duplicate: 0 })
  t.end()
})

test('the epoch table says which epoch a sequence belongs to', (t) => {
  const table = new EpochTable()
  t.equal(table.epochAt(2 ** 50), 1)
  const entries = [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 10 },
    { epoch: 5, sequence: 30 },
  ]
  t.equal(table.adopt(entries), 10, 'the first sequence that changed')
  t.strictSame(
    [1, 9, 10, 29, 30, 31].map((sequence) => table.epochAt(sequence)),
    [1, 1, 2, 2, 5, 5],
  )
  t.equal(table.spanEnd(9), 10)
  t.equal(table.spanEnd(10), 30)
  t.equal(table.adopt(entries), 0)
  t.equal(table.adopt(entries.slice(0, 2)), 0, 'an older table changes nothing')
  t.equal(table.adopt([]), 0)
  t.equal(table.adopt([{ epoch: 6, sequence: 2 }]), -1, 'begins at 1')
  t.equal(table.adopt([...entries, { epoch: 6, sequence: 30 }]), -1, 'rises')
  t.equal(table.newest, 5)
  t.end()
})

test('one packet may hold events of two epochs', (t) => {
  const opened = [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 3 },
  ]
  const packets = { right: 3, early: 2, late: 4 }
  for (const [name, newFrom] of Object.entries(packets)) {
    const rig = new ReceiverRig()
    rig.receiver.onSequencerHeartbeat(A, 2, 1, opened, rig.clock.nowUs)
    const packet = eventPacket(1, 4)
    let at = 20
    for (let sequence = 1; sequence <= 4; sequence++) {
      if (sequence >= newFrom) packet[at + 2 + 17] = 2
      at += 2 + (packet[at + 1] ?? 0)
    }
    rig.isUnchecked = true
    rig.packet(packet)
    t.equal(rig.delivered, name === 'right' ? 4 : 0, name)
    t.equal(rig.receiver.counters['wrong-epoch'], name === 'right' ? 0 : 1)
  }
  t.end()
})

test('a table that takes back what was delivered is a revocation', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 9)
  const tables = [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 7 },
  ]
  rig.receiver.onSequencerHeartbeat(B, 2, 12, tables, rig.clock.nowUs)
  t.strictSame(rig.said, ['lost', 'revoked 7'])
  const behind = new ReceiverRig()
  behind.events(1, 6)
  behind.receiver.onSequencerHeartbeat(B, 2, 12, tables, behind.clock.nowUs)
  behind.packet(eventPacket(7, 1, 1))
  t.equal(behind.delivered, 6, 'the old branch is not admitted')
  t.equal(behind.receiver.counters['wrong-epoch'], 1)
  t.equal(behind.receiver.counters.revocations, 0)
  t.end()
})

test('a sequencer that restarts behind what was delivered is noticed', (t) => {
  const rig = new ReceiverRig()
  rig.heartbeat(1, A)
  rig.events(1, 10)
  rig.advance(300_000)
  rig.heartbeat(8, B)
  t.strictSame(rig.said, ['lost', 'revoked 8'])
  t.equal(rig.receiver.counters.revocations, 1)
  rig.events(11)
  t.equal(rig.delivered, 10, 'nothing is delivered after it')
  t.end()
})

test('a sequencer that restarts where it was, or whose heartbeat is late, is not', (t) => {
  const rig = new ReceiverRig()
  rig.heartbeat(1, A)
  rig.events(1, 10)
  rig.heartbeat(4, A)
  rig.heartbeat(2, A)
  t.equal(rig.receiver.counters['stale-heartbeat'], 1)
  rig.advance(300_000)
  rig.events(11, 5)
  rig.heartbeat(11, B)
  t.equal(rig.delivered, 15)
  t.equal(rig.receiver.state, 'live', 'its events were read before its heartbeat')
  rig.heartbeat(5, A)
  t.equal(rig.receiver.state, 'live', 'the old one is heard no more')
  t.equal(rig.receiver.counters['stale-heartbeat'], 2)
  t.equal(rig.receiver.counters.revocations, 0)
  t.end()
})

test('the first sequencer that is heard of may be late', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 10)
  rig.advance(200_000)
  rig.heartbeat(4, A)
  t.strictSame(rig.said, [])
  t.end()
})

test('what an earlier sequencer announced may not be taken back, once that one is silent', (t) => {
  const rig = new ReceiverRig()
  rig.heartbeat(11, A)
  rig.events(1, 10)
  rig.heartbeat(9, B)
  t.equal(rig.receiver.state, 'live', 'of two that run one stops')
  t.equal(rig.receiver.counters['rival-heartbeat'], 1)
  rig.advance(300_000)
  rig.heartbeat(9, B)
  t.equal(rig.said.at(-1), 'revoked 9')
  t.end()
})

test('a successor that was behind when it was first heard is behind, however far it has come since', (t) => {
  const rig = new ReceiverRig()
  rig.events(1, 10)
  rig.advance(50_000)
  rig.heartbeat(11, A) // read late, after a stall
  rig.heartbeat(9, B)
  rig.events(11, 30)
  rig.advance(300_000)
  rig.heartbeat(41, B)
  t.equal(rig.receiver.counters.revocations, 1)
  const whole = new ReceiverRig()
  whole.events(1, 10)
  whole.advance(50_000)
  whole.heartbeat(11, A)
  whole.heartbeat(11, B)
  whole.events(11, 30)
  whole.advance(100_000)
  whole.events(41, 30)
  whole.advance(200_000)
  whole.heartbeat(71, B)
  t.equal(whole.receiver.counters.revocations, 0)
  t.equal(whole.delivered, 70)
  t.end()
})

test('what waits behind a hole is not taken for events of the successor', (t) => {
  const rig = new ReceiverRig()
  rig.heartbeat(11, A)
  rig.events(1, 3)
  rig.events(8, 3) // 4 to 7 were lost, and died with the sequencer
  rig.advance(400_000)
  rig.heartbeat(4, B)
  rig.events(4, 4)
  t.equal(rig.delivered, 7, 'events 8 to 10 of the lost branch are not delivered')
  t.equal(rig.receiver.counters.disowned, 1)
  rig.events(8, 2)
  t.equal(rig.delivered, 9)
  t.equal(rig.receiver.state, 'live')
  t.end()
})

test('a sequencer that was given up for a while is believed again, where it is not behind', (t) => {
  const rig = new ReceiverRig()
  rig.heartbeat(1, A)
  rig.events(1, 4)
  rig.advance(300_000)
  rig.heartbeat(5, B)
  rig.advance(300_000)
  rig.heartbeat(3, A)
  t.equal(rig.receiver.counters['stale-heartbeat'], 1)
  t.notOk(rig.receiver.follows(A))
  rig.heartbeat(5, A)
  t.ok(rig.receiver.follows(A))
  t.equal(rig.receiver.counters.revocations, 0)
  t.end()
})

const REIGN_2 = [
  { epoch: 1, sequence: 1 },
  { epoch: 2, sequence: 7 },
]

test('a greater epoch is believed at once, and a smaller one never again', (t) => {
  const rig = new ReceiverRig()
  rig.heartbeat(1, A)
  rig.events(1, 6)
  rig.receiver.onSequencerHeartbeat(B, 2, 7, REIGN_2, rig.clock.nowUs)
  t.ok(rig.receiver.follows(B), 'while the old one is still heard')
  t.strictSame(rig.receiver.epochTable, REIGN_2)
  rig.heartbeat(20, A)
  t.ok(rig.receiver.follows(B))
  t.equal(rig.receiver.counters['stale-heartbeat'], 1)
  t.equal(rig.receiver.knownNextSequence, 7, 'what the old one says does not count')
  rig.isUnchecked = true
  rig.packet(eventPacket(7, 2, 2))
  rig.packet(eventPacket(9, 2, 1))
  t.equal(rig.delivered, 8)
  const third = [...REIGN_2, { epoch: 3, sequence: 9 }]
  rig.receiver.onSequencerHeartbeat(A, 3, 9, third, rig.clock.nowUs)
  t.ok(rig.receiver.follows(A), 'who stepped down may reign again')
  rig.packet(eventPacket(9, 2, 3))
  t.equal(rig.delivered, 10)
  t.equal(rig.receiver.state, 'live')
  t.end()
})

test('a newer epoch that cannot say where it began is not believed', (t) => {
  const rig = new ReceiverRig()
  rig.heartbeat(1, A)
  rig.events(1, 3)
  for (const table of [[], REIGN_2, [{ epoch: 3, sequence: 2 }], [{ epoch: 3, sequence: Number.NaN }]]) {
    rig.receiver.onSequencerHeartbeat(B, 3, 4, table, rig.clock.nowUs)
  }
  t.equal(rig.receiver.counters['bad-heartbeat'], 4)
  t.ok(rig.receiver.follows(A))
  t.equal(rig.receiver.epochTable.length, 1)
  t.end()
})

test('a restarted store knows the epochs of its log: neither an older reign nor the same one takes anything back', (t) => {
  const rig = new ReceiverRig({ nextSequence: 10, epochTable: [{ epoch: 2, sequence: 7 }] })
  rig.heartbeat(5, A)
  t.equal(rig.receiver.counters['stale-heartbeat'], 1)
  rig.isUnchecked = true
  rig.packet(eventPacket(10, 2, 2))
  rig.receiver.onSequencerHeartbeat(B, 2, 12, [{ epoch: 2, sequence: 1 }], rig.clock.nowUs)
  t.equal(rig.delivered, 11)
  t.equal(rig.receiver.state, 'live')
  const apart = new ReceiverRig({ nextSequence: 10, epochTable: REIGN_2 })
  const causes: unknown[] = []
  const output = {
    ...quietOutput(),
    revoked: (next: number, _reason: string, cause: string) => causes.push(next, cause),
  }
  const receiver = new Receiver(
    { session: SESSION, nextSequence: 10, servers: 1, seed: 1, epochTable: REIGN_2 },
    output,
  )
  receiver.onSequencerHeartbeat(B, 2, 12, [REIGN_2[0]!, { epoch: 2, sequence: 9 }], 0)
  t.strictSame(causes, [7, 'other-branch'], 'its log holds events of a branch that the reign does not have')
  apart.receiver.onSequencerHeartbeat(B, 2, 12, REIGN_2, apart.clock.nowUs)
  t.equal(apart.receiver.counters.revocations, 0)
  t.end()
})

test('history with several epochs can be read while no sequencer speaks', (t) => {
  const opening = (sequence: number, epoch: number, type = EPOCH_OPENED): Uint8Array => {
    const packet = eventPacket(sequence, 1, epoch)
    packet[22] = 0
    packet[23] = type
    return packet
  }
  const rewound = (rig: ReceiverRig, first: number, packet: Uint8Array, count = 1): void =>
    rig.receiver.onRewindRun(first, count, packet, 20, packet.length, rig.clock.nowUs)
  const start = (): ReceiverRig => {
    const rig = new ReceiverRig({ startRewinding: true })
    rig.isUnchecked = true
    rig.advance(1)
    rig.receiver.onRewindStart(1, rig.clock.nowUs)
    rewound(rig, 1, eventPacket(1, 6), 6)
    return rig
  }
  const rig = start()
  rewound(rig, 7, opening(7, 2))
  rewound(rig, 8, eventPacket(8, 3, 2), 3)
  t.equal(rig.delivered, 10)
  t.equal(rig.receiver.counters['unknown-epoch'], 0)
  rewound(rig, 7, opening(7, 3))
  t.equal(rig.receiver.counters['unknown-epoch'], 1, 'what was delivered is for a sequencer to take back')
  t.strictSame(rig.receiver.epochTable, REIGN_2)
  rig.receiver.onSequencerHeartbeat(B, 3, 12, [...REIGN_2, { epoch: 3, sequence: 9 }], rig.clock.nowUs)
  t.equal(rig.said.at(-1), 'revoked 9', 'a store may have had a branch that lost')

  const other = start()
  rewound(other, 7, opening(7, 2, 1))
  t.equal(other.delivered, 6, 'only the event that opens an epoch does that')
  const heard = start()
  heard.receiver.onSequencerHeartbeat(B, 3, 9, [REIGN_2[0]!, { epoch: 3, sequence: 8 }], heard.clock.nowUs)
  rewound(heard, 7, opening(7, 2))
  t.equal(heard.delivered, 6, 'the table of a heartbeat stands')
  t.equal(heard.receiver.counters['wrong-epoch'], 1)
  t.end()
})

function quietOutput(): ReceiverOutput {
  const nothing = (): void => {}
  return {
    deliver: nothing,
    request: nothing,
    startRewind: nothing,
    stopRewind: nothing,
    stateChanged: nothing,
    lost: nothing,
  }
}

test('who joins in a later epoch takes nothing back, and what it took in the wrong one', (t) => {
  const table = [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 7 },
  ]
  const late = new ReceiverRig({ nextSequence: 20 })
  late.isUnchecked = true
  late.receiver.onSequencerHeartbeat(B, 2, 20, table, late.clock.nowUs)
  late.packet(eventPacket(20, 2, 2))
  t.equal(late.delivered, 21)
  t.notOk(late.said.some((word) => word.startsWith('revoked')))

  const misled = new ReceiverRig({ nextSequence: 20 })
  misled.packet(eventPacket(20, 2, 1))
  t.equal(misled.delivered, 21)
  misled.receiver.onSequencerHeartbeat(B, 2, 22, table, misled.clock.nowUs)
  t.ok(misled.said.includes('revoked 20'), 'from the first that it has')
  t.end()
})
