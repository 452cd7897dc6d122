import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import {
  BINARYFILE_REASONS,
  type BinaryFileEnd,
  BinaryFileReader,
  type BinaryFileReason,
  binaryFileEnd,
  binaryFileRecord,
} from '../../src/wire/binaryfile.js'
import { holds } from './holds.js'
import { chunks, concat, guarded, hostile } from './hostile-bytes.js'

interface Outcome {
  readonly messages: readonly { readonly hex: string; readonly offsetBytes: number }[]
  readonly end: BinaryFileEnd | BinaryFileReason
  readonly offsetBytes: number
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function read(pieces: readonly Uint8Array[], maxMessageBytes?: number): Outcome {
  const messages: { hex: string; offsetBytes: number }[] = []
  const reader = new BinaryFileReader(
    (message, offsetBytes) => messages.push({ hex: hex(message), offsetBytes }),
    maxMessageBytes,
  )
  let reason: BinaryFileReason | undefined
  for (const piece of pieces) {
    const pushed = reader.push(guarded(piece))
    if (reason !== undefined) assert.equal(pushed, reason, 'a reason stays')
    reason = pushed
  }
  const end = reader.finish()
  if (reason !== undefined) assert.equal(end, reason, 'and is how the file ended')
  return { messages, end, offsetBytes: reader.offsetBytes }
}

/** The specification's words in another hand: the whole file at once. */
function oracle(file: Uint8Array, maxMessageBytes = 0xffff): Outcome {
  const messages: { hex: string; offsetBytes: number }[] = []
  let offsetBytes = 0
  const ended = (end: Outcome['end']): Outcome => ({ messages, end, offsetBytes })
  while (offsetBytes < file.length) {
    if (offsetBytes + 1 === file.length) return ended('truncated-length')
    const length = file[offsetBytes]! * 256 + file[offsetBytes + 1]!
    if (length === 0) {
      offsetBytes += 2
      return ended(offsetBytes === file.length ? 'end-of-session' : 'bytes-after-end')
    }
    if (length > maxMessageBytes) return ended('overlong-message')
    if (offsetBytes + 2 + length > file.length) return ended('truncated-message')
    messages.push({ hex: hex(file.subarray(offsetBytes + 2, offsetBytes + 2 + length)), offsetBytes })
    offsetBytes += 2 + length
  }
  return ended('no-end-marker')
}

const message = fc.uint8Array({ minLength: 1, maxLength: 400 })
const messages = fc.array(message, { maxLength: 12 })
const cuts = fc.array(fc.nat(), { maxLength: 30 })

test('messages survive a file, however it is read, with and without the end marker', (t) => {
  holds(
    t,
    fc.property(messages, cuts, fc.boolean(), (list, places, marked) => {
      const file = concat([...list.map(binaryFileRecord), ...(marked ? [binaryFileEnd()] : [])])
      const outcome = read(chunks(file, places))
      assert.equal(outcome.end, marked ? 'end-of-session' : 'no-end-marker')
      assert.deepEqual(
        outcome.messages.map((one) => one.hex),
        list.map(hex),
      )
      assert.deepEqual(outcome, oracle(file))
    }),
  )
  t.end()
})

test('truncated, overlong and continued files are told apart, with the offset, however they are read', (t) => {
  const after = fc.uint8Array({ minLength: 1, maxLength: 9 })
  holds(
    t,
    fc.property(messages, fc.nat(), after, cuts, fc.integer({ min: 1, max: 400 }), (list, cut, tail, places, max) => {
      const file = concat([...list.map(binaryFileRecord), binaryFileEnd()])
      const truncated = file.subarray(0, cut % (file.length + 1))
      assert.deepEqual(read(chunks(truncated, places)), oracle(truncated))
      assert.deepEqual(read(chunks(file, places), max), oracle(file, max))
      const continued = concat([file, tail])
      assert.equal(read(chunks(continued, places)).end, 'bytes-after-end')
      assert.deepEqual(read(chunks(continued, places)), oracle(continued))
    }),
    { numRuns: 300 },
  )
  t.end()
})

test('every truncation and single-byte corruption reads as the specification says', (t) => {
  const file = concat([binaryFileRecord(Uint8Array.of(1, 2, 3)), binaryFileRecord(Uint8Array.of(4)), binaryFileEnd()])
  const seen = new Set<string>()
  for (const bad of hostile(file)) {
    for (const max of [undefined, 200]) {
      const expected = JSON.stringify(oracle(bad, max))
      if (JSON.stringify(read([bad], max)) !== expected) t.fail(`whole: ${hex(bad)}`)
      if (JSON.stringify(read(chunks(bad, [1, 4, 6]), max)) !== expected) t.fail(`cut: ${hex(bad)}`)
      seen.add(oracle(bad, max).end)
    }
  }
  t.strictSame([...seen].sort(), [...BINARYFILE_REASONS, 'end-of-session', 'no-end-marker'].sort(), 'all ends were met')
  t.end()
})

test('a message that a file cannot hold is refused when it is written', (t) => {
  t.throws(() => binaryFileRecord(new Uint8Array(0)), RangeError, 'its length would end the session')
  t.throws(() => binaryFileRecord(new Uint8Array(65_536)), RangeError)
  t.equal(read([binaryFileRecord(new Uint8Array(65_535))]).messages.length, 1)
  t.end()
})

test('an empty file has no end marker; an empty chunk is nothing', (t) => {
  t.equal(read([]).end, 'no-end-marker')
  t.equal(read([binaryFileEnd(), new Uint8Array(0)]).end, 'end-of-session')
  t.end()
})
