import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import {
  bytesEqualAt,
  copyBytes,
  readAscii,
  readU16,
  readU32,
  readU64,
  writeAscii,
  writeU16,
  writeU32,
  writeU64,
} from '../../src/wire/bytes.js'
import { holds } from './holds.js'

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

test('numbers are written as DataView writes them, and read back, at any offset', (t) => {
  holds(
    t,
    fc.property(fc.nat(7), fc.maxSafeNat(), (at, value) => {
      const ours = new Uint8Array(16).fill(0xaa)
      const theirs = ours.slice()
      writeU64(ours, at, value)
      viewOf(theirs).setBigUint64(at, BigInt(value))
      assert.deepEqual(ours, theirs)
      assert.equal(readU64(ours, at), value)
      assert.equal(readU32(ours, at), viewOf(theirs).getUint32(at))
      assert.equal(readU16(ours, at), viewOf(theirs).getUint16(at))
      writeU32(ours, at, value % 2 ** 32)
      viewOf(theirs).setUint32(at, value % 2 ** 32)
      writeU16(ours, at, value % 2 ** 16)
      viewOf(theirs).setUint16(at, value % 2 ** 16)
      assert.deepEqual(ours, theirs)
    }),
  )
  t.end()
})

test('a u64 above the safe integers reads as NaN, the largest safe one as itself', (t) => {
  const bytes = new Uint8Array(8)
  for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    viewOf(bytes).setBigUint64(0, value)
    t.ok(Number.isNaN(readU64(bytes, 0)), String(value))
  }
  viewOf(bytes).setBigUint64(0, 2n ** 53n - 1n)
  t.equal(readU64(bytes, 0), Number.MAX_SAFE_INTEGER)
  t.end()
})

test('ranges are copied by loop and by set alike, and compared', (t) => {
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(600), fc.nat(40), (from, cut, at) => {
      const start = Math.min(cut, from.length)
      const to = new Uint8Array(700).fill(0x55)
      copyBytes(from, start, from.length, to, at)
      const expected = new Uint8Array(700).fill(0x55)
      expected.set(from.slice(start), at)
      assert.deepEqual(to, expected)
      assert.ok(bytesEqualAt(to, at, from.slice(start)))
      if (start < from.length) {
        to[at + from.length - start - 1]! ^= 1
        assert.ok(!bytesEqualAt(to, at, from.slice(start)))
      }
    }),
  )
  t.notOk(bytesEqualAt(new Uint8Array(3), 1, new Uint8Array(3)), 'what sticks out is not equal')
  t.end()
})

test('ASCII fields are padded on the named side; what is not ASCII is refused', (t) => {
  const bytes = new Uint8Array(8)
  writeAscii(bytes, 1, 6, 'abc')
  t.equal(readAscii(bytes, 0, 8), '?abc   ?')
  writeAscii(bytes, 1, 6, 'abc', 'left')
  t.equal(readAscii(bytes, 1, 6), '   abc')
  t.equal(readAscii(Uint8Array.from([0x1f, 0x20, 0x7e, 0x7f, 0xff]), 0, 5), '? ~??')
  t.throws(() => writeAscii(bytes, 0, 2, 'abc'), RangeError)
  t.throws(() => writeAscii(bytes, 0, 8, 'é'), RangeError)
  t.throws(() => writeAscii(bytes, 0, 8, 'a\n'), RangeError)
  t.end()
})
