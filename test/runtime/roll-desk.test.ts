import { test } from 'tap'
import { droppedStatus, droppedWords } from '../../src/runtime/last-words.js'
import { nextTimeOfDay } from '../../src/runtime/roll-desk.js'
import { StoreWatch } from '../../src/runtime/store-watch.js'
import type { StoreStatus } from '../../src/wire/control.js'

const us = (time: string): number => Date.parse(time) * 1_000

test('the next moment of a time of day, in UTC', (t) => {
  const now = us('2026-11-21T08:30:00Z')
  t.equal(nextTimeOfDay({ hour: 9, minute: 5 }, now), us('2026-11-21T09:05:00Z'))
  t.equal(nextTimeOfDay({ hour: 8, minute: 30 }, now), us('2026-11-22T08:30:00Z'), 'now has passed')
  t.equal(nextTimeOfDay({ hour: 0, minute: 0 }, us('2026-12-31T23:59:59Z')), us('2027-01-01T00:00:00Z'))
  t.end()
})

const status = (name: string, durableSequence: number, state = 'live'): StoreStatus => ({
  ...{ name, voter: '', epoch: 0, durableSequence, committedSequence: durableSequence, requestPort: 1, rewindPort: 2 },
  ...{ state, counters: {}, promised: 0, lastEpoch: 1 },
})

test('a session without voters is not left before a store that was heard has its end', (t) => {
  const watch = new StoreWatch()
  t.ok(watch.hasRecorded(10), 'nobody records it')
  t.notOk(watch.isDeserted(0))
  watch.onStore(status('a', 9), 0)
  t.notOk(watch.hasRecorded(10))
  t.equal(watch.there(500_000), 1)
  t.ok(watch.isDeserted(1_000_000), 'it is silent')
  t.notOk(watch.hasRecorded(10), 'and is waited for')
  const next = watch.successor()
  t.notOk(next.hasRecorded(1), 'also in the next session')
  t.ok(next.isDeserted(1_000_000))
  watch.onStore(status('b', 10), 1_000_000)
  t.ok(watch.hasRecorded(10))
  watch.onStore(status('b', 11, 'stopped'), 1_100_000)
  t.ok(watch.hasRecorded(11), 'one that has stopped has what it had')
  t.notOk(watch.hasRecorded(12))
  t.equal(watch.there(1_100_000), 0)
  t.ok(watch.isDeserted(1_100_000))
  t.end()
})

test('a store that has stopped is waited for as one that is silent', (t) => {
  const watch = new StoreWatch()
  watch.onStore(status('a', 9), 0)
  watch.onStore(status('a', 9, 'stopped'), 1)
  t.ok(watch.isDeserted(2))
  t.notOk(watch.hasRecorded(10))
  t.end()
})

test('of dropped sessions the first and the last are told, each with the one that is there', (t) => {
  const dropped = new Map(Array.from({ length: 100 }, (_, i) => [`S${i + 1}`, `S${i + 2}`]))
  const words = droppedWords(dropped, 'S101')
  t.equal(words.size, 32)
  t.equal(words.get('S1'), 'S101')
  t.equal(words.get('S100'), 'S101')
  t.notOk(words.has('S50'))
  const circle = new Map([
    ['A', 'B'],
    ['B', 'A'],
  ])
  t.equal(droppedWords(circle, 'C').size, 2, 'a damaged file makes no endless loop')
  const says = { name: 'a', voter: '', requestPort: 1, rewindPort: 2 }
  t.match(droppedStatus(says, 'S9'), { state: 'dropped', successor: 'S9', durableSequence: 0 })
  t.end()
})
