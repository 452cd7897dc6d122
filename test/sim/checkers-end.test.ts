/**
 * The checkers of effects, of state, and of the end of a run, each shown a violation that was made by hand.
 */
import { test } from 'tap'
import { defineComponent } from '../../src/component/definition.js'
import { digestOf } from '../../src/component/digest.js'
import { Prng } from '../../src/core/prng.js'
import { Chronicle } from '../../src/sim/checkers/chronicle.js'
import { OwedEffects } from '../../src/sim/checkers/effects.js'
import { Passive } from '../../src/sim/checkers/passive.js'
import { replayable } from '../../src/sim/standard-parts.js'
import type { SeenEffect } from '../../src/sim/watch-effects.js'
import { createWorkload } from '../../src/sim/workload.js'
import { amountOf, REQUEST, workloadSchema } from '../../src/sim/workload-schema.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import {
  activatedCodec,
  digestRequestedCodec,
  digestTakenCodec,
  effectDoneCodec,
  passivatedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../../src/wire/runtime-events.js'
import {
  Bench,
  blocks,
  commandPacket,
  event,
  process,
  registered,
  replica1,
  replica2,
  ticks,
  violationOf,
  voterA,
} from './judge-kit.js'

const requests = [1, 2, 3].map((key) => workloadSchema.encode('Request', { key, amount: amountOf(key) }).slice())
const request = (key: number, timeUs = 1): Uint8Array =>
  event({ type: REQUEST, source: 5, sourceSequence: key, timeUs, payload: requests[key - 1] ?? new Uint8Array(0) })

const effectOf = (sequence: number, over: Partial<SeenEffect> = {}): SeenEffect => ({
  component: 'engine',
  key: `SIM/${sequence}/0`,
  session: 'SIM',
  sequence,
  name: 'Request',
  after: 'published',
  payload: requests[sequence - 2] ?? new Uint8Array(0),
  ...over,
})

const done = (sequence: number, over: object = {}): Uint8Array =>
  event({ type: 6, payload: effectDoneCodec.encode({ component: 'engine', sequence, index: 0, epoch: 1, ...over }) })

/** Nobody whom the checker of passive replicas knows. */
const runner = process('runner')

/** Two requests are stable, as events 2 and 3; the engine has an effect for each. */
function withEffects(): Bench {
  const components = createWorkload(new Prng(1), { requests: 3, spanUs: 1 }).components.map(replayable)
  const bench = new Bench({ components })
  const feed = process('feed', { kind: 'source' })
  bench.calls.sent(feed, 'command', commandPacket(5, 1, [request(1), request(2), request(3)]), 0)
  bench.stable([registered(5), request(1), request(2)])
  return bench
}

test('G8: effects run for what is in the stream, under a key of their own, and are closed once', (t) => {
  const bench = withEffects()
  t.equal(bench.judges.effectsOwed(), 2)
  const began = (effect: SeenEffect): string => violationOf(() => bench.calls.effectBegan(runner, effect, 0))
  t.equal(began(effectOf(2)), 'none')
  t.equal(began(effectOf(2)), 'none', 'a repeat under the same key')
  t.equal(bench.judges.counts().effectsRepeated, 1)
  t.equal(began(effectOf(3, { key: 'SIM/2/0' })), 'G8 one key for two effects')
  t.equal(began(effectOf(4, { after: 'stable' })), 'G8 an effect before stability')
  t.equal(began(effectOf(3, { key: 'x', after: 'stable', payload: Uint8Array.of(1) })), 'G8 an effect before stability')
  t.equal(began(effectOf(3, { key: 'y', after: 'stable' })), 'none')
  const closes = (event: Uint8Array, at: number): string => violationOf(() => bench.stable([event], at))
  t.equal(closes(done(2), 4), 'G8 an effect is closed and was not done')
  t.end()
})

test('G8: an effect is closed once, and owed until then', (t) => {
  const bench = withEffects()
  for (const sequence of [2, 3]) {
    bench.calls.effectBegan(runner, effectOf(sequence), 0)
    bench.calls.effectEnded(runner, effectOf(sequence), 0)
  }
  bench.stable([done(2)], 4)
  t.equal(bench.judges.effectsOwed(), 1)
  t.equal(
    violationOf(() => bench.stable([done(3, { epoch: 7 })], 5)),
    'none',
    'of another branch',
  )
  t.equal(bench.judges.effectsOwed(), 1)
  t.equal(
    violationOf(() => bench.stable([done(9)], 6)),
    'G8 an EffectDone of nothing',
  )
  t.equal(
    violationOf(() => withClosed().stable([done(2)], 5)),
    'G8 an effect is closed twice',
  )
  t.end()
})

function withClosed(): Bench {
  const bench = withEffects()
  bench.calls.effectBegan(runner, effectOf(2), 0)
  bench.calls.effectEnded(runner, effectOf(2), 0)
  bench.stable([done(2)], 4)
  return bench
}

/** The end of a run in which stores have these events. */
function ending(bench: Bench, events: readonly Uint8Array[], stableSequence = events.length): string {
  const log = new MemoryEventLog({ session: 'SIM', durable: 'manual' })
  const bytes = blocks(events)
  log.append(1, events.length, bytes, 0, bytes.length, 0)
  log.sync()
  const final = { nowUs: 0, session: 'SIM', stableSequence, stores: [{ process: voterA, log }], hosts: [] }
  return violationOf(() => bench.calls.converged(final))
}

test('G4, G5: at the end every store has the stable stream', (t) => {
  const stream = ticks(4)
  const begun = (): Bench => {
    const bench = new Bench()
    bench.stable(stream)
    return bench
  }
  t.equal(ending(begun(), stream), 'none')
  t.equal(ending(begun(), stream.slice(0, 3), 4), 'G4 a stable event is lost')
  t.equal(ending(begun(), stream.slice(0, 3), 3), 'G4 stable events are forgotten')
  t.equal(ending(begun(), [...stream.slice(0, 3), ...ticks(1, 2)]), 'G5 another branch at the end')
  t.equal(ending(begun(), [...stream, ...ticks(1)], 5), 'G5 another branch at the end')
  t.end()
})

test('G8: at the end no effect is owed', (t) => {
  const stream = [registered(5), request(1), request(2)]
  t.equal(ending(withEffects(), stream), 'G8 an effect was never begun')
  const open = withEffects()
  for (const sequence of [2, 3]) open.calls.effectBegan(runner, effectOf(sequence), 0)
  t.equal(ending(open, stream), 'G8 an effect is not closed')
  const twice = withClosed()
  twice.calls.effectBegan(runner, effectOf(2, { key: 'other' }), 0)
  t.equal(ending(twice, [...stream, done(2)]), 'G8 two keys for one effect')
  t.end()
})

test('G8: of a hot-hot component every replica may speak, once one is active', (t) => {
  const passive = new Passive(() => 77, new Set(['engine']))
  for (const replica of [replica1, replica2]) passive.started(replica)
  const speaks = (nowUs: number): string =>
    violationOf(() => passive.sent(replica2, 'command', commandPacket(9, 1, []), nowUs))
  const give = (parts: Parameters<typeof event>[0], nowUs: number): void => {
    const bytes = blocks([event(parts)])
    passive.delivered(replica2, 1, 1, bytes, 0, bytes.length, nowUs)
  }
  t.equal(speaks(1), 'G8 passive and not silent')
  const active = { component: 'engine', instance: 'engine-1', incarnation: 1, term: 1, reason: '' }
  give({ type: 4, payload: activatedCodec.encode(active) }, 2)
  t.equal(speaks(3), 'none')
  give({ type: 5, payload: passivatedCodec.encode({ component: 'engine', term: 2, reason: '' }) }, 4)
  t.equal(speaks(5), 'G8 passive and not silent')
  t.end()
})

test('G8: an event of the same number and content on another branch is another one', (t) => {
  let epoch = 1
  const chronicle = new Chronicle('SIM')
  const owed = new OwedEffects(
    () => chronicle,
    [],
    () => epoch,
  )
  owed.effectBegan(runner, effectOf(2))
  epoch = 2
  t.equal(
    violationOf(() => owed.effectBegan(runner, effectOf(2))),
    'G8 one key for two effects',
  )
  t.equal(
    violationOf(() => owed.effectBegan(runner, effectOf(2, { key: 'SIM/2/0/2' }))),
    'none',
  )
  t.end()
})

test('G8: an effect that ran for an event of a lost branch is told by its key', (t) => {
  const lost = effectOf(4, { key: 'SIM/4/0' })
  const end = (tell: (bench: Bench) => void): string => {
    const bench = new Bench()
    bench.stable(ticks(4))
    bench.calls.effectBegan(runner, lost, 0)
    tell(bench)
    return ending(bench, ticks(4))
  }
  t.equal(
    end(() => {}),
    'G8 silent about a revoked effect',
  )
  t.equal(
    end((bench) => bench.calls.effectRevoked(runner, lost.key, 0)),
    'none',
  )
  t.equal(
    end((bench) => bench.calls.stopped(runner, 'killed', undefined, 0)),
    'none',
  )
  const bench = new Bench()
  t.equal(
    violationOf(() => bench.calls.effectRevoked(runner, 'other', 0)),
    'G8 told wrongly',
  )
  t.end()
})

test('G6: equal digests after the same event of the same branch', (t) => {
  const bench = new Bench()
  bench.publish(1, ticks(4))
  for (const replica of [replica1, replica2]) bench.give(replica, 1, ticks(4))
  const takes = (replica: typeof replica1, digest: number): string =>
    violationOf(() => bench.calls.digest(replica, 4, Uint8Array.of(digest), 0))
  t.equal(takes(replica1, 1), 'none')
  t.equal(takes(replica2, 1), 'none')
  t.equal(takes(replica2, 2), 'G6 states differ')
  t.end()
})

const started = (): Uint8Array =>
  event({
    type: 1,
    payload: sessionStartedCodec.encode({
      session: 'SIM',
      protocolVersion: 1,
      datagramBytes: 1_400,
      fragmentBytes: 1_342,
      voters: ['a', 'b', 'c'],
      predecessor: '',
      predecessorSequence: 0,
      seeders: [],
      staticEvents: 0,
      staticHash: '',
    }),
  })

test('G6: a replay of the recording gives the digests that are recorded', (t) => {
  const engine = defineComponent({
    name: 'engine',
    schema: workloadSchema,
    state: () => ({ count: 0 }),
    on: {
      Request(state) {
        state.count++
      },
    },
  })
  const bench = (digest: Uint8Array): string => {
    const judged = new Bench({ components: [{ name: 'engine', create: () => engine }] })
    const payload = digestTakenCodec.encode({ component: 'engine', sequence: 2, digest })
    const asked = event({ type: 7, payload: digestRequestedCodec.encode({ component: 'engine', nonce: 3 }) })
    const shared = { name: 'engine', nonce: 1, exclusive: false, component: 'engine', schemaHash: workloadSchema.hash }
    const source = event({ type: 2, payload: sourceRegisteredCodec.encode({ ...shared, source: 5, closes: 0 }) })
    const taken = event({ type: 8, source: 5, sourceSequence: 1, payload })
    judged.calls.sent(process('someone'), 'command', commandPacket(5, 1, [taken]), 0)
    const stream = [started(), asked, source, taken]
    judged.stable(stream)
    return ending(judged, stream)
  }
  t.equal(bench(digestOf({ count: 0 })), 'none')
  t.equal(bench(digestOf({ count: 1 })), 'G6 a replay differs')
  t.end()
})
