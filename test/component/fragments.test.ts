import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { Fields } from '../../src/component/checkpoint-fields.js'
import { FragmentAssembler } from '../../src/component/fragments.js'
import { FIRST_FRAGMENT, LAST_FRAGMENT } from '../../src/wire/event.js'

const bytesOf = (assembler: FragmentAssembler): number[] => [...assembler.message.subarray(0, assembler.messageBytes)]

test('messages of several sources come out whole, however their fragments interleave', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 2, maxLength: 40 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 7 }),
      fc.infiniteStream(fc.nat(4)),
      (messages, pieceBytes, picks) => {
        const assembler = new FragmentAssembler()
        const sent = messages.map(() => 0)
        const out: number[][] = messages.map(() => [])
        while (sent.some((at, source) => at < messages[source]!.length)) {
          const source = (picks.next().value ?? 0) % messages.length
          const message = messages[source]!
          const start = sent[source]!
          if (start >= message.length) continue
          const end = Math.min(message.length, start + pieceBytes)
          const flags = (start === 0 ? FIRST_FRAGMENT : 0) | (end === message.length ? LAST_FRAGMENT : 0)
          sent[source] = end
          if (assembler.add(source, 300, flags, message, start, end) === 'complete') out[source] = bytesOf(assembler)
        }
        deepStrictEqual(
          out,
          messages.map((message) => [...message]),
        )
        deepStrictEqual([assembler.partials, assembler.heldBytes], [0, 0])
      },
    ),
    { numRuns: 200 },
  )
  t.pass('no counterexample')
  t.end()
})

test('a fragment without its beginning is broken, and a closed source is forgotten', (t) => {
  const assembler = new FragmentAssembler()
  const bytes = new Uint8Array(10)
  t.equal(assembler.add(1, 300, LAST_FRAGMENT, bytes, 0, 10), 'broken')
  t.equal(assembler.add(1, 300, FIRST_FRAGMENT, bytes, 0, 10), 'waiting')
  t.equal(assembler.add(1, 301, LAST_FRAGMENT, bytes, 0, 10), 'broken', 'of another type')
  t.equal(assembler.partials, 1)
  assembler.drop(1)
  t.equal(assembler.add(1, 300, LAST_FRAGMENT, bytes, 0, 10), 'broken')
  t.strictSame([assembler.partials, assembler.heldBytes], [0, 0])
  t.end()
})

test('memory is bounded, in one message and in all', (t) => {
  const bytes = new Uint8Array(6_000)
  const single = new FragmentAssembler(10_000, 1_000_000)
  t.equal(single.add(1, 300, FIRST_FRAGMENT, bytes, 0, 6_000), 'waiting')
  t.equal(single.add(1, 300, LAST_FRAGMENT, bytes, 0, 6_000), 'too-long')
  t.equal(single.heldBytes, 0)
  const all = new FragmentAssembler(10_000, 15_000)
  t.equal(all.add(1, 300, FIRST_FRAGMENT, bytes, 0, 6_000), 'waiting')
  t.equal(all.add(2, 300, FIRST_FRAGMENT, bytes, 0, 6_000), 'too-long')
  t.ok(all.heldBytes <= 15_000)
  t.equal(all.add(1, 300, LAST_FRAGMENT, bytes, 0, 10), 'complete', 'what was accepted is not touched')
  t.end()
})

test('what was begun goes on elsewhere, with the room that it holds', (t) => {
  const first = new FragmentAssembler()
  first.add(1, 300, FIRST_FRAGMENT, new Uint8Array(5_000).fill(1), 0, 5_000)
  first.add(2, 301, FIRST_FRAGMENT, new Uint8Array([2, 3]), 0, 2)
  const second = new FragmentAssembler()
  second.restore(new Fields(first.capture(), 'fragments'))
  t.strictSame([second.partials, second.heldBytes], [first.partials, first.heldBytes])
  t.strictSame(second.capture(), first.capture())
  t.equal(second.add(2, 301, LAST_FRAGMENT, new Uint8Array([4]), 0, 1), 'complete')
  t.strictSame([...second.message.subarray(0, second.messageBytes)], [2, 3, 4])
  t.throws(
    () => new FragmentAssembler(100, 1_000).restore(new Fields(first.capture(), 'fragments')),
    /8192 bytes for a partial message/,
  )
  t.end()
})
