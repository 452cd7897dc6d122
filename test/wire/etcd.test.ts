/** What is said to an etcd and what it answers; answers of anything else are none. */
import fc from 'fast-check'
import { test } from 'tap'
import { decodeEtcdAnswer, decodeEtcdError, type EtcdCall, encodeEtcdCall } from '../../src/wire/etcd.js'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const header = { cluster_id: '1', member_id: '2', revision: '7', raft_term: '2' }
const READ: EtcdCall = { kind: 'read', keys: ['a', 'b'] }
const SWAP: EtcdCall = {
  kind: 'swap',
  expected: [
    { key: 'a', revision: '5' },
    { key: 'b', revision: '0' },
  ],
  puts: [{ key: 'a', value: 'x', lease: '9' }],
}
const CALLS: readonly EtcdCall[] = [
  { kind: 'grant-lease', ttlSeconds: 2 },
  { kind: 'keep-lease', lease: '9' },
  { kind: 'revoke-lease', lease: '9' },
  READ,
  SWAP,
]

test('a swap compares the revisions and puts under the lease', (t) => {
  const { path, body } = encodeEtcdCall(SWAP)
  t.equal(path, '/v3/kv/txn')
  t.strictSame(JSON.parse(body), {
    compare: [
      { key: base64('a'), target: 'MOD', result: 'EQUAL', mod_revision: '5' },
      { key: base64('b'), target: 'MOD', result: 'EQUAL', mod_revision: '0' },
    ],
    success: [{ request_put: { key: base64('a'), value: base64('x'), lease: '9' } }],
    failure: [{ request_range: { key: base64('a') } }, { request_range: { key: base64('b') } }],
  })
  t.end()
})

test('answers as etcd 3.4 gives them', (t) => {
  const kv = { key: base64('a'), value: base64('x'), mod_revision: '5', create_revision: '5', version: '1' }
  const responses = [
    { response_range: { header: { revision: '7' }, kvs: [kv], count: '1' } },
    { response_range: { header: { revision: '7' } } },
  ]
  t.strictSame(decodeEtcdAnswer(READ, { header, succeeded: true, responses }), {
    kind: 'found',
    entries: [{ value: 'x', revision: '5' }, undefined],
  })
  t.strictSame(decodeEtcdAnswer(SWAP, { header, succeeded: true, responses: [] }), { kind: 'swapped' })
  t.match(decodeEtcdAnswer(SWAP, { header, responses }), { kind: 'found' })
  t.strictSame(decodeEtcdAnswer({ kind: 'grant-lease', ttlSeconds: 2 }, { header, ID: '9', TTL: '2' }), {
    kind: 'lease',
    lease: '9',
    ttlSeconds: 2,
  })
  t.strictSame(decodeEtcdAnswer({ kind: 'keep-lease', lease: '9' }, { result: { header, ID: '9' } }), {
    kind: 'kept',
    ttlSeconds: 0,
  })
  t.strictSame(decodeEtcdError({ error: 'x', code: 5 }), { text: 'x', isNotFound: true })
  t.end()
})

test('keys of somebody else, missing headers and shapes of something else are no answers', (t) => {
  const other = { key: base64('c'), value: base64('x'), mod_revision: '5' }
  t.equal(decodeEtcdAnswer(READ, { header, responses: [{ response_range: { kvs: [other] } }] }), undefined)
  t.equal(decodeEtcdAnswer(SWAP, { succeeded: true }), undefined)
  t.equal(decodeEtcdAnswer(SWAP, { header, succeeded: 'yes' }), undefined)
  t.equal(decodeEtcdAnswer({ kind: 'grant-lease', ttlSeconds: 2 }, { header, ID: '-1', TTL: '2' }), undefined)
  for (const ID of [['9'], { toString: false }]) {
    t.equal(decodeEtcdAnswer({ kind: 'grant-lease', ttlSeconds: 2 }, { header, ID, TTL: '2' }), undefined)
  }
  t.equal(decodeEtcdError('<html>'), undefined)
  t.end()
})

test('whatever comes, reading it throws nothing', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...CALLS), fc.jsonValue(), (call, value) => {
      decodeEtcdAnswer(call, value)
      decodeEtcdAnswer(call, { header, succeeded: true, responses: value, result: value, ID: value, TTL: value })
      decodeEtcdError(value)
    }),
    { numRuns: 2_000 },
  )
  t.end()
})
