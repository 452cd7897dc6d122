import { test } from 'tap'
import { partsFrom } from '../../src/protocol/epoch-agreement.js'
import { type StoredPromise, Voter, type VoterLog } from '../../src/protocol/voter.js'
import type { ClaimRefused, EpochTableEntry, Grant, SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'

const LIVES = { a: 11, b: 12, c: 13 }
const VOTING: StoredPromise = { epoch: 1, candidate: 100, life: 11, lives: LIVES }

interface Log {
  lastEpoch: number
  durableSequence: number
  epochTable: readonly EpochTableEntry[]
}

class Bench {
  readonly log: Log = { lastEpoch: 1, durableSequence: 10, epochTable: [{ epoch: 1, sequence: 1 }] }
  readonly grants: Grant[] = []
  readonly refusals: ClaimRefused[] = []
  readonly writes: StoredPromise[] = []
  readonly truncated: number[] = []
  readonly states: string[] = []
  readonly voter: Voter

  constructor(stored: StoredPromise | undefined, log: Partial<VoterLog> = {}) {
    Object.assign(this.log, log)
    this.voter = new Voter({ voter: 'a', nonce: 77 }, this.log, stored, {
      persist: (promise) => this.writes.push(promise),
      send: (...said) => {
        if (said[0] === 'grant') this.grants.push(said[1])
        else this.refusals.push(said[1])
      },
      truncate: (from) => this.truncated.push(from),
      stateChanged: (state) => this.states.push(state),
    })
  }

  claim(epoch: number, candidate: number): void {
    this.voter.onClaim({ epoch, name: 'x' }, candidate, 0)
  }

  synced(): void {
    this.voter.persisted(0)
  }

  heard(epoch: number, epochTable: EpochTableEntry[], over: Partial<SequencerHeartbeat> = {}, sender = 100): void {
    const rest = {
      nextSequence: 1,
      stableSequence: 0,
      publishedIsStable: false,
      held: false,
      requestPort: 0,
      counters: {},
    }
    this.voter.onSequencer({ ...rest, epoch, epochTable, state: 'open', lives: LIVES, ...over }, sender, 0)
  }

  status(voter: string, over: Partial<StoreStatus>, nowUs = 0): void {
    const ports = { requestPort: 0, rewindPort: 0, state: 'live', counters: {} }
    const log = { epoch: 1, durableSequence: 10, committedSequence: 10, promised: 1, lastEpoch: 1 }
    const life = voter === 'b' ? 12 : 13
    this.voter.onStatus({ name: voter, voter, ...ports, ...log, life, lives: LIVES, ...over }, nowUs)
  }
}

const ONE = [{ epoch: 1, sequence: 1 }]
const TWO = [...ONE, { epoch: 2, sequence: 8 }]

test('a promise is durable before it is spoken, and older reigns end at once', (t) => {
  const bench = new Bench(VOTING)
  bench.heard(1, ONE)
  t.equal(bench.voter.reign, 1)
  bench.claim(2, 200)
  t.equal(bench.voter.reign, 0, 'nothing is acknowledged from now on')
  t.strictSame([bench.grants.length, bench.writes], [0, [{ ...VOTING, epoch: 2, candidate: 200 }]])
  bench.claim(2, 200)
  t.equal(bench.grants.length, 0, 'not while it is being written')
  t.equal(bench.voter.status().promised, 1, 'only what is on the disk is said')
  bench.log.durableSequence = 12
  bench.synced()
  t.equal(bench.grants[0]?.durableSequence, 12, 'the log as it is now')
  bench.claim(2, 200)
  t.equal(bench.grants.length, 2, 'the same one may ask again')
  bench.claim(2, 300)
  bench.claim(1, 100)
  t.strictSame(
    bench.refusals.map(({ promised, candidate }) => [promised, candidate]),
    [
      [2, 300],
      [2, 100],
    ],
  )
  t.end()
})

test('of two claims at once the greater is granted, also where the smaller was to be written first', (t) => {
  const bench = new Bench(VOTING)
  bench.claim(2, 200)
  bench.claim(3, 300)
  bench.claim(2, 200)
  bench.synced()
  t.equal(bench.grants.length, 0)
  bench.synced()
  t.strictSame(
    bench.grants.map(({ epoch, candidate }) => [epoch, candidate]),
    [[3, 300]],
  )
  t.equal(bench.refusals.length, 1)
  t.end()
})

test('it counts for a reign when its table was heard and its log agrees to the end', (t) => {
  const bench = new Bench(VOTING)
  bench.claim(2, 200)
  bench.synced()
  bench.heard(1, ONE)
  t.equal(bench.voter.reign, 0, 'an older reign changes nothing')
  bench.heard(2, TWO, { state: 'adopting' }, 200)
  t.equal(bench.voter.reign, 0, 'who does not sequence has no table')
  bench.heard(2, TWO, {}, 200)
  t.equal(bench.voter.reign, 0, 'events 8 to 10 are of a lost branch')
  t.strictSame(bench.truncated, [8])
  bench.log.durableSequence = 7
  bench.voter.onDurable(0)
  t.equal(bench.voter.reign, 2)
  bench.log.durableSequence = 9
  t.equal(bench.voter.reign, 0, 'what became durable is of the lost branch: looked at for every status')
  bench.log.epochTable = TWO
  bench.log.lastEpoch = 2
  t.equal(bench.voter.reign, 2)
  t.end()
})

test('a reign that it has not granted is promised before anything counts for it', (t) => {
  const bench = new Bench(VOTING, { durableSequence: 7 })
  bench.heard(2, TWO, {}, 200)
  t.equal(bench.voter.reign, 0)
  t.strictSame(
    bench.writes.map(({ epoch }) => epoch),
    [2],
  )
  bench.synced()
  t.equal(bench.voter.reign, 2)
  t.equal(bench.grants.length, 0, 'nobody had asked')
  t.end()
})

test('an older reign takes back nothing that a newer one has sent, also where that is not believed yet', (t) => {
  const bench = new Bench({ ...VOTING, epoch: 2 }, { lastEpoch: 3, epochTable: [...TWO, { epoch: 3, sequence: 9 }] })
  bench.heard(2, TWO, {}, 100)
  t.strictSame([bench.truncated, bench.voter.reign], [[], 0])
  t.end()
})

test('after a restart it keeps its promise, and counts when it hears the table again', (t) => {
  const bench = new Bench({ ...VOTING, epoch: 2, candidate: 200 }, { durableSequence: 7 })
  t.strictSame([bench.voter.state, bench.voter.promised, bench.voter.reign], ['voting', 2, 0])
  bench.claim(2, 201)
  t.equal(bench.refusals.length, 1, 'the same candidate, started anew, is another one')
  bench.heard(2, TWO, {}, 200)
  t.equal(bench.voter.reign, 2)
  t.end()
})

test('the founding of a session: an empty voter votes when its own life founded it', (t) => {
  const bench = new Bench(undefined, { lastEpoch: 0, durableSequence: 0, epochTable: [] })
  bench.claim(1, 100)
  bench.synced()
  t.match(bench.grants, [{ epoch: 1, life: 77, lives: {} }])
  t.strictSame([bench.voter.state, bench.voter.status().epoch], ['empty', 0])
  bench.heard(1, ONE, { lives: { ...LIVES, a: 77 } })
  t.equal(bench.voter.state, 'empty', 'not before it is on the disk')
  bench.synced()
  t.strictSame([bench.voter.state, bench.voter.reign], ['voting', 1])
  t.end()
})

test('a voter that lost its disk recovers from others that know its new life', (t) => {
  const bench = new Bench(undefined, { lastEpoch: 0, durableSequence: 0, epochTable: [] })
  bench.heard(1, ONE)
  t.equal(bench.voter.state, 'recovering')
  bench.claim(5, 500)
  t.strictSame([bench.grants.length, bench.refusals.length, bench.voter.promised], [0, 1, 0])
  bench.status('b', { durableSequence: 20 })
  t.equal(bench.voter.status().lives?.a, 11, 'one other is not enough')
  bench.status('c', {})
  t.strictSame([bench.voter.status().life, bench.voter.status().lives?.a], [0, 12], 'a new life is announced')
  Object.assign(bench.log, { lastEpoch: 1, durableSequence: 20, epochTable: ONE })
  bench.voter.onDurable(0)
  bench.status('b', { durableSequence: 20 })
  bench.status('c', { durableSequence: 25 })
  t.equal(bench.writes.length, 0, 'words from before do not count')
  const lives = { ...LIVES, a: 12 }
  bench.status('b', { durableSequence: 20, promised: 3, lives })
  bench.status('c', { durableSequence: 25, lives })
  t.equal(bench.writes.length, 0, 'its log is not as new as theirs')
  bench.log.durableSequence = 25
  bench.voter.onDurable(0)
  t.strictSame(bench.writes, [{ epoch: 3, candidate: 0, life: 12, lives }])
  t.equal(bench.voter.state, 'recovering')
  bench.synced()
  t.strictSame([bench.voter.state, bench.voter.promised, bench.voter.reign], ['voting', 3, 0])
  bench.claim(3, 300)
  t.match(bench.refusals.at(-1), { promised: 3 }, 'its promise may have been to another one')
  t.end()
})

test('who recovers, or is empty, helps nobody to recover', (t) => {
  const bench = new Bench(undefined, { lastEpoch: 0, durableSequence: 0, epochTable: [] })
  bench.status('b', { life: 0 })
  bench.status('c', { life: 99 })
  bench.status('c', { life: 5, lives: {} })
  t.strictSame([bench.voter.state, bench.voter.status().lives?.a], ['recovering', 11])
  t.end()
})

test('a newer life of its own name, from elsewhere: its disk is an old one', (t) => {
  const bench = new Bench(VOTING)
  bench.status('b', { lives: { ...LIVES, a: 14 } })
  t.equal(bench.voter.state, 'recovering')
  t.equal(bench.voter.reign, 0)
  t.end()
})

test('the newer life of another voter is said when it is on the disk', (t) => {
  const bench = new Bench(VOTING)
  bench.status('b', { life: 0, lives: { ...LIVES, b: 15 } })
  t.equal(bench.voter.status().lives?.b, 12)
  bench.synced()
  t.equal(bench.voter.status().lives?.b, 15)
  t.end()
})

test('events without a promise: it has lost it, and founds no session again', (t) => {
  const bench = new Bench(undefined)
  t.strictSame([bench.voter.state, bench.voter.hasLostData], ['empty', true])
  bench.claim(1, 100)
  bench.claim(2, 100)
  t.strictSame([bench.grants.length, bench.writes.length, bench.refusals.length], [0, 0, 2])
  t.equal(bench.voter.status().life, 0, 'nobody counts on it')
  const begun = new Bench({ epoch: 1, candidate: 100, life: 77, lives: {} })
  t.equal(begun.voter.hasLostData, false, 'one that was begun with has promised before it recorded')
  begun.claim(2, 200)
  begun.synced()
  t.equal(begun.grants.length, 1)
  t.end()
})

test('an operator has a voter vote again with what it has, where the others can’t give it back', (t) => {
  const alone = new Bench(undefined)
  t.equal(alone.voter.readmit('the disk burnt', 0, 5), '')
  const readmitted = { atUs: 5, reason: 'the disk burnt', durableSequence: 10, lastEpoch: 1 }
  t.strictSame(alone.writes, [{ epoch: 1, candidate: 0, life: 78, lives: { a: 78 }, readmitted: [readmitted] }])
  t.not(alone.voter.state, 'voting', 'not before it is on the disk')
  alone.synced()
  t.equal(alone.voter.state, 'voting')
  alone.claim(2, 200)
  alone.synced()
  t.match(alone.grants, [{ epoch: 2, durableSequence: 10, life: 78, lives: { a: 78 } }])
  t.match(alone.writes.at(-1), { epoch: 2, readmitted: [readmitted] }, 'the decision stays on record')
  t.match(alone.voter.readmit('again', 0, 6), /has its vote/)
  const begins = new Bench(undefined, { lastEpoch: 0, durableSequence: 0, epochTable: [] })
  t.match(begins.voter.readmit('x', 0, 5), /nothing/, 'a new session needs no decision')
  t.end()
})

test('and it still takes over what those have that are heard', (t) => {
  const bench = new Bench(undefined, { lastEpoch: 0, durableSequence: 0, epochTable: [] })
  bench.status('b', { durableSequence: 20, promised: 3 }, 1_000_000)
  t.equal(bench.voter.state, 'recovering', 'c is gone for good: one other is no majority')
  t.equal(bench.voter.readmit('c is gone for good', 1_100_000, 5), '')
  t.equal(bench.writes.length, 0)
  t.equal(bench.voter.status().lives?.a, 12)
  const lives = { ...LIVES, a: 12 }
  bench.status('b', { durableSequence: 20, promised: 3, lives }, 1_200_000)
  t.equal(bench.writes.length, 0, 'its log is not as new as that of b')
  Object.assign(bench.log, { lastEpoch: 1, durableSequence: 20, epochTable: ONE })
  bench.voter.onDurable(1_300_000)
  t.match(bench.writes, [{ epoch: 3, candidate: 0, life: 12, lives, readmitted: [{ durableSequence: 20 }] }])
  bench.synced()
  t.equal(bench.voter.state, 'voting')
  const late = new Bench(undefined, { lastEpoch: 0, durableSequence: 0, epochTable: [] })
  late.status('b', { durableSequence: 20 }, 1_000_000)
  late.voter.readmit('b and c are gone', 9_000_000, 5)
  t.match(late.writes, [{ life: 12, lives: { ...LIVES, a: 12 } }], 'b was not heard for long: nothing is to be had')
  t.end()
})

test('where a log and a table part', (t) => {
  const three = [...TWO, { epoch: 4, sequence: 20 }]
  t.equal(partsFrom(ONE, 10, ONE), 11)
  t.equal(partsFrom(ONE, 10, TWO), 8)
  t.equal(partsFrom(ONE, 7, TWO), 8, 'a shorter log agrees')
  t.equal(partsFrom(TWO, 10, ONE), 8, 'an event of an epoch that the table has not')
  t.equal(partsFrom(TWO, 19, three), 20)
  t.equal(partsFrom([...ONE, { epoch: 3, sequence: 8 }], 9, TWO), 8, 'other epochs at one place')
  t.equal(partsFrom([], 0, TWO), 1)
  t.equal(partsFrom([{ epoch: 2, sequence: 1 }], 5, ONE), 1)
  t.end()
})
