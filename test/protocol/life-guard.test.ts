import { test } from 'tap'
import { LifeGuard } from '../../src/protocol/life-guard.js'
import type { LifeEntries } from '../../src/protocol/lives.js'
import type { ControlMessage } from '../../src/wire/control.js'

const KNOWN = { a: 10, b: 20, c: 30 }

function status(voter: string, lives: LifeEntries, sender = 1): ControlMessage {
  const body = {
    ...{ name: voter, voter, epoch: 1, durableSequence: 5, committedSequence: 5, requestPort: 1, rewindPort: 2 },
    ...{ state: 'live', counters: {}, promised: 1, lastEpoch: 1, life: lives[voter] ?? 0, lives },
  }
  return { session: 'S', sender, kind: 'store', body }
}

function heartbeat(lives: LifeEntries, state = 'open'): ControlMessage {
  const body = {
    ...{ epoch: 1, nextSequence: 1, stableSequence: 0, epochTable: [], publishedIsStable: false },
    ...{ state, held: false, requestPort: 1, counters: {}, lives },
  }
  return { session: 'S', sender: 9, kind: 'sequencer', body }
}

test('one datagram makes no life void; said again, it is believed', (t) => {
  const guard = new LifeGuard(() => KNOWN)
  t.ok(guard.admits(status('b', KNOWN), 0), 'what is known')
  const renewed = { ...KNOWN, a: 11 }
  t.notOk(guard.admits(status('b', renewed), 0))
  t.notOk(guard.admits(status('b', renewed), 2_000), 'the network repeats it')
  t.notOk(guard.admits(status('c', renewed, 2), 60_000), 'each voter speaks for itself')
  t.ok(guard.admits(status('b', renewed), 100_000))
  t.notOk(guard.admits(status('b', renewed, 3), 101_000), 'another process in its name')
  t.equal(guard.refused, 4)
  t.notOk(guard.admits(heartbeat(renewed), 0), 'a sequencer as well')
  t.ok(guard.admits(heartbeat(renewed), 100_000))
  t.ok(guard.admits(heartbeat({ ...KNOWN, c: 99 }, 'standby'), 0), 'a standby says nothing of lives')
  t.end()
})

test('who is no voter tells no lives', (t) => {
  const guard = new LifeGuard(() => KNOWN)
  for (const nowUs of [0, 100_000, 200_000]) {
    t.notOk(guard.admits(status('q', { ...KNOWN, q: 1 }), nowUs))
    t.notOk(guard.admits(status('', { a: 11 }), nowUs))
  }
  t.ok(guard.admits(status('', {}), 0), 'a copy')
  t.end()
})

test('where no life is known, nothing was said that could be made void', (t) => {
  let known: LifeEntries = {}
  const guard = new LifeGuard(() => known)
  t.ok(guard.admits(status('b', KNOWN), 0))
  known = { ...KNOWN, a: 11 }
  t.ok(guard.admits(status('b', KNOWN), 0), 'an old one is no news')
  t.end()
})
