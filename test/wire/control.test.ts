import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { type ControlMessage, controlPrefix, decodeControl, encodeControl } from '../../src/wire/control.js'
import { holds } from './holds.js'
import { concat, embedded, guarded, hostile } from './hostile-bytes.js'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const u64 = fc.maxSafeNat()
const text = fc.string({ unit: 'binary', maxLength: 20 })
const counters = fc.dictionary(fc.stringMatching(/^[a-z-]{1,12}$/), u64, { maxKeys: 5, noNullPrototype: true })
const digest = fc.uint8Array({ maxLength: 32 })
const header = { session: text, sender: u64 }
const entries = fc.array(fc.record({ epoch: u32, sequence: u64 }), { maxLength: 4 })

const control: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({
    ...header,
    kind: fc.constant('sequencer' as const),
    body: fc.record({
      epoch: u32,
      nextSequence: u64,
      stableSequence: u64,
      publishedIsStable: fc.boolean(),
      epochTable: entries,
      state: text,
      held: fc.boolean(),
      requestPort: u32,
      counters,
      lives: counters,
      tableOmitted: u32,
      tableHash: u32,
      olderFrom: u32,
      older: entries,
      awaited: fc.array(text, { maxLength: 3 }),
      retired: fc.array(text, { maxLength: 3 }),
      active: fc.array(text, { maxLength: 3 }),
    }),
  }),
  fc.record({
    ...header,
    kind: fc.constant('store' as const),
    body: fc.record({
      name: text,
      voter: text,
      epoch: u32,
      durableSequence: u64,
      committedSequence: u64,
      requestPort: u32,
      rewindPort: u32,
      state: text,
      counters,
      promised: u32,
      lastEpoch: u32,
      life: u64,
      lives: counters,
      successor: text,
      predecessor: text,
    }),
  }),
  fc.record({
    ...header,
    kind: fc.constant('component' as const),
    body: fc.record({
      component: text,
      instance: text,
      state: text,
      reason: text,
      term: u32,
      nextSequence: u64,
      digestSequence: u64,
      digest,
      outboxCommands: u32,
      counters,
    }),
  }),
  fc.record({
    ...header,
    kind: fc.constant('adminRequest' as const),
    body: fc.record({
      nonce: u64,
      action: text,
      component: text,
      instance: text,
      incarnation: u64,
      expectedTerm: u32,
      reason: text,
    }),
  }),
  fc.record({
    ...header,
    kind: fc.constant('adminReply' as const),
    body: fc.record({ nonce: u64, error: text, sequence: u64 }),
  }),
  fc.record({ ...header, kind: fc.constant('refused' as const), body: fc.record({ nonce: u64, reason: text }) }),
  fc.record({ ...header, kind: fc.constant('claim' as const), body: fc.record({ epoch: u32, name: text }) }),
  fc.record({
    ...header,
    kind: fc.constant('grant' as const),
    body: fc.record({
      epoch: u32,
      candidate: u64,
      voter: text,
      lastEpoch: u32,
      durableSequence: u64,
      epochTable: fc.array(fc.record({ epoch: u32, sequence: u64 }), { maxLength: 4 }),
      requestPort: u32,
      rewindPort: u32,
      life: u64,
      lives: counters,
    }),
  }),
  fc.record({
    ...header,
    kind: fc.constant('claimRefused' as const),
    body: fc.record({ epoch: u32, candidate: u64, voter: text, promised: u32, reason: text }),
  }),
)

/** One form for both sides: bytes as hexadecimal text, whichever kind of array holds them. */
function plain(message: ControlMessage | undefined): unknown {
  return JSON.parse(
    JSON.stringify(message, (_key, value: unknown) => (isBytes(value) ? `hex ${bytesHex(value)}` : value)) ?? 'null',
  )
}

type Bytes = Uint8Array | { readonly type: 'Buffer'; readonly data: readonly number[] }

function isBytes(value: unknown): value is Bytes {
  if (value instanceof Uint8Array) return true
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value
}

const bytesHex = (bytes: Bytes): string => Buffer.from(bytes instanceof Uint8Array ? bytes : bytes.data).toString('hex')

const store = (over: object = {}): ControlMessage => ({
  session: 'S1',
  sender: 2 ** 52 + 1,
  kind: 'store',
  body: {
    name: 'a',
    voter: '',
    epoch: 1,
    durableSequence: 2 ** 53 - 1,
    committedSequence: 7,
    requestPort: 1,
    rewindPort: 2,
    state: 'live',
    counters: { received: 3 },
    promised: 2,
    lastEpoch: 1,
    life: 4,
    lives: { 'voter-1': 4 },
    successor: '',
    predecessor: '',
    ...over,
  },
})

test('every control message survives the wire, wherever it lies', (t) => {
  holds(
    t,
    fc.property(control, fc.nat(255), (sent, poison) => {
      const datagram = encodeControl(sent)
      assert.deepEqual(plain(decodeControl(embedded(datagram, poison))), plain(sent))
    }),
    { numRuns: 500 },
  )
  t.end()
})

test('what a process sent is known by how it begins, and nobody else sends it', (t) => {
  const beginsWith = (bytes: Uint8Array, prefix: Uint8Array): boolean =>
    Buffer.from(bytes.subarray(0, prefix.length)).equals(Buffer.from(prefix))
  holds(
    t,
    fc.property(control, u64, (message, other) => {
      const bytes = encodeControl(message)
      assert.ok(beginsWith(bytes, controlPrefix(message.session, message.sender)))
      fc.pre(other !== message.sender && other !== 0)
      assert.ok(!beginsWith(bytes, controlPrefix(message.session, other)))
    }),
  )
  t.end()
})

test('fields at zero are there after decoding', (t) => {
  const received = decodeControl(encodeControl(store({ durableSequence: 0, counters: {}, state: '' })))
  t.strictSame(plain(received), plain(store({ durableSequence: 0, counters: {}, state: '' })))
  t.end()
})

test('a number that does not fit is a programmer error when sent', (t) => {
  for (const [field, value] of [
    ['durableSequence', 2 ** 53],
    ['durableSequence', -1],
    ['durableSequence', 1.5],
    ['requestPort', 2 ** 32],
    ['requestPort', -1],
    ['counters', { dropped: 2 ** 53 }],
    ['state', 7],
  ] as const) {
    t.throws(() => encodeControl(store({ [field]: value })), { message: new RegExp(`${field}`) }, `${field} ${value}`)
  }
  t.end()
})

test('a number above the safe integers makes a datagram no message', (t) => {
  // AdminReply (field 7 of Control): nonce, field 1, as a varint of 2^53 and of 2^53 - 1.
  const reply = (varint: readonly number[]): Uint8Array =>
    Uint8Array.of(0x0a, 1, 0x53, 0x3a, 1 + varint.length, 0x08, ...varint)
  t.equal(decodeControl(reply([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10])), undefined)
  const received = decodeControl(reply([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]))
  t.ok(received?.kind === 'adminReply' && received.body.nonce === Number.MAX_SAFE_INTEGER)
  t.end()
})

test('a message without a body, nothing, and nested groups without end are no messages', (t) => {
  t.equal(decodeControl(new Uint8Array(0)), undefined)
  t.equal(decodeControl(Uint8Array.of(0x0a, 1, 0x53)), undefined)
  t.equal(decodeControl(new Uint8Array(65_507).fill(0x0b)), undefined, 'groups in groups')
  t.equal(decodeControl(new Uint8Array(65_507).fill(0xff)), undefined, 'a varint without end')
  t.end()
})

test('a hostile counter name stays a name', (t) => {
  const entry = [0x0a, 9, ...Buffer.from('__proto__'), 0x10, 5]
  const body = Uint8Array.of(0x4a, entry.length, ...entry)
  const received = decodeControl(concat([Uint8Array.of(0x0a, 1, 0x53, 0x22, body.length), body]))
  t.equal(Object.getOwnPropertyDescriptor({}, 'polluted'), undefined)
  t.ok(received === undefined || received.kind === 'store')
  if (received?.kind === 'store') t.equal(Object.getPrototypeOf(received.body.counters), Object.prototype)
  t.end()
})

test('fields of a later version are skipped', (t) => {
  const datagram = concat([encodeControl(store()), Uint8Array.of(0xf8, 0x07, 1)])
  t.strictSame(plain(decodeControl(datagram)), plain(store()))
  t.end()
})

test('every truncation and single-byte corruption is a message or none, never an exception', (t) => {
  const samples = [
    encodeControl(store()),
    encodeControl({
      session: 'S1',
      sender: 9,
      kind: 'sequencer',
      body: {
        epoch: 1,
        nextSequence: 300,
        stableSequence: 299,
        publishedIsStable: false,
        epochTable: [{ epoch: 1, sequence: 1 }],
        state: 'open',
        held: true,
        requestPort: 7712,
        counters: { repeats: 1 },
      },
    }),
  ]
  let accepted = 0
  let refused = 0
  for (const sample of samples) {
    for (const bad of hostile(Uint8Array.from(sample))) {
      const received = decodeControl(guarded(bad))
      if (received === undefined) refused++
      else {
        accepted++
        encodeControl(received)
      }
      if (JSON.stringify(plain(received)) !== JSON.stringify(plain(decodeControl(embedded(bad, 0xff))))) {
        t.fail(`bytes around ${Buffer.from(bad).toString('hex')} are read`)
      }
    }
  }
  t.ok(accepted > 0 && refused > 0, `${accepted} accepted, ${refused} refused`)
  t.end()
})
