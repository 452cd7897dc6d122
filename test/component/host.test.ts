import { deepStrictEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { type Component, defineComponent } from '../../src/component/definition.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { type DeskState, desk, deskDefinition, deskSchema } from './desk.js'

const order = (id: number): Uint8Array => deskSchema.encode('Order', { id, shares: id })
const stateOf = (replica: TestReplica): DeskState => replica.host.applicationState as DeskState

/** Two replicas that have caught up; the first is active. */
function pair(component: Component, session = new TestSession()): [TestSession, TestReplica, TestReplica] {
  const a = session.addReplica(component)
  const b = session.addReplica(component)
  session.settle()
  session.activate(component.name, a)
  session.settle()
  return [session, a, b]
}

test('states change for a reason, and only by events', (t) => {
  const [session, a, b] = pair(desk)
  t.strictSame(a.states, ['standby: caught up', 'active: term 1: test'])
  t.strictSame(b.states, ['standby: caught up'])
  session.activate('desk', b)
  session.settle()
  t.strictSame(a.states.slice(2), ['standby: replica-2 is active, term 2: test'])
  t.strictSame(b.states.slice(1), ['active: term 2: test'])
  session.passivate('desk')
  session.settle()
  t.equal(b.host.state, 'standby')
  t.equal(b.host.status().term, 3)
  session.activate('desk', a)
  session.settle()
  a.host.onFellBehind('too slow')
  t.strictSame([a.host.state, a.host.reason], ['rewinding', 'too slow'])
  session.settle()
  t.equal(a.host.state, 'active', 'still the one that the stream names')
  a.host.stop('SIGTERM')
  a.host.onFellBehind('no more')
  t.strictSame([a.host.state, a.host.reason], ['stopped', 'SIGTERM'])
  t.strictSame([...a.errors, ...b.errors], [])
  t.end()
})

test('another process of the same instance is not the active one', (t) => {
  const session = new TestSession()
  const first = session.addReplica(desk, { instance: 'x', incarnation: 100 })
  session.settle()
  session.activate('desk', first)
  session.settle()
  session.removeReplica(first)
  const second = session.addReplica(desk, { instance: 'x', incarnation: 101 })
  session.settle()
  t.equal(second.host.state, 'standby')
  session.activate('desk', second)
  session.settle()
  t.equal(second.host.state, 'active')
  t.equal(second.host.sources.named('desk/outside')?.exclusive, true)
  t.end()
})

test('a host that is built anew in the same process registers under nonces of its own', (t) => {
  const session = new TestSession()
  let nonce = 1_000
  const process = { instance: 'x', incarnation: 100, nonce: () => nonce++ }
  const first = session.addReplica(desk, process)
  session.activate('desk', first)
  session.settle()
  session.removeReplica(first)
  const second = session.addReplica(desk, process)
  session.settle()
  t.strictSame(second.errors, [])
  t.equal(second.host.state, 'active')
  t.equal(second.host.sources.named('desk/outside')?.nonce, 1_002)
  t.end()
})

test('commands issued before anybody was active go out at the first activation, once', (t) => {
  const session = new TestSession()
  const a = session.addReplica(desk)
  const b = session.addReplica(desk)
  for (let id = 1; id <= 10; id++) session.publish(256, order(id))
  session.settle()
  t.strictSame(stateOf(a).accepted, [])
  session.activate('desk', a)
  session.settle()
  t.strictSame(stateOf(a).accepted, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.strictSame(stateOf(b).accepted, stateOf(a).accepted)
  t.equal(a.host.status().outboxCommands, 0, 'all of it is stable')
  t.equal(b.host.status().outboxCommands, 0)
  t.end()
})

test('passive means silent', (t) => {
  const [session, a, b] = pair(desk)
  session.publish(256, order(1))
  session.deliver(a)
  session.passivate('desk')
  session.deliver(a)
  session.commandsUnderWay.length = 0
  const sent = a.sentPackets
  session.publish(256, order(2))
  for (let i = 0; i < 3; i++) {
    session.settle()
    session.resend()
  }
  t.equal(a.sentPackets, sent)
  t.equal(b.sentPackets, 0)
  session.activate('desk', b)
  session.settle()
  t.strictSame(stateOf(a).accepted, [1, 2])
  t.equal(a.sentPackets, sent)
  t.end()
})

test('a replica that starts late computes the same', (t) => {
  const [session, a] = pair(desk)
  for (let id = 1; id <= 50; id++) session.publish(256, order(id))
  session.settle()
  session.advance(2_000_000)
  session.tick()
  session.settle()
  const late = session.addReplica(desk)
  session.settle()
  t.equal(late.host.digest(), a.host.digest())
  t.strictSame(stateOf(late).expired.length, 50)
  t.equal(late.host.status().counters.commandsVerified, 100)
  t.end()
})

test('a rewind of more commands than the outbox keeps does not stop a replica', (t) => {
  const [session, a] = pair(desk)
  for (let id = 1; id <= 50; id++) {
    session.publish(256, order(id))
    session.settle()
  }
  const late = session.addReplica(desk, { outboxCommands: 8 })
  session.log.read(1, Number.POSITIVE_INFINITY, (sequence, count, bytes, start, end) => {
    late.host.onRun(sequence, count, bytes, start, end, 0)
    return true
  })
  t.equal(late.host.state, 'rewinding')
  t.ok(late.host.status().outboxCommands <= 8)
  t.equal(late.host.digest(), a.host.digest())
  t.end()
})

test('lost packets are sent again: registrations, commands', (t) => {
  const session = new TestSession()
  const a = session.addReplica(desk)
  session.publish(256, order(1))
  session.settle()
  session.activate('desk', a)
  for (let round = 0; round < 3; round++) {
    session.deliver(a)
    session.commandsUnderWay.length = 0
    session.resend()
  }
  t.strictSame(stateOf(a).accepted, [])
  session.settle()
  session.resend()
  session.settle()
  t.strictSame(stateOf(a).accepted, [1])
  t.strictSame(a.errors, [])
  t.end()
})

test('a long message is delivered with its last fragment', (t) => {
  const [session, a, b] = pair(desk, new TestSession({ datagramBytes: 256 }))
  session.publish(259, deskSchema.encode('Blob', { data: new Uint8Array(10_000).fill(1) }))
  session.settle()
  t.strictSame(stateOf(a).blobs, [10_000_000])
  t.ok((a.host.status().counters.fragments ?? 0) > 40)
  t.equal(a.host.status().counters.partialMessages, 0)
  t.equal(a.host.digest(), b.host.digest())
  t.end()
})

test('long commands of handlers travel as fragments, too', (t) => {
  const component = defineComponent(
    deskDefinition({
      on: {
        Order: (_, { payload }, ctx) => ctx.send('Blob', { data: new Uint8Array(payload.shares).fill(7) }),
        Blob: (state, { payload }) => {
          state.blobs.push(payload.data.length)
        },
      },
    }),
  )
  const [session, a, b] = pair(component, new TestSession({ datagramBytes: 256 }))
  session.publish(256, deskSchema.encode('Order', { id: 1, shares: 5_000 }))
  session.settle()
  t.strictSame(stateOf(a).blobs, [5_000])
  t.strictSame(stateOf(b).blobs, [5_000])
  session.activate('desk', b)
  session.publish(256, deskSchema.encode('Order', { id: 2, shares: 3_000 }))
  session.settle()
  t.strictSame(stateOf(a).blobs, [5_000, 3_000])
  t.strictSame([...a.errors, ...b.errors], [])
  t.end()
})

test('events that a component does not know are skipped and counted', (t) => {
  const [session, a] = pair(desk)
  session.publish(260, deskSchema.encode('Foreign', { id: 1 }))
  session.publish(9_999, new Uint8Array([1, 2, 3]))
  session.settle()
  t.equal(a.host.status().counters.skipped, 2)
  t.equal(a.host.state, 'active')
  t.end()
})

test('digests are taken every so many events, at an activation and on request, and are the same everywhere', (t) => {
  const digests = new Map<number, Set<string>>()
  const seen: number[] = []
  const observer = {
    digestTaken: (sequence: number, digest: Uint8Array) => {
      seen.push(sequence)
      const set = digests.get(sequence) ?? new Set()
      digests.set(sequence, set.add(Buffer.from(digest).toString('hex')))
    },
  }
  const component = defineComponent(deskDefinition({ digestEvery: 4 }))
  const session = new TestSession()
  const a = session.addReplica(component, { observer })
  const b = session.addReplica(component, { observer })
  session.settle()
  session.activate('desk', a)
  session.settle()
  for (let id = 1; id <= 8; id++) session.publish(256, order(id))
  session.settle()
  session.requestDigest('desk')
  session.requestDigest('other')
  session.requestDigest('')
  session.settle()
  t.equal(digests.size, 1 + 4 + 2, 'an activation; sixteen events, orders and answers; two requests')
  t.equal(seen.length, 2 * digests.size)
  for (const set of digests.values()) t.equal(set.size, 1)
  t.equal(a.host.status().counters.digestsVerified, digests.size)
  t.strictSame(a.host.status().digest, b.host.status().digest)
  t.equal(Buffer.from(a.host.status().digest).toString('hex'), a.host.digest())
  t.end()
})

test('random numbers and timers are the same on every replica, and differ between events', (t) => {
  const draws: number[] = []
  const component = defineComponent(
    deskDefinition({
      on: {
        Order: (_, { payload }, ctx) => ctx.send('Accepted', { id: payload.id, draw: ctx.random() + ctx.random() }),
        Accepted: (_, { payload }) => {
          draws.push(payload.draw)
        },
      },
    }),
  )
  const [session, a, b] = pair(component)
  for (let id = 1; id <= 20; id++) session.publish(256, order(id))
  session.settle()
  t.equal(draws.length, 40)
  t.equal(new Set(draws).size, 20)
  t.strictSame([...a.errors, ...b.errors], [])
  t.end()
})

test('random numbers depend on session and sequence only', (t) => {
  const drawsOf = (session: string, isFirst: (id: number) => boolean): number[] => {
    const draws: number[] = []
    const component = defineComponent(
      deskDefinition({
        on: { Order: (_, { payload }, ctx) => void (isFirst(payload.id) && draws.push(ctx.random())) },
      }),
    )
    const test = new TestSession({ session })
    const replica = test.addReplica(component)
    for (let id = 1; id <= 3; id++) test.publish(256, order(id))
    test.deliver(replica)
    return draws
  }
  const all = drawsOf('A', () => true)
  t.equal(new Set(all).size, 3)
  t.strictSame(
    drawsOf('A', (id) => id === 3),
    all.slice(2),
  )
  t.not(drawsOf('B', () => true)[0], all[0])
  t.end()
})

test('at the end of the session everybody stops', (t) => {
  const [session, a, b] = pair(desk)
  session.endSession()
  session.settle()
  t.strictSame([a.host.state, b.host.state], ['stopped', 'stopped'])
  t.match(a.host.reason, /session ended/)
  t.end()
})

test('switching at any moment, with commands under way and packets lost, loses nothing and doubles nothing', (t) => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant('order' as const) },
    { weight: 3, arbitrary: fc.constant('sequence' as const) },
    { weight: 3, arbitrary: fc.constant('deliverA' as const) },
    { weight: 3, arbitrary: fc.constant('deliverB' as const) },
    { weight: 1, arbitrary: fc.constant('switch' as const) },
    { weight: 1, arbitrary: fc.constant('lose' as const) },
    { weight: 1, arbitrary: fc.constant('repeat' as const) },
    { weight: 1, arbitrary: fc.constant('resend' as const) },
    { weight: 1, arbitrary: fc.constant('time' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), (steps) => {
      const session = new TestSession()
      const a = session.addReplica(desk)
      const b = session.addReplica(desk)
      let [active, other] = [a, b]
      let orders = 0
      session.activate('desk', active)
      const doStep = {
        order: () => session.publish(256, order(++orders)),
        sequence: () => session.sequence(),
        deliverA: () => session.deliver(a, 2),
        deliverB: () => session.deliver(b, 2),
        switch: () => {
          ;[active, other] = [other, active]
          session.activate('desk', active)
        },
        lose: () => session.commandsUnderWay.splice(0, 1),
        repeat: () => session.commandsUnderWay.push(...session.commandsUnderWay.map((packet) => packet.slice())),
        resend: () => session.resend(300_000),
        time: () => {
          session.advance(400_000)
          session.tick()
        },
      }
      for (const name of steps) doStep[name]()
      for (let i = 0; i < 4; i++) {
        session.settle()
        session.resend(1_000_000)
      }
      session.tick()
      session.settle()
      deepStrictEqual([a.errors, b.errors], [[], []])
      const ids = Array.from({ length: orders }, (_, i) => i + 1)
      deepStrictEqual(stateOf(active).accepted, ids)
      deepStrictEqual(
        [...stateOf(active).expired].sort((x, y) => x - y),
        ids,
      )
      equal(a.host.digest(), b.host.digest())
      equal(other.host.state, 'standby')
    }),
    { numRuns: 150 },
  )
  t.pass('no counterexample')
  t.end()
})
