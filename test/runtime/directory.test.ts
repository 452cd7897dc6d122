/** Who is asked: what the control stream names is checked before a socket sees it. */
import { test } from 'tap'
import { Directory } from '../../src/runtime/directory.js'
import type { SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'

function store(
  name: string,
  ports: Partial<StoreStatus> = {},
): { session: string; sender: number; kind: 'store'; body: StoreStatus } {
  const counts = {
    durableSequence: 9,
    committedSequence: 9,
    requestPort: 7710,
    rewindPort: 7711,
    promised: 0,
    lastEpoch: 1,
  }
  return {
    session: 'TEST',
    sender: 1,
    kind: 'store',
    body: { name, voter: '', epoch: 1, state: 'live', counters: {}, ...counts, ...ports },
  }
}

test('a store without ports, or with such as no socket takes, is not asked', (t) => {
  const directory = new Directory([], false)
  for (const port of [0, 65_536, 2 ** 32 - 1]) {
    directory.onControl(store('a', { requestPort: port }), '127.0.0.1', 1)
    directory.onControl(store('b', { rewindPort: port }), '127.0.0.1', 1)
  }
  t.equal(directory.requestServer(0), undefined)
  t.equal(directory.rewindServer(0), undefined)
  directory.onControl(store('a'), '127.0.0.1', 1)
  t.strictSame(directory.rewindServer(3), { address: '127.0.0.1', port: 7711 })
  directory.onControl(store('a', { requestPort: 0, rewindPort: 0 }), '127.0.0.1', 2)
  t.equal(directory.rewindServer(0), undefined, 'it has stopped')
  t.end()
})

test('a sequencer without a port is not asked', (t) => {
  const directory = new Directory([], true)
  const body: SequencerHeartbeat = {
    ...{
      epoch: 1,
      nextSequence: 1,
      stableSequence: 0,
      publishedIsStable: false,
      epochTable: [],
      state: 'open',
      held: false,
    },
    ...{ requestPort: 70_000, counters: {} },
  }
  directory.onControl({ session: 'TEST', sender: 1, kind: 'sequencer', body }, '127.0.0.1', 1)
  t.equal(directory.requestServer(0), undefined)
  t.end()
})

test('names without end are not kept without end', (t) => {
  const directory = new Directory([], false)
  for (let i = 0; i < 1_000; i++) directory.onControl(store(`s${i}`), '127.0.0.1', i)
  t.equal(directory.stores().length, 64)
  t.match(directory.rewindServer(0), { port: 7711 })
  t.end()
})
