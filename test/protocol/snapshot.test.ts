import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { SnapshotClient } from '../../src/protocol/snapshot-client.js'
import { SnapshotSession } from '../../src/protocol/snapshot-server.js'
import { type Checkpoint, encodeCheckpointHeader } from '../../src/wire/checkpoint.js'
import {
  endOfSnapshotPacket,
  parseEndOfSnapshot,
  SNAPSHOT_DATA,
  SNAPSHOT_HEADER,
  snapshotPacket,
} from '../../src/wire/snapshot.js'
import {
  loginAcceptedPacket,
  loginRequestPacket,
  SOUP_DEBUG,
  SOUP_END_OF_SESSION,
  SOUP_LOGOUT,
  SOUP_SERVER_HEARTBEAT,
  soupPacket,
} from '../../src/wire/soupbintcp.js'

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())

function checkpointOf(sequence: number, bodyBytes: number, epochs = 1): Checkpoint {
  const body = Uint8Array.from({ length: bodyBytes }, (_, i) => (i * 31 + sequence) & 0xff)
  const hash = sha256(new Uint8Array(1))
  const header = {
    ...{ session: 'S', component: 'desk', schemaHash: 'schema', codeHash: 'code', sequence, epoch: 1, timeUs: 1 },
    ...{ digest: hash, eventHash: hash, hasVoters: false, bodyBytes, bodyHash: sha256(body) },
    epochTable: Array.from({ length: epochs }, (_, i) => ({ epoch: i + 1, sequence: i + 1 })),
  }
  return { header, body }
}

/** A server and a client with a network between them that takes so many bytes at once, in pieces of any size. */
class Wire {
  readonly ends: (Checkpoint | string)[] = []
  readonly closes: string[] = []
  readonly server: SnapshotSession
  readonly client: SnapshotClient
  #toClient: Uint8Array[] = []
  #toServer: Uint8Array[] = []
  nowUs = 0
  mostBuffered = 0

  constructor(
    newest: Checkpoint | undefined,
    { session = 'S', newerThan = 0, maxBodyBytes = 10_000_000, chunk = 1_000 } = {},
  ) {
    this.chunk = chunk
    this.server = new SnapshotSession(
      { session: 'S', newest: () => newest, maxBufferedBytes: 100_000 },
      {
        send: (bytes) => void this.#toClient.push(bytes),
        close: (reason) => void this.closes.push(reason),
        bufferedBytes: () => this.buffered,
      },
    )
    this.client = new SnapshotClient(
      { session, wants: ({ sequence }) => sequence > newerThan, maxBodyBytes },
      {
        send: (bytes) => void this.#toServer.push(bytes),
        close: () => {},
        ended: (result) => void this.ends.push(result),
      },
    )
  }

  readonly chunk: number

  get buffered(): number {
    return this.#toClient.reduce((sum, { length }) => sum + length, 0)
  }

  run(): void {
    this.client.onConnected(this.nowUs)
    for (let turn = 0; turn < 10_000 && (this.#toClient.length > 0 || this.#toServer.length > 0); turn++) {
      this.nowUs += 1_000
      for (const bytes of this.#toServer.splice(0)) this.server.onBytes(bytes, this.nowUs)
      this.mostBuffered = Math.max(this.mostBuffered, this.buffered)
      const waiting = Buffer.concat(this.#toClient.splice(0))
      if (waiting.length > this.chunk) this.#toClient.push(new Uint8Array(waiting.subarray(this.chunk)))
      this.client.onBytes(new Uint8Array(waiting.subarray(0, this.chunk)), this.nowUs)
      this.server.onDrained(this.nowUs)
    }
  }
}

test('a checkpoint comes as it was, however the stream is cut', (t) => {
  fc.assert(
    fc.property(fc.nat(300_000), fc.integer({ min: 100, max: 90_000 }), (bodyBytes, chunk) => {
      const checkpoint = checkpointOf(1_000, bodyBytes)
      const wire = new Wire(checkpoint, { chunk })
      wire.run()
      t.strictSame(wire.ends, [checkpoint])
      t.ok(
        wire.closes.length === 1 && wire.mostBuffered < 200_000,
        `${wire.closes} with ${wire.mostBuffered} bytes waiting`,
      )
    }),
    { numRuns: 25 },
  )
  const many = checkpointOf(70_000, 10, 60_000)
  const wire = new Wire(many, { chunk: 60_000 })
  wire.run()
  t.strictSame(wire.ends, [many], 'a header of many messages')
  t.end()
})

test('what is not there, not wanted or too large', (t) => {
  const cases: [ConstructorParameters<typeof Wire>, RegExp, string][] = [
    [[undefined], /it has no checkpoint of session S/, 'session-not-available'],
    [[checkpointOf(9, 5), { session: 'OTHER' }], /it has no checkpoint of session OTHER/, 'session-not-available'],
    [[checkpointOf(9, 500_000), { newerThan: 9 }], /at event 9 is not wanted/, 'logout'],
    [[checkpointOf(9, 500_000), { maxBodyBytes: 499_999 }], /has 500000 bytes, more than 499999/, 'logout'],
  ]
  for (const [options, reason, close] of cases) {
    const wire = new Wire(...options)
    wire.run()
    t.match(wire.ends, [reason])
    t.strictSame(wire.closes, [close])
  }
  t.end()
})

/** What a client makes of the packets of a server that is something else. */
function clientOf(packets: readonly Uint8Array[], nowUs: number[] = []): (Checkpoint | string)[] {
  const ends: (Checkpoint | string)[] = []
  const client = new SnapshotClient(
    { session: 'S', wants: () => true },
    { send: () => {}, close: () => {}, ended: (result) => void ends.push(result) },
  )
  client.onConnected(0)
  for (const packet of packets) client.onBytes(packet, 1)
  for (const us of nowUs) client.tick(us)
  return ends
}

test('a server that is wrong, dead or hostile', (t) => {
  const { header, body } = checkpointOf(9, 100)
  const login = loginAcceptedPacket({ session: 'S', sequence: 1 })
  const headerPacket = snapshotPacket(SNAPSHOT_HEADER, encodeCheckpointHeader(header))
  const data = snapshotPacket(SNAPSHOT_DATA, body)
  const cases: [Uint8Array[], RegExp][] = [
    [[login, headerPacket, data, data], /more bytes than its header says/],
    [[login, headerPacket, endOfSnapshotPacket(10)], /0 bytes of 100/],
    [[login, headerPacket, data, endOfSnapshotPacket(11)], /the sequence to go on from/],
    [[login, headerPacket, data, soupPacket(SOUP_END_OF_SESSION)], /before the snapshot was whole/],
    [[login, data], /its header is none of this version/],
    [[login, headerPacket, data, headerPacket], /unexpected message of type 0x48/],
    [[login, snapshotPacket(0x99, body)], /unexpected message of type 0x99/],
    [
      [login, ...Array.from({ length: 40 }, () => snapshotPacket(SNAPSHOT_HEADER, new Uint8Array(30_000)))],
      /a header of more than/,
    ],
    [[login, snapshotPacket(SNAPSHOT_HEADER, new Uint8Array(0))], /an empty piece/],
    [[login, headerPacket, snapshotPacket(SNAPSHOT_DATA, new Uint8Array(0))], /an empty piece/],
    [[login, login], /unexpected packet of type 0x41/],
    [[data], /unexpected packet of type 0x53/],
    [[loginAcceptedPacket({ session: 'X', sequence: 1 })], /it is of session X/],
    [[new Uint8Array([0, 0])], /no SoupBinTCP: zero-length/],
  ]
  for (const [packets, reason] of cases) t.match(clientOf(packets), [reason])
  t.match(clientOf([login, headerPacket], [2, 14_000_000, 15_000_002]), [/nothing was heard for 15000 ms/])
  const ends: unknown[] = []
  const silent = new SnapshotClient(
    { session: 'S', wants: () => true },
    { send: () => {}, close: () => {}, ended: (r) => void ends.push(r) },
  )
  t.strictSame([silent.tick(5), silent.tick(2_999_999), ends.length], [3_000_005, 3_000_005, 0])
  silent.tick(3_000_005)
  t.match(ends, [/nothing was heard for 3000 ms/], 'a machine that does not answer')
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), (chunks) => {
      const results = clientOf([login, headerPacket, ...chunks])
      return results.every((result) => typeof result === 'string')
    }),
  )
  t.end()
})

test('a server that says no more than that it is there, or next to nothing, does not hold up who starts', (t) => {
  const { header, body } = checkpointOf(9, 200_000)
  const login = loginAcceptedPacket({ session: 'S', sequence: 1 })
  const headerPacket = snapshotPacket(SNAPSHOT_HEADER, encodeCheckpointHeader(header))
  const waitedUs = (packets: readonly Uint8Array[]): number => {
    const ends: (Checkpoint | string)[] = []
    const client = new SnapshotClient(
      { session: 'S', wants: () => true },
      { send: () => {}, close: () => {}, ended: (result) => void ends.push(result) },
    )
    client.onConnected(0)
    client.onBytes(login, 0)
    client.onBytes(headerPacket, 0)
    let nowUs = 0
    for (let i = 0; ends.length === 0 && nowUs < 1_000_000_000; i++) {
      nowUs += 1_000_000
      client.onBytes(packets[i % packets.length] ?? login, nowUs)
      client.tick(nowUs)
    }
    t.match(ends, [/it is too slow: \d+ bytes in \d+ ms/])
    return nowUs
  }
  t.equal(waitedUs([soupPacket(SOUP_SERVER_HEARTBEAT)]), 21_000_000)
  t.equal(waitedUs([snapshotPacket(SNAPSHOT_DATA, body.subarray(0, 1))]), 21_000_000)
  t.equal(waitedUs([snapshotPacket(SNAPSHOT_DATA, body.subarray(0, 2_000))]), 21_000_000)
  t.end()
})

test('a client that is wrong, silent or slow', (t) => {
  const open = (): { session: SnapshotSession; closes: string[]; sent: Uint8Array[]; state: { buffered: number } } => {
    const closes: string[] = []
    const sent: Uint8Array[] = []
    const state = { buffered: 0 }
    const session = new SnapshotSession(
      { session: 'S', newest: () => checkpointOf(9, 1_000_000), maxBufferedBytes: 50_000 },
      {
        send: (bytes) => void sent.push(bytes),
        close: (r) => void closes.push(r),
        bufferedBytes: () => state.buffered,
      },
    )
    return { session, closes, sent, state }
  }
  const login = loginRequestPacket({ username: '', password: '', session: 'S', sequence: 1 })
  const first = open()
  first.session.onBytes(new Uint8Array([0xff, 0xff]), 0)
  t.strictSame(first.closes, ['malformed'], 'no room is made for what no client sends')
  const second = open()
  second.session.tick(0)
  second.session.onBytes(soupPacket(SOUP_DEBUG), 10_000_000)
  second.session.tick(15_000_000)
  t.strictSame(second.closes, ['silent'], 'who does not log in')
  const third = open()
  third.state.buffered = 50_000
  third.session.onBytes(login, 0)
  t.equal(third.sent.length, 1, 'nothing more than the login while the network takes nothing')
  third.session.onBytes(login, 1)
  t.strictSame(third.closes, ['unexpected-packet'])
  const fourth = open()
  fourth.state.buffered = 50_000
  fourth.session.onBytes(login, 0)
  fourth.session.onBytes(soupPacket(SOUP_LOGOUT), 1)
  t.strictSame(fourth.closes, ['logout'])
  const fifth = open()
  fifth.session.onBytes(login, 0)
  t.strictSame(fifth.closes, ['complete'])
  const sixth = open()
  sixth.session.onBytes(login.subarray(0, 20), 0)
  t.strictSame([sixth.closes, sixth.sent.length], [[], 0])
  t.end()
})

test('the sequence to go on from', (t) => {
  const payloadOf = (packet: Uint8Array): Uint8Array => packet.subarray(4)
  t.equal(parseEndOfSnapshot(payloadOf(endOfSnapshotPacket(1_234_567))), 1_234_567)
  for (const text of ['', '0', '1', '-5', '1.5', '99999999999999999999', 'abc']) {
    t.equal(parseEndOfSnapshot(Buffer.from(text.padStart(20))), undefined, text)
  }
  t.equal(parseEndOfSnapshot(new Uint8Array(19)), undefined)
  t.end()
})
