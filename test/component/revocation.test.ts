/** Hosts on a stream whose tail is revoked by failovers: nothing twice, nothing lost, and what can't be taken back is told. */
import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { type Component, defineComponent, type Port } from '../../src/component/definition.js'
import type { RevokedEffect } from '../../src/component/effects.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { type DeskDefinition, type DeskMessages, type DeskState, desk, deskDefinition, deskSchema } from './desk.js'

const order = (id: number): Uint8Array => deskSchema.encode('Order', { id, shares: 1 })
const stateOf = (replica: TestReplica): DeskState => replica.host.applicationState as DeskState
const last = (session: TestSession): number => session.sequencer.nextSequence - 1
const stabilise = (session: TestSession): void => session.stable(last(session))

function active(component: Component, checkpoints = false): [TestSession, TestReplica] {
  const session = new TestSession({ manualStability: true, checkpoints })
  const replica = session.addReplica(component)
  session.settle()
  session.activate(component.name, replica)
  session.settle()
  return [session, replica]
}

/** Without removing repeats: what is sequenced twice shows. */
const recordOrder: NonNullable<DeskDefinition['on']['Order']> = (state, { payload }) => {
  state.lastKey = payload.id
  state.expired.push(payload.id)
}

/** Orders that come in from outside and are there once only: nobody can ask for them again. */
class Visitors {
  readonly sent: number[] = []
  port: Port<DeskMessages> | undefined
  starts = 0

  readonly component = defineComponent(
    deskDefinition({
      input: async (port) => {
        this.starts++
        this.port = port
      },
      on: { Order: recordOrder, Accepted: (state, { payload }) => void state.accepted.push(payload.id) },
    }),
  )

  come(): void {
    if (this.port === undefined || this.port.signal.aborted) return
    this.port.send('Order', { id: this.sent.length + 1, shares: 1 })
    this.sent.push(this.sent.length + 1)
  }
}

test('handlers issue their commands anew on the branch that lives, and each is an event once', (t) => {
  const [session, a] = active(desk)
  const b = session.addReplica(desk)
  session.settle()
  stabilise(session)
  const stable = last(session)
  for (const id of [1, 2, 3]) session.publish(256, order(id))
  session.settle()
  t.strictSame(stateOf(a).accepted, [1, 2, 3])
  session.failOver(stable + 1)
  session.settle()
  for (const replica of [a, b]) {
    t.strictSame(replica.errors, [])
    t.strictSame(stateOf(replica).accepted, [1, 2, 3])
  }
  t.equal(a.host.digest(), b.host.digest())
  t.strictSame([a.host.state, b.host.state], ['active', 'standby'])
  t.ok(a.states.some((state) => /^rewinding: events from \d+ on were revoked/.test(state)))
  t.end()
})

test('what was computed on the lost branch does not enter the branch that lives', (t) => {
  const [session, a] = active(desk)
  stabilise(session)
  const stable = last(session)
  session.publish(256, order(1))
  session.deliver(a) // Its commands are under way.
  t.ok(session.commandsUnderWay.length > 0)
  session.failOver(stable)
  session.sequence()
  t.equal(session.sequencer.counters['other-reign'], 1)
  session.settle()
  t.strictSame([a.errors, stateOf(a).accepted], [[], [1]])
  t.end()
})

test('commands from outside survive a revocation, and input begins again when all of them are there', async (t) => {
  const visitors = new Visitors()
  const [session, a] = active(visitors.component)
  await session.settled()
  stabilise(session)
  await session.settled()
  const stable = last(session)
  for (let i = 0; i < 3; i++) visitors.come()
  await session.settled()
  visitors.come()
  const source = a.host.sources.named('desk/outside')?.number
  session.failOver(stable + 1)
  session.deliver(a)
  session.publish(260, deskSchema.encode('Foreign', { id: 1 }))
  session.deliver(a)
  t.equal(visitors.port?.signal.aborted, true)
  t.equal(visitors.starts, 1, 'not before all of it is back')
  await session.settled()
  t.equal(visitors.starts, 2)
  t.strictSame(stateOf(a).expired, [1, 2, 3, 4])
  t.equal(a.host.sources.named('desk/outside')?.number, source, 'the same source goes on')
  visitors.come()
  await session.settled()
  t.strictSame(stateOf(a).expired, [1, 2, 3, 4, 5])
  t.strictSame(a.errors, [])
  t.end()
})

test('who was active on the lost branch only keeps nothing: the one that stayed active brings in what is missing', async (t) => {
  const [stayed, lost] = [new Visitors(), new Visitors()]
  const [session, a] = active(stayed.component)
  const b = session.addReplica(lost.component)
  await session.settled()
  stayed.come()
  await session.settled()
  stabilise(session)
  const stable = last(session)
  session.activate('desk', b)
  await session.settled()
  lost.sent.push(1)
  lost.come()
  lost.come()
  await session.settled()
  t.strictSame(stateOf(b).expired, [1, 2, 3])
  session.failOver(stable)
  await session.settled()
  t.strictSame([a.host.state, b.host.state], ['active', 'standby'])
  t.equal(b.host.status().counters.outsideDropped, 2)
  t.equal(b.host.status().outboxCommands, a.host.status().outboxCommands, 'what every replica holds')
  // The outside world comes to the one that is active on the branch that lives.
  stayed.come()
  stayed.come()
  await session.settled()
  session.activate('desk', b)
  await session.settled()
  t.strictSame(stateOf(b).expired, [1, 2, 3])
  t.strictSame([a.errors, b.errors], [[], []])
  t.equal(a.host.digest(), b.host.digest())
  t.end()
})

test('who is named again before it has read the branch that lives sends nothing that another one has brought in', async (t) => {
  const [stayed, lost] = [new Visitors(), new Visitors()]
  const [session, a] = active(stayed.component)
  const b = session.addReplica(lost.component)
  const only = async (replica: TestReplica): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      session.sequence()
      session.deliver(replica)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await session.settled()
  stayed.come()
  await session.settled()
  stabilise(session)
  const stable = last(session)
  session.activate('desk', b)
  await only(b)
  lost.sent.push(1)
  lost.come()
  await only(b)
  session.failOver(stable)
  await only(a)
  t.equal(a.host.state, 'active', 'it has seen nothing of the other one')
  stayed.come()
  await only(a)
  session.activate('desk', b)
  await session.settled()
  t.strictSame([a.host.state, b.host.state], ['standby', 'active'])
  t.strictSame(stateOf(b).expired, [1, 2], 'order 2 once')
  t.equal(b.host.status().counters.outsideDropped, 1)
  t.strictSame([a.errors, b.errors], [[], []])
  t.end()
})

test('where the registration was revoked with them it is asked for again', async (t) => {
  const visitors = new Visitors()
  const [session, a] = active(visitors.component)
  const activated = last(session) - 2 // What followed: the shared source and the outside one.
  await session.settled()
  visitors.come()
  visitors.come()
  await session.settled()
  session.failOver(activated)
  await session.settled()
  t.equal(a.host.state, 'active')
  t.strictSame(stateOf(a).expired, [1, 2])
  t.equal(a.host.status().counters.outsideClosed, 0)
  t.strictSame(a.errors, [])
  t.end()
})

test('a replica whose activation was revoked is passive, keeps what came in, and goes on when it is activated again', async (t) => {
  const visitors = new Visitors()
  const [session, a] = active(visitors.component)
  await session.settled()
  visitors.come()
  await session.settled()
  session.failOver(2)
  await session.settled()
  t.equal(a.host.state, 'standby')
  t.equal(a.host.status().outboxCommands, 1)
  t.equal(session.commandsUnderWay.length, 0, 'passive means silent')
  session.activate('desk', a)
  await session.settled()
  t.strictSame([a.host.state, stateOf(a).expired, a.errors], ['active', [1], []])
  t.end()
})

test('what came in is not sent again where another process has been active since', async (t) => {
  const visitors = new Visitors()
  const [session, a] = active(visitors.component)
  const b = session.addReplica(defineComponent(deskDefinition({ input: async () => {}, on: { Order: recordOrder } })))
  await session.settled()
  visitors.come()
  await session.settled()
  session.failOver(2)
  await session.settled()
  session.activate('desk', b)
  await session.settled()
  session.activate('desk', a)
  await session.settled()
  t.strictSame([a.host.state, stateOf(a).expired, a.errors], ['active', [], []])
  t.equal(a.host.status().counters.outsideDropped, 1)
  t.end()
})

/** A desk with an effect for each order; what was done, and what was told of it. */
function witness(): { component: Component; ran: string[]; told: RevokedEffect[] } {
  const ran: string[] = []
  const run = ({ key }: { key: string }): unknown => ran.push(key)
  const component = defineComponent(deskDefinition({ effects: { Order: { after: 'published', run } } }))
  return { component, ran, told: [] }
}

for (const reads of [true, false]) {
  const between = reads ? 'has read' : 'has not read'
  test(`what ran before two failovers is told by whichever takes it back, where the replica ${between} the first one's branch`, (t) => {
    const { component, ran, told } = witness()
    const session = new TestSession({ manualStability: true })
    const a = session.addReplica(component, { observer: { effectRevoked: (effect) => told.push(effect) } })
    session.settle()
    session.activate('desk', a)
    session.settle()
    stabilise(session)
    session.settle()
    const stable = last(session)
    const first = session.publish(256, order(1))
    const second = session.publish(256, order(2))
    session.settle()
    const keys = [first, second].map((sequence) => `TEST/${sequence}/0`)
    t.strictSame(ran, keys)
    session.failOver(first)
    if (reads) session.deliver(a)
    session.failOver(stable)
    session.settle()
    stabilise(session)
    session.settle()
    t.strictSame(told.map(({ key }) => key).sort(), keys, 'each once')
    t.equal(a.host.status().counters.effectsRevoked, 2)
    t.strictSame(a.errors, [])
    t.end()
  })
}

test('what the branch that lives still has is not told to be revoked', (t) => {
  const { component, told } = witness()
  const session = new TestSession({ manualStability: true })
  const a = session.addReplica(component, { observer: { effectRevoked: (effect) => told.push(effect) } })
  session.settle()
  session.activate('desk', a)
  session.settle()
  stabilise(session)
  const first = session.publish(256, order(1))
  const second = session.publish(256, order(2))
  session.settle()
  session.failOver(first)
  session.settle()
  stabilise(session)
  session.settle()
  t.strictSame(
    told.map(({ sequence }) => sequence),
    [second],
  )
  t.end()
})

test('effects that ran for events that are no more are told with their keys, and close nothing else', (t) => {
  const { component, ran, told } = witness()
  const session = new TestSession({ manualStability: true })
  const a = session.addReplica(component, { observer: { effectRevoked: (effect) => told.push(effect) } })
  session.settle()
  session.activate('desk', a)
  session.settle()
  stabilise(session)
  session.settle()
  const first = session.publish(256, order(1))
  session.settle()
  stabilise(session)
  session.settle()
  const stable = last(session)
  const lost = [session.publish(256, order(2)), session.publish(256, order(3))].map((sequence) => `TEST/${sequence}/0`)
  session.settle()
  t.strictSame(ran, [`TEST/${first}/0`, ...lost])
  session.failOver(stable)
  session.settle()
  t.strictSame(
    told.map(({ key }) => key),
    lost,
  )
  t.equal(a.host.status().counters.effectsRevoked, 2)
  t.equal(ran.length, 5, 'the orders are other events now, and have their own effects')
  t.equal(new Set(ran).size, 5, 'under keys that no other event ever had')
  t.ok(
    ran.slice(3).every((key) => /^TEST\/\d+\/0\/2$/.test(key)),
    `the epoch of birth tells them apart: ${ran}`,
  )
  t.strictSame(a.host.effects(), [])
  t.strictSame(a.errors, [])
  t.end()
})

type Step =
  | number
  | 'come'
  | 'publish'
  | 'sequence'
  | 'deliverA'
  | 'deliverB'
  | 'settled'
  | 'stable'
  | 'lose'
  | 'repeat'

/** Histories that once lost a command: registrations came late, or were revoked, after those of the same process before them. */
const FOUND: Step[][] = [
  // biome-ignore format: a history is a line
  [0, 'deliverA', 1, 'deliverA', 'deliverA', 'deliverA', 1, 'settled', 'come', 'repeat', 'sequence', 'deliverB', 'publish', 'settled', 4, 'repeat', 'deliverA', 'sequence', 'settled'],
  // biome-ignore format: a history is a line
  ['publish', 'settled', 1, 'deliverA', 'deliverA', 'deliverA', 'deliverA', 'sequence', 2, 'settled', 'repeat', 'come', 'settled', 'deliverA', 'sequence', 'sequence', 'stable', 'sequence', 'repeat', 'deliverA', 'sequence', 'sequence'],
  // biome-ignore format: a history is a line
  [0, 'deliverA', 1, 'deliverA', 'deliverA', 'deliverA', 1, 'sequence', 'settled', 'come', 2, 'settled', 'repeat', 'settled', 3, 'come', 'come', 'come', 'publish', 'deliverA', 'settled', 'publish', 'settled', 'stable', 'deliverA'],
]

test('whatever is revoked: each command from outside is one event, and replicas agree', async (t) => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant('come' as const) },
    { weight: 2, arbitrary: fc.constant('publish' as const) },
    { weight: 4, arbitrary: fc.constant('sequence' as const) },
    { weight: 4, arbitrary: fc.constant('deliverA' as const) },
    { weight: 2, arbitrary: fc.constant('deliverB' as const) },
    { weight: 2, arbitrary: fc.constant('settled' as const) },
    { weight: 1, arbitrary: fc.constant('stable' as const) },
    { weight: 1, arbitrary: fc.constant('lose' as const) },
    { weight: 1, arbitrary: fc.constant('repeat' as const) },
    { weight: 2, arbitrary: fc.nat(12) },
  )
  let revocations = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }),
      fc.boolean(),
      async (steps, checkpoints) => {
        const visitors = new Visitors()
        const [session, a] = active(visitors.component, checkpoints)
        const b = session.addReplica(visitors.component)
        await session.settled()
        stabilise(session)
        const late: Uint8Array[] = []
        let published = 0
        const doStep = {
          come: () => visitors.come(),
          publish: () => session.publish(257, deskSchema.encode('Accepted', { id: ++published, draw: 0 })),
          sequence: () => {
            late.push(...session.commandsUnderWay.map((packet) => packet.slice()))
            session.sequence()
          },
          deliverA: () => session.deliver(a, 2),
          deliverB: () => session.deliver(b, 2),
          settled: () => session.settled(),
          stable: () => session.stable(Math.max(session.stableSequence, last(session) - 5)),
          lose: () => session.commandsUnderWay.splice(0, 1),
          repeat: () => session.commandsUnderWay.push(...late.splice(0, 2)),
        }
        for (const name of steps) {
          if (typeof name === 'number') {
            revocations++
            session.failOver(Math.max(2, session.stableSequence, last(session) - name))
          } else await doStep[name]()
        }
        for (let i = 0; i < 6; i++) {
          await session.settled()
          session.resend(500_000)
          // Whose activation was revoked is activated again, as a process asks for.
          if (a.host.state === 'standby') session.activate('desk', a)
        }
        await session.settled()
        for (const replica of [a, b]) {
          deepStrictEqual(replica.errors, [])
          deepStrictEqual(stateOf(replica).expired, visitors.sent)
          deepStrictEqual(stateOf(replica).accepted.length, published)
        }
        deepStrictEqual(a.host.digest(), b.host.digest())
      },
    ),
    {
      numRuns: 100,
      examples: FOUND.map((steps): [Step[], boolean] => [steps, false]),
    },
  )
  t.ok(revocations > 100, `${revocations} revocations`)
  t.end()
})
