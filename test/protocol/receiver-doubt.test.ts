/** Without a key one datagram can say anything. It may cost a moment; it must not stop a receiver for ever. */
import { test } from 'tap'
import { endOfSessionPacket, eventPacket, heartbeatPacket } from '../fixtures/event-packets.js'
import { ReceiverRig } from '../fixtures/receiver-rig.js'

const HUGE = 2 ** 53 - 1_000
const SEQUENCER = 1

/** The true stream goes on: an event and a control heartbeat each tenth of a second. */
function follow(rig: ReceiverRig, first: number, events: number): void {
  for (let sequence = first; sequence < first + events; sequence++) {
    rig.events(sequence)
    rig.heartbeat(sequence + 1, SEQUENCER)
    rig.advance(100_000)
  }
}

function startedRig(): ReceiverRig {
  const rig = new ReceiverRig()
  rig.onStartRewind = () => rig.receiver.onRewindEnd('nothing there', rig.clock.nowUs)
  follow(rig, 1, 3)
  return rig
}

const ATTACKS: Readonly<Record<string, (rig: ReceiverRig) => void>> = {
  'an event far ahead': (rig) => rig.packet(eventPacket(HUGE, 1)),
  'a heartbeat far ahead': (rig) => rig.packet(heartbeatPacket(HUGE)),
  'an end of session far ahead': (rig) => rig.packet(endOfSessionPacket(HUGE)),
  'an end of session here': (rig) => rig.packet(endOfSessionPacket(4)),
  'a control heartbeat far ahead in the name of the sequencer': (rig) => rig.heartbeat(HUGE, SEQUENCER),
  'a control heartbeat of somebody else, far behind': (rig) => rig.heartbeat(1, 99),
  'a control heartbeat of somebody else, far ahead': (rig) => rig.heartbeat(HUGE, 99),
  'a newer epoch without its table': (rig) => {
    const table = [
      { epoch: 1, sequence: 1 },
      { epoch: 2, sequence: 2 },
    ]
    rig.receiver.onSequencerHeartbeat(99, 3, 9, table, rig.clock.nowUs)
    rig.receiver.onSequencerHeartbeat(99, 2, 9, [...table].reverse(), rig.clock.nowUs)
  },
  'an older epoch than there is': (rig) => rig.receiver.onSequencerHeartbeat(99, 0, 9, [], rig.clock.nowUs),
}

for (const [name, attack] of Object.entries(ATTACKS)) {
  test(`${name} is got over`, (t) => {
    const rig = startedRig()
    attack(rig)
    follow(rig, 4, 20)
    t.equal(rig.delivered, 23)
    t.equal(rig.receiver.state, 'live')
    t.equal(rig.receiver.knownNextSequence, 24)
    t.equal(rig.receiver.bufferedPackets, 0)
    t.notMatch(rig.said.join(), /lost|revoked|ended/)
    t.end()
  })
}

test('the sequencer’s own end is believed when it no longer says that it is open', (t) => {
  const rig = startedRig()
  rig.packet(endOfSessionPacket(4))
  t.equal(rig.receiver.state, 'live')
  rig.receiver.onSequencerHeartbeat(SEQUENCER, 1, 4, [], rig.clock.nowUs, false)
  rig.packet(endOfSessionPacket(4))
  t.equal(rig.receiver.state, 'ended')
  const silent = startedRig()
  silent.advance(300_000)
  silent.packet(endOfSessionPacket(4))
  t.equal(silent.receiver.state, 'ended', 'or when it is silent')
  t.end()
})

test('packets ahead of an older heartbeat are kept: it was overtaken', (t) => {
  const rig = startedRig()
  rig.events(5)
  rig.heartbeat(4, SEQUENCER)
  rig.events(4)
  t.equal(rig.delivered, 5)
  t.equal(rig.receiver.counters.disowned, 0)
  t.end()
})

test('where a new start is a new epoch, old heartbeats that are read late, however many, take nothing back', (t) => {
  for (const canRestart of [false, true]) {
    const rig = startedRig()
    for (let sequence = 4; sequence < 14; sequence++) rig.events(sequence)
    const table = [{ epoch: 1, sequence: 1 }]
    for (let i = 0; i < 40; i++) {
      rig.receiver.onSequencerHeartbeat(SEQUENCER, 1, 4, table, rig.clock.nowUs, true, canRestart)
      rig.advance(10_000)
    }
    t.equal(/revoked/.test(rig.said.join()), canRestart)
  }
  t.end()
})
