import { randomUUID } from 'node:crypto'
import { setTimeout as setTimer } from 'node:timers'
import { test } from 'tap'
import { guard, refusePromise } from '../../src/component/guard.js'

function within<T>(action: () => T): T {
  guard.enter()
  try {
    return action()
  } finally {
    guard.leave()
  }
}

test('what differs between replicas throws inside of a guard, and works outside', (t) => {
  const touches: [string, () => unknown, RegExp][] = [
    ['Date.now', () => Date.now(), /timeUs/],
    ['new Date()', () => new Date(), /timeUs/],
    ['Date()', () => Date(), /timeUs/],
    ['performance.now', () => performance.now(), /timeUs/],
    ['process.hrtime', () => process.hrtime(), /timeUs/],
    ['process.hrtime.bigint', () => process.hrtime.bigint(), /timeUs/],
    ['Math.random', () => Math.random(), /ctx\.random/],
    ['crypto.randomUUID', () => crypto.randomUUID(), /ctx\.random/],
    ['crypto.randomUUID', () => randomUUID(), /ctx\.random/],
    ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(1)), /ctx\.random/],
    ['setTimeout', () => clearTimeout(setTimeout(() => {}, 0)), /ctx\.startTimer/],
    ['setTimeout', () => clearTimeout(setTimer(() => {}, 0)), /ctx\.startTimer/],
    ['setInterval', () => clearInterval(setInterval(() => {}, 9)), /ctx\.startTimer/],
    ['setImmediate', () => clearImmediate(setImmediate(() => {})), /ctx\.startTimer/],
    ['queueMicrotask', () => queueMicrotask(() => {}), /ctx\.send/],
    ['process.nextTick', () => process.nextTick(() => {}), /ctx\.send/],
    ['fetch', () => fetch('http://127.0.0.1:1/').catch(() => {}), /effect/],
  ]
  for (const [name, touch, hint] of touches) {
    t.throws(() => within(touch), { code: 'E_NONDETERMINISM', hint, fields: { touched: name } }, name)
    t.doesNotThrow(touch, `${name} outside`)
    t.doesNotThrow(() => within(() => guard.outside(touch)), `${name} in outside()`)
  }
  t.end()
})

test('what is a function of its arguments stays', (t) => {
  within(() => {
    const date = new Date(86_400_000)
    t.equal(date.toISOString(), '1970-01-02T00:00:00.000Z')
    t.equal(date instanceof Date, true)
    t.equal(Date.UTC(1970, 0, 2), 86_400_000)
    t.equal(Math.max(1, 2), 2)
  })
  t.equal(new Date(0).constructor, Date)
  t.type(Date.now(), 'number')
  t.end()
})

test('guards nest, and a failure leaves none behind', (t) => {
  guard.enter()
  t.throws(() => within(() => Math.random()), { code: 'E_NONDETERMINISM' })
  t.throws(() => Math.random(), { code: 'E_NONDETERMINISM' }, 'the outer one still holds')
  t.throws(
    () =>
      guard.outside(() => {
        throw new Error('mine')
      }),
    /mine/,
  )
  t.throws(() => Math.random(), { code: 'E_NONDETERMINISM' }, 'also after a failure outside')
  guard.leave()
  t.type(Math.random(), 'number')
  t.throws(() => guard.leave(), /without enter/)
  t.end()
})

test('a promise is refused, and its failure is not unhandled', async (t) => {
  const refused = { code: 'E_NONDETERMINISM', message: /^on\.A returned a promise/ }
  t.throws(() => refusePromise(Promise.reject(new Error('late')), 'on.A'), refused)
  // biome-ignore lint/suspicious/noThenProperty: a promise of another library is meant.
  t.throws(() => refusePromise({ then() {} }, 'on.A'), refused)
  for (const value of [undefined, null, 1, 'then', {}, new Map()]) {
    t.doesNotThrow(() => refusePromise(value, 'on.A'))
  }
  await new Promise((resolve) => setImmediate(resolve))
})
