import fc from 'fast-check'
import { test } from 'tap'
import { ReorderBuffer } from '../../src/protocol/reorder-buffer.js'

const packetOf = (sequence: number, count: number): Uint8Array => Uint8Array.from([sequence, count])

const insertion = fc.record({ sequence: fc.integer({ min: 1, max: 60 }), count: fc.integer({ min: 1, max: 6 }) })

function contents(buffer: ReorderBuffer): string[] {
  return Array.from({ length: buffer.size }, (_, i) => {
    const packet = buffer.packetAt(i)
    const [sequence, count] = packet
    if (sequence !== buffer.sequenceAt(i) || buffer.afterAt(i) !== sequence + (count ?? 0)) throw new Error('mixed up')
    return `${sequence}+${count}`
  })
}

test('packets stand in order, without the covered ones', (t) => {
  fc.assert(
    fc.property(fc.array(insertion, { maxLength: 80 }), fc.integer({ min: 0, max: 20 }), (insertions, drops) => {
      const buffer = new ReorderBuffer(100, 10_000)
      const kept = new Set<number>()
      for (const { sequence, count } of insertions) {
        const verdict = buffer.insert(sequence, sequence + count, packetOf(sequence, count), 2, 'oldest')
        if (verdict === 'dropped') throw new Error('there was room')
        const events = Array.from({ length: count }, (_, i) => sequence + i)
        if (verdict === 'duplicate' && events.some((event) => !kept.has(event))) throw new Error('that was new')
        for (const event of events) kept.add(event)
      }
      const all = contents(buffer)
      for (let i = 1; i < buffer.size; i++) {
        if (buffer.sequenceAt(i - 1) > buffer.sequenceAt(i)) throw new Error(`out of order: ${all}`)
      }
      for (let i = 0; i < drops && buffer.size > 0; i++) buffer.dropFirst()
      return contents(buffer).join() === all.slice(drops).join()
    }),
  )
  t.pass()
  t.end()
})

test('when it is full, the preferred end stays', (t) => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 10 }),
      fc.constantFrom('oldest' as const, 'newest' as const),
      (sequences, capacity, prefer) => {
        const buffer = new ReorderBuffer(capacity, 10_000)
        for (const sequence of sequences) buffer.insert(sequence, sequence + 1, packetOf(sequence, 1), 2, prefer)
        const sorted = sequences.toSorted((a, b) => a - b)
        const expected = prefer === 'oldest' ? sorted.slice(0, capacity) : sorted.slice(-capacity)
        const overflows = Math.max(0, sequences.length - capacity)
        return contents(buffer).join() === expected.map((s) => `${s}+1`).join() && buffer.overflows === overflows
      },
    ),
  )
  t.pass()
  t.end()
})

test('bytes are bounded, too', (t) => {
  const buffer = new ReorderBuffer(100, 10)
  const big = new Uint8Array(6)
  t.equal(buffer.insert(5, 6, big, 6, 'oldest'), 'kept')
  t.equal(buffer.insert(9, 10, big, 6, 'oldest'), 'dropped')
  t.equal(buffer.insert(3, 4, big, 6, 'oldest'), 'kept')
  t.equal(buffer.sequenceAt(0), 3)
  t.equal(buffer.size, 1)
  t.equal(buffer.insert(1, 2, new Uint8Array(11), 11, 'oldest'), 'dropped', 'one that never fits')
  buffer.clear()
  t.equal(buffer.size, 0)
  t.equal(buffer.insert(9, 10, big, 6, 'oldest'), 'kept')
  t.throws(() => buffer.packetAt(1), RangeError)
  t.throws(() => new ReorderBuffer(0, 1), RangeError)
  t.end()
})
