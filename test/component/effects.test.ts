import { equal } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { type Component, defineComponent, type Effect, type EffectAfter } from '../../src/component/definition.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { EFFECT_DONE, effectDoneCodec } from '../../src/wire/runtime-events.js'
import { deskDefinition, deskSchema } from './desk.js'

const order = (id: number): Uint8Array => deskSchema.encode('Order', { id, shares: id })

/** The outside world: what was done, by key and by whom; and a hand on when each thing ends. */
class World {
  readonly done: string[] = []
  readonly open: { readonly key: string; readonly end: () => void; readonly fail: (error: Error) => void }[] = []

  component(after: EffectAfter, style: 'sync' | 'async' = 'sync'): Component {
    const run = ({ key }: Effect): unknown => {
      this.done.push(key)
      if (style === 'sync') return undefined
      return new Promise<void>((end, fail) => this.open.push({ key, end, fail }))
    }
    return defineComponent(deskDefinition({ effects: { Order: { after, run } } }))
  }
}

function active(component: Component, session = new TestSession()): [TestSession, TestReplica] {
  const replica = session.addReplica(component)
  session.settle()
  session.activate(component.name, replica)
  session.settle()
  return [session, replica]
}

const owed = ({ host }: TestReplica): number => host.effects().length
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('effects run once each, in order, on the active replica only, and every replica knows that they are done', (t) => {
  const world = new World()
  const [session, a] = active(world.component('published'))
  const b = session.addReplica(world.component('published'))
  const sequences = [1, 2, 3].map((id) => session.publish(256, order(id)))
  session.settle()
  t.strictSame(
    world.done,
    sequences.map((sequence) => `TEST/${sequence}/0`),
  )
  t.strictSame([owed(a), owed(b)], [0, 0])
  t.equal(b.host.status().counters.effectsDone, 3)
  session.activate('desk', b)
  session.settle()
  t.equal(world.done.length, 3, 'nothing is repeated')
  t.end()
})

test('an effect may wait until its event is stable', (t) => {
  const world = new World()
  const session = new TestSession({ manualStability: true })
  const [, a] = active(world.component('stable'), session)
  const first = session.publish(256, order(1))
  const second = session.publish(256, order(2))
  session.settle()
  t.strictSame(world.done, [])
  session.stable(first)
  session.settle()
  t.strictSame(world.done, [`TEST/${first}/0`])
  session.stable(second)
  session.settle()
  t.equal(world.done.length, 2)
  t.equal(owed(a), 0)
  t.end()
})

test('asynchronous effects run one at a time, and count as done when they have ended', async (t) => {
  const world = new World()
  const [session, a] = active(world.component('published', 'async'))
  session.publish(256, order(1))
  session.publish(256, order(2))
  session.settle()
  t.equal(world.done.length, 1)
  t.equal(owed(a), 2)
  world.open[0]?.end()
  await session.settled()
  t.equal(world.done.length, 2)
  t.equal(owed(a), 1)
  world.open[1]?.end()
  await session.settled()
  t.equal(owed(a), 0)
  t.end()
})

test('after a crash what is not known to be done runs again, under the same key', async (t) => {
  const world = new World()
  const [session, a] = active(world.component('published', 'async'))
  const b = session.addReplica(world.component('published'))
  const sequences = [1, 2].map((id) => session.publish(256, order(id)))
  session.settle()
  world.open[0]?.end()
  await turn() // Done in the world, and not yet said so in the stream.
  session.commandsUnderWay.length = 0
  session.removeReplica(a)
  session.activate('desk', b)
  session.settle()
  const [first, second] = sequences.map((sequence) => `TEST/${sequence}/0`)
  t.strictSame(world.done, [first, second, first, second])
  t.equal(owed(b), 0)
  t.end()
})

test('an effect that ends after its replica became passive is not reported, and not repeated by it', async (t) => {
  const world = new World()
  const [session, a] = active(world.component('published', 'async'))
  session.publish(256, order(1))
  session.settle()
  session.passivate('desk')
  session.settle()
  world.open[0]?.end()
  await session.settled()
  t.equal(owed(a), 1)
  session.activate('desk', a)
  await session.settled()
  t.equal(world.done.length, 1, 'it was done, so only the report is sent')
  t.equal(owed(a), 0)
  t.end()
})

test('what was done just before a switch is reported before the replica falls silent', (t) => {
  const world = new World()
  const [session, a] = active(world.component('published'))
  const b = session.addReplica(world.component('published'))
  session.settle()
  session.publish(256, order(1))
  session.activate('desk', b) // Before `a` had a chance to send.
  session.settle()
  t.strictSame([a.host.state, b.host.state, world.done.length], ['standby', 'active', 1])
  t.end()
})

test('an effect that fails stops the component, and stays owed', async (t) => {
  const world = new World()
  const [session, a] = active(world.component('published', 'async'))
  const b = session.addReplica(world.component('published'))
  session.publish(256, order(1))
  session.settle()
  world.open[0]?.fail(new Error('disk full'))
  await session.settled()
  t.equal(a.host.state, 'failed')
  t.equal(a.errors[0]?.code, 'E_EFFECT')
  t.match(a.errors[0]?.message, /Order.*disk full/)
  t.match(a.errors[0]?.fields, { key: world.done[0] })
  session.activate('desk', b)
  session.settle()
  t.equal(world.done.length, 2)
  t.equal(world.done[0], world.done[1])
  t.end()
})

test('an effect that fails after its replica became passive is run again by the next one', async (t) => {
  const world = new World()
  const [session, a] = active(world.component('published', 'async'))
  session.publish(256, order(1))
  session.settle()
  session.passivate('desk')
  session.settle()
  world.open[0]?.fail(new Error('connection closed'))
  await session.settled()
  t.strictSame([a.host.state, a.errors, owed(a)], ['standby', [], 1])
  session.activate('desk', a)
  session.settle()
  t.equal(world.done.length, 2)
  t.end()
})

test('the payload of an effect is its own, and one that does not decode stops the component', (t) => {
  const seen: unknown[] = []
  const component = defineComponent(
    deskDefinition({
      on: {},
      effects: {
        Order: { after: 'published', run: ({ payload, name, session }) => seen.push([name, session, payload]) },
      },
    }),
  )
  const [session, a] = active(component)
  session.publish(256, order(3))
  session.settle()
  t.strictSame(seen, [['Order', 'TEST', { id: 3, shares: 3 }]])
  session.publish(256, new Uint8Array([0xff]))
  session.settle()
  t.equal(a.errors[0]?.code, 'E_PAYLOAD')
  t.end()
})

test('the end of the session waits for the effects that are owed', async (t) => {
  const world = new World()
  const [session, a] = active(world.component('published', 'async'))
  session.publish(256, order(1))
  session.endSession()
  session.settle()
  t.equal(a.host.state, 'active')
  world.open[0]?.end()
  await session.settled()
  t.equal(a.host.state, 'stopped')
  t.end()
})

test('another component cannot close an effect', (t) => {
  const world = new World()
  const session = new TestSession({ manualStability: true })
  const [, a] = active(world.component('stable'), session)
  const sequence = session.publish(256, order(1))
  session.publish(EFFECT_DONE, effectDoneCodec.encode({ component: 'desk', sequence, index: 0, epoch: 1 }))
  session.settle()
  t.equal(owed(a), 1)
  t.end()
})

test('at least once under one key, and exactly once where nobody crashes, over random switches', (t) => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('order' as const) },
    { weight: 3, arbitrary: fc.constant('sequence' as const) },
    { weight: 3, arbitrary: fc.constant('deliverA' as const) },
    { weight: 3, arbitrary: fc.constant('deliverB' as const) },
    { weight: 1, arbitrary: fc.constant('switch' as const) },
    { weight: 1, arbitrary: fc.constant('crash' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
      const world = new World()
      const session = new TestSession()
      let [a, b] = [0, 1].map(() => session.addReplica(world.component('published'))) as [TestReplica, TestReplica]
      let active: 'a' | 'b' = 'a'
      let crashes = 0
      const keys: string[] = []
      const current = (): TestReplica => (active === 'a' ? a : b)
      session.activate('desk', a)
      const doStep = {
        order: () => keys.push(`TEST/${session.publish(256, order(keys.length + 1))}/0`),
        sequence: () => session.sequence(),
        deliverA: () => session.deliver(a, 2),
        deliverB: () => session.deliver(b, 2),
        switch: () => {
          active = active === 'a' ? 'b' : 'a'
          session.activate('desk', current())
        },
        crash: () => {
          crashes++
          session.commandsUnderWay.length = 0
          session.removeReplica(current())
          const restarted = session.addReplica(world.component('published'))
          if (active === 'a') a = restarted
          else b = restarted
          active = active === 'a' ? 'b' : 'a'
          session.activate('desk', current())
        },
      }
      for (const name of steps) doStep[name]()
      for (let i = 0; i < 4; i++) {
        session.settle()
        session.resend(1_000_000)
      }
      equal(owed(a) + owed(b), 0)
      equal([...new Set(world.done)].sort().join(), [...keys].sort().join(), 'each at least once')
      if (crashes === 0 && !steps.includes('switch')) equal(world.done.length, keys.length)
    }),
    { numRuns: 150 },
  )
  t.pass('no counterexample')
  t.end()
})
