import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import {
  ACTIVATED,
  activatedCodec,
  COMMANDABLE_RUNTIME_TYPES,
  DIGEST_REQUESTED,
  DIGEST_TAKEN,
  decodeRuntimeEvent,
  digestRequestedCodec,
  digestTakenCodec,
  EFFECT_DONE,
  EFFECT_OWED,
  EPOCH_OPENED,
  effectDoneCodec,
  effectOwedCodec,
  epochOpenedCodec,
  PASSIVATED,
  passivatedCodec,
  REGISTER_SOURCE,
  RUNTIME_EVENT_NAMES,
  registerSourceCodec,
  SEED_DONE,
  SEED_RUNTIME_TYPES,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  seedComponentOf,
  seedDoneCodec,
  seedSourceName,
  sessionEndedCodec,
  sessionOpenedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
  TICK,
} from '../../src/wire/runtime-events.js'
import { holds } from './holds.js'
import { embedded, guarded, hostile } from './hostile-bytes.js'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const u64 = fc.maxSafeNat()
const text = fc.string({ unit: 'binary', maxLength: 20 })
const texts = fc.array(text, { maxLength: 5 })
const registration = { name: text, nonce: u64, exclusive: fc.boolean(), component: text, schemaHash: text }

/** Each payload as [type, what was sent, its bytes]. */
const sent: fc.Arbitrary<readonly [number, object, Uint8Array]> = fc.oneof(
  fc
    .record({
      session: text,
      protocolVersion: u32,
      datagramBytes: u32,
      fragmentBytes: u32,
      voters: texts,
      predecessor: text,
      predecessorSequence: u64,
      seeders: texts,
      staticEvents: u32,
      staticHash: text,
      retired: texts,
    })
    .map((body) => [SESSION_STARTED, body, sessionStartedCodec.encode(body)] as const),
  fc
    .record({ ...registration, source: u32, closes: u32 })
    .map((body) => [SOURCE_REGISTERED, body, sourceRegisteredCodec.encode(body)] as const),
  fc.constant([TICK, {}, new Uint8Array(0)] as const),
  fc
    .record({ component: text, instance: text, incarnation: u64, term: u32, reason: text })
    .map((body) => [ACTIVATED, body, activatedCodec.encode(body)] as const),
  fc
    .record({ component: text, term: u32, reason: text, retired: fc.boolean() })
    .map((body) => [PASSIVATED, body, passivatedCodec.encode(body)] as const),
  fc
    .record({ component: text, sequence: u64, index: u32, epoch: u32 })
    .map((body) => [EFFECT_DONE, body, effectDoneCodec.encode(body)] as const),
  fc
    .record({ component: text, nonce: u64 })
    .map((body) => [DIGEST_REQUESTED, body, digestRequestedCodec.encode(body)] as const),
  fc
    .record({ component: text, sequence: u64, digest: fc.uint8Array({ minLength: 32, maxLength: 32 }) })
    .map((body) => [DIGEST_TAKEN, body, digestTakenCodec.encode(body)] as const),
  fc
    .record({ reason: text, successor: text })
    .map((body) => [SESSION_ENDED, body, sessionEndedCodec.encode(body)] as const),
  fc
    .record({ epoch: u32, incarnation: u64, reason: text })
    .map((body) => [EPOCH_OPENED, body, epochOpenedCodec.encode(body)] as const),
  fc
    .record({ reason: text, missing: texts })
    .map((body) => [SESSION_OPENED, body, sessionOpenedCodec.encode(body)] as const),
  fc
    .record({ component: text, events: u32, pending: u32 })
    .map((body) => [SEED_DONE, body, seedDoneCodec.encode(body)] as const),
  fc
    .record({
      component: text,
      key: text,
      session: text,
      sequence: u64,
      timeUs: u64,
      index: u32,
      type: u32,
      payload: fc.uint8Array({ maxLength: 20 }),
    })
    .map((body) => [EFFECT_OWED, body, effectOwedCodec.encode(body)] as const),
)

const withArrays = (body: object | undefined): unknown =>
  body === undefined
    ? undefined
    : Object.fromEntries(
        Object.entries(body).map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value]),
      )

test('every runtime event survives the wire', (t) => {
  holds(
    t,
    fc.property(sent, fc.nat(255), ([type, body, payload], poison) => {
      assert.deepEqual(withArrays(decodeRuntimeEvent(type, embedded(payload, poison))), withArrays(body))
    }),
    { numRuns: 500 },
  )
  t.end()
})

test('the request of a registration survives the wire', (t) => {
  holds(
    t,
    fc.property(fc.record(registration, { noNullPrototype: true }), (body) => {
      assert.deepEqual(registerSourceCodec.decode(registerSourceCodec.encode(body)), body)
    }),
  )
  t.equal(decodeRuntimeEvent(REGISTER_SOURCE, new Uint8Array(0)), undefined, 'it is no event')
  t.end()
})

test('an unknown type has no payload', (t) => {
  t.equal(decodeRuntimeEvent(255, new Uint8Array(0)), undefined)
  t.equal(decodeRuntimeEvent(256, new Uint8Array(0)), undefined)
  t.end()
})

test('types below 256 are named; those that a source may send are the ones that no decision hangs on', (t) => {
  t.ok(Object.keys(RUNTIME_EVENT_NAMES).every((type) => Number(type) >= 1 && Number(type) < 256))
  t.strictSame(
    [...COMMANDABLE_RUNTIME_TYPES].sort((a, b) => a - b),
    [EFFECT_DONE, DIGEST_TAKEN, SEED_DONE, EFFECT_OWED],
  )
  t.strictSame([...SEED_RUNTIME_TYPES], [SEED_DONE, EFFECT_OWED])
  t.end()
})

test('the source of a seed is named after its component', (t) => {
  t.equal(seedSourceName('orders'), 'orders/seed')
  t.equal(seedComponentOf('orders/seed'), 'orders')
  t.equal(seedComponentOf('a/b/seed'), 'a/b')
  for (const name of ['orders', '/seed', 'seed', 'orders/seeds', 'orders/seed/x', '']) {
    t.equal(seedComponentOf(name), undefined, `'${name}' carries no seed`)
  }
  t.end()
})

test('every truncation and single-byte corruption is a payload or none, never an exception', (t) => {
  const registered = sourceRegisteredCodec.encode({
    name: 'order-manager/outside',
    nonce: 2 ** 52 + 3,
    exclusive: true,
    component: 'order-manager',
    schemaHash: 'ab12',
    source: 300,
    closes: 299,
  })
  const taken = digestTakenCodec.encode({ component: 'engine', sequence: 70_000, digest: new Uint8Array(32).fill(9) })
  let accepted = 0
  let refused = 0
  for (const [type, sample] of [
    [SOURCE_REGISTERED, registered],
    [DIGEST_TAKEN, taken],
  ] as const) {
    for (const bad of hostile(Uint8Array.from(sample))) {
      const body = decodeRuntimeEvent(type, guarded(bad))
      if (body === undefined) refused++
      else accepted++
      for (const value of Object.values(body ?? {})) {
        if (typeof value === 'number' && !Number.isSafeInteger(value)) t.fail(`${value} was let through`)
      }
    }
  }
  t.ok(accepted > 0 && refused > 0, `${accepted} accepted, ${refused} refused`)
  t.end()
})
