import fc from 'fast-check'
import { test } from 'tap'
import { createCounters } from '../../src/core/counters.js'
import { silentLogger } from '../../src/core/log.js'
import { ActivationTable } from '../../src/protocol/activation-table.js'
import { EventWindow } from '../../src/protocol/event-window.js'
import { SourceTable } from '../../src/protocol/source-table.js'
import { Stability } from '../../src/protocol/stability.js'
import { Timestamper } from '../../src/protocol/timestamper.js'
import { eventTimeUs, stampEvent } from '../../src/wire/event.js'
import { bytes, commandPacket, START_WALL_US } from './sequencer-kit.js'

function clock() {
  const counters = createCounters(['clock-ahead', 'clock-behind'])
  const warnings: string[] = []
  const time = new Timestamper(counters, { ...silentLogger, warn: (_, message) => warnings.push(message) })
  const event = new Uint8Array(20)
  const at = (nowUs: number, wallUs: number): number => {
    stampEvent(event, 0, time.read(nowUs, wallUs), 1)
    return eventTimeUs(event, 0)
  }
  return { counters, warnings, time, at }
}

test('time follows the wall clock while that is steady', (t) => {
  const { at, counters } = clock()
  t.equal(at(5, START_WALL_US), START_WALL_US)
  t.equal(at(5, START_WALL_US), START_WALL_US)
  t.equal(at(105, START_WALL_US + 100), START_WALL_US + 100)
  t.equal(at(205, START_WALL_US + 900_000), START_WALL_US + 900_000, 'a lead below a second is adjustment')
  t.equal(at(1e9, START_WALL_US + 1e9), START_WALL_US + 1e9, 'a long rest is no jump')
  t.strictSame({ ...counters }, { 'clock-ahead': 0, 'clock-behind': 0 })
  t.end()
})

test('a jump ahead is caught up with at double speed, and reported once', (t) => {
  const { at, counters, warnings } = clock()
  at(0, START_WALL_US)
  const jumpUs = 10_000_000
  for (let us = 1_000_000; us <= 8_000_000; us += 1_000_000) {
    t.equal(at(us, START_WALL_US + us + jumpUs), START_WALL_US + 2 * us)
  }
  t.equal(at(9_500_000, START_WALL_US + 9_500_000 + jumpUs), START_WALL_US + 19_000_000)
  t.equal(at(9_600_000, START_WALL_US + 9_600_000 + jumpUs), START_WALL_US + 19_600_000, 'it has caught up')
  t.strictSame({ ...counters }, { 'clock-ahead': 1, 'clock-behind': 0 })
  t.equal(warnings.length, 1)
  t.end()
})

test('catching up never overtakes the wall clock', (t) => {
  const { at } = clock()
  at(0, START_WALL_US)
  t.equal(at(10_000_000, START_WALL_US + 11_500_000), START_WALL_US + 11_500_000)
  t.end()
})

test('a jump back is waited for at half speed, and reported once', (t) => {
  const { at, counters } = clock()
  at(0, START_WALL_US)
  for (let us = 1_000; us <= 10_000; us += 1_000) t.equal(at(us, START_WALL_US - 10_000 + us), START_WALL_US + us / 2)
  for (let us = 11_000; us <= 30_000; us += 1_000) at(us, START_WALL_US - 10_000 + us)
  t.equal(at(31_000, START_WALL_US + 21_000), START_WALL_US + 21_000)
  t.strictSame({ ...counters }, { 'clock-ahead': 0, 'clock-behind': 1 })
  t.end()
})

test('time never decreases and never leaps, whatever the clocks do', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.double({ min: -1e9, max: 1e9, noNaN: true }))),
      (steps) => {
        const { time } = clock()
        let nowUs = 0
        let last = -1n
        let lastNowUs = 0
        for (const [elapsedUs, error] of [[0, 0] as const, ...steps]) {
          nowUs += elapsedUs
          const { high, low } = time.read(nowUs, START_WALL_US + nowUs + error)
          const ns = (BigInt(high) << 32n) | BigInt(low)
          if (ns < last) throw new Error(`${ns} after ${last}`)
          const boundUs = 2 * (nowUs - lastNowUs) + 1_000_001
          if (last >= 0n && Number(ns - last) / 1000 > boundUs) throw new Error('a leap')
          last = ns
          lastNowUs = nowUs
        }
      },
    ),
  )
  t.end()
})

test('a continued stream stamps nothing before its last event; how long nobody sequenced is not known', (t) => {
  const { time, counters } = clock()
  const lastNs = BigInt(START_WALL_US) * 1_000n + 999n
  time.resume(Number(lastNs >> 32n), Number(lastNs & 0xffff_ffffn), START_WALL_US)
  const stampedNs = (nowUs: number, wallUs: number): bigint => {
    const { high, low } = time.read(nowUs, wallUs)
    return (BigInt(high) << 32n) | BigInt(low)
  }
  t.equal(stampedNs(0, START_WALL_US), lastNs, 'the same microsecond, but not an earlier nanosecond')
  t.equal(stampedNs(10, START_WALL_US - 1e9), lastNs + 4_001n, 'the wall clock is behind')
  const other = clock()
  other.time.resume(1, 1, 4_294_967)
  t.equal(other.at(0, START_WALL_US), START_WALL_US, 'a restart a year later')
  t.equal(other.counters['clock-ahead'], 0)
  t.equal(counters['clock-behind'], 1)
  t.end()
})

test('the window keeps stable packets while there is room, and unstable ones always', (t) => {
  const window = new EventWindow(4, 1_000)
  const packet = (length: number): Uint8Array => commandPacket(1, 1, [{ type: 256, payload: bytes(length - 42) }])
  const held = (): number[] => {
    const got: number[] = []
    window.read(window.firstSequence, 100, (sequence) => got.push(sequence) > 0)
    return got
  }
  t.equal(window.firstSequence, 1)
  t.equal(window.committedSequence, 0)
  t.strictSame(held(), [])
  for (let sequence = 10; sequence < 14; sequence++) window.add(packet(200), sequence, 1)
  t.strictSame(held(), [10, 11, 12, 13])
  t.notOk(window.hasRoom(1, 100), 'packets')
  t.throws(() => window.add(packet(200), 14, 1), /ask hasRoom/)
  window.stable(12)
  t.strictSame([window.unstablePackets, window.unstableBytes], [1, 200])
  t.ok(window.hasRoom(3, 800))
  t.notOk(window.hasRoom(3, 801), 'bytes')
  t.strictSame(held(), [10, 11, 12, 13], 'stable ones stay')
  window.add(packet(200), 14, 1)
  t.strictSame(held(), [11, 12, 13, 14], 'until their slot is needed')
  window.add(packet(700), 15, 1)
  t.strictSame(held(), [13, 14, 15], 'or their bytes')
  t.equal(
    window.read(12, 1, () => true),
    12,
  )
  t.equal(
    window.read(16, 1, () => true),
    16,
  )
  t.equal(
    window.read(13, 2, () => true),
    15,
  )
  window.read(Number.NaN, 1, () => t.fail('visits nothing'))
  t.end()
})

test('the window finds any sequence, in packets of any size, around the ring', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 60 }), (counts) => {
      const window = new EventWindow(8, 1_000_000)
      let next = 1
      for (const count of counts) {
        const commands = Array.from({ length: count }, (_, i) => ({ type: 256, payload: bytes(1, next + i) }))
        window.add(commandPacket(1, next, commands), next, count)
        next += count
        window.stable(next - 1)
        for (let from = window.firstSequence; from < next; from++) {
          const end = window.read(
            from,
            1,
            (sequence, _count, packet, start) => packet[start + 22] === (from & 0xff) && sequence === from,
          )
          if (end <= from) throw new Error(`${from} not found`)
          window.read(from, 1, (_sequence, _count, packet, start) => {
            if (packet[start + 22] !== (from & 0xff)) throw new Error(`another block at ${from}`)
            return true
          })
        }
      }
      if (window.firstSequence !== next - counts.slice(-8).reduce((sum, count) => sum + count, 0))
        throw new Error('first')
    }),
    { numRuns: 100 },
  )
  t.end()
})

test('stable is what a majority has', (t) => {
  const stability = new Stability(['a', 'b', 'c', 'd', 'e'])
  stability.open(1, 1, 0)
  stability.published(100)
  for (const [voter, sequence, stable] of [
    ['a', 90, 0],
    ['b', 80, 0],
    ['c', 70, 70],
    ['d', 200, 80],
    ['a', 10, 80],
    ['b', 10, 80],
    ['e', 300, 80],
    ['c', 400, 100],
  ] as const) {
    stability.acknowledge({ voter, epoch: 1, durableSequence: sequence })
    t.equal(stability.stableSequence, stable, `${voter} ${sequence}`)
  }
  const alone = new Stability([])
  alone.published(3)
  t.equal(alone.stableSequence, 3)
  t.equal(alone.acknowledge({ voter: 'a', epoch: 1, durableSequence: 1 }), 'unknown-voter')
  t.end()
})

test('source numbers end at 65,535', (t) => {
  const sources = new SourceTable()
  const request = { nonce: 0, name: '', exclusive: true, component: '', schemaHash: '' }
  for (let i = 1; i <= 65_535; i++) {
    const verdict = sources.judge({ ...request, nonce: i, name: 'x' })
    if (verdict.kind !== 'new' || !sources.bind(verdict.registered)) throw new Error(`${i}`)
  }
  t.match(sources.judge({ ...request, nonce: 70_000, name: 'x' }), { kind: 'refused', reason: /no source number left/ })
  t.notOk(sources.bind({ ...request, nonce: 70_001, name: 'y', source: 5, closes: 0 }), 'bound already')
  t.notOk(sources.bind({ ...request, nonce: 70_002, name: 'y', source: 65_536, closes: 0 }))
  t.end()
})

test('the table of processes heard of is bounded', (t) => {
  const table = new ActivationTable()
  const status = {
    component: 'c',
    instance: '',
    state: 'standby',
    reason: '',
    term: 0,
    nextSequence: 1,
    digestSequence: 0,
    digest: new Uint8Array(0),
    outboxCommands: 0,
    counters: {},
  }
  for (let i = 0; i < 5_000; i++) table.heard({ ...status, instance: `${i}` }, i + 1, 0)
  t.equal(table.incarnationOf('c', '4999', 0), 5_000)
  t.match(table.incarnationOf('c', '0', 0), /not heard of/)
  t.end()
})
