import { test } from 'tap'
import { problemsOf } from '../../src/cli/status-problems.js'
import type { SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'

function problems(epoch: number, storeState: string, over: Partial<SequencerHeartbeat> = {}): string[] {
  const sequencer: SequencerHeartbeat = {
    ...{ epoch, nextSequence: 11, stableSequence: 10, publishedIsStable: false, epochTable: [], state: 'open' },
    ...{ held: false, requestPort: 1, counters: {} },
    ...over,
  }
  const store: StoreStatus = {
    ...{ name: 'a', voter: 'v', epoch, durableSequence: 10, committedSequence: 10, requestPort: 1, rewindPort: 2 },
    ...{ state: storeState, counters: {}, promised: epoch, lastEpoch: epoch },
  }
  const heard = { sequencers: new Map([[1, sequencer]]), stores: new Map([['a', store]]), components: new Map() }
  return problemsOf({ heard, stableBefore: 0, voters: over.lives === undefined ? ['v'] : [] })
}

test('epochs that run out are told while there is time to end the session in order', (t) => {
  t.strictSame(problems(60_000, 'live'), [])
  t.match(problems(65_001, 'live'), [/has used 65,001 of its 65,535 epochs.*seqcast admin end-session/])
  t.end()
})

test('a voter that has lost its data is named, with what helps', (t) => {
  t.match(problems(2, 'recovering'), [/voter v has lost its data.*seqcast admin readmit v/])
  t.end()
})

test('a voter that is not heard is told while all goes on, and how many more may go', (t) => {
  t.match(problems(2, 'live', { lives: { v: 1, w: 2, x: 3 } }), [
    /^voters w, x are not heard: if one more goes, nothing becomes stable; start it with: seqcast store$/,
  ])
  t.end()
})

test('an etcd that does not answer is told before it is needed, and where it is', (t) => {
  const counters = { 'etcd.calls': 9, 'etcd.unanswered': 2 }
  t.match(problems(2, 'live', { counters }), [
    /no etcd answers: .* if the active sequencer dies, no other one is chosen/,
  ])
  const waiting = problems(2, 'live', { counters, state: 'electing' })
  t.match(waiting[0], /no etcd answers: .* no sequencer is chosen/)
  t.match(waiting[1], /no sequencer is active/)
  t.strictSame(problems(2, 'live', { counters: { 'etcd.calls': 9 } }), [])
  t.end()
})

test('a session that has ended, and is only served, has no problem for want of a sequencer', (t) => {
  const ended = { state: 'ended', name: 'a', voter: 'v', epoch: 1, durableSequence: 10, committedSequence: 10 }
  const store: StoreStatus = {
    ...ended,
    ...{ requestPort: 1, rewindPort: 2, counters: {}, promised: 1, lastEpoch: 1 },
  }
  const heard = { sequencers: new Map(), stores: new Map([['a', store]]), components: new Map() }
  t.strictSame(problemsOf({ heard, stableBefore: 0, voters: [] }), [])
  const recording = { ...heard, stores: new Map([['a', { ...store, state: 'live' }]]) }
  t.match(problemsOf({ heard: recording, stableBefore: 0, voters: [] }), [/no sequencer was heard/])
  t.end()
})

test('who is awaited is named, with both ways out', (t) => {
  t.match(problems(1, 'live', { state: 'seeding', awaited: ['orders', 'router'] }), [
    /waits for the seed of orders, router: start it with seqcast run MODULE; or .* seqcast admin open-session/,
  ])
  t.strictSame(problems(1, 'live', { state: 'seeding', awaited: [] }), [])
  t.end()
})
