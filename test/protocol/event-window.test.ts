/** The window's ring of bytes: packets of any size, kept whole around its end and while it grows, within its bound. */
import fc from 'fast-check'
import { test } from 'tap'
import { MAX_DATAGRAM_BYTES } from '../../src/core/limits.js'
import { EventWindow } from '../../src/protocol/event-window.js'
import { writeU16 } from '../../src/wire/bytes.js'

const BLOCK_AT = 20
const MAX_BYTES = 200_000

/** One block whose bytes follow from its sequence. */
function packetOf(sequence: number, lengthBytes: number): Uint8Array {
  const packet = new Uint8Array(lengthBytes).fill(sequence & 0xff)
  writeU16(packet, BLOCK_AT, lengthBytes - BLOCK_AT - 2)
  return packet
}

test('every packet that is held is as it was added', (t) => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 44, max: 1_400 }), fc.integer({ min: 44, max: 30_000 })), {
    minLength: 50,
    maxLength: 400,
  })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 4, max: 200 }), (lengths, capacity) => {
      const window = new EventWindow(capacity, MAX_BYTES)
      let next = 1
      for (const lengthBytes of lengths) {
        if (!window.hasRoom(1, lengthBytes)) window.stable(next - 1)
        window.add(packetOf(next, lengthBytes), next, 1)
        next += 1
        let seen = window.firstSequence
        window.read(seen, capacity, (sequence, _count, bytes, start, end) => {
          const expected = packetOf(sequence, lengths[sequence - 1] ?? 0).subarray(BLOCK_AT)
          if (sequence !== seen++) throw new Error(`${sequence} instead of ${seen - 1}`)
          if (Buffer.compare(expected, bytes.subarray(start, end)) !== 0) throw new Error(`other bytes at ${sequence}`)
          if (bytes.length > MAX_BYTES + 2 * MAX_DATAGRAM_BYTES) throw new Error(`a ring of ${bytes.length} bytes`)
          return true
        })
        if (seen !== next) throw new Error(`read to ${seen} of ${next}`)
      }
    }),
    { numRuns: 60 },
  )
  t.pass('no counterexample')
  t.end()
})

test('a packet may be changed after it was added', (t) => {
  const window = new EventWindow(4, MAX_BYTES)
  const packet = packetOf(1, 100)
  window.add(packet, 1, 1)
  packet.fill(9)
  window.read(1, 1, (_sequence, _count, bytes, start) => {
    t.equal(bytes[start + 2], 1)
    return true
  })
  t.end()
})
