import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { test } from 'tap'
import { defineSchema, type UntypedSchema } from '../../src/component/schema.js'
import { SeqcastError } from '../../src/core/errors.js'
import { EMPTY_ORDER, SAMPLE_PROTO, sampleSchema } from './sample-proto.js'

protobuf.util.Long = undefined as never
protobuf.configure()

const MAX = Number.MAX_SAFE_INTEGER

function roundTrip(schema: UntypedSchema, name: string, payload: unknown): unknown {
  const bytes = schema.encode(name, payload)
  // Decoded inside of a larger array, and from a Buffer, as packets are; then the packet is used again.
  const packet = Buffer.alloc(bytes.length + 40, 0xff)
  packet.set(bytes, 20)
  const decoded = schema.decode(schema.typeOf(name) ?? 0, packet, 20, 20 + bytes.length)
  packet.fill(0xee)
  return decoded
}

/** The properties must not give objects without a prototype: payloads are plain. */
const PLAIN = { noNullPrototype: true }
const sides = fc.constantFrom('BUY', 'SELL', 'SHORT')
const anyText = fc.string({ unit: 'grapheme', maxLength: 90 })
const leg = fc.letrec((tie) => ({
  leg: fc.record(
    {
      shares: fc.integer({ min: 0, max: 0xffff_ffff }),
      side: sides,
      next: fc.option(tie('leg'), { nil: undefined, depthSize: 'small' }),
    },
    PLAIN,
  ),
})).leg
const pending = fc.record(
  {
    orderId: fc.integer({ min: 0, max: MAX }),
    symbol: anyText,
    side: sides,
    price: fc.double(),
    immediate: fc.boolean(),
    tag: fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
    note: fc.option(anyText, { nil: undefined }),
    shown: fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }),
    deltas: fc.array(fc.integer()),
    names: fc.array(anyText),
    sides: fc.array(sides),
    legs: fc.array(fc.tuple(anyText, leg)).map((entries) => new Map(entries)),
    byNumber: fc.array(fc.tuple(fc.integer({ min: 0, max: MAX }), anyText)).map((entries) => new Map(entries)),
    mainLeg: fc.option(leg, { nil: undefined }),
    more: fc.array(leg),
    filled: fc.constant(undefined),
    refusal: fc.option(anyText, { nil: undefined }),
    loose: fc.array(fc.integer({ min: 0, max: 0xffff_ffff })),
    ratio: fc.float(),
    net: fc.integer({ min: -MAX, max: MAX }),
    exact: fc.integer({ min: -MAX, max: MAX }),
  },
  PLAIN,
)

test('a payload survives the wire, is plain data, and owns its memory', async (t) => {
  const schema = await sampleSchema(t)
  fc.assert(
    fc.property(pending, (payload) => {
      const decoded = roundTrip(schema, 'OrderPending', payload)
      deepStrictEqual(decoded, payload, 'equal')
      if (Object.getPrototypeOf(decoded) !== Object.prototype) throw new Error('not plain')
    }),
    { numRuns: 100 },
  )
  t.strictSame(roundTrip(schema, 'OrderPending', EMPTY_ORDER), EMPTY_ORDER, 'defaults are filled in')
  t.equal(schema.encode('OrderPending', EMPTY_ORDER).length, 0, 'and take no bytes')
  t.strictSame(roundTrip(schema, 'Nothing', {}), {})
})

test('the bytes are what protobuf says: both ways with protobufjs', async (t) => {
  const schema = await sampleSchema(t)
  const { root } = protobuf.parse(SAMPLE_PROTO, { keepCase: false })
  const reference = root.lookupType('sample.v1.OrderPending')
  const toReference = (payload: object): Record<string, unknown> => {
    const object: Record<string, unknown> = { ...payload }
    for (const [key, value] of Object.entries(payload)) {
      if (value === undefined) delete object[key]
      if (value instanceof Map) object[key] = Object.fromEntries(value)
    }
    return object
  }
  fc.assert(
    fc.property(pending, (payload) => {
      const object = toReference(payload)
      const theirs = reference.encode(reference.fromObject(object)).finish()
      deepStrictEqual(schema.decode(256, theirs, 0, theirs.length), payload, 'we read theirs')
      const ours = schema.encode('OrderPending', payload)
      const read = reference.decode(ours)
      deepStrictEqual(
        schema.decode(256, reference.encode(read).finish(), 0, reference.encode(read).finish().length),
        payload,
      )
    }),
    { numRuns: 60 },
  )
  const golden = schema.encode('OrderPending', {
    ...EMPTY_ORDER,
    orderId: 300,
    symbol: 'AB',
    side: 'SELL',
    deltas: [-1, 1],
  })
  t.equal(Buffer.from(golden).toString('hex'), '08ac0212024142' + '1801' + '4a020102')
  const loose = schema.encode('OrderPending', { ...EMPTY_ORDER, loose: [1, 2] })
  t.equal(Buffer.from(loose).toString('hex'), '950101000000950102000000', 'not packed, as the schema asks')
})

test('what is no such message gives E_PAYLOAD with its type, and never anything else', async (t) => {
  const schema = await sampleSchema(t)
  const decode = (hex: string): unknown => {
    const bytes = Buffer.from(hex, 'hex')
    return schema.decode(256, bytes, 0, bytes.length)
  }
  const refused = { code: 'E_PAYLOAD', message: /no OrderPending \(type 256\)/ }
  t.throws(() => decode('08'), refused, 'cut off')
  t.throws(() => decode('1202ff'), refused, 'a string past the end')
  t.throws(() => decode('1201ff'), refused, 'not UTF-8')
  t.throws(() => decode('1803'), refused, 'an enum value that the schema has not')
  t.throws(() => decode('088080808080808010'), refused, '2^53')
  t.throws(() => decode('08ffffffffffffffffff01'), refused, '2^64 - 1')
  t.throws(() => decode('a001ffffffffffffffffff01'), refused, 'zigzag beyond')
  t.throws(() => decode('a9010000000000002000'), refused, 'sfixed64 2^53')
  t.throws(() => decode(`${'7204'.repeat(2)}`), refused, 'a part past the end')
  t.strictSame(decode('08ffffffffffffff0f'), { ...EMPTY_ORDER, orderId: MAX })
  t.strictSame(decode('f0a80305'), EMPTY_ORDER, 'unknown fields are skipped')
  t.strictSame(decode('8a010178800105'), { ...EMPTY_ORDER, filled: 5 }, 'the last of a oneof')
  t.throws(() => schema.decode(999, new Uint8Array(0), 0, 0), /type 999 is not in the schema/)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(256, 300, 0xffff), (bytes, type) => {
      try {
        schema.decode(type, bytes, 0, bytes.length)
      } catch (error) {
        if (!(error instanceof SeqcastError) || error.code !== 'E_PAYLOAD') throw error
      }
    }),
    { numRuns: 3000 },
  )
  const nested = (depth: number): Uint8Array => {
    let bytes = Buffer.alloc(0)
    for (let i = 0; i < depth; i++) {
      const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
      bytes = Buffer.concat([Buffer.from([i === depth - 1 ? 0x72 : 0x1a, ...length]), bytes])
    }
    return bytes
  }
  t.doesNotThrow(() => schema.decode(256, nested(100), 0, nested(100).length))
  t.throws(() => schema.decode(256, nested(101), 0, nested(101).length), refused, 'too deep')
})

test('encode refuses what does not fit, naming message and field', async (t) => {
  const schema = await sampleSchema(t)
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ orderId: -1 }, /OrderPending\.orderId must be a whole number from 0 to 2\^53 - 1, not -1/],
    [{ orderId: 2 ** 53 }, /OrderPending\.orderId/],
    [{ orderId: 1.5 }, /OrderPending\.orderId/],
    [{ orderId: 5n }, /OrderPending\.orderId .* not 5n/],
    [{ orderId: undefined }, /OrderPending\.orderId .* not undefined/],
    [{ net: -(2 ** 53) }, /OrderPending\.net/],
    [{ symbol: 7 }, /OrderPending\.symbol must be a string, not 7/],
    [{ symbol: 'a\ud800' }, /OrderPending\.symbol .*surrogate/],
    [{ side: 'BUYY' }, /OrderPending\.side must be one of BUY, SELL, SHORT, not "BUYY"/],
    [{ side: 1 }, /OrderPending\.side/],
    [{ price: '1' }, /OrderPending\.price must be a number/],
    [{ ratio: 1e39 }, /OrderPending\.ratio/],
    [{ immediate: 1 }, /OrderPending\.immediate/],
    [{ tag: [1] }, /OrderPending\.tag must be a Uint8Array, not an array/],
    [{ deltas: [1, 2 ** 31] }, /OrderPending\.deltas/],
    [{ deltas: 1 }, /OrderPending\.deltas must be an array/],
    [{ names: [1] }, /OrderPending\.names/],
    [{ legs: {} }, /OrderPending\.legs must be a Map/],
    [{ byNumber: new Map([[-1, 'x']]) }, /OrderPending\.byNumber/],
    [{ mainLeg: { shares: -1, side: 'BUY' } }, /OrderPending\.Leg\.shares/],
    [{ more: [null] }, /OrderPending\.Leg must be an object, not null/],
    [{ filled: 1, refusal: 'x' }, /OrderPending\.refusal must be absent/],
  ]
  for (const [change, message] of wrong) {
    t.throws(() => schema.encode('OrderPending', { ...EMPTY_ORDER, ...change }), { code: 'E_PAYLOAD', message })
    t.equal(schema.encode('OrderPending', EMPTY_ORDER).length, 0, 'the next encode is not disturbed')
  }
  t.throws(() => schema.encode('OrderPendng', {}), { code: 'E_PAYLOAD', hint: /OrderPending/ })
  t.throws(() => schema.encode('OrderPending', null), { code: 'E_PAYLOAD' })
})

test('JSON and back', async (t) => {
  const schema = await sampleSchema(t)
  const payload = {
    ...EMPTY_ORDER,
    orderId: MAX,
    price: Number.NaN,
    ratio: -0,
    tag: new Uint8Array([1, 255]),
    legs: new Map([['a', { shares: 1, side: 'SELL', next: undefined }]]),
    byNumber: new Map([[7, 'seven']]),
    filled: -3,
  }
  const json: unknown = JSON.parse(JSON.stringify(schema.toJson('OrderPending', payload)))
  t.match(json, {
    orderId: MAX,
    price: 'NaN',
    tag: 'Af8=',
    legs: { a: { shares: 1, side: 'SELL' } },
    byNumber: { 7: 'seven' },
  })
  t.strictSame(schema.fromJson('OrderPending', { ...Object(json), ratio: 0 }), { ...payload, ratio: 0 })
  t.strictSame(schema.fromJson('OrderPending', {}), EMPTY_ORDER)
  t.strictSame(schema.fromJson('OrderPending', { orderId: '12' }), { ...EMPTY_ORDER, orderId: 12 })
  t.throws(() => schema.fromJson('OrderPending', { ordrId: 1 }), { code: 'E_PAYLOAD', message: /OrderPending\.ordrId/ })
  t.throws(() => schema.fromJson('OrderPending', { order_id: 1 }), { code: 'E_PAYLOAD', hint: 'did you mean orderId?' })
  t.throws(() => schema.fromJson('OrderPending', { ordrId: 1 }), { code: 'E_PAYLOAD', hint: 'did you mean orderId?' })
  t.throws(() => schema.fromJson('OrderPending', { somethingElse: 1 }), { code: 'E_PAYLOAD', hint: /^its fields are / })
  const long = schema.fromJson('OrderPending', { orderId: '9007199254740993' })
  t.throws(() => schema.encode('OrderPending', long), { message: /not "9007199254740993"/ }, 'as it was written')
  t.throws(() => schema.fromJson('OrderPending', { tag: '%' }), { code: 'E_PAYLOAD' })
  t.throws(() => schema.fromJson('OrderPending', [1]), { code: 'E_PAYLOAD' })
  fc.assert(
    fc.property(pending, (value) => {
      const there: unknown = JSON.parse(JSON.stringify(schema.toJson('OrderPending', value)))
      const back = schema.fromJson('OrderPending', there)
      deepStrictEqual(
        schema.decode(256, schema.encode('OrderPending', back).slice(), 0, schema.encode('OrderPending', back).length),
        value,
      )
    }),
    { numRuns: 50 },
  )
})

test('names, types and the hash', async (t) => {
  const schema = await sampleSchema(t)
  t.strictSame(schema.names, ['OrderPending', 'Nothing', 'Quote'])
  t.equal(schema.nameOf(0xffff), 'Quote')
  t.equal(schema.nameOf(257), undefined)
  t.equal(schema.typeOf('Nothing'), 300)
  t.equal(schema.typeOf('Leg'), undefined)
  t.equal(schema.has(300), true)
  t.equal(schema.has(1), false)
  t.match(schema.hash, /^[0-9a-f]{64}$/)
  const of = (fields: Record<string, { id: number; type: string }>, type = 256): string =>
    defineSchema({ package: 'p', messages: { A: { type, fields } }, enums: {} }).hash
  const base = of({ a: { id: 1, type: 'uint32' }, b: { id: 2, type: 'string' } })
  t.equal(of({ b: { id: 2, type: 'string' }, a: { id: 1, type: 'uint32' } }), base, 'order does not count')
  t.not(of({ a: { id: 1, type: 'uint32' }, b: { id: 3, type: 'string' } }), base)
  t.not(of({ a: { id: 1, type: 'int32' }, b: { id: 2, type: 'string' } }), base)
  t.not(of({ c: { id: 1, type: 'uint32' }, b: { id: 2, type: 'string' } }), base)
  t.not(of({ a: { id: 1, type: 'uint32' }, b: { id: 2, type: 'string' } }, 257), base)
})

test('a schema that is not sound is refused when it is defined', (t) => {
  const field = { id: 1, type: 'uint32' }
  const make =
    (messages: object, enums = {}): (() => unknown) =>
    () =>
      defineSchema({ package: 'p', messages: { ...messages } as never, enums })
  const cases: [() => unknown, RegExp][] = [
    [make({ A: { fields: {} } }), /no message has a type number/],
    [make({ A: { type: 255, fields: {} } }), /A: type number 255 is not from 256 to 65535/],
    [make({ A: { type: 65536, fields: {} } }), /65536/],
    [make({ A: { type: 256, fields: {} }, B: { type: 256, fields: {} } }), /B: type number 256 is already A's/],
    [make({ A: { type: 256, fields: { a: field, b: field } } }), /A\.b: number 1 is already a's/],
    [make({ A: { type: 256, fields: { a: { id: 1, type: 'Foo' } } } }), /A\.a: type Foo is not in the schema/],
    [make({ A: { type: 256, fields: { 'a"': field } } }), /A\.a": the name is not one/],
    [make({ A: { type: 256, fields: JSON.parse('{"__proto__":{"id":1,"type":"bool"}}') } }), /__proto__/],
    [make({ A: { type: 256, fields: {} } }, { E: { ONE: 1 } }), /E: the first value of an enum must be 0/],
  ]
  for (const [define, message] of cases) t.throws(define, { code: 'E_SCHEMA', message })
  t.end()
})
