/** That an end is stable is proven by what voters have acknowledged under the reign that wrote it, and by nothing less. */
import { test } from 'tap'
import type { HeardStore } from '../../src/runtime/session-start.js'
import { settledVoter } from '../../src/runtime/settled.js'

const VOTERS = ['a', 'b', 'c']
const LIVES = { a: 11, b: 12, c: 13 }

type Voter = keyof typeof LIVES

/** A voter whose last event, the 41st, is of epoch 2, which is its promise. */
function status(name: Voter, less: Partial<HeardStore> = {}): HeardStore {
  const log = { lastEpoch: 2, durableSequence: 41, committedSequence: 41 }
  const vote = { voter: name, promised: 2, life: LIVES[name], lives: LIVES }
  return { name, address: '127.0.0.1', rewindPort: 7_711, state: 'ended', ...log, ...vote, ...less }
}

const isSettled = (...stores: HeardStore[]): boolean => settledVoter(stores, VOTERS) !== undefined

test('a majority that has acknowledged the same last event is enough', (t) => {
  t.match(settledVoter([status('a'), status('b')], VOTERS), { durableSequence: 41 })
  t.ok(isSettled(status('a', { state: 'rewinding' }), status('b'), status('c', { lastEpoch: 1, durableSequence: 30 })))
  t.match(settledVoter([status('a')], ['a']), { name: 'a' })
  t.end()
})

test('anything less proves nothing', (t) => {
  t.notOk(isSettled(), 'nobody is heard')
  t.notOk(isSettled(status('a')), 'a minority')
  t.notOk(isSettled(status('a'), status('a', { name: 'twin' })), 'one voter, told of twice')
  t.notOk(
    isSettled(status('a'), status('b', { durableSequence: 40, committedSequence: 40 })),
    'one lacks the last event',
  )
  t.notOk(isSettled(status('a'), status('b', { lastEpoch: 1 })), 'one has another event there')
  t.notOk(isSettled(status('a'), status('b', { promised: 3 })), 'recorded, maybe after a newer reign had its grant')
  t.notOk(isSettled(status('a'), status('b', { promised: 1 })), 'recorded without a promise')
  t.notOk(isSettled(status('a'), status('b', { voter: '' })), 'a copy')
  t.notOk(isSettled(status('a'), status('b', { life: 0 })), 'one that has lost its data')
  t.notOk(
    isSettled(status('a'), status('b'), status('c', { durableSequence: 0, lives: { ...LIVES, b: 14 } })),
    'an earlier life',
  )
  t.notOk(isSettled(status('a', { lives: {} }), status('b', { lives: {} })), 'a session that is not founded')
  t.notOk(isSettled(status('a', { committedSequence: 42 }), status('b')), 'more is written than is durable')
  const empty = { lastEpoch: 0, promised: 0, durableSequence: 0, committedSequence: 0 }
  t.notOk(isSettled(status('a', empty), status('b', empty)), 'nothing is recorded')
  t.end()
})

test('a store that follows the stream was not told of an end', (t) => {
  for (const state of ['live', 'gap']) t.notOk(isSettled(status('a'), status('b'), status('c', { state })), state)
  t.end()
})
