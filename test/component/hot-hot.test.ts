/** Several active replicas of one component: each command is one event, whoever was faster, and the death of one is no pause. */
import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { defineComponent } from '../../src/component/definition.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { type DeskState, deskDefinition, deskSchema } from './desk.js'

const hot = defineComponent(deskDefinition({ hotHot: true }))
const order = (id: number): Uint8Array => deskSchema.encode('Order', { id, shares: 1 })
const stateOf = (replica: TestReplica): DeskState => replica.host.applicationState as DeskState

test('any activation makes all of them active, a passivation none', (t) => {
  const session = new TestSession()
  const a = session.addReplica(hot)
  const b = session.addReplica(hot)
  session.settle()
  t.strictSame([a.host.state, b.host.state], ['standby', 'standby'])
  session.activate('desk', a)
  session.settle()
  t.strictSame([a.host.state, b.host.state], ['active', 'active'])
  t.strictSame(b.states.at(-1), 'active: as replica-1 is, term 1: test')
  const late = session.addReplica(hot)
  session.settle()
  t.equal(late.host.state, 'active', 'a newcomer is active as soon as it has caught up')
  session.passivate('desk')
  session.settle()
  t.strictSame(
    [a, b, late].map(({ host }) => host.state),
    ['standby', 'standby', 'standby'],
  )
  session.activate('desk', b)
  session.settle()
  t.strictSame([a.host.state, b.host.state, a.errors], ['active', 'active', []])
  t.equal(session.replicas[0]?.host.sources.named('desk/outside'), undefined, 'no source from outside')
  t.end()
})

test('both send, and each command is one event; one dies, and nothing has to happen', (t) => {
  const session = new TestSession()
  const a = session.addReplica(hot)
  const b = session.addReplica(hot)
  session.settle()
  session.activate('desk', a)
  session.settle()
  for (let id = 1; id <= 20; id++) {
    session.publish(256, order(id))
    if (id === 10) session.removeReplica(a)
    session.settle()
  }
  const accepted = Array.from({ length: 20 }, (_, i) => i + 1)
  t.strictSame(stateOf(b).accepted, accepted)
  t.ok(session.sequencer.counters['repeated-commands'] >= 10, 'the second one of each was dropped')
  t.strictSame(b.errors, [])
  t.end()
})

test('a replica that computes otherwise fails, and the other one goes on', (t) => {
  const session = new TestSession()
  const a = session.addReplica(hot)
  const wrong = defineComponent(
    deskDefinition({ hotHot: true, on: { Order: (_, { payload }, ctx) => ctx.send('Expired', { id: payload.id }) } }),
  )
  const b = session.addReplica(wrong)
  session.settle()
  session.activate('desk', a)
  session.settle()
  session.publish(256, order(1))
  session.deliver(a)
  session.settle()
  t.strictSame([a.host.state, b.host.state], ['active', 'failed'])
  t.equal(b.errors[0]?.code, 'E_NONDETERMINISM')
  t.end()
})

test('whatever is lost, late or revoked: each command is one event, and all replicas agree', async (t) => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant('publish' as const) },
    { weight: 4, arbitrary: fc.constant('sequence' as const) },
    { weight: 2, arbitrary: fc.constant('lose' as const) },
    { weight: 3, arbitrary: fc.constant('deliver0' as const) },
    { weight: 3, arbitrary: fc.constant('deliver1' as const) },
    { weight: 1, arbitrary: fc.constant('die0' as const) },
    { weight: 1, arbitrary: fc.constant('resend' as const) },
    { weight: 1, arbitrary: fc.constant('revoke' as const) },
  )
  const counts = { deaths: 0, revocations: 0, repeats: 0 }
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), (steps) => {
      const session = new TestSession({ manualStability: true })
      for (let i = 0; i < 2; i++) session.addReplica(hot)
      session.settle()
      session.activate('desk', session.replicas[0]!)
      session.settle()
      const begin = session.sequencer.nextSequence - 1
      session.stable(begin)
      let published = 0
      let repeats = 0
      const doStep = {
        publish: () => session.publish(256, order(++published)),
        sequence: () => session.sequence(),
        lose: () => session.commandsUnderWay.splice(0, 1),
        deliver0: () => session.deliver(session.replicas[0]!, 2),
        deliver1: () => session.deliver(session.replicas[1]!, 2),
        die0: () => {
          counts.deaths++
          session.removeReplica(session.replicas[0]!)
          session.addReplica(hot, { instance: `again-${counts.deaths}` })
        },
        resend: () => session.resend(),
        revoke: () => {
          counts.revocations++
          // The tail that nobody has answered yet; orders from outside come again with it.
          repeats += session.sequencer.counters['repeated-commands']
          session.failOver(Math.max(begin, session.sequencer.nextSequence - 3))
        },
      }
      for (const one of steps) doStep[one]()
      for (let round = 0; round < 10; round++) {
        session.settle()
        session.resend()
      }
      session.settle()
      const [a, b] = session.replicas
      deepStrictEqual([a?.errors, b?.errors], [[], []])
      deepStrictEqual([a?.host.state, b?.host.state], ['active', 'active'])
      const ids = Array.from({ length: published }, (_, i) => i + 1)
      deepStrictEqual(
        stateOf(a!)
          .accepted.slice()
          .sort((x, y) => x - y),
        ids,
      )
      deepStrictEqual(a?.host.digest(), b?.host.digest())
      counts.repeats += repeats + session.sequencer.counters['repeated-commands']
    }),
    { numRuns: 200 },
  )
  t.comment(JSON.stringify(counts))
  for (const [what, count] of Object.entries(counts)) t.ok(count > 100, what)
})
