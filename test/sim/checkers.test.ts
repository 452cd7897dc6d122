/**
 * Each checker is shown a violation that was made by hand, beside the good case next to it: one that can't fail would be
 * worse than none.
 */
import { test } from 'tap'
import { SeqcastError } from '../../src/core/errors.js'
import type { SeenEffect } from '../../src/sim/watch-effects.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { activatedCodec, epochOpenedCodec } from '../../src/wire/runtime-events.js'
import {
  acknowledgement,
  Bench,
  commandPacket,
  control,
  event,
  eventPacket,
  grant,
  heartbeat,
  process,
  registered,
  replica1,
  replica2,
  sequencer1,
  sequencer2,
  ticks,
  violationOf,
  voterA,
  voterB,
  voterC,
} from './judge-kit.js'

const opened = (epoch: number): Uint8Array =>
  event({ type: 11, epoch, payload: epochOpenedCodec.encode({ epoch, incarnation: 2, reason: 'test' }) })

/** Epoch 2, granted by b and c, which have what was stable, and opened after event `opens - 1`. */
function secondReign(bench: Bench, opens: number, stable = 0): void {
  for (const voter of [voterB, voterC]) {
    bench.calls.promised(voter, 2, 0)
    bench.say(voter, grant(voter.voter, 2, 2))
  }
  bench.publish(opens, [opened(2)], sequencer2)
  bench.say(
    sequencer2,
    heartbeat(
      2,
      [
        [1, 1],
        [2, opens],
      ],
      stable,
    ),
  )
}

test('G1: what a replica is given was sent, to the byte', (t) => {
  const bench = new Bench()
  bench.publish(1, ticks(3))
  bench.give(replica1, 1, ticks(2))
  t.equal(
    violationOf(() => bench.give(replica1, 3, ticks(1, 1, 99))),
    'G1 a changed event',
  )
  t.equal(
    violationOf(() => bench.give(replica2, 1, ticks(4))),
    'G1 an event that nobody sent',
  )
  t.end()
})

test('G1, G7: in order, without repeat and without hole', (t) => {
  const bench = new Bench()
  bench.publish(1, ticks(5))
  bench.give(replica1, 1, ticks(2))
  t.equal(
    violationOf(() => bench.give(replica1, 2, ticks(1))),
    'G1 events were repeated',
  )
  t.equal(
    violationOf(() => bench.give(replica1, 4, ticks(1))),
    'G7 events were skipped',
  )
  t.equal(
    violationOf(() => bench.give(replica1, 3, ticks(3))),
    'none',
  )
  bench.calls.started(process('engine-1', { ...replica1, start: 2 }), 0)
  t.equal(
    violationOf(() => bench.give(replica1, 1, ticks(5))),
    'none',
    'a new process begins at 1',
  )
  t.end()
})

test('G1: branches are not mixed', (t) => {
  const bench = new Bench()
  bench.publish(1, ticks(5))
  bench.publish(4, [opened(2), ...ticks(2, 2)], sequencer2)
  bench.give(replica1, 1, ticks(4))
  t.equal(
    violationOf(() => bench.give(replica1, 5, ticks(1, 2))),
    'G1 branches are mixed',
  )
  bench.give(replica2, 1, [...ticks(3), opened(2)])
  t.equal(
    violationOf(() => bench.give(replica2, 5, ticks(1))),
    'G1 branches are mixed',
  )
  t.equal(
    violationOf(() => bench.record(voterA, 1, [...ticks(4), ...ticks(1, 2)])),
    'G1 branches are mixed',
  )
  t.equal(
    violationOf(() => bench.record(voterB, 1, [...ticks(3), opened(2)])),
    'none',
  )
  t.end()
})

test('G1: replicas agree on what they were told to be stable', (t) => {
  const bench = new Bench()
  const [first] = ticks(1)
  bench.stable([first!, ...ticks(2)])
  bench.publish(4, ticks(2))
  secondReign(bench, 4)
  bench.give(replica1, 1, [...ticks(5)])
  for (const voter of [voterB, voterC]) {
    if (voter === voterC) bench.record(voter, 1, ticks(3))
    bench.record(voter, 4, [opened(2)])
    bench.acknowledge(voter, 2, 4)
  }
  bench.say(
    sequencer2,
    heartbeat(
      2,
      [
        [1, 1],
        [2, 4],
      ],
      4,
    ),
  )
  t.equal(
    violationOf(() => bench.calls.stable(replica1, 3, 0)),
    'none',
  )
  t.equal(
    violationOf(() => bench.calls.stable(replica1, 4, 0)),
    'G1 replicas differ',
  )
  t.equal(
    violationOf(() => bench.calls.stable(replica2, 5, 0)),
    'G4 told to be stable and reported by nobody',
  )
  t.end()
})

test('G4: what a replica was told to be stable is not revoked', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  bench.publish(4, ticks(1))
  bench.give(replica1, 1, ticks(4))
  bench.calls.stable(replica1, 3, 0)
  t.equal(
    violationOf(() => bench.calls.revoked(replica1, 3, 0)),
    'G4 a stable event is taken back',
  )
  t.equal(
    violationOf(() => bench.calls.revoked(replica1, 4, 0)),
    'none',
  )
  t.equal(
    violationOf(() => bench.give(replica1, 1, ticks(1))),
    'none',
    'it begins again',
  )
  t.end()
})

test('G7: a loss is told with its range', (t) => {
  const lost = (from: number): SeqcastError =>
    new SeqcastError('E_LOST', 'lost', { fields: { session: 'SIM', from, to: 9 } })
  const bench = new Bench()
  bench.publish(1, ticks(3))
  bench.give(replica1, 1, ticks(3))
  t.equal(
    violationOf(() => bench.calls.stopped(replica1, 'failed', lost(4), 0)),
    'none',
  )
  t.equal(
    violationOf(() => bench.calls.stopped(replica1, 'failed', lost(6), 0)),
    'G7 a loss is told wrongly',
  )
  t.end()
})

test('G4: nothing is acknowledged that is not synced, or lies on another branch', (t) => {
  const bench = new Bench()
  bench.publish(1, ticks(5))
  bench.record(voterA, 1, ticks(5), 3)
  bench.say(sequencer1, heartbeat(1, [[1, 1]], 0))
  t.equal(
    violationOf(() => bench.say(voterA, acknowledgement('a', 1, 3))),
    'none',
  )
  t.equal(
    violationOf(() => bench.say(voterA, acknowledgement('a', 1, 4))),
    'G4 acknowledged before it was synced',
  )
  t.equal(
    violationOf(() => bench.say(voterA, acknowledgement('a', 0, 5))),
    'none',
    'epoch 0 acknowledges nothing',
  )
  bench.calls.durable(voterA, 5, 0)
  secondReign(bench, 4)
  t.equal(
    violationOf(() => bench.say(voterA, acknowledgement('a', 2, 5))),
    'G5 acknowledged from another branch',
  )
  t.equal(
    violationOf(() => bench.say(voterA, acknowledgement('a', 2, 3))),
    'none',
  )
  t.end()
})

test('G5: a voter is silent behind its promise, which is on disk before it is spoken', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  bench.calls.promised(voterA, 2, 0)
  t.equal(
    violationOf(() => bench.say(voterA, acknowledgement('a', 1, 3))),
    'G5 behind the fence',
  )
  t.equal(
    violationOf(() => bench.say(voterB, acknowledgement('b', 1, 3))),
    'none',
  )
  t.equal(
    violationOf(() => bench.say(voterA, grant('a', 2, 9))),
    'none',
  )
  t.equal(
    violationOf(() => bench.say(voterB, grant('b', 2, 9))),
    'G5 granted before it was promised',
  )
  t.end()
})

test('G4: stable needs a majority that acknowledges in that reign', (t) => {
  const bench = new Bench()
  bench.publish(1, ticks(3))
  for (const voter of [voterA, voterB]) bench.record(voter, 1, ticks(3))
  bench.acknowledge(voterA, 1, 3)
  bench.acknowledge(voterB, 1, 2)
  t.equal(
    violationOf(() => bench.say(sequencer1, heartbeat(1, [[1, 1]], 2))),
    'none',
  )
  t.equal(
    violationOf(() => bench.say(sequencer1, heartbeat(1, [[1, 1]], 3))),
    'G4 stable without acknowledgements',
  )

  const later = new Bench()
  later.stable(ticks(3))
  later.publish(4, ticks(6))
  later.record(voterA, 4, ticks(6))
  later.acknowledge(voterA, 1, 9)
  secondReign(later, 4)
  later.record(voterB, 4, [opened(2)])
  later.acknowledge(voterB, 2, 4)
  t.equal(
    violationOf(() =>
      later.say(
        sequencer2,
        heartbeat(
          2,
          [
            [1, 1],
            [2, 4],
          ],
          4,
        ),
      ),
    ),
    'G4 stable without acknowledgements',
    'those of another reign do not count',
  )
  t.end()
})

test('a table that begins late is completed by the reigns before', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  secondReign(bench, 4)
  for (const voter of [voterA, voterB]) {
    bench.calls.promised(voter, 3, 0)
    bench.say(voter, grant(voter.voter, 3, 3))
  }
  t.equal(
    violationOf(() =>
      bench.say(
        sequencer1,
        heartbeat(
          3,
          [
            [2, 4],
            [3, 5],
          ],
          3,
        ),
      ),
    ),
    'none',
  )
  t.same(bench.judges.chronicle.reignOf(3)?.table, [
    { epoch: 1, sequence: 1 },
    { epoch: 2, sequence: 4 },
    { epoch: 3, sequence: 5 },
  ])
  t.end()
})

test('G4: a farewell reports what is stable, too', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  bench.publish(4, ticks(1))
  const ofReign = heartbeat(1, [[1, 1]], 4, { state: 'stopped', epochTable: [], epoch: 1 })
  t.equal(
    violationOf(() => bench.say(sequencer1, ofReign)),
    'G4 stable without acknowledgements',
  )
  const ofOther = heartbeat(8, [[1, 1]], 4, { state: 'stopped', epochTable: [], epoch: 1 })
  t.equal(
    violationOf(() => bench.say(sequencer2, ofOther)),
    'none',
  )
  t.end()
})

test('G1: answers to requests hold what was sent', (t) => {
  const bench = new Bench()
  bench.publish(1, ticks(3))
  const answers = (packet: Uint8Array): string => violationOf(() => bench.calls.sent(voterA, 'unicast', packet, 0))
  t.equal(answers(eventPacket(2, ticks(2))), 'none')
  t.equal(answers(eventPacket(3, ticks(2))), 'G1 an event that nobody sent')
  t.equal(answers(eventPacket(3, ticks(1, 1, 9))), 'G1 a changed event')
  t.equal(answers(eventPacket(9, []).with(19, 5)), 'none', 'a request for five')
  t.end()
})

test('G4: a store cuts off nothing that is stable', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  bench.publish(4, ticks(2))
  bench.record(voterA, 4, ticks(2))
  t.equal(
    violationOf(() => bench.calls.truncated(voterA, 4, 0)),
    'none',
  )
  t.equal(
    violationOf(() => bench.calls.truncated(voterA, 3, 0)),
    'G4 a stable event is cut off',
  )
  t.end()
})

test('G4: stable needs the opening event', (t) => {
  const bench = new Bench()
  bench.stable(ticks(2))
  bench.publish(3, ticks(2))
  for (const voter of [voterB, voterC]) bench.record(voter, voter === voterB ? 3 : 1, ticks(voter === voterB ? 2 : 4))
  secondReign(bench, 5)
  t.equal(
    violationOf(() =>
      bench.say(
        sequencer2,
        heartbeat(
          2,
          [
            [1, 1],
            [2, 5],
          ],
          4,
        ),
      ),
    ),
    'G4 stable without the opening event',
  )
  t.end()
})

test('G4: a reign has all in its log that was stable, and grants of those who have it', (t) => {
  const shorter = new Bench()
  shorter.stable(ticks(5))
  t.equal(
    violationOf(() => secondReign(shorter, 4)),
    'G4 a stable event is lost',
  )

  const ungranted = new Bench()
  ungranted.stable(ticks(3))
  const beginning = heartbeat(
    2,
    [
      [1, 1],
      [2, 4],
    ],
    0,
  )
  t.equal(
    violationOf(() => ungranted.say(sequencer2, beginning)),
    'G4 a reign without grants',
  )

  const emptied = new Bench()
  emptied.stable(ticks(3))
  emptied.calls.recovered(voterB, new MemoryEventLog({ session: 'SIM' }), 0)
  t.equal(
    violationOf(() => secondReign(emptied, 4)),
    'G4 a reign without grants',
    'an empty voter does not count',
  )

  const refilled = new Bench()
  refilled.stable(ticks(3))
  refilled.calls.recovered(voterB, new MemoryEventLog({ session: 'SIM' }), 0)
  refilled.record(voterB, 1, ticks(3))
  t.equal(
    violationOf(() => secondReign(refilled, 4)),
    'none',
    'one that has all again does',
  )
  t.end()
})

test('G4: nothing becomes stable that a newer reign lacks', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  secondReign(bench, 4)
  bench.publish(4, ticks(2))
  for (const voter of [voterA, voterB]) bench.record(voter, 4, ticks(2))
  t.equal(
    violationOf(() => bench.say(sequencer1, heartbeat(1, [[1, 1]], 5))),
    'G4 a stable event is lost',
  )
  t.end()
})

test('G5: two reigns do not make events stable, and there is one stream', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  secondReign(bench, 4)
  bench.record(voterB, 4, [opened(2)])
  bench.record(voterC, 1, [...ticks(3), opened(2)])
  for (const voter of [voterB, voterC]) bench.acknowledge(voter, 2, 4)
  bench.say(
    sequencer2,
    heartbeat(
      2,
      [
        [1, 1],
        [2, 4],
      ],
      4,
    ),
  )
  bench.publish(4, ticks(1))
  t.equal(
    violationOf(() => bench.say(sequencer1, heartbeat(1, [[1, 1]], 4))),
    'G5 a fork of the stable stream',
  )
  t.equal(
    violationOf(() => bench.publish(2, ticks(1, 1, 77))),
    'G5 two events of one number',
  )
  t.equal(
    violationOf(() => bench.say(sequencer2, heartbeat(9, [[1, 1]], 0))),
    'G5 two sequencers in one epoch',
  )
  t.end()
})

test('G5: an older reign is over where a newer one makes events stable', (t) => {
  const bench = new Bench()
  bench.stable(ticks(3))
  secondReign(bench, 6)
  bench.publish(4, ticks(9))
  bench.record(voterB, 4, [...ticks(2), opened(2)])
  bench.record(voterC, 1, [...ticks(5), opened(2)])
  for (const voter of [voterB, voterC]) bench.acknowledge(voter, 2, 6)
  bench.say(
    sequencer2,
    heartbeat(
      2,
      [
        [1, 1],
        [2, 6],
      ],
      6,
    ),
  )
  bench.record(voterA, 4, ticks(9))
  t.match(
    violationOf(() => bench.say(sequencer1, heartbeat(1, [[1, 1]], 8))),
    /^G[45] /,
  )
  t.end()
})

test('G2, G3: the commands of a source, each once and in order', (t) => {
  const command = (number: number, payload = number): Uint8Array =>
    event({ type: 300, source: 5, sourceSequence: number, timeUs: 0, epoch: 0, payload: Uint8Array.of(payload) })
  const of = (number: number, payload = number): Uint8Array =>
    event({ type: 300, source: 5, sourceSequence: number, payload: Uint8Array.of(payload) })
  const begun = (): Bench => {
    const bench = new Bench()
    bench.calls.sent(
      process('feed', { kind: 'source' }),
      'command',
      commandPacket(
        5,
        1,
        [1, 2, 3].map((n) => command(n)),
      ),
      0,
    )
    bench.stable([registered(5), of(1)])
    return bench
  }
  t.equal(
    violationOf(() => begun().stable([of(2), of(3)], 3)),
    'none',
  )
  t.equal(
    violationOf(() => begun().stable([of(1)], 3)),
    'G3 a command became two events',
  )
  t.equal(
    violationOf(() => begun().stable([of(3)], 3)),
    'G2 out of order',
  )
  t.equal(
    violationOf(() => begun().stable([of(2, 77)], 3)),
    'G3 a command that nobody sent',
  )
  t.equal(
    violationOf(() => begun().stable([registered(6, 5), of(2)], 3)),
    'G3 an event of no source',
  )
  t.equal(
    violationOf(() => begun().stable([event({ type: 300, source: 8, sourceSequence: 1 })], 3)),
    'G3 an event of no source',
  )
  t.end()
})

const activated = (instance: string, incarnation: number, term: number): Uint8Array => {
  const payload = activatedCodec.encode({ component: 'engine', instance, incarnation, term, reason: '' })
  return event({ type: 4, payload })
}

const ranEffect: SeenEffect = {
  component: 'engine',
  key: 'SIM/2/0',
  session: 'SIM',
  sequence: 2,
  name: 'Request',
  after: 'published',
  payload: new Uint8Array(0),
}

test('G8: a replica that no event names is silent', (t) => {
  const bench = new Bench()
  const stream = [activated('engine-1', 11, 1), activated('engine-2', 22, 2)]
  bench.publish(1, stream)
  const status = { state: 'standby', reason: '', term: 0, nextSequence: 1, digestSequence: 0, outboxCommands: 0 }
  const who = [
    { replica: replica1, sender: 11 },
    { replica: replica2, sender: 22 },
  ]
  for (const { replica, sender } of who) {
    const body = { component: 'engine', instance: replica.instance, ...status, digest: new Uint8Array(0), counters: {} }
    bench.say(replica, control(sender, { kind: 'component', body }))
  }
  const speaks = (replica: typeof replica1): string =>
    violationOf(() => bench.calls.sent(replica, 'command', commandPacket(0, 1, []), bench.nowUs))
  t.equal(speaks(replica1), 'G8 passive and not silent')
  bench.nowUs = 10
  bench.give(replica1, 1, stream.slice(0, 1))
  t.equal(speaks(replica1), 'none')
  t.equal(speaks(replica2), 'G8 passive and not silent')
  bench.nowUs = 20
  bench.give(replica1, 2, stream.slice(1))
  t.equal(speaks(replica1), 'none', 'what it had issued goes out in that moment')
  bench.nowUs = 21
  t.equal(speaks(replica1), 'G8 passive and not silent')
  t.equal(
    violationOf(() => bench.calls.effectBegan(replica1, ranEffect, 21)),
    'G8 passive and not silent',
  )
  bench.give(replica2, 1, stream)
  t.equal(speaks(replica2), 'none')
  bench.calls.revoked(replica2, 2, 30)
  bench.nowUs = 31
  t.equal(speaks(replica2), 'G8 passive and not silent', 'what made it active is revoked')
  t.end()
})
