/** A session goes on in the next one: what each component carries over, and that it is the same from whoever sends it, and in part. */
import { test } from 'tap'
import { type Component, defineComponent, type Port } from '../../src/component/definition.js'
import { testComponent } from '../../src/component/test-kit.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { type DeskDefinition, type DeskMessages, type DeskState, deskDefinition, deskSchema } from './desk.js'

/** Open orders live on; each begins anew in the next session, where its time to expire begins anew, too. */
const seeded: Partial<DeskDefinition> = {
  seed(state, seed) {
    for (const [id, shares] of state.open) seed.send('Order', { id, shares })
    for (const { key } of seed.timers()) seed.send('Foreign', { id: Number(key) })
  },
}
const seededDesk = defineComponent(deskDefinition(seeded))
const stateOf = (replica: TestReplica): DeskState => replica.host.applicationState as DeskState
const order = (id: number): Uint8Array => deskSchema.encode('Order', { id, shares: id * 10 })

function active(component: Component, manualStability = false): [TestSession, TestReplica] {
  const session = new TestSession({ manualStability })
  const replica = session.addReplica(component)
  session.settle()
  session.activate(component.name, replica)
  session.settle()
  return [session, replica]
}

test('what lives on begins the next session, and nothing else does', (t) => {
  const kit = testComponent(seededDesk)
  for (const id of [1, 2, 3]) kit.given('Order', { id, shares: id })
  kit.advance(500)
  kit.given('Order', { id: 4, shares: 4 })
  kit.advance(600)
  t.strictSame([...kit.state.open.keys()], [4])
  kit.takeCommands()
  const events = kit.roll()
  t.equal(kit.session.session, 'TEST2')
  t.strictSame(events, [
    { name: 'Order', payload: { id: 4, shares: 4 } },
    { name: 'Foreign', payload: { id: 4 } },
  ])
  t.strictSame([...kit.state.open], [[4, 4]])
  t.equal(kit.role, 'active')
  t.strictSame(
    kit.takeCommands().map(({ name }) => name),
    ['Accepted'],
    'its handler answers as to any other event, once the session is open',
  )
  t.strictSame(kit.state.accepted, [4])
  t.equal(kit.replay().digest, kit.digest(), 'the next session alone gives the whole state')
  kit.given('Order', { id: 5, shares: 5 })
  t.strictSame(kit.state.accepted, [4, 5])
  kit.roll('TEST9')
  t.strictSame([...kit.state.open.keys()], [4, 5])
  t.equal(kit.replay().digest, kit.digest())
  t.end()
})

test('a first session that awaits a component begins with what it says of its initial state', (t) => {
  const loader = defineComponent(
    deskDefinition({
      seed(_state, seed) {
        if (seed.predecessor === '') seed.send('Order', { id: 1, shares: Math.floor(seed.timeUs / 1e15) })
      },
    }),
  )
  const kit = testComponent(loader, { seeders: ['desk'] })
  t.strictSame([...kit.state.open], [[1, 1]])
  t.equal(kit.session.sequencer.state, 'open')
  t.equal(kit.replay().digest, kit.digest())
  t.strictSame(testComponent(loader).state.open.size, 0, 'one that is not awaited says nothing')
  t.end()
})

test('a component without seed begins anew, and its commands that were not sequenced are not lost', (t) => {
  const [session, a] = active(defineComponent(deskDefinition()))
  session.publish(256, order(1))
  session.deliver(a)
  t.ok(session.commandsUnderWay.length > 0, 'the answer is on its way, and comes too late')
  const next = session.roll()
  next.settle()
  t.strictSame([a.errors, stateOf(a).accepted, [...stateOf(a).open]], [[], [1], []])
  t.equal(next.sequencer.state, 'open')
  t.end()
})

test('a component that an operator has made passive carries over, and stays passive', (t) => {
  const kit = testComponent(seededDesk)
  kit.given('Order', { id: 1, shares: 1 })
  kit.passivate()
  kit.roll()
  t.strictSame([[...kit.state.open.keys()], kit.role, kit.session.sequencer.state], [[1], 'standby', 'open'])
  t.equal(kit.replica.host.standing.isPassivated, true)
  kit.activate()
  t.strictSame(kit.state.accepted, [1])
  t.end()
})

test('what a component commands in the new session comes after what it had commanded in the last one', (t) => {
  const order1 = { id: 1, shares: 1 }
  const component = defineComponent(
    deskDefinition({
      seed: (_state, seed) => seed.send('Order', { ...order1, id: 2 }),
      on: {
        Order: (_state, { payload }, ctx) => ctx.send('Foreign', { id: payload.id }),
        Foreign: (state, { payload }) => void state.accepted.push(payload.id),
      },
    }),
  )
  const [session, a] = active(component)
  session.publish(256, deskSchema.encode('Order', order1))
  session.deliver(a)
  const next = session.roll()
  next.settle()
  t.strictSame([a.errors, stateOf(a).accepted], [[], [1, 2]])
  t.end()
})

test('what waits for the last of the seed is sent outside of the watch over handlers', (t) => {
  const component = defineComponent(
    deskDefinition({
      seed: (_state, seed) => seed.send('Order', { id: 2, shares: 1 }),
      on: {
        Order: (_state, { payload }, ctx) => ctx.send('Foreign', { id: payload.id }),
        Foreign: (state, { payload }) => void state.accepted.push(payload.id),
      },
    }),
  )
  const session = new TestSession()
  const a = session.addReplica(component, { guard: true })
  session.settle()
  session.activate(component.name, a)
  session.settle()
  for (const id of [3, 4]) session.publish(256, order(id))
  session.deliver(a)
  const next = session.roll()
  const { commandsUnderWay } = next
  // As a socket does.
  commandsUnderWay.push = (...packets) => {
    process.nextTick(() => {})
    return Array.prototype.push.apply(commandsUnderWay, packets)
  }
  next.settle()
  t.strictSame([a.errors, stateOf(a).accepted], [[], [3, 4, 2]])
  t.end()
})

test('a command of many fragments of which some were sequenced goes over whole', (t) => {
  const data = Uint8Array.from({ length: 5_000 }, (_, i) => i)
  const component = defineComponent(
    deskDefinition({
      on: {
        Order: (_state, _event, ctx) => ctx.send('Blob', { data }),
        Blob: (state, { payload }) => void state.blobs.push(payload.data.length),
      },
    }),
  )
  const [session, a] = active(component)
  const b = session.addReplica(component)
  session.settle()
  session.publish(256, order(1))
  session.deliver(a)
  const half = session.commandsUnderWay.splice(1)
  t.ok(half.length > 1)
  session.sequence()
  session.deliver(a)
  session.deliver(b)
  const next = session.roll()
  next.settle()
  for (const replica of [a, b]) t.strictSame([replica.errors, stateOf(replica).blobs], [[], [5_000]])
  const late = next.addReplica(component)
  next.settle()
  t.strictSame([late.errors, stateOf(late).blobs], [[], [5_000]])
  t.end()
})

test('effects that are owed go over with their keys, and what this process has done is reported, not repeated', async (t) => {
  const keys: string[] = []
  let hangs = true
  let release = (): void => {}
  const component = defineComponent(
    deskDefinition({
      ...seeded,
      effects: {
        Accepted: {
          after: 'published',
          run: async ({ key, session, sequence, payload }) => {
            keys.push(`${key} ${session}/${sequence} ${payload.id}`)
            if (!hangs) return
            await new Promise<void>((resolve) => {
              release = resolve
            })
          },
        },
      },
    }),
  )
  const [session, a] = active(component)
  const b = session.addReplica(component)
  for (const id of [1, 2]) session.publish(256, order(id))
  await session.settled()
  t.equal(keys.length, 1, 'the first is under way')
  const owed = a.host.effectKeys()
  t.equal(owed.length, 2)
  const next = session.roll()
  next.settle()
  t.strictSame([a.host.effectKeys().slice(0, 2), b.host.effectKeys().slice(0, 2)], [owed, owed])
  hangs = false
  release()
  await next.settled()
  // Orders 1 and 2 are open, so they are accepted anew; that is what this component's seed asks for.
  t.strictSame(keys.slice(0, 2), [
    `${owed[0]} TEST/${owed[0]?.split('/')[1]} 1`,
    `${owed[1]} TEST/${owed[1]?.split('/')[1]} 2`,
  ])
  t.equal(keys.length, 4)
  t.equal(new Set(keys).size, 4, 'none twice')
  t.strictSame([a.host.effects(), b.host.effects(), a.errors, b.errors], [[], [], [], []])
  t.end()
})

test('an effect that another process has to take over has its key in the second session after, too', async (t) => {
  const keys: string[] = []
  const component = defineComponent(
    deskDefinition({
      effects: { Accepted: { after: 'stable', run: ({ key }) => void keys.push(key) } },
    }),
  )
  const [session, a] = active(component)
  const b = session.addReplica(component)
  session.settle()
  session.passivate('desk')
  session.activate('desk', b)
  session.settle()
  session.removeReplica(b) // Named, and dead: nobody runs anything.
  session.publish(256, order(1))
  session.publish(257, deskSchema.encode('Accepted', { id: 7, draw: 0 }))
  session.settle()
  const [owed] = a.host.effectKeys()
  const second = session.roll()
  second.settle()
  t.equal(second.sequencer.state, 'seeding', 'whoever should send the seed is dead')
  second.resend()
  second.settle()
  second.resend()
  second.settle()
  t.equal(second.sequencer.state, 'open', 'so the other one has sent it')
  const third = second.roll()
  third.settle()
  third.resend()
  third.settle()
  third.resend()
  third.settle()
  t.strictSame(keys, [])
  third.activate('desk', a)
  await third.settled()
  t.equal(keys[0], owed)
  t.strictSame(a.errors, [])
  t.end()
})

/** Orders from outside that are there once only: nobody can ask for them again. */
class Visitors {
  readonly sent: number[] = []
  port: Port<DeskMessages> | undefined
  starts = 0

  readonly component = defineComponent(
    deskDefinition({
      seed: (state, seed) => {
        for (const id of state.expired) seed.send('Expired', { id })
      },
      input: async (port) => {
        this.starts++
        this.port = port
      },
      on: {
        Order: (state, { payload }) => void state.expired.push(payload.id),
        Expired: (state, { payload }) => void state.expired.push(payload.id),
      },
      timers: { expire: () => {} },
    }),
  )

  come(): void {
    if (this.port === undefined || this.port.signal.aborted) return
    this.port.send('Order', { id: this.sent.length + 1, shares: 1 })
    this.sent.push(this.sent.length + 1)
  }
}

test('commands from outside that were not sequenced are entered first, and input begins when they are there', async (t) => {
  const visitors = new Visitors()
  const [session, a] = active(visitors.component)
  await session.settled()
  for (let i = 0; i < 3; i++) visitors.come()
  await session.settled()
  for (let i = 0; i < 3; i++) visitors.come()
  a.host.flush(session.nowUs)
  session.commandsUnderWay.splice(0)
  const next = session.roll()
  t.equal(visitors.port?.signal.aborted, true)
  t.equal(visitors.starts, 1)
  await next.settled()
  t.equal(visitors.starts, 2)
  t.strictSame(stateOf(a).expired, [1, 2, 3, 4, 5, 6])
  visitors.come()
  await next.settled()
  t.strictSame([a.errors, stateOf(a).expired], [[], [1, 2, 3, 4, 5, 6, 7]])
  t.end()
})

test('where the end of a session is lost in a failover, the session goes on as if nothing had been', async (t) => {
  const visitors = new Visitors()
  const [session, a] = active(visitors.component, true)
  await session.settled()
  session.stable(session.sequencer.nextSequence - 1)
  await session.settled()
  visitors.come()
  visitors.come()
  a.host.flush(session.nowUs)
  session.commandsUnderWay.splice(0)
  const end = session.sequencer.roll('NEXT', 'test', session.nowUs, session.wallUs)
  session.sequencer.flush(session.nowUs, session.wallUs)
  session.deliver(a)
  t.strictSame([a.host.successor, visitors.port?.signal.aborted], ['NEXT', true])
  session.failOver(Number(end) - 1)
  await session.settled()
  t.equal(a.host.successor, '')
  t.strictSame([a.errors, stateOf(a).expired, visitors.starts], [[], [1, 2], 2])
  visitors.come()
  await session.settled()
  t.strictSame([a.errors, stateOf(a).expired], [[], [1, 2, 3]])
  t.end()
})

test('an end that a later reign says once more is the same moment for those who heard it once and twice', (t) => {
  const [session, once] = active(seededDesk, true)
  const twice = session.addReplica(seededDesk)
  session.publish(256, order(1))
  session.settle()
  session.sequencer.roll('NEXT', 'test', session.nowUs, session.wallUs)
  session.sequencer.flush(session.nowUs, session.wallUs)
  session.deliver(once)
  session.advance(60_000_000)
  session.failOver()
  session.deliver(twice)
  t.equal(twice.host.nextSequence, once.host.nextSequence + 2, 'the opening of a reign, and the end')
  t.strictSame([once.host.successor, twice.host.successor], ['NEXT', 'NEXT'])
  t.equal(twice.host.timers().length, 1, 'what was due in between is carried over')
  t.strictSame(twice.host.carryOver().seed, once.host.carryOver().seed)
  t.end()
})

test('an input that takes its time to return is waited for, and nothing else is', async (t) => {
  const said: string[] = []
  let release = (): void => {}
  const [session, a] = active(
    defineComponent(
      deskDefinition({
        input: async (port) => {
          said.push('begins')
          await new Promise<void>((resolve) => {
            release = resolve
          })
          said.push(port.signal.aborted ? 'returns' : 'ends')
        },
      }),
    ),
  )
  await session.settled()
  const next = session.roll()
  await next.settled()
  t.strictSame([said, a.host.state], [['begins'], 'active'])
  release()
  await next.settled()
  t.strictSame(said, ['begins', 'returns', 'begins'])
  t.strictSame(a.errors, [])
  t.end()
})

test('a replica that was not there at the end knows that it lacks something, until all of it has come', (t) => {
  const [session, a] = active(seededDesk)
  session.publish(256, order(1))
  session.settle()
  const next = session.roll()
  next.settle()
  const late = next.addReplica(seededDesk)
  next.settle()
  t.equal(late.host.lacksSeed, false, 'the seed is complete: the session alone is enough')
  t.equal(late.host.digest(), a.host.digest())

  const again = next.end('TEST3')
  const lost = again.addReplica(seededDesk)
  again.settle()
  t.equal(again.sequencer.state, 'seeding')
  t.equal(lost.host.lacksSeed, true)
  next.deliver(a)
  again.adopt(a)
  again.settle()
  t.equal(lost.host.lacksSeed, false)
  t.equal(lost.host.digest(), a.host.digest())
  t.end()
})

test('a seed that throws, or that differs between replicas, is told', (t) => {
  const broken = testComponent(
    defineComponent(
      deskDefinition({
        seed: () => {
          throw new Error('no way')
        },
      }),
    ),
  )
  t.throws(() => broken.roll(), { code: 'E_HANDLER', message: /seed of desk for session TEST2 failed: no way/ })
  const clock = testComponent(defineComponent(deskDefinition({ seed: () => void Date.now() })))
  t.throws(() => clock.roll(), { code: 'E_NONDETERMINISM' })
  const badly = testComponent(
    defineComponent(deskDefinition({ seed: (_, seed) => seed.send('Order', { id: -1, shares: 0 }) })),
  )
  t.throws(() => badly.roll(), { code: 'E_PAYLOAD' })
  let calls = 0
  const differs = defineComponent(deskDefinition({ seed: (_, seed) => seed.send('Foreign', { id: calls++ }) }))
  const [session] = active(differs)
  const b = session.addReplica(differs)
  const next = session.roll()
  next.settle()
  t.match(b.errors, [{ code: 'E_NONDETERMINISM', message: /command 1 at event \d+ is .*"id":0.* computed .*"id":1/ }])
  t.end()
})
