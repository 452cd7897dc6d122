/** A part of a recording by sequences and by times, against looking at every event. */
import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { momentOf, rangeOf, timeOf } from '../../src/cli/range.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { setTimestamp, stampEvent } from '../../src/wire/event.js'
import { eventBytes } from '../fixtures/event-packets.js'

const START_US = Date.UTC(2026, 10, 20, 9, 30) * 1000

/** Packets of events at these times, microseconds after the start; `firstSequence` is that of the first event. */
function record(packets: readonly (readonly number[])[], firstSequence = 1): MemoryEventLog {
  const log = new MemoryEventLog({ session: 'RANGE', firstSequence, durable: 'manual' })
  let sequence = firstSequence
  for (const times of packets) {
    const blocks: number[] = []
    for (const [i, time] of times.entries()) {
      const event = eventBytes(sequence + i)
      const stamp = { high: 0, low: 0 }
      setTimestamp(stamp, START_US + time)
      stampEvent(event, 0, stamp, 1)
      blocks.push(event.length >>> 8, event.length & 0xff, ...event)
    }
    log.append(sequence, times.length, Uint8Array.from(blocks), 0, blocks.length, START_US)
    sequence += times.length
  }
  log.sync()
  return log
}

/** 5 events in 2 packets: the middle one begins and ends inside of seconds. */
const five = (): MemoryEventLog =>
  record(
    [
      [0, 1_000_000],
      [1_000_000, 2_000_000, 2_000_001],
    ],
    11,
  )

test('by sequence, both ends included', (t) => {
  t.strictSame(rangeOf(five(), {}), { from: 11, to: 15 })
  t.strictSame(
    rangeOf(five(), { fromSeq: 12, toSeq: 14 }),
    { from: 12, to: 14 },
    'from within one packet to within another',
  )
  t.strictSame(rangeOf(five(), { fromSeq: 13, toSeq: 13 }), { from: 13, to: 13 })
  for (const outside of [{ fromSeq: 10 }, { toSeq: 16 }, { fromSeq: 16, toSeq: 17 }]) {
    t.throws(() => rangeOf(five(), outside), { code: 'E_SEQUENCE_PAST_END' })
  }
  t.throws(() => rangeOf(five(), { fromSeq: 14, toSeq: 13 }), { code: 'E_USAGE' })
  t.throws(() => rangeOf(record([]), {}), { code: 'E_SEQUENCE_PAST_END', message: /is empty/ })
  t.end()
})

test('by time, both ends included', (t) => {
  const range = (fromTime: string, toTime: string) => rangeOf(five(), { fromTime, toTime })
  t.strictSame(range('09:30:00', '09:30:01'), { from: 11, to: 13 }, 'all of a time, over the end of a packet')
  t.strictSame(range('09:30:01', '09:30:02'), { from: 12, to: 14 }, 'within packets')
  t.strictSame(range('2026-11-20T09:30:02.000001Z', '2026-11-20T09:30:02.000001Z'), { from: 15, to: 15 })
  t.strictSame(range('09:30:01.000001', '09:30:01.999999'), { from: 14, to: 13 }, 'between two events there is none')
  t.strictSame(range('08:00', '09:29:59'), { from: 11, to: 10 }, 'before the first')
  t.strictSame(range('09:30:03', '10:00'), { from: 16, to: 15 }, 'after the last')
  t.strictSame(range('08:00', '10:00'), { from: 11, to: 15 }, 'more than there is')
  t.strictSame(range('2026-11-20T10:30:01+01:00', '2026-11-20'.concat('T09:30:01')), { from: 12, to: 13 }, 'zones')
  t.strictSame(rangeOf(five(), { fromTime: String(START_US + 1), toSeq: 14 }), { from: 12, to: 14 })
  t.strictSame(rangeOf(five(), { fromSeq: 14, toTime: '09:30:01' }), { from: 14, to: 13 })
  t.throws(() => range('09:30:02', '09:30:01'), { code: 'E_USAGE' })
  t.throws(() => rangeOf(five(), { fromSeq: 11, fromTime: '09:30' }), { code: 'E_USAGE' })
  t.end()
})

test('whatever the packets, a range by time has exactly the events of that time', (t) => {
  const step = fc.oneof(fc.constant(0), fc.nat(3), fc.nat(200_000))
  fc.assert(
    fc.property(
      fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 8 }),
      fc.nat(1_000_000),
      fc.nat(500_000),
      fc.nat(9),
      (packets, first, length, firstSequence) => {
        let now = 0
        const times: number[] = []
        const recorded = packets.map((steps) =>
          steps.map((more) => {
            now += more
            times.push(now)
            return now
          }),
        )
        const log = record(recorded, firstSequence + 1)
        const { from, to } = rangeOf(log, {
          fromTime: String(START_US + first),
          toTime: String(START_US + first + length),
        })
        const wanted = times.flatMap((time, i) =>
          time >= first && time <= first + length ? [firstSequence + 1 + i] : [],
        )
        deepEqual(
          Array.from({ length: to - from + 1 }, (_, i) => from + i),
          wanted,
        )
      },
    ),
    { numRuns: 500 },
  )
  t.pass('no counterexample')
  t.end()
})

test('a moment', (t) => {
  t.equal(momentOf(five(), '12', '--at'), 12)
  t.equal(momentOf(five(), '09:30:01', '--at'), 13, 'the last event of that time')
  t.equal(momentOf(five(), '09:30:01.5', '--at'), 13)
  t.equal(momentOf(five(), '09:00', '--at'), 10, 'before the first')
  t.equal(momentOf(five(), '23:00', '--at'), 15)
  t.throws(() => momentOf(five(), '16', '--at'), { code: 'E_SEQUENCE_PAST_END' })
  t.throws(() => momentOf(five(), 'noon', '--at'), { code: 'E_CONFIG' })
  t.end()
})

test('a time', (t) => {
  t.equal(timeOf('2026-11-20T09:30:00Z', '--at'), START_US)
  t.equal(timeOf('2026-11-20T09:30', '--at'), START_US, 'UTC, where no zone is named')
  t.equal(timeOf('2026-11-20 09:30:00.1234567', '--at'), START_US + 123_456)
  t.equal(timeOf(String(START_US), '--at'), START_US)
  t.equal(timeOf('2026-11-20', '--at'), Date.UTC(2026, 10, 20) * 1000)
  t.equal(timeOf('09:30:00.000001', '--at', START_US), START_US + 1)
  for (const wrong of ['', 'noon', '09:30', '2026-13-01', '2026-11-20T25:00', '12', '2026-11-2009:30']) {
    t.throws(() => timeOf(wrong, '--at'), { code: 'E_CONFIG' }, wrong)
  }
  t.throws(() => timeOf('', '--at', START_US), { code: 'E_CONFIG' })
  t.end()
})

test('a time that is not one of these forms is refused, and never taken for midnight', (t) => {
  t.equal(timeOf('9:30', '--at', START_US), START_US, 'hours of one digit')
  t.equal(timeOf('9:30:00.5', '--at', START_US), START_US + 500_000)
  t.equal(timeOf('2026-11-20T9:30', '--at'), START_US)
  t.equal(momentOf(five(), '9:30:01', 'g'), 13)
  const wrong = [
    '11/20/2026 09:30',
    '9:3',
    '9:30pm',
    '09:30:1',
    ':',
    '2026-11-20T9:',
    '09:30:00,',
    '930:00',
    'a:b',
    '09:60',
  ]
  for (const text of wrong) {
    t.throws(
      () => timeOf(text, '--from-time', START_US),
      { code: 'E_CONFIG', message: /^--from-time: '/, hint: /09:30:00/ },
      text,
    )
  }
  t.throws(() => rangeOf(five(), { fromTime: '9:3' }), { code: 'E_CONFIG', message: /^--from-time: '9:3'/ })
  t.throws(() => rangeOf(five(), { toTime: '9:3' }), { code: 'E_CONFIG', message: /^--to-time: '9:3'/ })
  t.end()
})

test('seconds and milliseconds since 1970 are not taken for microseconds', (t) => {
  for (const seconds of ['1795252967', '17952529670', '179525296700']) {
    t.throws(() => momentOf(five(), seconds, '--at'), {
      code: 'E_CONFIG',
      message: /looks like seconds/,
      hint: /microseconds/,
    })
  }
  t.throws(() => timeOf('1795252967000', '--at'), { code: 'E_CONFIG', message: /looks like milliseconds/ })
  t.end()
})
