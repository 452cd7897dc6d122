import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import {
  LOGIN_REASONS,
  type LoginRequest,
  loginAcceptedPacket,
  loginRejectedPacket,
  loginRequestPacket,
  parseLoginAccepted,
  parseLoginRequest,
  SOUP_CLIENT_HEARTBEAT,
  SOUP_DEBUG,
  SOUP_END_OF_SESSION,
  SOUP_HEADER_BYTES,
  SOUP_LOGIN_ACCEPTED,
  SOUP_LOGIN_REJECTED,
  SOUP_LOGIN_REQUEST,
  SOUP_LOGOUT,
  SOUP_MAX_PAYLOAD_BYTES,
  SOUP_SEQUENCED,
  SOUP_SERVER_HEARTBEAT,
  SOUP_UNSEQUENCED,
  SoupParser,
  type SoupReason,
  soupPacket,
} from '../../src/wire/soupbintcp.js'
import { holds } from './holds.js'
import { chunks, concat, corruptions, guarded, hostile, truncations } from './hostile-bytes.js'

interface Packet {
  readonly type: number
  readonly payload: Uint8Array
}
interface Parsed {
  readonly packets: Packet[]
  readonly reason: SoupReason | undefined
}

function parse(pieces: readonly Uint8Array[], maxPayloadBytes = SOUP_MAX_PAYLOAD_BYTES): Parsed {
  const packets: Packet[] = []
  const parser = new SoupParser((type, bytes, at, end) => {
    packets.push({ type, payload: bytes.slice(at, end) })
    return true
  }, maxPayloadBytes)
  let reason: SoupReason | undefined
  for (const piece of pieces) reason = parser.push(guarded(piece))
  return { packets, reason }
}

/** The specification's framing in another hand: all bytes at once. */
function oracle(bytes: Uint8Array, maxPayloadBytes: number): Parsed {
  const packets: Packet[] = []
  let rest = bytes
  while (rest.length >= 2) {
    const length = rest[0]! * 256 + rest[1]!
    if (length === 0) return { packets, reason: 'zero-length' }
    if (length - 1 > maxPayloadBytes) return { packets, reason: 'overlong' }
    if (rest.length < 2 + length) break
    packets.push({ type: rest[2]!, payload: rest.slice(3, 2 + length) })
    rest = rest.subarray(2 + length)
  }
  return { packets, reason: undefined }
}

const sequence = fc.maxSafeNat()
const session = fc.stringMatching(/^[A-Za-z0-9]{0,10}$/)
const login = fc.record(
  {
    username: fc.stringMatching(/^[A-Za-z0-9]{0,6}$/),
    password: fc.stringMatching(/^[A-Za-z0-9]{0,10}$/),
    session,
    sequence,
  },
  { noNullPrototype: true },
)
const bytes = fc.uint8Array({ maxLength: 700 })
const empty = new Uint8Array(0)
const packet: fc.Arbitrary<Uint8Array> = fc.oneof(
  bytes.map((payload) => soupPacket(SOUP_DEBUG, payload)),
  bytes.map((payload) => soupPacket(SOUP_SEQUENCED, payload)),
  bytes.map((payload) => soupPacket(SOUP_UNSEQUENCED, payload)),
  login.map(loginRequestPacket),
  fc.record({ session, sequence }).map(loginAcceptedPacket),
  fc.constantFrom('not-authorised' as const, 'session-not-available' as const).map(loginRejectedPacket),
  fc
    .constantFrom(SOUP_SERVER_HEARTBEAT, SOUP_CLIENT_HEARTBEAT, SOUP_END_OF_SESSION, SOUP_LOGOUT)
    .map((type) => soupPacket(type)),
)
const cuts = fc.array(fc.nat(), { maxLength: 30 })

test('every packet type survives any chunking', (t) => {
  holds(
    t,
    fc.property(fc.array(packet, { maxLength: 12 }), cuts, (packets, places) => {
      const stream = concat(packets)
      const parsed = parse(chunks(stream, places))
      assert.equal(parsed.reason, undefined)
      assert.deepEqual(
        parsed.packets.map(({ type, payload }) => Buffer.from(soupPacket(type, payload)).toString('hex')),
        packets.map((sent) => Buffer.from(sent).toString('hex')),
      )
    }),
    { numRuns: 300 },
  )
  t.end()
})

test('one byte at a time is a chunking too, with packets above the first buffer', (t) => {
  const stream = concat([soupPacket(SOUP_SEQUENCED, new Uint8Array(3000).fill(7)), soupPacket(SOUP_LOGOUT)])
  const parsed = parse(Array.from(stream, (byte) => Uint8Array.of(byte)))
  t.strictSame(
    parsed.packets.map(({ type, payload }) => [type, payload.length, payload.every((byte) => byte === 7)]),
    [
      [SOUP_SEQUENCED, 3000, true],
      [SOUP_LOGOUT, 0, true],
    ],
  )
  t.end()
})

test('the largest packet passes, a larger one cannot be made', (t) => {
  const largest = soupPacket(SOUP_SEQUENCED, new Uint8Array(SOUP_MAX_PAYLOAD_BYTES))
  t.equal(parse([largest]).packets[0]?.payload.length, 65_534)
  t.throws(() => soupPacket(SOUP_SEQUENCED, new Uint8Array(SOUP_MAX_PAYLOAD_BYTES + 1)), RangeError)
  t.end()
})

test('random bytes, however cut, give what the specification says of them whole', (t) => {
  const smallLengths = fc.array(fc.oneof(fc.constant(0), fc.nat(5), fc.nat(255)), { maxLength: 60 })
  holds(
    t,
    fc.property(smallLengths, cuts, fc.constantFrom(4, 46, SOUP_MAX_PAYLOAD_BYTES), (list, places, max) => {
      const stream = Uint8Array.from(list)
      assert.deepEqual(parse(chunks(stream, places), max), oracle(stream, max))
    }),
    { numRuns: 1000, examples: [[[0, 0], [1], 4]] },
  )
  t.end()
})

test('nothing is read after a reason, and the reason stays', (t) => {
  const types: number[] = []
  const parser = new SoupParser((type) => types.push(type) > 0, 10)
  t.equal(parser.push(concat([soupPacket(SOUP_DEBUG), Uint8Array.of(0, 0), soupPacket(SOUP_LOGOUT)])), 'zero-length')
  t.equal(parser.push(soupPacket(SOUP_LOGOUT)), 'zero-length')
  t.strictSame(types, [SOUP_DEBUG])
  t.end()
})

test('nothing is read after the listener has returned false', (t) => {
  for (const cut of [[], [1], [2], [3]]) {
    const types: number[] = []
    const parser = new SoupParser((type) => {
      types.push(type)
      return type !== SOUP_LOGOUT
    })
    const stream = concat([soupPacket(SOUP_LOGOUT), soupPacket(SOUP_DEBUG)])
    for (const piece of chunks(stream, cut)) t.equal(parser.push(piece), undefined)
    t.equal(parser.push(soupPacket(SOUP_DEBUG)), undefined)
    t.strictSame(types, [SOUP_LOGOUT])
  }
  t.end()
})

test('logins survive the wire', (t) => {
  holds(
    t,
    fc.property(login, (sent) => {
      assert.deepEqual(parseLoginRequest(guarded(loginRequestPacket(sent).subarray(SOUP_HEADER_BYTES))), sent)
    }),
  )
  holds(
    t,
    fc.property(session, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (id, next) => {
      const accepted = { session: id, sequence: next }
      assert.deepEqual(parseLoginAccepted(guarded(loginAcceptedPacket(accepted).subarray(3))), accepted)
    }),
  )
  t.equal(loginRequestPacket({ username: '', password: '', session: '', sequence: 0 })[2], SOUP_LOGIN_REQUEST)
  t.equal(loginAcceptedPacket({ session: '', sequence: 1 })[2], SOUP_LOGIN_ACCEPTED)
  t.equal(loginRejectedPacket('not-authorised')[2], SOUP_LOGIN_REJECTED)
  t.throws(() => loginRequestPacket({ username: 'toolong', password: '', session: '', sequence: 0 }), RangeError)
  t.end()
})

function payloadOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

test('logins of other clients: padding on either side, a blank sequence', (t) => {
  const expected: LoginRequest = { username: 'user', password: 'secret', session: 'S1', sequence: 42 }
  t.strictSame(parseLoginRequest(payloadOf(`user  secret    S1        ${'42'.padEnd(20)}`)), expected)
  t.strictSame(parseLoginRequest(payloadOf(`  user    secret        S1${'42'.padStart(20, '0')}`)), expected)
  t.strictSame(parseLoginRequest(payloadOf(' '.repeat(46))), { username: '', password: '', session: '', sequence: 0 })
  for (const bad of ['-1', '1.5', '1e3', '0x10', '4 2', '9007199254740992', '99999999999999999999']) {
    t.equal(parseLoginRequest(payloadOf(' '.repeat(26) + bad.padStart(20))), 'bad-login-sequence', bad)
  }
  t.equal(parseLoginAccepted(payloadOf('0'.padStart(30))), 'bad-login-sequence')
  t.equal(parseLoginAccepted(payloadOf(' '.repeat(30))), 'bad-login-sequence')
  t.end()
})

test('every truncation and single-byte corruption of a login is a login or has a reason', (t) => {
  const request = loginRequestPacket({ username: 'user', password: 'pw', session: 'S1', sequence: 1_234 })
  const accepted = loginAcceptedPacket({ session: 'S1', sequence: 9 })
  const seen = new Set<string>()
  for (const [sample, parsePayload] of [
    [request, parseLoginRequest],
    [accepted, parseLoginAccepted],
  ] as const) {
    for (const bad of hostile(sample.slice(SOUP_HEADER_BYTES))) {
      const result = parsePayload(guarded(bad))
      if (typeof result === 'string') {
        if (!LOGIN_REASONS.includes(result)) t.fail(`unknown reason ${result}`)
        seen.add(result)
      } else if (bad.length !== sample.length - 3 || !Number.isSafeInteger(result.sequence) || result.sequence < 0) {
        t.fail(`${Buffer.from(bad).toString('hex')} is no login`)
      }
    }
  }
  t.strictSame([...seen].sort(), [...LOGIN_REASONS])
  t.end()
})

test('every truncation and single-byte corruption of a stream is cut as the specification says', (t) => {
  const stream = concat([
    loginAcceptedPacket({ session: 'S1', sequence: 1 }),
    soupPacket(SOUP_SEQUENCED, Uint8Array.of(1, 2, 3)),
    soupPacket(SOUP_SERVER_HEARTBEAT, empty),
    soupPacket(SOUP_END_OF_SESSION),
  ])
  const flat = ({ packets, reason }: Parsed): string =>
    `${packets.map(({ type, payload }) => `${type}:${Buffer.from(payload).toString('hex')}`)} ${reason}`
  for (const max of [46, SOUP_MAX_PAYLOAD_BYTES]) {
    for (const bad of [...truncations(stream), ...corruptions(stream)]) {
      const expected = flat(oracle(bad, max))
      if (flat(parse([bad], max)) !== expected) t.fail(`whole: ${Buffer.from(bad).toString('hex')}`)
      if (flat(parse(chunks(bad, [1, 7, 35, 36]), max)) !== expected) t.fail(`cut: ${Buffer.from(bad).toString('hex')}`)
    }
  }
  t.end()
})
