/** When a role may go on to the session that its own one names, and when it must not have believed that. */
import { test } from 'tap'
import { AwaitedSuccessor, type KnownEnd } from '../../src/runtime/awaited-successor.js'
import type { EpochTableEntry, SequencerHeartbeat } from '../../src/wire/control.js'

const END = 40

/** The epochs that begin at these sequences. */
const tableOf = (...openings: number[]): EpochTableEntry[] =>
  [1, ...openings].map((sequence, at) => ({ epoch: at + 1, sequence }))

function heartbeat(change: Partial<SequencerHeartbeat>): SequencerHeartbeat {
  return {
    ...{ epoch: 2, nextSequence: END + 1, stableSequence: END - 1, publishedIsStable: false, state: 'ending' },
    ...{ epochTable: tableOf(30), held: false, requestPort: 1, lives: {}, counters: {} },
    ...change,
  }
}

function verdict(change: Partial<SequencerHeartbeat>, known: Partial<KnownEnd> = {}): string | undefined {
  const end = { epochTable: tableOf(30), isOver: true, isFollowed: true, ...known }
  return new AwaitedSuccessor('NEXT', END).verdict(heartbeat(change), end)
}

test('stable is what the sequencer says that wrote the end', (t) => {
  t.equal(verdict({}), undefined)
  t.equal(verdict({ stableSequence: END }), 'stable')
  t.equal(verdict({ stableSequence: END, epoch: 1, epochTable: tableOf() }), undefined, 'of an older reign')
  t.equal(verdict({ stableSequence: END, state: 'open' }), undefined)
  t.equal(verdict({ stableSequence: END, publishedIsStable: true }), undefined, 'that says nothing of a restart')
  t.end()
})

test('the end is lost where a newer reign goes on before it, or a restart without voters does not find it', (t) => {
  const goesOn = { epoch: 3, state: 'open', epochTable: tableOf(30, END) }
  t.equal(verdict(goesOn), 'lost')
  t.equal(verdict(goesOn, { isOver: false }), undefined, 'the receiver finds that out by itself')
  t.equal(verdict({ ...goesOn, epochTable: tableOf(30, END + 1) }), undefined, 'it has adopted the end')
  t.equal(verdict({ ...goesOn, epoch: 2 }), undefined, 'said before the end')
  const restarted = { epoch: 1, state: 'held', publishedIsStable: true, nextSequence: END, epochTable: [] }
  t.equal(verdict(restarted, { epochTable: tableOf(), isFollowed: false }), 'lost')
  t.equal(verdict(restarted, { epochTable: tableOf() }), undefined, 'said before the end')
  t.end()
})

test('a newer reign that has ended, too, has the same end or another one', (t) => {
  const ended = { epoch: 3, nextSequence: END + 3, stableSequence: END + 2 }
  t.equal(
    verdict({ ...ended, epochTable: tableOf(30, END + 1) }),
    'stable',
    'it has adopted the end, and said it again',
  )
  t.equal(verdict({ ...ended, epochTable: tableOf(30, END + 1), stableSequence: END - 1 }), undefined)
  t.equal(verdict({ ...ended, epochTable: tableOf(30, END) }), 'lost', 'although both may name the same session')
  const parted = [...tableOf(), { epoch: 3, sequence: 29 }]
  t.equal(verdict({ ...ended, epochTable: parted }), 'lost')
  t.equal(verdict({ ...ended, epoch: 4, epochTable: [...parted, { epoch: 4, sequence: END + 2 }] }), 'lost')
  t.end()
})

test('its packets are known by their first ten bytes', (t) => {
  const awaited = new AwaitedSuccessor('NEXT', END)
  t.equal(awaited.speaksIn(Buffer.from('NEXT      and more')), true)
  t.equal(awaited.speaksIn(Buffer.from('NEXT2     and more')), false)
  t.equal(awaited.speaksIn(Buffer.from('NEX')), false)
  t.end()
})
