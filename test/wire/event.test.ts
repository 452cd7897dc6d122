import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import {
  EVENT_HEADER_BYTES,
  eventEpoch,
  eventFlags,
  eventSource,
  eventSourceSequence,
  eventTimeSubNs,
  eventTimeUs,
  eventType,
  fragmentBytes,
  setCommandHeader,
  setTimestamp,
  stampEvent,
  type Timestamp,
  writeCommandHeader,
} from '../../src/wire/event.js'
import { holds } from './holds.js'
import { guarded } from './hostile-bytes.js'

const u16 = fc.nat(0xffff)
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })

/** A time with all its digits: at a fraction of a microsecond, doubles of this century hold eighths to halves exactly. */
function exactNs(timeUs: number): bigint {
  const whole = Math.floor(timeUs)
  return BigInt(whole) * 1000n + BigInt(Math.floor((timeUs - whole) * 1000))
}

function stamped(timeUs: number): { bytes: Uint8Array; ns: bigint; time: Timestamp } {
  const bytes = new Uint8Array(EVENT_HEADER_BYTES)
  const time = { high: 0, low: 0 }
  setTimestamp(time, timeUs)
  stampEvent(bytes, 0, time, 1)
  return { bytes, time, ns: new DataView(bytes.buffer).getBigUint64(8) }
}

test('a command header and its stamp stand where the layout says', (t) => {
  holds(
    t,
    fc.property(fc.nat(9), u16, u16, u32, u16, u32, u32, u16, (at, type, source, sequence, flags, high, low, epoch) => {
      const bytes = new Uint8Array(40).fill(0xaa)
      const expected = bytes.slice()
      const view = new DataView(expected.buffer)
      writeCommandHeader(bytes, at, type, source, sequence, flags)
      view.setUint16(at, type)
      view.setUint16(at + 2, source)
      view.setUint32(at + 4, sequence)
      view.setBigUint64(at + 8, 0n)
      view.setUint16(at + 16, 0)
      view.setUint16(at + 18, flags)
      assert.deepEqual(bytes, expected)
      setCommandHeader(new DataView(bytes.fill(0xaa).buffer), at, type, source, sequence, flags)
      assert.deepEqual(bytes, expected)
      stampEvent(bytes, at, { high, low }, epoch)
      view.setBigUint64(at + 8, (BigInt(high) << 32n) | BigInt(low))
      view.setUint16(at + 16, epoch)
      assert.deepEqual(bytes, expected)
      const event = guarded(bytes.subarray(at, at + EVENT_HEADER_BYTES))
      assert.deepEqual(
        [eventType(event, 0), eventSource(event, 0), eventSourceSequence(event, 0), eventEpoch(event, 0)],
        [type, source, sequence, epoch],
      )
      assert.equal(eventFlags(event, 0), flags)
    }),
  )
  t.end()
})

test('a time becomes exactly its nanoseconds', (t) => {
  // Up to the year 2255; fractions too, as the clock gives them.
  const time = fc.oneof(
    fc.maxSafeNat(),
    fc.double({ min: 0, max: 2 ** 53 - 1, noNaN: true }),
    fc.double({ min: 1.6e15, max: 2.2e15, noNaN: true }),
    fc.double({ min: 0, max: 10, noNaN: true }),
    fc.nat(2000).map((n) => n * 2 ** 32 + 2 ** 32 - 1),
  )
  holds(
    t,
    fc.property(time, (timeUs) => {
      const { ns, bytes, time: halves } = stamped(timeUs)
      assert.equal(ns, exactNs(timeUs))
      assert.ok(
        Number.isInteger(halves.high) && Number.isInteger(halves.low) && halves.low >= 0 && halves.low < 2 ** 32,
      )
      assert.equal(eventTimeUs(bytes, 0), Math.floor(timeUs))
      assert.equal(BigInt(eventTimeUs(bytes, 0)) * 1000n + BigInt(eventTimeSubNs(bytes, 0)), ns)
    }),
    { numRuns: 1000 },
  )
  t.end()
})

test('any u64 of nanoseconds whose microseconds are safe integers is read exactly', (t) => {
  const bytes = new Uint8Array(EVENT_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  const largest = BigInt(Number.MAX_SAFE_INTEGER) * 1000n + 999n
  holds(
    t,
    fc.property(fc.bigInt({ min: 0n, max: largest }), (ns) => {
      view.setBigUint64(8, ns)
      assert.equal(eventTimeUs(bytes, 0), Number(ns / 1000n))
      assert.equal(eventTimeSubNs(bytes, 0), Number(ns % 1000n))
    }),
    { numRuns: 1000, examples: [[0n], [999n], [1000n], [2n ** 32n - 1n], [2n ** 32n], [largest]] },
  )
  t.end()
})

test('times that do not decrease give timestamps that do not decrease', (t) => {
  const step = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3, noNaN: true }), fc.nat(2 ** 33))
  holds(
    t,
    fc.property(fc.integer({ min: 0, max: 2e15 }), step, (start, forward) => {
      assert.ok(stamped(start + forward).ns >= stamped(start).ns)
    }),
  )
  t.end()
})

test('one fragment fills a datagram to the byte, tag included', (t) => {
  t.equal(fragmentBytes(1400, 20, 16), 1400 - 20 - 2 - 20 - 16)
  t.end()
})
