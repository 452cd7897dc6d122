import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { type Timer, Timers } from '../../src/component/timers.js'

function fired(timers: Timers, timeUs: number): string[] {
  const keys: string[] = []
  timers.fire(timeUs, ({ key }) => keys.push(key))
  return keys
}

test('timers fire by due time, then in the order of starting, and not before', (t) => {
  const timers = new Timers()
  timers.start('a', 'late', 30)
  timers.start('a', 'second', 10)
  timers.start('b', 'third', 10)
  timers.start('a', 'first', 5)
  t.equal(timers.nextDueUs, 5)
  t.strictSame(fired(timers, 4), [])
  t.strictSame(fired(timers, 10), ['first', 'second', 'third'])
  t.equal(timers.size, 1)
  t.strictSame(fired(timers, 1_000), ['late'])
  t.equal(timers.nextDueUs, Number.POSITIVE_INFINITY)
  t.end()
})

test('name and key together are one timer: starting again replaces it', (t) => {
  const timers = new Timers()
  timers.start('a', 'x', 10)
  timers.start('b', 'x', 20)
  timers.start('a', 'x', 30)
  t.strictSame(timers.pending(), [
    { name: 'b', key: 'x', dueUs: 20 },
    { name: 'a', key: 'x', dueUs: 30 },
  ])
  t.equal(timers.cancel('b', 'x'), true)
  t.equal(timers.cancel('b', 'x'), false)
  t.strictSame(fired(timers, 15), [])
  t.strictSame(fired(timers, 30), ['x'])
  t.end()
})

test('what a handler starts waits for the next event, even if it is due', (t) => {
  const timers = new Timers()
  timers.start('a', '1', 10)
  timers.fire(10, () => timers.start('a', '2', 10))
  t.equal(timers.size, 1)
  t.strictSame(fired(timers, 10), ['2'])
  t.end()
})

test('a handler may cancel or restart what is due with it', (t) => {
  const timers = new Timers()
  for (const key of ['1', '2', '3', '4']) timers.start('a', key, 10)
  const keys: string[] = []
  timers.fire(10, ({ key }) => {
    keys.push(key)
    if (key !== '1') return
    t.equal(timers.cancel('a', '2'), true)
    timers.start('a', '3', 99)
  })
  t.strictSame(keys, ['1', '4'])
  t.strictSame(timers.pending(), [{ name: 'a', key: '3', dueUs: 99 }])
  t.end()
})

test('the bound is an error', (t) => {
  const timers = new Timers(2)
  timers.start('a', '1', 1)
  timers.start('a', '2', 1)
  timers.start('a', '2', 2)
  t.throws(() => timers.start('a', '3', 1), /more than 2 timers/)
  t.end()
})

test('the heap does what a sorted list does', (t) => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('start' as const), key: fc.nat(9), dueUs: fc.nat(50) }),
    fc.record({ kind: fc.constant('cancel' as const), key: fc.nat(9) }),
    fc.record({ kind: fc.constant('fire' as const), timeUs: fc.nat(60) }),
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const timers = new Timers()
      let list: Timer[] = []
      for (const a of actions) {
        if (a.kind === 'fire') {
          const due = list.filter(({ dueUs }) => dueUs <= a.timeUs).sort((x, y) => x.dueUs - y.dueUs)
          list = list.filter(({ dueUs }) => dueUs > a.timeUs)
          deepStrictEqual(
            fired(timers, a.timeUs),
            due.map(({ key }) => key),
          )
          continue
        }
        const key = String(a.key)
        list = list.filter((timer) => timer.key !== key)
        if (a.kind === 'cancel') timers.cancel('n', key)
        else {
          timers.start('n', key, a.dueUs)
          list.push({ name: 'n', key, dueUs: a.dueUs })
        }
      }
      deepStrictEqual(
        timers.pending(),
        [...list].sort((x, y) => x.dueUs - y.dueUs),
      )
    }),
    { numRuns: 300 },
  )
  t.pass('no counterexample')
  t.end()
})
