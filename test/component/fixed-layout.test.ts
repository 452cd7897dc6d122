import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { test } from 'tap'
import { sampleSchema } from './sample-proto.js'

const MAX = Number.MAX_SAFE_INTEGER
const QUOTE = {
  id: 2 ** 40 + 5,
  symbol: 'AAPL',
  side: 'SHORT',
  move: -2,
  net: -(2 ** 33),
  price: 1.5,
  ratio: 0.25,
  firm: true,
  mark: new Uint8Array([1, 2, 3]),
  shares: 0xffff_fffe,
}

test('every field has its place, big-endian', async (t) => {
  const schema = await sampleSchema(t)
  const hex = Buffer.from(schema.encode('Quote', QUOTE)).toString('hex')
  t.equal(
    hex,
    '0000010000000005' +
      '4141504c20202020' +
      '07' +
      'fffffffe' +
      'fffffffe00000000' +
      '3ff8000000000000' +
      '3e800000' +
      '01' +
      '010203' +
      'fffffffe',
  )
  t.strictSame(schema.decode(0xffff, Buffer.from(`00${hex}00`, 'hex'), 1, 1 + hex.length / 2), QUOTE)
})

test('a payload survives', async (t) => {
  const schema = await sampleSchema(t)
  const quote = fc.record(
    {
      id: fc.integer({ min: 0, max: MAX }),
      symbol: fc.stringMatching(/^[!-~]{0,8}$/),
      side: fc.constantFrom('BUY', 'SELL', 'SHORT'),
      move: fc.integer(),
      net: fc.integer({ min: -MAX, max: MAX }),
      price: fc.double(),
      ratio: fc.float(),
      firm: fc.boolean(),
      mark: fc.uint8Array({ minLength: 3, maxLength: 3 }).map((bytes) => new Uint8Array(bytes)),
      shares: fc.integer({ min: 0, max: 0xffff_ffff }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(quote, (value) => {
      const bytes = schema.encode('Quote', value).slice()
      deepStrictEqual(schema.decode(0xffff, bytes, 0, bytes.length), value)
    }),
    { numRuns: 100 },
  )
})

test('what does not fit is refused both ways', async (t) => {
  const schema = await sampleSchema(t)
  const refusals: [Record<string, unknown>, RegExp][] = [
    [{ symbol: 'NINECHARS' }, /Quote\.symbol must be ASCII text of at most 8/],
    [{ symbol: 'é' }, /Quote\.symbol/],
    [{ symbol: 'A ' }, /Quote\.symbol/],
    [{ side: '' }, /Quote\.side/],
    [{ mark: new Uint8Array(2) }, /Quote\.mark must be a Uint8Array of 3 bytes/],
    [{ id: 2 ** 53 }, /Quote\.id/],
    [{ firm: undefined }, /Quote\.firm/],
  ]
  for (const [change, message] of refusals) {
    t.throws(() => schema.encode('Quote', { ...QUOTE, ...change }), { code: 'E_PAYLOAD', message })
  }
  const bytes = schema.encode('Quote', QUOTE).slice()
  const changed = (at: number, value: number): (() => unknown) => {
    const copy = bytes.slice()
    copy[at] = value
    return () => schema.decode(0xffff, copy, 0, copy.length)
  }
  const refused = { code: 'E_PAYLOAD', message: /no Quote \(type 65535\)/ }
  t.throws(changed(0, 1), refused, 'an integer beyond 2^53 - 1')
  t.throws(changed(8, 0x80), refused, 'no ASCII')
  t.throws(changed(16, 2), refused, 'no such enum value')
  t.throws(changed(21, 0x80), refused, 'an integer below -2^53 + 1')
  t.throws(() => schema.decode(0xffff, bytes, 0, bytes.length - 1), refused, 'too short')
  t.throws(() => schema.decode(0xffff, Buffer.concat([bytes, bytes]), 0, bytes.length + 1), refused, 'too long')
})
