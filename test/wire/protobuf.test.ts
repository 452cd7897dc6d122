import { test } from 'tap'
import { codecOf, schemaRoot } from '../../src/wire/protobuf.js'

const schema = {
  nested: {
    Numbers: {
      fields: {
        d: { type: 'double', id: 1 },
        i32: { type: 'sint32', id: 2 },
        u32: { type: 'uint32', id: 3 },
        i64: { type: 'sint64', id: 4 },
        list: { type: 'fixed64', id: 5, rule: 'repeated' },
        inner: { type: 'Numbers', id: 6 },
        map: { keyType: 'string', type: 'Numbers', id: 7 },
      },
    },
  },
}

interface Numbers {
  d?: number
  i32?: number
  u32?: number
  i64?: number
  list?: number[]
  inner?: Numbers
  map?: Record<string, Numbers>
}

const codec = codecOf<Numbers>(schemaRoot(schema), 'Numbers')

test('floats may hold anything, integers what fits', (t) => {
  for (const fits of [{ d: 1e300 }, { i32: -(2 ** 31) }, { u32: 2 ** 32 - 1 }, { i64: Number.MIN_SAFE_INTEGER }]) {
    t.match(codec.decode(codec.encode(fits)), fits)
  }
  for (const bad of [{ i32: 2 ** 31 }, { u32: -1 }, { i64: 2 ** 53 }, { list: [1, 2 ** 53] }]) {
    t.throws(() => codec.encode(bad), /does not fit/, JSON.stringify(bad))
    t.throws(() => codec.encode({ inner: { map: { a: bad } } }), /inner: map: /, 'at any depth')
  }
  t.end()
})

test('what is too large is refused at any depth when it comes from elsewhere', (t) => {
  const max = Buffer.alloc(8, 0xff)
  const list = Buffer.concat([Buffer.of(0x29), max])
  t.equal(codec.decode(list), undefined)
  t.equal(codec.decode(Buffer.concat([Buffer.of(0x32, list.length), list])), undefined)
  const entry = Buffer.concat([Buffer.of(0x12, list.length), list])
  t.equal(codec.decode(Buffer.concat([Buffer.of(0x3a, entry.length), entry])), undefined)
  const large = Buffer.alloc(8, 0x7e)
  t.equal(codec.decode(Buffer.concat([Buffer.of(0x09), large]))?.d, large.readDoubleLE(), 'a float is not')
  t.end()
})
