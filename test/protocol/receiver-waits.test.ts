/**
 * In a session with voters no silence proves a loss: what is stable is on the disks of a majority, which may only be out of reach, and
 * what is not is for the next reign to keep or to drop. So a receiver waits, and says so; it never skips and never gives up.
 */
import { test } from 'tap'
import { ReceiverRig } from '../fixtures/receiver-rig.js'

const TABLE = [{ epoch: 1, sequence: 1 }]
const LOSS_US = 30_000_000

/** Delivered event 1, knows that 4 is there, and nobody answers. */
function deafRig(hasVoters: boolean): ReceiverRig {
  const rig = new ReceiverRig()
  rig.onStartRewind = () => rig.receiver.onRewindEnd('no store is known', rig.clock.nowUs)
  rig.events(1)
  rig.receiver.onSequencerHeartbeat(1, 1, 5, TABLE, rig.clock.nowUs, true, !hasVoters)
  return rig
}

test('with voters what nobody gives is waited for, for as long as it takes', (t) => {
  const rig = deafRig(true)
  rig.advance(10 * LOSS_US)
  t.notMatch(rig.said.join(), /lost/)
  t.equal(rig.receiver.counters['lost-events'], 0)
  t.ok(rig.receiver.counters['unanswered-holes'] >= 9, 'each wait that ended is counted')
  rig.answerWith(() => 4, 1, 1_000)
  rig.onStartRewind = () => rig.rewound(2, 3)
  rig.advance(10_000_000)
  t.equal(rig.delivered, 4, 'and all of it is delivered when somebody has it')
  t.equal(rig.receiver.state, 'live')
  t.end()
})

test('a rewind that begins too late is no loss with voters: another store is asked', (t) => {
  const rig = new ReceiverRig({ servers: 0 })
  const begins = [4, 4, 2]
  rig.onStartRewind = () => {
    const first = begins.shift() ?? 2
    rig.receiver.onRewindStart(first, rig.clock.nowUs)
    if (first === 2) rig.rewound(2, 3)
  }
  rig.events(1)
  rig.receiver.onSequencerHeartbeat(1, 1, 5, TABLE, rig.clock.nowUs, true, false)
  rig.advance(2_000_000)
  t.notMatch(rig.said.join(), /lost/)
  t.equal(rig.delivered, 4)
  t.equal(rig.receiver.state, 'live')
  t.end()
})

test('without voters it is a loss, as before', (t) => {
  const rig = deafRig(false)
  rig.advance(2 * LOSS_US)
  t.equal(rig.said.at(-1), 'lost 2-4')
  t.end()
})

test('who heard no sequencer knows of no voters', (t) => {
  const rig = new ReceiverRig()
  rig.onStartRewind = () => rig.receiver.onRewindEnd('no store is known', rig.clock.nowUs)
  rig.events(1)
  rig.events(3)
  rig.advance(2 * LOSS_US)
  t.equal(rig.said.at(-1), 'lost 2-2')
  t.end()
})

test('what takes over from another receiver knows it from the start', (t) => {
  const first = deafRig(true)
  t.equal(first.receiver.hasVoters, true)
  const rig = new ReceiverRig({ hasVoters: first.receiver.hasVoters })
  rig.onStartRewind = () => rig.receiver.onRewindEnd('no store is known', rig.clock.nowUs)
  rig.events(1)
  rig.events(3)
  rig.advance(2 * LOSS_US)
  t.notMatch(rig.said.join(), /lost/)
  t.end()
})
