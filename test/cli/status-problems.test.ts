import { test } from 'tap'
import { problemsOf } from '../../src/cli/status-problems.js'
import type { SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'

function problems(epoch: number, storeState: string): string[] {
  const sequencer: SequencerHeartbeat = {
    ...{ epoch, nextSequence: 11, stableSequence: 10, publishedIsStable: false, epochTable: [], state: 'open' },
    ...{ held: false, requestPort: 1, counters: {} },
  }
  const store: StoreStatus = {
    ...{ name: 'a', voter: 'v', epoch, durableSequence: 10, committedSequence: 10, requestPort: 1, rewindPort: 2 },
    ...{ state: storeState, counters: {}, promised: epoch, lastEpoch: epoch },
  }
  const heard = { sequencers: new Map([[1, sequencer]]), stores: new Map([['a', store]]), components: new Map() }
  return problemsOf({ heard, stableBefore: 0, voters: ['v'] })
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
