import { equal } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { type Component, defineComponent } from '../../src/component/definition.js'
import { defineSchema } from '../../src/component/schema.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { replayComponent } from '../../src/replay/replay.js'
import {
  type DeskMessages,
  type DeskState,
  desk,
  deskDefinition,
  deskDescriptor,
  deskSchema,
} from '../component/desk.js'

const on = deskDefinition().on

/** A recorded session: orders, expiries, long messages, a switch between two replicas, a few digests. */
function record(component: Component, orders = 40): [TestSession, TestReplica] {
  const session = new TestSession({ datagramBytes: 300 })
  const replicas = [session.addReplica(component), session.addReplica(component)] as const
  session.settle()
  session.activate('desk', replicas[0])
  for (let id = 1; id <= orders; id++) {
    session.publish(256, deskSchema.encode('Order', { id, shares: id }))
    if (id % 10 === 0) session.publish(259, deskSchema.encode('Blob', { data: new Uint8Array(1_000).fill(id) }))
    if (id === orders / 2) session.activate('desk', replicas[1])
    session.advance(50_000)
    session.settle()
  }
  session.requestDigest('desk')
  session.settle()
  return [session, replicas[1]]
}

test('a replay verifies every command and digest, and ends with the same state', async (t) => {
  const component = defineComponent(deskDefinition({ digestEvery: 10 }))
  const [session, live] = record(component)
  const verified: number[] = []
  const report = await replayComponent({
    session: 'TEST',
    component,
    log: session.log,
    observer: { digestVerified: (sequence) => verified.push(sequence) },
  })
  t.equal(report.ended, 'complete')
  t.equal(report.failure, undefined)
  t.equal(report.digest, live.host.digest())
  t.equal(report.sequence, session.sequencer.nextSequence - 1)
  t.equal(report.commandsLeft, 0)
  t.ok((live.host.applicationState as DeskState).expired.length > 10)
  t.equal(report.commandsVerified, live.host.status().counters.commandsIssued! + report.digestsVerified)
  t.ok(report.digestsVerified > 5)
  t.equal(verified.length, report.digestsVerified)
  t.equal(report.timeUs <= session.wallUs, true)
  t.end()
})

test('a replay ends at the first difference and says where', async (t) => {
  const [session] = record(desk)
  const changed = defineComponent(
    deskDefinition({
      on: {
        ...on,
        Order(state, event, ctx) {
          if (event.payload.id === 17) ctx.send('Expired', { id: 17 })
          else on.Order?.(state, event, ctx)
        },
      },
    }),
  )
  const report = await replayComponent({ session: 'TEST', component: changed, log: session.log })
  t.equal(report.ended, 'failed')
  t.equal(report.digest, undefined)
  t.equal(report.failure?.code, 'E_NONDETERMINISM')
  t.match(report.failure?.fields, {
    sequence: report.sequence + 1,
    recorded: { name: 'Accepted', payload: { id: 17 } },
    computed: { name: 'Expired', payload: { id: 17 } },
  })
  t.end()
})

test('a state that differs ends it at the next recorded digest', async (t) => {
  const [session] = record(desk)
  const changed = defineComponent(deskDefinition({ on: { ...on, Blob: (state) => state.blobs.push(1) } }))
  const report = await replayComponent({ session: 'TEST', component: changed, log: session.log })
  t.match(report.failure?.message, /digest/)
  t.end()
})

test('a handler that fails in a replay says so', async (t) => {
  const [session] = record(desk)
  const broken = defineComponent(
    deskDefinition({
      on: {
        ...on,
        Blob() {
          throw new Error('too much')
        },
      },
    }),
  )
  const report = await replayComponent({ session: 'TEST', component: broken, log: session.log })
  t.equal(report.failure?.code, 'E_HANDLER')
  t.match(report.failure?.message, /Blob.*too much/)
  t.end()
})

test('a range: fast up to its beginning, at the pace within it, and no further than its end', async (t) => {
  const [session] = record(desk)
  const paced: [number, number][] = []
  let waits = 0
  const progress: number[] = []
  const report = await replayComponent({
    session: 'TEST',
    component: desk,
    log: session.log,
    fromSequence: 30,
    toSequence: 61,
    pace: (timeUs, sequence) => {
      paced.push([sequence, timeUs])
      if (sequence % 2 === 0) return undefined
      waits++
      return new Promise((resolve) => setImmediate(resolve))
    },
    progress: (sequence) => progress.push(sequence),
  })
  t.equal(report.sequence, 61)
  t.equal(report.ended, 'complete')
  t.ok((paced[0]?.[0] ?? 0) >= 30)
  t.equal(new Set(paced.map(([sequence]) => sequence)).size, paced.length, 'each packet waits once')
  t.ok(waits > 3)
  t.ok(paced.every(([, timeUs], i) => i === 0 || timeUs >= paced[i - 1]![1]))
  t.equal(progress.at(-1), 61)
  t.end()
})

test('the state at a sequence is the same, however it is reached', async (t) => {
  const [session] = record(desk)
  const at = async (toSequence: number): Promise<string | undefined> =>
    (await replayComponent({ session: 'TEST', component: desk, log: session.log, toSequence })).digest
  const live = new TestSession({ datagramBytes: 300 })
  t.equal(await at(50), await at(50))
  t.not(await at(50), await at(60))
  t.equal((await replayComponent({ session: 'TEST', component: desk, log: live.log, toSequence: 1 })).sequence, 1)
  t.end()
})

test('it can be ended between two packets', async (t) => {
  const [session] = record(desk)
  const aborter = new AbortController()
  const report = await replayComponent({
    session: 'TEST',
    component: desk,
    log: session.log,
    signal: aborter.signal,
    pace: (_, sequence) => {
      if (sequence >= 20) aborter.abort()
      return Promise.resolve()
    },
  })
  t.equal(report.ended, 'aborted')
  t.ok(report.sequence < 25)
  t.end()
})

test('effects and input do not run in a replay', async (t) => {
  let done = 0
  const component = defineComponent(
    deskDefinition({
      effects: { Order: { after: 'published', run: () => done++ } },
      input: async () => {
        done++
      },
    }),
  )
  const [session] = record(component, 4)
  t.equal(done, 4 + 2, 'live')
  const report = await replayComponent({ session: 'TEST', component, log: session.log })
  t.equal(report.ended, 'complete')
  t.equal(done, 4 + 2)
  t.end()
})

test('another schema is reported, and the replay goes on', async (t) => {
  const [session] = record(desk, 4)
  const schema = defineSchema<DeskMessages>({
    ...deskDescriptor,
    messages: { ...deskDescriptor.messages, Added: { type: 300, fields: {} } },
  })
  const report = await replayComponent({
    session: 'TEST',
    component: defineComponent(deskDefinition({ schema })),
    log: session.log,
  })
  t.equal(report.ended, 'complete')
  t.equal(report.counters.schemaMismatches, 3, 'the shared source, and an outside source for each activation')
  t.end()
})

test('whatever happened live, a replay gives the same digest', async (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('order' as const), id: fc.nat(30) }),
    fc.record({ kind: fc.constant('blob' as const), bytes: fc.nat(2_000) }),
    fc.record({ kind: fc.constant('time' as const), ms: fc.nat(1_500) }),
    fc.record({ kind: fc.constant('switch' as const), to: fc.nat(1) }),
    fc.record({ kind: fc.constant('settle' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(9), async (steps, digestEvery) => {
      const component = defineComponent(deskDefinition({ digestEvery }))
      const session = new TestSession({ datagramBytes: 300 })
      const replicas = [session.addReplica(component), session.addReplica(component)] as const
      for (const s of steps) {
        if (s.kind === 'order') session.publish(256, deskSchema.encode('Order', { id: s.id, shares: 1 }))
        else if (s.kind === 'blob') session.publish(259, deskSchema.encode('Blob', { data: new Uint8Array(s.bytes) }))
        else if (s.kind === 'time') {
          session.advance(s.ms * 1_000)
          session.tick()
        } else if (s.kind === 'switch') session.activate('desk', replicas[s.to === 0 ? 0 : 1])
        else session.settle()
      }
      session.settle()
      const report = await replayComponent({ session: 'TEST', component, log: session.log })
      equal(report.failure, undefined)
      equal(report.digest, replicas[0].host.digest())
      equal(report.digest, replicas[1].host.digest())
      equal(report.digestsVerified, replicas[0].host.status().counters.digestsVerified)
    }),
    { numRuns: 60 },
  )
  t.pass('no counterexample')
  t.end()
})
