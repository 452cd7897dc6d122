/**
 * Without a key one datagram can say that somebody reigns in a newer epoch, or has promised one, or wants one. Well made as it may be, it
 * must not depose a sequencer, cut a log, set a standby claiming, or use up the epochs of a session.
 */
import { test } from 'tap'
import { MAX_EPOCH } from '../../src/core/limits.js'
import { Prng } from '../../src/core/prng.js'
import { Reign } from '../../src/protocol/reign.js'
import { StableGuard } from '../../src/protocol/stable-guard.js'
import { type StoredPromise, Voter } from '../../src/protocol/voter.js'
import { Witness } from '../../src/protocol/witness.js'
import type { SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'
import { Bench, SESSION } from './sequencer-kit.js'

const LIVES = { a: 11, b: 12, c: 13 }

function heartbeat(epoch: number, opening: number, over: Partial<SequencerHeartbeat> = {}): SequencerHeartbeat {
  const epochTable = [
    { epoch: 1, sequence: 1 },
    { epoch, sequence: opening },
  ]
  const rest = { publishedIsStable: false, state: 'open', held: false, requestPort: 1, counters: {}, lives: LIVES }
  return { ...rest, epoch, epochTable, nextSequence: opening + 5, stableSequence: opening - 1, ...over }
}

function status(voter: string, promised: number): StoreStatus {
  const ports = { requestPort: 0, rewindPort: 0, state: 'live', counters: {} }
  const log = { epoch: 1, durableSequence: 10, committedSequence: 10, lastEpoch: 1 }
  return { name: voter, voter, ...ports, ...log, promised, life: 1, lives: LIVES }
}

test('a newer reign is believed by a voter’s word, or when its sequencer goes on speaking', (t) => {
  const witness = new Witness()
  t.ok(witness.believes(1, 5, 0))
  t.notOk(witness.believes(2, 5, 0))
  t.notOk(witness.believes(2, 5, 3_000), 'the network has repeated it')
  t.ok(witness.believes(2, 5, 100_000), 'it speaks')
  t.notOk(witness.believes(3, 6, 110_000))
  t.notOk(witness.believes(3, 6, 5_000_000), 'once in a while is not speaking')
  witness.promised(3)
  t.ok(witness.believes(3, 7, 5_000_000))
  t.notOk(witness.believes(4, 7, 5_000_000))
  t.end()
})

test('what follows the stream turns one forged reign away, and follows the next true one at once', (t) => {
  const guard = new StableGuard()
  t.ok(guard.admits(heartbeat(1, 1, { epochTable: [{ epoch: 1, sequence: 1 }] }), 10, 5, 0))
  t.notOk(guard.admits(heartbeat(900, 11), 10, 66, 0))
  t.equal(guard.refused, 1)
  guard.promised(2)
  t.ok(guard.admits(heartbeat(2, 11), 10, 6, 1_000), 'its grants were heard')
  const late = new StableGuard()
  t.notOk(late.admits(heartbeat(900, 11), 10, 66, 0), 'also where nothing was heard before')
  t.notOk(late.admits(heartbeat(900, 11, { publishedIsStable: true }), 10, 66, 0))
  t.ok(late.admits(heartbeat(1, 1, { epochTable: [{ epoch: 1, sequence: 1 }] }), 10, 5, 0))
  t.end()
})

test('a standby goes on hearing its sequencer', (t) => {
  const claims: number[] = []
  const errors: string[] = []
  const reign = new Reign(
    {
      voters: ['a', 'b', 'c'],
      incarnation: 9,
      name: 'me',
      rank: 0,
      jitter: new Prng(1),
      manual: false,
      knownEpoch: 1,
    },
    {
      ownLog: () => ({ lastEpoch: 1, lastSequence: 10 }),
      sendClaim: ({ epoch }) => claims.push(epoch),
      adopt: () => {},
      suspected: () => {},
      stateChanged: () => {},
      failed: ({ code }) => errors.push(code),
    },
  )
  let nowUs = 1_000_000
  const attacks = [
    () => reign.onHeartbeat(MAX_EPOCH, 66, 'open', nowUs),
    () => reign.onClaim(MAX_EPOCH, 66, nowUs),
    () => reign.onStatus(status('b', MAX_EPOCH), nowUs),
  ]
  for (const attack of attacks) {
    for (let i = 0; i < 100; i++, nowUs += 10_000) {
      if (i % 10 === 0) reign.onHeartbeat(1, 5, 'open', nowUs)
      for (const voter of ['a', 'b', 'c']) reign.onStatus(status(voter, 1), nowUs)
      if (i === 55) attack()
      reign.tick(nowUs)
    }
  }
  t.strictSame([claims, errors], [[], []])
  for (let i = 0; i < 60; i++, nowUs += 10_000) {
    for (const voter of ['a', 'b', 'c']) reign.onStatus(status(voter, 1), nowUs)
    reign.tick(nowUs)
  }
  t.equal(claims[0], 2, 'and claims the next epoch when that one dies')
  t.end()
})

test('a voter neither promises nor cuts its log for an epoch out of the blue', (t) => {
  const stored: StoredPromise = { epoch: 1, candidate: 100, life: 11, lives: LIVES }
  const writes: StoredPromise[] = []
  const said: string[] = []
  const log = { lastEpoch: 1, durableSequence: 10, epochTable: [{ epoch: 1, sequence: 1 }] }
  const voter = new Voter({ voter: 'a', nonce: 77 }, log, stored, {
    persist: (promise) => writes.push(promise),
    send: (...[kind, body]) => said.push(`${kind} ${body.epoch}`),
    truncate: (from) => said.push(`truncate ${from}`),
    stateChanged: () => {},
  })
  voter.onClaim({ epoch: MAX_EPOCH, name: 'x' }, 66, 0)
  t.strictSame([voter.promised, writes, said], [1, [], [`claimRefused ${MAX_EPOCH}`]])
  voter.onStatus(status('b', 40_000), 0)
  voter.onClaim({ epoch: 40_001, name: 'x' }, 67, 0)
  t.equal(voter.promised, 40_001, 'one that was away for long hears of the others how far they are')
  t.end()
})

test('a sequencer that hears of a newer epoch holds until the voters have spoken', (t) => {
  const bench = new Bench({ voters: ['a', 'b', 'c'] }).open()
  const { sequencer } = bench
  const lie = (epoch: number): void =>
    sequencer.onControl(
      { session: SESSION, sender: 66, kind: 'sequencer', body: heartbeat(epoch, 50) },
      bench.nowUs,
      bench.wallUs,
    )
  lie(900)
  t.equal(sequencer.state, 'held', 'what it sequences now may be for nothing')
  bench.advance(1_000).tick()
  t.match(bench.control.at(-1), { kind: 'sequencer', body: { held: true } })
  bench.acknowledge('a', 1, 1, { promised: 1 })
  bench.acknowledge('a', 1, 1, { promised: 1 })
  bench.acknowledge('stranger', 1, 1, { promised: 1 })
  t.equal(sequencer.state, 'held', 'one voter is no majority')
  bench.acknowledge('b', 1, 1, { promised: 1 })
  t.equal(sequencer.state, 'open', 'a majority has promised nothing newer: nobody reigns there')
  lie(900)
  t.equal(sequencer.state, 'open', 'the same lie does not hold it again')
  lie(901)
  t.equal(sequencer.state, 'held')
  bench.acknowledge('c', 1, 1, { promised: 901 })
  t.equal(sequencer.state, 'stopped', 'a voter’s promise ends it')
  t.end()
})
