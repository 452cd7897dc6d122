/** Client against server through any chunking, and both against broken bytes. */
import fc from 'fast-check'
import { test } from 'tap'
import { accepted, createClient, createServer, login, packet, TestLog, take } from './rewind-stub.js'

const event = fc.uint8Array({ maxLength: 200 })

/** Gives `bytes` to `sink` in pieces whose lengths are taken from `cuts`, around and around. */
function inPieces(bytes: Uint8Array, cuts: readonly number[], sink: (piece: Uint8Array) => void): void {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + cuts[i % cuts.length]!)
    // A copy that is spoilt afterwards: what is kept must have been copied.
    const piece = Uint8Array.from(bytes.subarray(at, end))
    sink(piece)
    piece.fill(0xaa)
    at = end
  }
}

test('the client gets what the log holds, recorded and live, through any chunking', (t) => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 60 }),
      fc.array(fc.array(event, { minLength: 1, maxLength: 5 }), { maxLength: 10 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 4_000 }),
      (recorded, live, cuts, fromSequence, packetEvents, maxBufferedBytes) => {
        const log = new TestLog(packetEvents)
        log.commit(...recorded)
        const server = createServer({ maxBufferedBytes }, log)
        const made = createClient({ fromSequence })
        const exchange = (): void => {
          while (made.sent.length > 0 || server.sent.length > 0) {
            inPieces(take(made.sent), cuts, (piece) => server.session.onBytes(piece, 0))
            inPieces(take(server.sent), cuts, (piece) => made.client.onBytes(piece, 0))
            server.session.onDrained(0)
          }
        }
        made.client.onConnected(0)
        exchange()
        for (const events of live) {
          log.commit(...events)
          server.session.onCommitted(0)
          exchange()
        }
        server.session.onSessionEnded(0)
        exchange()
        const last = log.committedSequence
        const expected = []
        for (let sequence = fromSequence; sequence <= last; sequence++) expected.push(sequence)
        if (made.events.length !== expected.length) throw new Error(`${made.events.length} of ${expected.length}`)
        for (const [i, one] of made.events.entries()) {
          if (one.sequence !== expected[i] || !one.event.equals(log.event(one.sequence))) throw new Error(`event ${i}`)
        }
        t.strictSame(
          [made.started, made.ended],
          [[[Math.min(fromSequence, recorded.length + 1), 'TEST']], ['end-of-session']],
        )
        t.strictSame(server.closed, ['session-ended'])
      },
    ),
    { numRuns: 200 },
  )
  t.end()
})

/** What can be done to a stream of bytes: each truncation, and each byte replaced by some others. */
function* damaged(bytes: Buffer): Generator<Buffer> {
  for (let end = 0; end <= bytes.length; end++) yield bytes.subarray(0, end)
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0x00, 0x01, 0x20, 0x7f, 0xff, bytes[at]! ^ 0x10]) {
      const broken = Buffer.from(bytes)
      broken[at] = value
      yield broken
    }
  }
}

test('damaged bytes never throw, and end at most once', (t) => {
  const toServer = Buffer.concat([login('TEST', 1), packet('R'), packet('U', 'abc'), packet('+', 'd'), packet('O')])
  const toClient = Buffer.concat([
    accepted('TEST', 1),
    packet('S', 'one'),
    packet('H'),
    packet('S', 'two'),
    packet('Z'),
  ])
  let closedServers = 0
  let endedClients = 0
  for (const bytes of damaged(toServer)) {
    const log = new TestLog()
    log.commit(Buffer.from('1'))
    const server = createServer({}, log)
    server.session.tick(0)
    inPieces(bytes, [7], (piece) => server.session.onBytes(piece, 0))
    server.session.tick(20_000_000)
    if (server.closed.length !== 1) throw new Error(`closed ${server.closed.length} times`)
    if (server.closed[0] !== 'logout' && server.closed[0] !== 'silent') closedServers++
  }
  for (const bytes of damaged(toClient)) {
    const made = createClient()
    made.client.onConnected(0)
    inPieces(bytes, [7], (piece) => made.client.onBytes(piece, 0))
    made.client.tick(20_000_000)
    if (made.ended.length !== 1 || made.closed.length !== 1) throw new Error(`ended ${made.ended.length} times`)
    if (made.ended[0] !== 'end-of-session' && made.ended[0] !== 'silent') endedClients++
  }
  t.ok(closedServers > 50, `${closedServers} servers noticed`)
  t.ok(endedClients > 50, `${endedClients} clients noticed`)
  t.end()
})

test('noise', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 8 }), fc.boolean(), (pieces, afterLogin) => {
      const server = createServer()
      const made = createClient()
      made.client.onConnected(0)
      if (afterLogin) {
        server.session.onBytes(login('TEST', 1), 0)
        made.client.onBytes(accepted('TEST', 1), 0)
      }
      for (const piece of pieces) {
        server.session.onBytes(piece, 0)
        made.client.onBytes(piece, 0)
      }
      if (server.closed.length > 1 || made.ended.length > 1) throw new Error('ended twice')
    }),
    { numRuns: 300 },
  )
  t.pass('no exception')
  t.end()
})
