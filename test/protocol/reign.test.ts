import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { type Adoption, Reign, type ReignOptions } from '../../src/protocol/reign.js'
import type { Claim, Grant, StoreStatus } from '../../src/wire/control.js'

const ME = 900
const LIVES = { a: 11, b: 12, c: 13 }

class Bench {
  readonly claims: number[] = []
  readonly adoptions: Adoption[] = []
  readonly states: string[] = []
  readonly errors: string[] = []
  own = { lastEpoch: 1, lastSequence: 10 }
  nowUs = 1_000_000
  readonly reign: Reign

  constructor(over: Partial<ReignOptions> = {}) {
    const options = {
      voters: ['a', 'b', 'c'],
      incarnation: ME,
      name: 'me',
      rank: 0,
      jitter: new Prng(1),
      manual: false,
    }
    this.reign = new Reign(
      { ...options, knownEpoch: 1, ...over },
      {
        ownLog: () => this.own,
        sendClaim: ({ epoch }: Claim) => this.claims.push(epoch),
        adopt: (adoption) => this.adoptions.push(adoption),
        suspected: () => {},
        stateChanged: (state) => this.states.push(state),
        failed: ({ code }) => this.errors.push(code),
      },
    )
  }

  /** Lets time pass in small steps; voters are heard where told. */
  pass(us: number, voters: readonly string[] = ['a', 'b', 'c']): void {
    const untilUs = this.nowUs + us
    for (; this.nowUs < untilUs; this.nowUs += 10_000) {
      for (const voter of voters) this.status(voter, {})
      this.reign.tick(this.nowUs)
    }
  }

  status(voter: string, over: Partial<StoreStatus>): void {
    const ports = { requestPort: 0, rewindPort: 0, state: 'live', counters: {} }
    const log = { epoch: 1, durableSequence: 10, committedSequence: 10, promised: 1, lastEpoch: 1 }
    this.reign.onStatus({ name: voter, voter, ...ports, ...log, ...over }, this.nowUs)
  }

  grant(voter: 'a' | 'b' | 'c', over: Partial<Grant> = {}): void {
    const log = { lastEpoch: 1, durableSequence: 10, epochTable: [], requestPort: 1, rewindPort: 2 }
    const grant = { epoch: this.claims.at(-1) ?? 0, candidate: ME, voter, ...log, life: LIVES[voter], lives: LIVES }
    this.reign.onGrant({ ...grant, ...over }, `host-${voter}`, this.nowUs)
  }

  refuse(epoch: number, promised: number): void {
    this.reign.onRefused({ epoch, candidate: ME, voter: 'a', promised, reason: 'no' }, this.nowUs)
  }
}

function claimed(over: Partial<ReignOptions> = {}): Bench {
  const bench = new Bench(over)
  bench.reign.takeOver('test', bench.nowUs)
  return bench
}

test('silence is suspected, after the rank, and only while a majority of the voters is heard', (t) => {
  const bench = new Bench({ rank: 1 })
  bench.pass(390_000)
  t.strictSame(bench.claims, [], 'not yet: 300 ms, and 100 for the rank')
  bench.pass(80_000)
  t.strictSame([bench.claims[0], bench.reign.state], [2, 'claiming'])
  const alone = new Bench()
  alone.pass(3_000_000, ['a'])
  t.strictSame(alone.claims, [], 'who is cut off claims nothing')
  const told = new Bench({ manual: true })
  told.pass(2_000_000)
  t.strictSame(told.claims, [])
  t.end()
})

test('a heartbeat, an event, a rival’s claim and an own pause restart the wait', (t) => {
  const lives: ((bench: Bench) => void)[] = [
    ({ reign, nowUs }) => reign.onHeartbeat(1, 5, 'open', nowUs),
    ({ reign, nowUs }) => reign.onEvents(nowUs),
    ({ reign, nowUs }) => reign.onClaim(reign.epoch + 1, 5, nowUs),
    (bench) => {
      bench.nowUs += 150_000
    },
  ]
  for (const sign of lives) {
    const bench = new Bench()
    for (let i = 0; i < 5; i++) {
      bench.pass(250_000)
      sign(bench)
    }
    t.strictSame(bench.claims, [])
    bench.pass(500_000)
    t.ok(bench.claims.length > 0, 'and then it claims')
  }
  const bench = new Bench()
  for (let i = 0; i < 5; i++) {
    bench.pass(100_000)
    bench.reign.onHeartbeat(1, 5, 'standby', bench.nowUs)
  }
  t.ok(bench.claims.length > 0, 'a standby is no sign of life')
  t.end()
})

test('a sequencer that says that it goes is not waited for, but for a lower rank', (t) => {
  const told = (over: Partial<ReignOptions>, sender = 5): Bench => {
    const bench = new Bench(over)
    bench.pass(100_000)
    bench.reign.onHeartbeat(1, 5, 'open', bench.nowUs)
    bench.reign.onHeartbeat(1, sender, 'stopped', bench.nowUs)
    return bench
  }
  const first = told({})
  first.pass(40_000)
  t.strictSame(first.claims, [2], 'at once')
  const second = told({ rank: 1 })
  second.pass(90_000)
  t.strictSame(second.claims, [])
  second.pass(50_000)
  t.strictSame(second.claims, [2], 'a tenth of a second for each rank')
  const others: [string, Bench][] = [
    ['somebody else goes', told({}, 6)],
    ['never by itself', told({ manual: true })],
    ['a sign of life after it', told({})],
  ]
  others[2]?.[1].reign.onEvents(others[2][1].nowUs)
  for (const [name, bench] of others) {
    bench.pass(250_000)
    t.strictSame(bench.claims, [], name)
  }
  t.end()
})

test('one that has gone is gone still when a claim found no answer, and when the own process slept', (t) => {
  const told = (): Bench => {
    const bench = new Bench({ suspectUs: 20_000_000 })
    bench.pass(100_000)
    bench.reign.onHeartbeat(1, 5, 'open', bench.nowUs)
    bench.reign.onHeartbeat(1, 5, 'stopped', bench.nowUs)
    return bench
  }
  const unanswered = told()
  unanswered.pass(540_000)
  t.equal(unanswered.reign.state, 'watching', 'nobody granted it')
  const claims = unanswered.claims.length
  unanswered.pass(200_000)
  t.ok(unanswered.claims.length > claims)
  t.strictSame([...new Set(unanswered.claims)], [2], 'the same epoch')

  const asleep = told()
  asleep.nowUs += 400_000
  asleep.pass(200_000)
  t.strictSame(asleep.claims[0], 2)

  const refused = told()
  refused.pass(40_000)
  refused.refuse(2, 2)
  refused.pass(1_000_000)
  t.equal(refused.reign.state, 'watching', 'somebody else was faster, and is waited for')

  const heard = told()
  heard.pass(540_000)
  heard.reign.onEvents(heard.nowUs)
  heard.pass(1_000_000)
  t.equal(heard.reign.state, 'watching', 'and it is not gone where it is heard')
  t.end()
})

test('a wish that is withdrawn is none', (t) => {
  const bench = new Bench()
  bench.reign.takeOver('asked', bench.nowUs)
  bench.pass(600_000, [])
  t.equal(bench.reign.state, 'watching', 'nobody granted it')
  bench.reign.withdraw()
  const claims = bench.claims.length
  bench.reign.onHeartbeat(1, 5, 'open', bench.nowUs)
  bench.pass(250_000)
  t.equal(bench.claims.length, claims)
  t.end()
})

test('one that has yet to read most of the session leaves the first try to others', (t) => {
  const behind = new Bench()
  const ahead = new Bench()
  for (const bench of [behind, ahead]) {
    bench.own = { lastEpoch: 1, lastSequence: bench === behind ? 10 : 90_000 }
    for (let i = 0; i < 40; i++) {
      for (const voter of ['a', 'b', 'c']) bench.status(voter, { durableSequence: 100_000 })
      bench.pass(10_000, [])
    }
  }
  t.strictSame([behind.claims[0], ahead.claims[0]], [undefined, 2])
  for (let i = 0; i < 110; i++) {
    for (const voter of ['a', 'b', 'c']) behind.status(voter, { durableSequence: 100_000 })
    behind.pass(10_000, [])
  }
  t.equal(behind.claims[0], 2, 'but where there is nobody else it claims, and fetches what it lacks')
  t.end()
})

test('a majority of grants is a reign; the own log where it is as new as the newest', (t) => {
  const bench = claimed()
  bench.grant('a')
  bench.grant('a')
  t.equal(bench.reign.state, 'claiming', 'one voter is one grant')
  bench.grant('b', { durableSequence: 9 })
  t.strictSame(bench.adoptions, [{ epoch: 2, lives: LIVES, from: 'own' }])
  bench.reign.adopted(bench.nowUs)
  t.strictSame([bench.reign.state, bench.reign.epoch], ['reigning', 2])
  bench.reign.steppedDown('test', bench.nowUs)
  bench.reign.takeOver('again', bench.nowUs)
  t.equal(bench.claims.at(-1), 3, 'an epoch that was opened is never claimed again')
  t.end()
})

test('the newest log is taken: the epoch of its last event first, then its length', (t) => {
  const bench = claimed({ knownEpoch: 4 })
  bench.own = { lastEpoch: 3, lastSequence: 90 }
  bench.grant('a', { lastEpoch: 3, durableSequence: 99 })
  bench.grant('c', { lastEpoch: 4, durableSequence: 50 })
  const store = { voter: 'c', address: 'host-c', rewindPort: 2, lastEpoch: 4, throughSequence: 50 }
  t.strictSame(bench.adoptions, [{ epoch: 5, lives: LIVES, from: 'store', ...store }])
  t.end()
})

test('what is no grant of this claim is none', (t) => {
  const bench = claimed()
  bench.grant('a', { epoch: 1 })
  bench.grant('b', { candidate: 901 })
  bench.grant('c', { lastEpoch: 2 })
  bench.grant('a', { life: 0 })
  bench.grant('a', { voter: 'stranger' })
  bench.grant('a')
  t.equal(bench.reign.state, 'claiming')
  t.end()
})

test('a grant from before its voter lost its disk does not count', (t) => {
  const bench = claimed()
  bench.grant('a')
  bench.grant('b', { lives: { ...LIVES, a: 14 } })
  t.equal(bench.reign.state, 'claiming', 'b has made the new life of a durable')
  bench.grant('a', { life: 14, lives: { ...LIVES, a: 14 } })
  t.strictSame(bench.adoptions[0]?.lives, { ...LIVES, a: 14 })
  t.end()
})

test('a new session needs all voters, and their lives found it', (t) => {
  const bench = new Bench({ knownEpoch: 0 })
  bench.own = { lastEpoch: 0, lastSequence: 0 }
  bench.reign.takeOver('test', bench.nowUs)
  const empty = { lastEpoch: 0, durableSequence: 0, lives: {} }
  bench.grant('a', empty)
  bench.grant('b', empty)
  t.equal(bench.reign.state, 'claiming')
  bench.grant('c', empty)
  t.strictSame(bench.adoptions, [{ epoch: 1, lives: LIVES, from: 'own' }])
  t.end()
})

test('voters that know of no founding and have nothing begin anew, whatever was read elsewhere', (t) => {
  const bench = claimed({ knownEpoch: 0 })
  t.equal(bench.claims.at(-1), 2, 'above what was read')
  const empty = { lastEpoch: 0, durableSequence: 0, lives: {} }
  for (const voter of ['a', 'b', 'c'] as const) bench.grant(voter, empty)
  t.match(bench.adoptions, [{ from: 'store', throughSequence: 0 }], 'not with the own log')
  const begun = claimed({ knownEpoch: 0 })
  for (const voter of ['a', 'b', 'c'] as const)
    begun.grant(voter, { lives: {}, durableSequence: voter === 'b' ? 1 : 0 })
  t.match(begun.adoptions, [{ from: 'own' }], 'who died while it began has left something with a voter that promised')
  t.end()
})

test('an empty voter counts beside others only where they know its life', (t) => {
  const lost = claimed()
  lost.grant('a', { life: 500, lives: {}, lastEpoch: 0, durableSequence: 0 })
  lost.grant('b')
  t.equal(lost.reign.state, 'claiming')
  const late = claimed()
  late.grant('a', { lives: {} })
  late.grant('b')
  t.equal(late.reign.state, 'adopting')
  t.end()
})

test('a claim is repeated, given up, and made again for the same epoch unless somebody else has it', (t) => {
  const bench = claimed()
  bench.pass(450_000)
  t.ok(bench.claims.length >= 8)
  bench.pass(1_000_000)
  t.ok(bench.states.includes('watching'))
  t.ok(
    bench.claims.every((epoch) => epoch === 2),
    'two of three gone for hours must not use up the epochs',
  )
  bench.refuse(2, 2)
  bench.pass(300_000)
  t.equal(bench.claims.at(-1), 3, 'promised to another one')
  bench.refuse(3, 7)
  bench.pass(300_000)
  t.equal(bench.claims.at(-1), 8)
  bench.refuse(3, 20)
  t.equal(bench.reign.state, 'claiming', 'a late refusal of an older claim')
  t.end()
})

test('who hears a newer reign gives up, also while it adopts', (t) => {
  const bench = claimed()
  bench.grant('a')
  bench.grant('b')
  bench.status('c', { promised: 3 })
  bench.reign.onHeartbeat(3, 5, 'open', bench.nowUs)
  t.equal(bench.reign.state, 'watching')
  t.throws(() => bench.reign.adopted(bench.nowUs))
  bench.pass(200_000)
  t.equal(bench.reign.state, 'watching', 'somebody reigns: the wish is fulfilled')
  t.end()
})

test('an adoption that fails is claimed again', (t) => {
  const bench = claimed()
  bench.grant('a', { durableSequence: 50 })
  bench.grant('b')
  bench.reign.adoptionFailed('gone', bench.nowUs)
  bench.pass(200_000)
  t.strictSame([bench.reign.state, bench.claims.at(-1)], ['claiming', 2])
  bench.grant('a')
  t.equal(bench.adoptions.length, 1, 'grants are collected anew')
  bench.grant('b')
  t.equal(bench.adoptions.length, 2)
  t.end()
})

test('after the last epoch there is none', (t) => {
  const bench = claimed({ knownEpoch: 65_535 })
  bench.pass(1_000_000)
  t.strictSame([bench.claims, bench.errors], [[], ['E_EPOCHS_EXHAUSTED']])
  t.equal(bench.reign.tick(bench.nowUs), Number.POSITIVE_INFINITY)
  t.end()
})
