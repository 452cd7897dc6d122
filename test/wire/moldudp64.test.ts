import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { sessionBytes } from '../../src/core/session.js'
import { readU16, writeU16 } from '../../src/wire/bytes.js'
import {
  blocksEnd,
  checkDownstream,
  checkRequest,
  MOLD_COUNT_AT,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_HEARTBEAT,
  MOLD_REASONS,
  moldCount,
  moldSequence,
  writeMoldHeader,
} from '../../src/wire/moldudp64.js'
import { holds } from './holds.js'
import { embedded, guarded, hostile } from './hostile-bytes.js'

const MAX = Number.MAX_SAFE_INTEGER

function downstream(session: string, sequence: number, blocks: readonly Uint8Array[]): Uint8Array {
  const packet = new Uint8Array(MOLD_HEADER_BYTES + blocks.reduce((sum, block) => sum + 2 + block.length, 0))
  writeMoldHeader(packet, 0, sessionBytes(session), sequence, blocks.length)
  let at = MOLD_HEADER_BYTES
  for (const block of blocks) {
    writeU16(packet, at, block.length)
    packet.set(block, at + 2)
    at += 2 + block.length
  }
  return packet
}

function headerOnly(sequence: number, count: number): Uint8Array {
  const packet = new Uint8Array(MOLD_HEADER_BYTES)
  writeMoldHeader(packet, 0, sessionBytes('S1'), sequence, count)
  return packet
}

/** The specification's words in another hand: DataView and BigInt. */
function isValidDownstream(packet: Uint8Array): boolean {
  if (packet.length < 20) return false
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const sequence = view.getBigUint64(10)
  const count = view.getUint16(18)
  if (sequence < 1n || sequence > BigInt(MAX)) return false
  if (count === 0 || count === 0xffff) return true
  if (sequence + BigInt(count) > BigInt(MAX)) return false
  let rest = packet.subarray(20)
  for (let i = 0; i < count; i++) {
    if (rest.length < 2) return false
    const length = rest[0]! * 256 + rest[1]!
    if (rest.length < 2 + length) return false
    rest = rest.subarray(2 + length)
  }
  return true
}

const session = fc.stringMatching(/^[A-Za-z0-9]{1,10}$/)
const blocks = fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 20 })

test('downstream packets survive the wire; bytes after the last block do not matter', (t) => {
  holds(
    t,
    fc.property(
      session,
      fc.integer({ min: 1, max: MAX - 21 }),
      blocks,
      fc.uint8Array(),
      (id, sequence, data, after) => {
        const plain = downstream(id, sequence, data)
        const packet = Uint8Array.from([...plain, ...after])
        assert.equal(checkDownstream(guarded(packet)), undefined)
        assert.equal(Buffer.from(packet.subarray(0, 10)).toString('latin1'), id.padEnd(10))
        assert.equal(moldSequence(packet), sequence)
        assert.equal(moldCount(packet), data.length)
        assert.equal(blocksEnd(guarded(packet), MOLD_HEADER_BYTES, data.length), plain.length)
        let at = MOLD_HEADER_BYTES
        for (const block of data) {
          const end = at + 2 + readU16(packet, at)
          assert.deepEqual(packet.slice(at + 2, end), block)
          at = end
        }
      },
    ),
  )
  t.end()
})

test('a header can be written anywhere in a buffer', (t) => {
  const buffer = new Uint8Array(40).fill(0xaa)
  writeMoldHeader(buffer, 13, sessionBytes('S1'), 7, 3)
  const expected = new Uint8Array(40).fill(0xaa)
  expected.set(headerOnly(7, 3), 13)
  t.same(buffer, expected)
  t.end()
})

test('heartbeat, end of session and request are twenty bytes', (t) => {
  holds(
    t,
    fc.property(fc.integer({ min: 1, max: MAX }), fc.nat(0xffff), (sequence, count) => {
      for (const kind of [MOLD_HEARTBEAT, MOLD_END_OF_SESSION]) {
        const packet = headerOnly(sequence, kind)
        assert.equal(checkDownstream(guarded(packet)), undefined)
        assert.equal(moldSequence(packet), sequence)
        assert.equal(moldCount(packet), kind)
      }
      const request = headerOnly(sequence, count)
      assert.equal(checkRequest(guarded(request)), sequence + count > MAX ? 'bad-sequence' : undefined)
    }),
  )
  t.end()
})

test('no packet or request can name a sequence after which counting stops', (t) => {
  const last = downstream('S1', MAX - 1, [new Uint8Array(1)])
  t.equal(checkDownstream(last), undefined)
  t.equal(checkDownstream(downstream('S1', MAX, [new Uint8Array(1)])), 'bad-sequence')
  t.equal(checkDownstream(downstream('S1', MAX - 1, [new Uint8Array(1), new Uint8Array(1)])), 'bad-sequence')
  t.equal(checkRequest(headerOnly(MAX - 1, 1)), undefined)
  t.equal(checkRequest(headerOnly(MAX - 1, 2)), 'bad-sequence')
  t.equal(checkDownstream(headerOnly(0, 0)), 'bad-sequence')
  t.end()
})

test('every truncation and single-byte corruption is a valid packet or has a reason', (t) => {
  const samples = [
    downstream('S1', 1, [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)]),
    downstream('0123456789', 2 ** 40, [new Uint8Array(20)]),
    headerOnly(1, MOLD_HEARTBEAT),
    headerOnly(99, MOLD_END_OF_SESSION),
  ]
  const seen = new Map<string, number>()
  for (const sample of samples) {
    for (const bad of hostile(sample)) {
      const reason = checkDownstream(guarded(bad))
      const expected = isValidDownstream(bad)
      if ((reason === undefined) !== expected) t.fail(`${Buffer.from(bad).toString('hex')}: ${reason}`)
      if (reason !== undefined && !MOLD_REASONS.includes(reason)) t.fail(`unknown reason ${reason}`)
      for (const poison of [0, 0xff]) {
        if (checkDownstream(embedded(bad, poison)) !== reason) t.fail('bytes around the packet change the verdict')
      }
      if (reason === undefined && moldCount(bad) !== 0 && moldCount(bad) !== 0xffff) {
        if (blocksEnd(guarded(bad), MOLD_HEADER_BYTES, moldCount(bad)) > bad.length) t.fail('blocks end outside')
      }
      const requestReason = checkRequest(guarded(bad))
      if (requestReason === 'truncated-block') t.fail('a request has no blocks')
      seen.set(reason ?? 'valid', (seen.get(reason ?? 'valid') ?? 0) + 1)
    }
  }
  for (const outcome of ['valid', ...MOLD_REASONS]) t.ok((seen.get(outcome) ?? 0) > 0, `${outcome} was met`)
  t.end()
})

test('random bytes agree with the specification as well', (t) => {
  holds(
    t,
    fc.property(fc.uint8Array({ minLength: 18, maxLength: 60 }), fc.integer({ min: 0, max: 6 }), (bytes, count) => {
      bytes.fill(0, 10, 13)
      if (bytes.length >= MOLD_HEADER_BYTES) writeU16(bytes, MOLD_COUNT_AT, count)
      for (let at = 20; at < bytes.length; at += 2) bytes[at] = 0
      assert.equal(checkDownstream(guarded(bytes)) === undefined, isValidDownstream(bytes))
    }),
    { numRuns: 500 },
  )
  t.end()
})
