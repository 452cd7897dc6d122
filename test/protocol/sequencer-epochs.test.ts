/** A sequencer's reign: how it opens on an adopted log, what it keeps for those who lack it, and when it stops. */
import fc from 'fast-check'
import { test } from 'tap'
import type { SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'
import { EPOCH_OPENED, epochOpenedCodec, SESSION_STARTED } from '../../src/wire/runtime-events.js'
import { Bench, bytes, commandPacket, parse, SESSION } from './sequencer-kit.js'

const VOTERS = ['a', 'b', 'c']
const HEARTBEAT: SequencerHeartbeat = {
  ...{ epoch: 1, nextSequence: 1, stableSequence: 0, publishedIsStable: false, epochTable: [], state: 'open' },
  ...{ held: false, requestPort: 1, counters: {} },
}

const bench = (options: object = {}): Bench => new Bench({ voters: VOTERS, ...options })

function hear(to: Bench, body: Partial<typeof HEARTBEAT>, sender = 99): void {
  const message = { session: SESSION, sender, kind: 'sequencer' as const, body: { ...HEARTBEAT, ...body } }
  to.sequencer.onControl(message, to.nowUs, to.wallUs)
}

function refuse(to: Bench, promised: number, candidate = 7, voter = 'a'): void {
  const body = { epoch: 1, candidate, voter, promised, reason: '' }
  to.sequencer.onControl({ session: SESSION, sender: 5, kind: 'claimRefused', body }, to.nowUs, to.wallUs)
}

/** A first reign that has sent so many events of 100 bytes, one a packet. */
function firstReign(count: number, options: object = {}): Bench {
  const first = bench(options).open()
  first.register('s', 1)
  for (let i = 1; i <= count; i++) {
    first.command(commandPacket(1, i, [{ type: 256, payload: bytes(100, i) }]))
    first.flush()
  }
  return first
}

test('an epoch opens right after the adopted log; older events keep the epoch of their birth', (t) => {
  const first = firstReign(3)
  const second = bench({ incarnation: 9 }).rebuildFrom(first)
  t.equal(second.sequencer.epoch, 0)
  t.strictSame(second.sequencer.epochTable, [{ epoch: 1, sequence: 1 }])
  second.open(4, 'silence for 300 ms')
  t.strictSame(second.states, [['open', 'epoch 4 opened at 6']])
  const [opening] = second.events()
  t.match(opening, { type: EPOCH_OPENED, source: 0, sourceSequence: 3, epoch: 4 })
  t.strictSame(
    { ...epochOpenedCodec.decode(opening!.payload) },
    { epoch: 4, incarnation: 9, reason: 'silence for 300 ms' },
  )
  second.command(commandPacket(1, 4, [{ type: 256, payload: bytes(1) }]))
  second.register('t', 2)
  t.strictSame(
    second.events().map(({ epoch }) => epoch),
    [4, 4, 4],
  )
  const table = [
    { epoch: 1, sequence: 1 },
    { epoch: 4, sequence: 6 },
  ]
  t.match(second.control.at(-1), { kind: 'sequencer', body: { epoch: 4, epochTable: table } })
  t.equal(second.sequencer.epoch, 4)

  const third = bench().rebuildFrom(first).rebuildFrom(second)
  t.strictSame(third.sequencer.epochTable, table, 'read back')
  for (const epoch of [0, 1, 4, 65_536]) t.throws(() => third.open(epoch), /cannot be opened after epoch 4/)
  third.open(5)
  t.match(third.events()[0], { type: EPOCH_OPENED, epoch: 5, sourceSequence: 5 })
  t.end()
})

test('a session that nothing is recorded of begins in the epoch that was granted', (t) => {
  const second = bench().open(2)
  t.match(second.events(), [{ type: SESSION_STARTED, epoch: 2 }])
  t.strictSame(second.sequencer.epochTable, [{ epoch: 2, sequence: 1 }])
  t.strictSame(bench().rebuildFrom(second).sequencer.epochTable, [{ epoch: 2, sequence: 1 }])
  t.throws(() => new Bench().open(2), /cannot be opened/, 'without voters there is one epoch')
  t.end()
})

test('an epoch that nobody opened, or that was opened by another event, is damage', (t) => {
  const first = firstReign(1)
  const second = bench().rebuildFrom(first).open(2)
  const opening = second.sent.find(({ bytes: { length } }) => length > 20)!.bytes
  const read = (change: (packet: Uint8Array) => void): (() => void) => {
    const packet = opening.slice()
    change(packet)
    const third = bench().rebuildFrom(first)
    return () => third.sequencer.rebuild(4, 1, packet, 20, packet.length)
  }
  const set = (at: number, value: number) => (packet: Uint8Array) => {
    packet[at] = value
  }
  t.doesNotThrow(read(() => {}))
  t.throws(read(set(39, 1)), { code: 'E_STORE_CORRUPT' }, 'an opening in the epoch before')
  t.throws(read(set(39, 3)), { code: 'E_STORE_CORRUPT' }, 'an opening of another epoch than its own')
  t.throws(read(set(23, 3)), { code: 'E_STORE_CORRUPT' }, 'a tick in a new epoch')
  t.end()
})

test('nothing is stable before the opening is; then all of it', (t) => {
  const second = bench().rebuildFrom(firstReign(3)).open(2)
  for (const voter of VOTERS) second.acknowledge(voter, 5, 2)
  t.equal(second.sequencer.stableSequence, 0, 'everybody has every older event')
  for (const voter of VOTERS) second.acknowledge(voter, 6, 1)
  t.equal(second.sequencer.stableSequence, 0, 'words for the reign before')
  second.acknowledge('a', 6, 2)
  second.acknowledge('c', 6, 2)
  t.equal(second.sequencer.stableSequence, 6)
  t.end()
})

test('what an earlier reign was heard to make stable stays stable, as far as it was adopted', (t) => {
  const second = bench().rebuildFrom(firstReign(3))
  hear(second, { nextSequence: 6, stableSequence: 4 })
  hear(second, { nextSequence: 6, stableSequence: 3 })
  hear(second, { state: 'standby', stableSequence: 5 })
  t.equal(second.sequencer.state, 'rebuilding', 'a standby minds nobody')
  second.open(2)
  t.equal(second.sequencer.stableSequence, 4)
  const behind = bench().rebuildFrom(firstReign(1))
  hear(behind, { nextSequence: 6, stableSequence: 5 })
  t.equal(behind.open(2).sequencer.stableSequence, 3)
  t.end()
})

test('the adopted tail is kept until it is stable: whatever a full window held can be fetched from the successor', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(fc.array(fc.integer({ min: 0, max: 242 }), { minLength: 1, maxLength: 3 }), { minLength: 60 }),
        // Packets that no two of share one.
        fc.array(fc.constant([242]), { minLength: 60, maxLength: 60 }),
      ),
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 1, max: 3 }),
      (packets, stable, reigns) => {
        const options = { datagramBytes: 300, windowPackets: 8 }
        let last = bench(options).open()
        const all = [last]
        last.register('s', 1)
        for (const voter of VOTERS) last.acknowledge(voter, stable)
        let next = 1
        for (const lengths of packets) {
          const commands = lengths.map((length) => ({ type: 256, payload: bytes(length) }))
          const before = last.sequencer.nextSequence
          last.command(commandPacket(1, next, commands))
          last.flush()
          next += last.sequencer.nextSequence - before
        }
        if (last.states.at(-1)?.[0] !== 'held') throw new Error('the window is not full')
        const from = last.sequencer.stableSequence + 1
        for (let epoch = 2; epoch < 2 + reigns; epoch++) {
          const successor = bench(options)
          for (const one of all) successor.rebuildFrom(one)
          last = successor.open(epoch)
          all.push(last)
          // Whatever it accepts before the tail is stable must not take the tail's place.
          for (let n = 0; n < 20 && last.sequencer.state === 'open'; n++, next++) {
            last.command(commandPacket(1, next, [{ type: 256, payload: bytes(100) }]))
            last.flush()
          }
        }
        for (let at = from; at < last.sequencer.nextSequence; at++) {
          last.advance(1_000)
          last.request(at, 1)
          const answer = last.answers.pop()
          if (answer === undefined || parse(answer.bytes).sequence !== at) throw new Error(`${at} is not held`)
        }
        const opened = last.sequencer.nextSequence - 1
        for (const voter of VOTERS) last.acknowledge(voter, opened, 1 + reigns)
        if (last.sequencer.stableSequence !== opened) throw new Error('not stable')
        if (last.states.at(-1)?.[0] !== 'open') throw new Error('held with an empty window')
        last.sequencer.end('over', last.nowUs, last.wallUs)
      },
    ),
    { numRuns: 100 },
  )
  t.pass('no counterexample')
  t.end()
})

test('a longer past than the window is read through it, and nothing is held back for it once the opening is stable', (t) => {
  const first = firstReign(0, { windowPackets: 8 })
  for (let i = 1; i <= 300; i++) {
    first.command(commandPacket(1, i, [{ type: 256, payload: bytes(900, i) }]))
    first.flush()
    for (const voter of VOTERS) first.acknowledge(voter, first.sequencer.nextSequence - 1)
  }
  const known = bench({ windowPackets: 8 }).rebuildFrom(first)
  hear(known, { stableSequence: 302 })
  t.equal(known.open(2).sequencer.state, 'open')
  const cold = bench({ windowPackets: 8 }).rebuildFrom(first).open(2)
  t.equal(cold.sequencer.state, 'held', 'it cannot know that its past is stable')
  for (const voter of VOTERS) cold.acknowledge(voter, 303, 2)
  t.equal(cold.sequencer.state, 'open')
  cold.request(302, 1)
  t.equal(cold.answers.length, 1)
  cold.request(2, 1, 9_001)
  t.equal(cold.sequencer.requestCounters['request-before-first'], 1)
  t.end()
})

test('a sequencer stops at once for a newer reign, and only for that', (t) => {
  const meet = (what: (to: Bench) => void): string => {
    const one = bench().rebuildFrom(firstReign(1)).open(3)
    what(one)
    const [state, reason] = one.states.at(-1)!
    if (state === 'stopped') {
      const before = one.sent.length
      one.command(commandPacket(1, 2, [{ type: 256, payload: bytes(1) }]))
      one.flush()
      t.equal(one.tick(), Number.POSITIVE_INFINITY)
      t.equal(one.sent.length, before, 'silent')
    }
    return state === 'stopped' ? reason : state
  }
  const promise =
    (promised: number, more: Partial<StoreStatus> = {}) =>
    (to: Bench) =>
      to.acknowledge('a', 1, 1, { promised, ...more })
  const opened = (sequence: number) => [
    { epoch: 1, sequence: 1 },
    { epoch: 4, sequence },
  ]
  t.equal(
    meet((to) => hear(to, { epoch: 4, epochTable: opened(9) })),
    'held',
    'a heartbeat alone proves nothing: it listens to the voters',
  )
  t.equal(
    meet((to) => {
      hear(to, { epoch: 4, epochTable: opened(9) })
      promise(4)(to)
    }),
    'newer-epoch',
  )
  t.equal(
    meet((to) => {
      for (const voter of ['a', 'b', 'c']) to.acknowledge(voter, to.sequencer.nextSequence - 1, 3)
      t.ok(to.sequencer.stableSequence >= 2)
      hear(to, { epoch: 4, epochTable: opened(2) })
    }),
    'open',
    'one that takes back what is stable is a lie',
  )
  t.equal(
    meet((to) => hear(to, { epoch: 4, state: 'claiming' })),
    'open',
    'who only wants to reign',
  )
  t.equal(
    meet((to) => hear(to, { epoch: 4, state: 'standby', nextSequence: 900 })),
    'open',
  )
  t.equal(
    meet((to) => hear(to, { epoch: 2, nextSequence: 900 })),
    'open',
    'an older one, however much it has sent',
  )
  t.equal(
    meet((to) => hear(to, { epoch: 3, nextSequence: 900 })),
    'second-sequencer',
  )
  t.equal(
    meet((to) => hear(to, { epoch: 4 }, 7)),
    'open',
    'itself',
  )
  t.equal(meet(promise(4)), 'newer-epoch')
  t.equal(meet(promise(3)), 'open')
  t.equal(meet(promise(4, { voter: 'zzz' })), 'open', 'not a voter of the session')
  t.equal(meet(promise(4, { voter: '' })), 'open', 'a copy')
  t.equal(
    meet((to) => refuse(to, 4)),
    'newer-epoch',
  )
  t.equal(
    meet((to) => refuse(to, 3)),
    'open',
  )
  t.equal(
    meet((to) => refuse(to, 4, 8)),
    'open',
    'a refusal to somebody else',
  )
  t.equal(
    meet((to) => refuse(to, 4, 7, 'zzz')),
    'open',
  )
  t.equal(
    meet((to) => to.acknowledge('a', 900, 3)),
    'behind-store',
  )
  t.equal(
    meet((to) => to.acknowledge('a', 900, 2)),
    'open',
    'a branch that lost',
  )
  t.equal(
    meet((to) => to.acknowledge('a', 900, 0)),
    'open',
  )
  t.end()
})

test('an older sequencer hears of the newer one soon', (t) => {
  const second = bench().rebuildFrom(firstReign(1)).open(2)
  second.advance(5_000).tick()
  const before = second.control.length
  hear(second, { epoch: 1 })
  second.tick()
  t.equal(second.control.length, before + 1)
  t.equal(second.sequencer.counters['second-sequencer'], 1)
  t.end()
})

test('a command that was decided on another branch is not sequenced', (t) => {
  const second = bench().rebuildFrom(firstReign(0)).open(2)
  const offer = (n: number, epoch: number): number => {
    const packet = commandPacket(1, n, [{ type: 256, payload: bytes(1) }])
    packet[13] = epoch
    const before = second.sequencer.nextSequence
    second.command(packet)
    return second.sequencer.nextSequence - before
  }
  t.strictSame([offer(1, 1), offer(1, 3), offer(1, 2), offer(2, 0)], [0, 0, 1, 1])
  t.equal(second.sequencer.counters['other-reign'], 2)
  t.end()
})

test('the lives of the voters are those of the grants, and are told', (t) => {
  const one = bench()
  one.sequencer.open(one.nowUs, one.wallUs, 1, '', { a: 5, b: 6, c: 7 })
  t.match(one.control.at(-1), { body: { lives: { a: 5, b: 6, c: 7 } } })
  one.acknowledge('a', 1, 1, { life: 5 })
  one.acknowledge('b', 1, 1, { life: 5 })
  t.equal(one.sequencer.stableSequence, 0)
  t.equal(one.sequencer.counters['earlier-life'], 1)
  one.acknowledge('b', 1, 1, { life: 6 })
  t.equal(one.sequencer.stableSequence, 1)
  t.end()
})
