import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { type Component, defineComponent, type Port } from '../../src/component/definition.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { type DeskDefinition, type DeskMessages, type DeskState, deskDefinition, deskSchema } from './desk.js'

type Input = (port: Port<DeskMessages>, state: DeskState) => Promise<void>

const deskWith = (input: Input): Component => defineComponent(deskDefinition({ input }))
const stateOf = (replica: TestReplica): DeskState => replica.host.applicationState as DeskState
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function active(component: Component, options = {}): [TestSession, TestReplica] {
  const session = new TestSession()
  const replica = session.addReplica(component, options)
  session.settle()
  session.activate('desk', replica)
  return [session, replica]
}

/** A file of orders: resumes after the last one that was sequenced. */
const file =
  (orders: number): Input =>
  async (port, state) => {
    for (let id = state.lastKey + 1; id <= orders; id++) {
      await port.ready()
      if (port.signal.aborted) return
      port.send('Order', { id, shares: 1 })
      if (id % 3 === 0) await turn()
    }
  }

test('input starts when its source is registered, and what it sends becomes events in order', async (t) => {
  const [session, replica] = active(deskWith(file(20)))
  await session.settled()
  t.strictSame(
    stateOf(replica).accepted,
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  t.equal(replica.host.status().outboxCommands, 0)
  t.strictSame(replica.errors, [])
  t.end()
})

test('a full outbox makes input wait, and sending nevertheless is its error', async (t) => {
  let sent = 0
  const patient = active(
    deskWith(async (port) => {
      for (let id = 1; id <= 30; id++) {
        await port.ready()
        port.send('Order', { id, shares: 1 })
        sent++
      }
    }),
    { outsideCommands: 4 },
  )
  patient[0].settle()
  await turn()
  t.equal(sent, 4)
  await patient[0].settled()
  t.equal(stateOf(patient[1]).accepted.length, 30)

  const [session, replica] = active(
    deskWith(async (port) => {
      for (let id = 1; ; id++) port.send('Order', { id, shares: 1 })
    }),
    { outsideCommands: 4 },
  )
  await session.settled()
  t.equal(replica.errors[0]?.code, 'E_INPUT')
  t.match(replica.errors[0]?.message, /await ready\(\)/)
  t.end()
})

test('at passivation input is told to end, a wait ends, and nothing more is sent', async (t) => {
  let port: Port<DeskMessages> | undefined
  let waited = false
  const [session, replica] = active(
    deskWith(async (given) => {
      port = given
      for (let id = 1; id <= 4; id++) given.send('Order', { id, shares: 1 })
      await given.ready()
      waited = true
      given.send('Order', { id: 5, shares: 1 })
    }),
    { outsideCommands: 4 },
  )
  session.deliver(replica)
  session.sequence()
  session.deliver(replica)
  await turn()
  t.equal(port?.signal.aborted, false)
  t.equal(waited, false)
  session.passivate('desk')
  session.commandsUnderWay.length = 0
  session.deliver(replica)
  t.equal(port?.signal.aborted, true)
  await session.settled()
  t.equal(waited, true)
  t.strictSame(replica.errors, [], 'what input throws after its end is no failure')
  t.equal(replica.host.state, 'standby')
  t.throws(() => port?.send('Order', { id: 9, shares: 1 }), /no longer active/)
  t.end()
})

test('input that fails stops the component', async (t) => {
  const [session, replica] = active(
    deskWith(async () => {
      throw new Error('connection refused')
    }),
  )
  await session.settled()
  t.equal(replica.host.state, 'failed')
  t.match(replica.errors[0], { code: 'E_INPUT', message: /desk.*connection refused/ })
  const [second, other] = active(deskWith(async (port) => port.send('Order', { id: -1, shares: 1 })))
  await second.settled()
  t.equal(other.errors[0]?.code, 'E_INPUT')
  t.end()
})

test('a late registration of an earlier activation is answered by a new one, and nothing is lost', async (t) => {
  const done: string[] = []
  const [session, replica] = active(
    defineComponent(
      deskDefinition({
        input: file(5),
        effects: { Blob: { after: 'published', run: ({ key }) => done.push(key) } },
      }),
    ),
  )
  session.deliver(replica)
  const late = session.commandsUnderWay.map((packet) => packet.slice())
  session.commandsUnderWay.length = 0
  session.passivate('desk')
  session.activate('desk', replica)
  await session.settled()
  t.equal(stateOf(replica).accepted.length, 5)
  const source = replica.host.sources.named('desk/outside')?.number
  session.commandsUnderWay.push(...late)
  await session.settled()
  t.equal(replica.host.status().counters.outsideClosed, 1)
  t.not(replica.host.sources.named('desk/outside')?.number, source)
  t.equal(replica.host.state, 'active')
  t.strictSame(stateOf(replica).accepted, [1, 2, 3, 4, 5])
  session.publish(259, deskSchema.encode('Blob', { data: new Uint8Array(1) }))
  await session.settled()
  t.strictSame([done.length, replica.host.effects()], [1, []], 'the new source reports')
  t.end()
})

test('a message that was begun under a source that is closed is forgotten', async (t) => {
  const session = new TestSession({ datagramBytes: 256 })
  const component = deskWith(async (port) => port.send('Blob', { data: new Uint8Array(1_000) }))
  const [a, b] = [session.addReplica(component), session.addReplica(deskWith(async () => {}))]
  session.settle()
  session.activate('desk', a)
  session.deliver(a)
  session.sequence()
  session.deliver(a)
  session.commandsUnderWay.splice(2) // The rest of the fragments never arrives.
  session.settle()
  t.equal(b.host.status().counters.partialMessages, 1)
  session.activate('desk', b)
  await session.settled()
  t.strictSame([a.host.status().counters.partialMessages, b.host.status().counters.partialMessages], [0, 0])
  t.strictSame([...a.errors, ...b.errors, ...stateOf(b).blobs], [])
  t.end()
})

/** Without removing repeats: what is sequenced twice shows. */
const recordOrder: NonNullable<DeskDefinition['on']['Order']> = (state, { payload }) => {
  state.lastKey = payload.id
  state.accepted.push(payload.id)
}

test('input resumes after the last key, whenever the replica is switched or killed', async (t) => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('turn' as const) },
    { weight: 3, arbitrary: fc.constant('sequence' as const) },
    { weight: 3, arbitrary: fc.constant('deliverA' as const) },
    { weight: 3, arbitrary: fc.constant('deliverB' as const) },
    { weight: 1, arbitrary: fc.constant('switch' as const) },
    { weight: 1, arbitrary: fc.constant('lose' as const) },
    { weight: 1, arbitrary: fc.constant('kill' as const) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
      const component = defineComponent(deskDefinition({ input: file(40), on: { Order: recordOrder } }))
      const session = new TestSession()
      const replicas = [session.addReplica(component), session.addReplica(component)]
      let active = 0
      const sequenced: number[] = []
      const activate = (index: number): void => {
        active = index
        session.activate('desk', replicas[index]!)
      }
      activate(0)
      const doStep = {
        turn,
        sequence: () => session.sequence(),
        deliverA: () => session.deliver(replicas[0]!, 2),
        deliverB: () => session.deliver(replicas[1]!, 2),
        switch: () => activate(1 - active),
        lose: () => session.commandsUnderWay.splice(0, 1),
        kill: () => {
          session.removeReplica(replicas[active]!)
          replicas[active] = session.addReplica(component)
          activate(1 - active)
        },
      }
      for (const name of steps) await doStep[name]()
      for (let i = 0; i < 4; i++) {
        await session.settled()
        session.resend(300_000)
      }
      await session.settled()
      for (const { host, errors } of replicas) {
        deepStrictEqual(errors, [])
        sequenced.splice(0, sequenced.length, ...(host.applicationState as DeskState).accepted)
        deepStrictEqual(
          sequenced,
          Array.from({ length: 40 }, (_, i) => i + 1),
        )
      }
    }),
    { numRuns: 60 },
  )
  t.pass('no counterexample')
  t.end()
})
