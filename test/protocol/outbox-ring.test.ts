/** The ring of bytes under an outbox, against a plain array: wrapping, growing, releasing, stretches. */
import fc from 'fast-check'
import { test } from 'tap'
import { CommandRing } from '../../src/protocol/command-ring.js'

const MAX_PAYLOAD = 1_300

interface Held {
  readonly number: number
  readonly payload: Uint8Array
}

function payloadOf(number: number, lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, (_, i) => (number * 31 + i) & 0xff)
}

function check(ring: CommandRing, held: readonly Held[]): void {
  let expectedNext = ring.first
  for (const { number, payload } of held) {
    if (number !== expectedNext++) throw new Error('model')
    const block = Buffer.from(ring.bytes.buffer, ring.offset(number), ring.end(number) - ring.offset(number))
    const { length } = payload
    if (block.readUInt16BE(0) !== 20 + length || block.length !== 22 + length) throw new Error(`length of ${number}`)
    if (block.readUInt32BE(6) !== number) throw new Error(`number of ${number}`)
    if (!block.subarray(22).equals(payload)) throw new Error(`payload of ${number}`)
    if (ring.appendedUs(number) !== number * 10) throw new Error(`time of ${number}`)
    if (ring.eventSequence(number) !== number * 3) throw new Error(`event of ${number}`)
  }
}

/** Walks all stretches from the first command on and counts the places where the ring wraps. */
function stretches(ring: CommandRing): number {
  let breaks = -1
  for (let n = ring.first; n < ring.next; breaks++) {
    const taken = ring.takeStretch(n, ring.next - n, Number.POSITIVE_INFINITY, 1)
    if (taken < 1) throw new Error('an empty stretch')
    n += taken
  }
  return breaks
}

test('the ring holds what an array holds', (t) => {
  let wraps = 0
  const step = fc.record({
    append: fc.integer({ min: 0, max: 40 }),
    lengthBytes: fc.nat(MAX_PAYLOAD),
    releasePart: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 80 }),
      fc.constantFrom(1, 0x7fff_fff0, 0xffff_0000),
      (steps, first) => {
        const ring = new CommandRing(first)
        let held: Held[] = []
        for (const { append, lengthBytes, releasePart } of steps) {
          for (let i = 0; i < append; i++) {
            const payload = payloadOf(ring.next, lengthBytes)
            held.push({ number: ring.next, payload })
            ring.append(300, 9, 3, payload, 0, payload.length, ring.next * 10)
            ring.returned((ring.next - 1) * 3)
          }
          // Mostly something stays, so that the ring does not start over at its beginning.
          const released = Math.floor(held.length * releasePart)
          held = held.slice(released)
          ring.release(ring.first + released)
          check(ring, held)
          const breaks = stretches(ring)
          if (breaks > 1) throw new Error('one wrap at most')
          wraps += Math.max(0, breaks)
        }
      },
    ),
    { numRuns: 60 },
  )
  t.ok(wraps > 20, `${wraps} wraps were seen`)
  t.end()
})

test('the ring is filled to the last byte before it grows', (t) => {
  const ring = new CommandRing(1)
  const size = ring.bytes.length
  const append = (blockBytes: number): void => ring.append(300, 9, 3, new Uint8Array(blockBytes), 0, blockBytes - 22, 0)
  append(size / 2)
  append(size / 2)
  t.equal(ring.bytes.length, size)
  ring.release(2)
  append(size / 2)
  t.equal(ring.bytes.length, size, 'wrapped, up to the oldest')
  t.equal(ring.offset(3), 0)
  append(22)
  t.ok(ring.bytes.length > size)
  t.strictSame(
    [2, 3, 4].map((n) => ring.offset(n)),
    [0, size / 2, size],
  )
  t.end()
})
