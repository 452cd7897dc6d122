/** The checkers of a chain of sessions, each shown a violation that was made by hand. */
import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { replayable } from '../../src/sim/standard-parts.js'
import { createWorkload } from '../../src/sim/workload.js'
import { WorkloadModel } from '../../src/sim/workload-model.js'
import { amountOf, workloadSchema as schema } from '../../src/sim/workload-schema.js'
import {
  activatedCodec,
  effectDoneCodec,
  effectOwedCodec,
  seedDoneCodec,
  sessionEndedCodec,
  sessionOpenedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../../src/wire/runtime-events.js'
import {
  acknowledgement,
  Bench,
  blocks,
  commandPacket,
  control,
  event,
  heartbeat,
  replica1,
  ticks,
  violationOf,
  voterA,
  voterC,
} from './judge-kit.js'

const [FIRST, NEXT] = ['SIM', 'SIM2']

const ended = (successor = NEXT, timeUs = 5): Uint8Array =>
  event({ type: 9, timeUs, payload: sessionEndedCodec.encode({ reason: '', successor }) })

const started = (over: object = {}, timeUs = 6): Uint8Array => {
  const sizes = { protocolVersion: 1, datagramBytes: 1_400, fragmentBytes: 1_000, voters: ['a', 'b', 'c'] }
  const statics = { staticEvents: 0, staticHash: '' }
  const fields = { session: NEXT, ...sizes, predecessor: FIRST, predecessorSequence: 3, seeders: [], ...statics }
  return event({ type: 1, timeUs, payload: sessionStartedCodec.encode({ ...fields, ...over }) })
}

/** Two events and an end, of which nobody has anything yet. */
function beforeTheEnd(last = ended()): { bench: Bench; first: Uint8Array[] } {
  const bench = new Bench()
  bench.stable(ticks(2))
  bench.publish(3, [last])
  return { bench, first: [last] }
}

/** A session that has ended, whose end is the third event. */
function afterTheEnd(before: readonly Uint8Array[] = ticks(2)): Bench {
  const bench = new Bench()
  const events = [...before, ended()]
  bench.stable(events)
  bench.record(voterC, 1, events)
  return bench
}

const begin = (bench: Bench, ...events: Uint8Array[]): string => violationOf(() => bench.stable(events, 1, NEXT))

test('G4: nothing of a session is there before the end of the one before is stable', (t) => {
  const early = 'G4 a session begins too early'
  const signs: Record<string, (bench: Bench) => void> = {
    event: (bench) => bench.publish(1, [started()], undefined, NEXT),
    reign: (bench) => bench.say(voterA, heartbeat(5, [[1, 1]], 0, {}, NEXT)),
    word: (bench) => bench.say(voterA, acknowledgement('a', 1, 2, FIRST, NEXT)),
  }
  for (const [name, sign] of Object.entries(signs)) {
    const { bench, first } = beforeTheEnd()
    t.equal(
      violationOf(() => sign(bench)),
      early,
      name,
    )
    const other = beforeTheEnd().bench
    other.acknowledged(first, 3)
    t.equal(
      violationOf(() => sign(other)),
      'none',
      `${name}: a majority has it, whether anybody says so or not`,
    )
    t.equal(other.judges.counts().sessionsRolled, 1)
    t.equal(other.judges.chronicle.stableSequence, 3, 'which makes it known')
  }
  t.equal(
    violationOf(() => new Bench().publish(1, [started()], undefined, 'SIM9')),
    early,
    'nobody names it',
  )
  const claim = control(5, { kind: 'claim', body: { epoch: 1, name: 's' } }, NEXT)
  t.equal(
    violationOf(() => beforeTheEnd().bench.say(voterA, claim)),
    'none',
    'it may be claimed',
  )
  t.end()
})

test('G5: after its end a session has nothing more, and no other successor', (t) => {
  const after = 'G5 a session goes on after its end'
  const then = (...events: Uint8Array[]): string => violationOf(() => afterTheEnd().stable(events, 4))
  t.equal(then(event({ timeUs: 7 })), after)
  t.equal(then(ended('SIM3', 7)), after)
  t.equal(then(ended(NEXT, 7)), 'none', 'a later reign says it again')
  t.end()
})

test('G5: a session names the end that it goes on from', (t) => {
  t.equal(begin(afterTheEnd(), started()), 'none')
  for (const over of [
    { predecessorSequence: 2 },
    { predecessor: 'SIM0' },
    { predecessor: '', predecessorSequence: 0 },
  ]) {
    t.equal(begin(afterTheEnd(), started(over)), 'G5 a link of the chain is missing')
  }
  t.equal(begin(afterTheEnd(), started({}, 4)), 'G1 time goes back')
  const other = new Bench()
  other.publish(3, [event({ type: 9, epoch: 2, payload: ended().slice(20) })])
  other.stable([...ticks(2), ended()])
  t.equal(begin(other, started()), 'none', 'one that is lost has the same number')
  t.end()
})

test('G5: at the end all are in the last session of the one chain', (t) => {
  const finish = (session: string): string => {
    const bench = afterTheEnd()
    bench.stable([started()], 1, NEXT)
    const final = { nowUs: 0, session, stableSequence: 9, stores: [], hosts: [] }
    return violationOf(() => bench.calls.converged(final))
  }
  t.equal(finish(NEXT), 'none')
  t.equal(finish(FIRST), 'G5 a fork of the chain')
  t.end()
})

test('G4, G5: what a store has of a session that has ended', (t) => {
  const finish = (change: (bench: Bench) => void): string => {
    const bench = afterTheEnd()
    bench.stable([started()], 1, NEXT)
    change(bench)
    return violationOf(() =>
      bench.calls.converged({ nowUs: 0, session: NEXT, stableSequence: 9, stores: [], hosts: [] }),
    )
  }
  t.equal(
    finish((bench) => bench.calls.truncated({ ...voterA, voter: '' }, 3, 0)),
    'G4 a stable event is lost',
  )
  const lost = [event({ type: 11, epoch: 2, timeUs: 4 }), event({ epoch: 2, timeUs: 5 })]
  const other = (bench: Bench): void => {
    bench.publish(2, lost)
    bench.calls.truncated({ ...voterA, voter: '' }, 2, 0)
    bench.record(voterA, 2, lost)
  }
  t.equal(finish(other), 'G5 another branch at the end')
  t.end()
})

const activated = event({
  type: 4,
  payload: activatedCodec.encode({ component: 'engine', instance: 'engine-1', incarnation: 7, term: 1, reason: '' }),
})
const registered = (name: string, source: number): Uint8Array => {
  const asked = { name, nonce: source, exclusive: false, component: 'engine', schemaHash: '' }
  return event({ type: 2, timeUs: 6, payload: sourceRegisteredCodec.encode({ ...asked, source, closes: 0 }) })
}
const seedEvent = (sourceSequence: number, type: number, payload: Uint8Array): Uint8Array =>
  event({ type, source: 2, sourceSequence, timeUs: 6, payload })
const seedDone = (sourceSequence: number, events = sourceSequence - 1): Uint8Array =>
  seedEvent(sourceSequence, 13, seedDoneCodec.encode({ component: 'engine', events, pending: 0 }))
const opened = event({ type: 12, timeUs: 6, payload: sessionOpenedCodec.encode({ reason: '', missing: [] }) })
const seeders = { seeders: ['engine'] }
const source = registered('engine/seed', 2)

/** What a source sends is known before it is an event. */
function seeded(bench: Bench, ...events: Uint8Array[]): string {
  const commands = events.filter((bytes) => (bytes[3] ?? 0) > 0)
  for (const command of commands) {
    const packet = commandPacket(command[3] ?? 0, command[7] ?? 0, [command])
    packet.set(Buffer.from(NEXT.padEnd(10)), 0)
    bench.calls.sent({ ...voterA, kind: 'source', voter: '' }, 'command', packet, 0)
  }
  return begin(bench, ...events)
}

test('G3, G4: a session is open when all that is carried over is there, and nobody else is heard before', (t) => {
  const bench = (): Bench => afterTheEnd([activated, event()])
  t.equal(seeded(bench(), started(seeders), source, seedDone(1), opened), 'none')
  t.equal(seeded(bench(), started()), 'G4 a component is forgotten')
  t.equal(seeded(bench(), started(seeders), source, opened), 'G4 a session is open without what was carried over')
  t.equal(seeded(bench(), started(seeders), source, seedDone(1, 2)), 'G3 a seed is not what it says')
  const stranger = [registered('feed', 3), event({ type: 300, source: 3, sourceSequence: 1, timeUs: 6 })]
  t.equal(seeded(bench(), started(seeders), ...stranger), 'G3 a command before the session is open')
  t.equal(seeded(bench(), started(seeders), source, seedDone(1), opened, ...stranger), 'none')
  t.end()
})

const request = schema.encode('Request', { key: 1, amount: 1 }).slice()
const owed = (over: object = {}): Uint8Array => {
  const own = { component: 'engine', key: 'SIM/2/0', session: FIRST, sequence: 2, timeUs: 1, index: 0 }
  return effectOwedCodec.encode({ ...own, type: 256, payload: request, ...over })
}

/** The first session owes an effect for its second event. */
function withOwed(): Bench {
  const { components } = createWorkload(new Prng(1), { requests: 1, spanUs: 1 })
  const bench = new Bench({ components: components.filter(({ name }) => name === 'engine').map(replayable) })
  const ask = event({ type: 256, source: 9, sourceSequence: 1, payload: request })
  bench.calls.sent({ ...voterA, kind: 'source', voter: '' }, 'command', commandPacket(9, 1, [ask]), 0)
  const asking = { name: 'ask', nonce: 9, exclusive: true, component: '', schemaHash: '', source: 9, closes: 0 }
  bench.stable([event({ type: 2, payload: sourceRegisteredCodec.encode(asking) }), ask, ended()])
  return bench
}

test('G8: an effect that is owed goes over under its key, once, and is closed once', (t) => {
  const first = [started(seeders), source]
  t.equal(seeded(withOwed(), ...first, seedDone(1)), 'G8 an effect is forgotten')
  t.equal(seeded(withOwed(), ...first, seedEvent(1, 14, owed()), seedDone(2)), 'none')
  t.equal(
    seeded(withOwed(), ...first, seedEvent(1, 14, owed({ sequence: 1 }))),
    'G8 an effect of nothing is carried over',
  )
  const twice = [seedEvent(1, 14, owed()), seedEvent(2, 14, owed())]
  t.equal(seeded(withOwed(), ...first, ...twice), 'G3 an effect is carried over twice')
  const done = (sequence: number): Uint8Array =>
    event({
      type: 6,
      timeUs: 6,
      payload: effectDoneCodec.encode({ component: 'engine', sequence, index: 0, epoch: 1 }),
    })
  const carried = [...first, seedEvent(1, 14, owed()), seedDone(2)]
  t.equal(seeded(withOwed(), ...carried, done(3)), 'G8 an effect is closed and was not done')
  const bench = withOwed()
  const runs = { component: 'engine', name: 'Request', after: 'published', payload: request } as const
  const effect = { ...runs, key: 'SIM/2/0', session: FIRST, sequence: 2 }
  const runner = { ...voterA, kind: 'source', voter: '' } as const
  bench.calls.effectBegan(runner, effect, 0)
  bench.calls.effectEnded(runner, effect, 0)
  t.equal(seeded(bench, ...carried, done(3), done(3)), 'G8 an effect is closed twice')
  const other = withOwed()
  other.calls.effectBegan(runner, { ...effect, key: 'SIM2/3/0' }, 0)
  t.equal(seeded(other, ...carried), 'G8 two keys for one effect')
  t.end()
})

test('G8: what is carried over may come from a passive replica, and nothing else', (t) => {
  const bench = afterTheEnd([activated, event()])
  const here = { ...replica1, session: NEXT }
  bench.stable([started(seeders), source], 1, NEXT)
  const speaks = (number: number): string => {
    const packet = commandPacket(number, 1, [event({ source: number, sourceSequence: 1 })])
    packet.set(Buffer.from(NEXT.padEnd(10)), 0)
    return violationOf(() => bench.calls.sent(here, 'command', packet, 1))
  }
  t.equal(speaks(2), 'G8 passive and not silent', 'it was not given the registration')
  const given = blocks([started(seeders), source])
  bench.calls.delivered(here, 1, 2, given, 0, given.length, 1)
  t.equal(speaks(2), 'none')
  t.equal(speaks(3), 'G8 passive and not silent')
  t.end()
})

test('G4: a session begins with what was true at the end of the one before', (t) => {
  const request = schema.encode('Request', { key: 1, amount: amountOf(1) }).slice()
  const verdict = (type: number, payload: Uint8Array): string => {
    const model = new WorkloadModel()
    model.stableEvent(1, event({ type: 256, payload: request }), FIRST)
    return violationOf(() => {
      model.stableEvent(1, event({ type, payload: payload.slice() }), NEXT)
      model.stableEvent(2, event({ type, payload: payload.slice() }), NEXT)
    })
  }
  const twice = 'G3 a command became two events'
  t.equal(verdict(262, schema.encode('GatewayCarried', { lastKey: 0, answered: 0, sum: 0 })), 'G4 state is lost')
  t.equal(verdict(262, schema.encode('GatewayCarried', { lastKey: 1, answered: 0, sum: 0 })), twice)
  const total = amountOf(1)
  t.equal(verdict(263, schema.encode('EngineCarried', { count: 1, total: total + 1 })), 'G4 state is lost')
  t.equal(verdict(263, schema.encode('EngineCarried', { count: 1, total })), twice)
  t.equal(verdict(264, schema.encode('TallyCarried', { replies: 0, lots: 0 })), twice)
  const open = { key: 1, amount: total, leftUs: 1 }
  t.equal(verdict(265, schema.encode('OpenCarried', open)), twice)
  t.equal(verdict(265, schema.encode('OpenCarried', { ...open, key: 2 })), 'G4 state is lost')
  t.end()
})
