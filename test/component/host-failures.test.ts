import { test } from 'tap'
import { type Component, defineComponent } from '../../src/component/definition.js'
import { defineSchema } from '../../src/component/schema.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { registerSourceCodec } from '../../src/wire/runtime-events.js'
import { type DeskDefinition, type DeskState, desk, deskDefinition, deskSchema } from './desk.js'

const order = (id: number): Uint8Array => deskSchema.encode('Order', { id, shares: id })
const on = deskDefinition().on

function active(component: Component, session = new TestSession()): [TestSession, TestReplica] {
  const replica = session.addReplica(component)
  session.settle()
  session.activate(component.name, replica)
  session.settle()
  return [session, replica]
}

function failing(change: Partial<DeskDefinition>): [TestSession, TestReplica] {
  const [session, replica] = active(defineComponent(deskDefinition(change)))
  session.publish(256, order(1))
  session.publish(256, order(2))
  session.settle()
  return [session, replica]
}

const swallowingHandler: NonNullable<DeskDefinition['on']['Accepted']> = (state, event) => {
  try {
    state.accepted.push(event.payload.id)
  } catch {
    state.accepted.push(-1)
  }
}

test('a handler that throws stops the component, with the event decoded and the stack', (t) => {
  let calls = 0
  const [session, replica] = failing({
    on: {
      Order() {
        calls++
        throw new Error('boom')
      },
    },
  })
  const [error] = replica.errors
  t.equal(replica.errors.length, 1)
  t.equal(error?.code, 'E_HANDLER')
  t.match(error?.message, /desk failed at event \d+ \(Order\): boom/)
  t.match(error?.fields.event, { name: 'Order', type: 256, payload: { id: 1, shares: 1 } })
  t.match(error?.fields.stack, /host-failures/)
  t.equal(error?.fields.sequence, replica.host.nextSequence, 'it stays at the event that it failed at')
  t.equal(replica.host.state, 'failed')
  session.publish(256, order(3))
  session.settle()
  replica.host.stop('later')
  t.equal(calls, 1)
  t.equal(replica.host.state, 'failed')
  t.end()
})

test('a payload that does not decode stops the component that reads it', (t) => {
  const swallowed = failing({ on: { ...on, Accepted: () => {} } })
  swallowed[0].publish(257, new Uint8Array([0xff]))
  swallowed[0].settle()
  t.equal(swallowed[1].host.state, 'active', 'nobody read it')

  for (const handler of [on.Accepted, swallowingHandler] as const) {
    const [session, replica] = failing(handler === undefined ? {} : { on: { ...on, Accepted: handler } })
    session.publish(257, new Uint8Array([0xff]))
    session.settle()
    t.equal(replica.errors[0]?.code, 'E_PAYLOAD')
    t.match(replica.errors[0]?.fields, { type: 257, name: 'Accepted', sequence: replica.host.nextSequence })
  }
  t.end()
})

test('clock, randomness, timers and promises of the machine are caught', (t) => {
  const touches: Record<string, () => unknown> = {
    'Date.now': () => Date.now(),
    'Math.random': () => Math.random(),
    setTimeout: () => setTimeout(() => {}, 1),
    promise: () => Promise.resolve(),
  }
  for (const [name, touch] of Object.entries(touches)) {
    const handler = (() => touch()) as NonNullable<DeskDefinition['on']['Order']>
    const [, replica] = failing({ on: { Order: handler } })
    t.equal(replica.errors[0]?.code, 'E_NONDETERMINISM', name)
    t.match(replica.errors[0]?.message, /at event \d+ \(Order\)/)
    t.ok(Date.now() > 0 && Math.random() < 1, 'the machine has them back')
  }
  const timer = failing({ timers: { expire: () => void Date.now() } })
  timer[0].advance(2_000_000)
  timer[0].tick()
  timer[0].settle()
  t.match(timer[1].errors[0]?.message, /in timer 'expire' \(1\)/)

  const session = new TestSession()
  const free = session.addReplica(
    defineComponent(deskDefinition({ on: { Order: (state) => state.accepted.push(Date.now()) } })),
    { guard: false },
  )
  session.publish(256, order(1))
  session.settle()
  t.equal(free.host.state, 'standby', 'without the guard only the digests tell')
  t.end()
})

test('what is used after the handler had returned is refused', (t) => {
  let late: () => void = () => {}
  let read: () => unknown = () => undefined
  const [, replica] = failing({
    on: {
      Order(_, event, ctx) {
        late = () => ctx.send('Expired', { id: 1 })
        read = () => event.payload
      },
    },
  })
  t.equal(replica.host.state, 'active')
  t.throws(late, /after the handler had returned/)
  t.throws(read, /after its handler had returned/)
  t.end()
})

test('a replica that computes another command stops and says where and what', (t) => {
  const session = new TestSession()
  const a = session.addReplica(desk)
  const b = session.addReplica(
    defineComponent(
      deskDefinition({ on: { ...on, Order: (_, { payload }, ctx) => ctx.send('Expired', { id: payload.id }) } }),
    ),
  )
  session.settle()
  session.activate('desk', a)
  session.settle()
  session.publish(256, order(5))
  session.settle()
  t.equal(a.host.state, 'active')
  t.equal(b.host.state, 'failed')
  const [error] = b.errors
  t.equal(error?.code, 'E_NONDETERMINISM')
  t.match(error?.fields, {
    component: 'desk',
    sequence: b.host.nextSequence,
    recorded: { name: 'Accepted', payload: { id: 5 } },
    computed: { name: 'Expired', payload: { id: 5 } },
  })
  t.end()
})

test('a replica that computes no command stops, too', (t) => {
  const session = new TestSession()
  const a = session.addReplica(desk)
  const b = session.addReplica(defineComponent(deskDefinition({ on: {} })))
  session.settle()
  session.activate('desk', a)
  session.publish(256, order(5))
  session.settle()
  t.equal(b.errors[0]?.code, 'E_NONDETERMINISM')
  t.match(b.errors[0]?.message, /did not issue/)
  t.end()
})

test('a state that differs shows in the next digest', (t) => {
  let outside = 0
  const component = defineComponent(
    deskDefinition({
      on: {
        Order(state) {
          state.lastKey = ++outside
        },
      },
    }),
  )
  const session = new TestSession()
  const a = session.addReplica(component)
  const b = session.addReplica(component)
  session.settle()
  session.activate('desk', a)
  session.publish(256, order(1))
  session.settle()
  t.equal(b.host.state, 'standby')
  session.requestDigest('desk')
  session.settle()
  const [error] = b.errors
  t.equal(error?.code, 'E_NONDETERMINISM')
  t.match(error?.message, /digest/)
  t.match(error?.fields, { recorded: { name: 'DigestTaken', payload: { digest: /^[0-9a-f]{64}$/ } } })
  t.equal(a.host.state, 'active')
  t.end()
})

test('a state that is no plain data has no digest', (t) => {
  const [session, replica] = failing({
    on: {
      Order(state) {
        Object.assign(state, { callback: () => 1 })
      },
    },
  })
  session.requestDigest('desk')
  session.settle()
  t.equal(replica.host.state, 'failed')
  t.equal(replica.errors[0]?.code, 'E_NONDETERMINISM')
  t.end()
})

test('another schema for the same component is refused by a replica', (t) => {
  const other = defineSchema<{ Order: { id: number } }>({
    package: 'desk',
    messages: { Order: { type: 256, fields: { id: { id: 1, type: 'uint32' } } } },
    enums: {},
  })
  const [session] = active(desk)
  const b = session.addReplica(defineComponent({ name: 'desk', schema: other, state: () => ({}), on: {} }))
  session.settle()
  t.equal(b.errors[0]?.code, 'E_SCHEMA_MISMATCH')
  t.match(b.errors[0]?.fields, { recorded: deskSchema.hash, own: other.hash })
  t.end()
})

test('events of another session, and a datagram size that does not fit, are refused', (t) => {
  const session = new TestSession({ session: 'S1' })
  const other = new TestSession({ session: 'S2' })
  const replica = session.addReplica(desk)
  other.log.read(1, 1, (sequence, count, bytes, start, end) => {
    replica.host.onRun(sequence, count, bytes, start, end, 0)
    return true
  })
  t.equal(replica.errors[0]?.code, 'E_SESSION_FOREIGN')

  const small = session.addReplica(desk, { datagramBytes: 1_000 })
  session.settle()
  t.equal(small.errors[0]?.code, 'E_CONFIG')
  t.match(small.errors[0]?.hint, /1400/)
  t.end()
})

test('a refused registration stops the component, and refusals of others do not', (t) => {
  const session = new TestSession()
  const replica = session.addReplica(desk)
  session.settle()
  session.activate('desk', replica)
  session.deliver(replica)
  const nonces = session.commandsUnderWay.map((packet) => registerSourceCodec.decode(packet.subarray(42))?.nonce ?? 0)
  t.equal(new Set(nonces).size, 2, 'the shared and the outside source')
  for (const nonce of [0, 12_345]) replica.host.onRefused(nonce, 'not mine')
  t.equal(replica.host.state, 'active')
  replica.host.onRefused(nonces[1] ?? 0, 'no number left')
  t.equal(replica.errors[0]?.code, 'E_REFUSED')
  t.match(replica.errors[0]?.message, /no number left/)
  t.end()
})

test('commands that nobody sends are bounded', (t) => {
  const component = defineComponent(
    deskDefinition({
      on: {
        Order(_, __, ctx) {
          for (;;) ctx.send('Expired', { id: 1 })
        },
      },
    }),
  )
  const session = new TestSession()
  const replica = session.addReplica(component)
  session.publish(256, order(1))
  session.settle()
  t.equal(replica.errors[0]?.code, 'E_OUTBOX_FULL')
  t.equal((replica.host.applicationState as DeskState).open.size, 0)
  t.end()
})

test('a block that is too short for an event is skipped and counted', (t) => {
  const replica = new TestSession().addReplica(desk)
  replica.host.onRun(1, 2, new Uint8Array([0, 3, 1, 2, 3, 0, 0]), 0, 7, 0)
  t.equal(replica.host.nextSequence, 3)
  t.equal(replica.host.status().counters.malformed, 2)
  t.end()
})

test('a run that is not the next one is a programmer’s error', (t) => {
  const session = new TestSession()
  const replica = session.addReplica(desk)
  t.throws(() => replica.host.onRun(2, 1, new Uint8Array(22), 0, 22, 0), /event 2 given where 1 is next/)
  t.end()
})
