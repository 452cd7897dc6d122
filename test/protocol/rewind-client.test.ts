import { test } from 'tap'
import { accepted, createClient, login, packet, take } from './rewind-stub.js'

const S = 1_000_000

test('a whole session, byte for byte', (t) => {
  const made = createClient({ fromSequence: 12, username: 'me', password: 'pass' })
  const { client, sent } = made
  t.equal(client.tick(0), Number.POSITIVE_INFINITY)
  client.onConnected(0)
  t.equal(
    take(sent).toString('hex'),
    '002f4c' +
      '6d6520202020' +
      '70617373202020202020' +
      '20202020202054455354' +
      '2020202020202020202020202020202020203132',
  )
  client.onBytes(
    Buffer.from('001f41' + '20202020202054455354' + '2020202020202020202020202020202020203132' + '000453616263', 'hex'),
    10,
  )
  client.onBytes(Buffer.concat([packet('H'), packet('S', 'de'), packet('+', 'x'), packet('U', 'y'), packet('S')]), 20)
  t.strictSame(made.started, [[12, 'TEST']])
  t.strictSame(made.runs, [1, 2], 'one run for each read')
  t.same(made.events, [
    { sequence: 12, event: Buffer.from('abc') },
    { sequence: 13, event: Buffer.from('de') },
    { sequence: 14, event: Buffer.alloc(0) },
  ])
  t.equal(client.tick(20), S)
  t.equal(client.tick(S), 2 * S)
  t.equal(take(sent).toString('hex'), '000152')
  client.onBytes(Buffer.concat([packet('S', 'last'), packet('Z'), packet('S', 'never')]), S)
  t.equal(made.events.length, 4)
  t.strictSame([made.closed, made.ended], [['end-of-session'], ['end-of-session']])
  client.onBytes(packet('S', 'never'), S)
  client.onDisconnected('closed')
  client.stop(S)
  t.equal(client.tick(99 * S), Number.POSITIVE_INFINITY)
  t.strictSame([made.events.length, made.ended.length, made.closed.length, sent.length], [4, 1, 1, 0])
  t.end()
})

test('how it ends otherwise', (t) => {
  const end = (bytes: Uint8Array, session = 'TEST'): string[] => {
    const made = createClient({ session })
    made.client.onConnected(0)
    made.client.onBytes(bytes, 0)
    if (made.closed.length !== made.ended.length) throw new Error('closed and ended go together')
    return made.ended
  }
  t.strictSame(end(packet('J', 'A')), ['not-authorised'])
  t.strictSame(end(packet('J', 'S')), ['session-not-available'])
  t.strictSame(end(packet('J', '')), ['malformed'])
  t.strictSame(end(accepted('OTHER', 1)), ['foreign-session'])
  t.strictSame(end(accepted('OTHER', 1), ''), [], 'any session was asked for')
  t.strictSame(end(accepted('TEST', 0)), ['malformed'])
  t.strictSame(end(packet('A', 'TEST')), ['malformed'])
  t.strictSame(end(packet('S', 'before the login')), ['unexpected-packet'])
  t.strictSame(end(Buffer.concat([accepted('TEST', 1), accepted('TEST', 1)])), ['unexpected-packet'])
  t.strictSame(end(Buffer.concat([accepted('TEST', 1), packet('J', 'A')])), ['unexpected-packet'])
  t.strictSame(end(login('TEST', 1)), ['unexpected-packet'])
  t.strictSame(end(Buffer.alloc(9)), ['malformed'])
  t.end()
})

test('silence, a lost connection, stopping', (t) => {
  const silent = createClient()
  silent.client.onConnected(0)
  t.equal(silent.client.tick(1), 15 * S)
  silent.client.tick(15 * S)
  t.strictSame([silent.ended, silent.closed], [['silent'], ['silent']])

  const lost = createClient()
  lost.client.onConnected(0)
  lost.client.onDisconnected('ECONNRESET')
  t.strictSame([lost.ended, lost.closed], [['disconnected'], []])

  const stopped = createClient()
  stopped.client.onConnected(0)
  take(stopped.sent)
  stopped.client.stop(1)
  t.same(take(stopped.sent), packet('O'))
  t.strictSame([stopped.ended, stopped.closed], [['stopped'], ['stopped']])
  t.end()
})

test('a server that starts elsewhere', (t) => {
  const before = createClient({ fromSequence: 5 })
  before.client.onConnected(0)
  before.client.onBytes(Buffer.concat([accepted('TEST', 3), ...['3', '4', '5', '6'].map((e) => packet('S', e))]), 0)
  t.strictSame(before.started, [[3, 'TEST']])
  t.strictSame(
    before.events.map(({ sequence, event }) => [sequence, String(event)]),
    [
      [5, '5'],
      [6, '6'],
    ],
  )
  t.equal(before.client.counters.skipped, 2)

  const after = createClient({ fromSequence: 5 })
  after.client.onConnected(0)
  after.client.onBytes(Buffer.concat([accepted('TEST', 9), packet('S', '9')]), 0)
  t.strictSame(after.started, [[9, 'TEST']], 'the caller sees what is missing')
  t.equal(after.events[0]?.sequence, 9)
  t.end()
})

test('a large read becomes runs of bounded size', (t) => {
  const made = createClient()
  made.client.onConnected(0)
  const events = Array.from({ length: 4 }, (_, i) => Buffer.alloc(i === 1 ? 65_534 : 40_000, i))
  made.client.onBytes(Buffer.concat([accepted('TEST', 1), ...events.map((event) => packet('S', event))]), 0)
  t.strictSame(made.runs, [2, 2])
  t.ok(made.events.every(({ sequence, event }) => event.equals(events[sequence - 1]!)))
  t.end()
})
