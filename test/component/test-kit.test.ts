import { test } from 'tap'
import { defineComponent } from '../../src/component/definition.js'
import { testComponent } from '../../src/component/test-kit.js'
import { desk, deskDefinition } from './desk.js'

test('given events, expect commands, state and digest', (t) => {
  const kit = testComponent(desk)
  t.equal(kit.role, 'active')
  const before = kit.digest()
  kit.given('Order', { id: 7, shares: 100 })
  const [command, ...rest] = kit.takeCommands()
  t.strictSame(rest, [])
  t.match(command, { name: 'Accepted', payload: { id: 7 } })
  t.strictSame(kit.state.accepted, [7], 'the command came back as an event')
  t.strictSame(kit.takeCommands(), [])
  t.not(kit.digest(), before)
  t.strictSame(kit.replay().digest, kit.digest())
  t.end()
})

test('timers run on stream time', (t) => {
  const kit = testComponent(desk)
  kit.given('Order', { id: 1, shares: 5 })
  kit.advance(400)
  kit.given('Order', { id: 2, shares: 5 })
  const [first, second] = kit.timers()
  t.match([first?.key, second?.key], ['1', '2'])
  t.ok(Math.abs((first?.inMs ?? 0) - 600) < 1)
  kit.advance(599)
  t.strictSame(kit.state.expired, [])
  kit.advance(1)
  t.strictSame(kit.state.expired, [1])
  t.strictSame(
    kit.timers().map(({ key }) => key),
    ['2'],
  )
  kit.advance(60_000)
  t.strictSame(kit.state.expired, [1, 2])
  t.ok(kit.replay().events > 6)
  t.end()
})

test('a standby computes the same and sends nothing', (t) => {
  const kit = testComponent(desk, { mode: 'standby' })
  kit.given('Order', { id: 7, shares: 100 })
  t.equal(kit.role, 'standby')
  t.equal(kit.takeCommands().length, 1)
  t.strictSame(kit.state.accepted, [])
  kit.activate()
  t.strictSame(kit.state.accepted, [7], 'what was left is sent at the activation')
  kit.passivate()
  kit.given('Order', { id: 8, shares: 100 })
  t.strictSame(kit.state.accepted, [7])
  t.end()
})

test('effects run when active, and what is owed can be seen', async (t) => {
  const keys: string[] = []
  const component = defineComponent(
    deskDefinition({ effects: { Accepted: { after: 'stable', run: async ({ key }) => keys.push(key) } } }),
  )
  const kit = testComponent(component, { mode: 'standby' })
  kit.given('Order', { id: 7, shares: 100 })
  kit.activate()
  await kit.settled()
  t.equal(keys.length, 1)
  t.match(keys[0], /^TEST\/\d+\/0$/)
  t.strictSame(kit.effectsPending(), [])
  t.end()
})

test('a failing handler throws where the event was given', (t) => {
  const component = defineComponent(
    deskDefinition({
      on: {
        Order() {
          throw new Error('no such desk')
        },
      },
    }),
  )
  const kit = testComponent(component)
  t.throws(() => kit.given('Order', { id: 7, shares: 100 }), { code: 'E_HANDLER', message: /Order.*no such desk/ })
  t.throws(() => testComponent(desk).given('Order', { id: -1, shares: 1 }), { code: 'E_PAYLOAD' })
  t.end()
})

test('a replay finds what the state does not hold', (t) => {
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
  const kit = testComponent(component)
  kit.given('Order', { id: 7, shares: 100 })
  t.throws(() => kit.replay(), { code: 'E_NONDETERMINISM' })
  t.end()
})
