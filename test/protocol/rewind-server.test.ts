/** Transcripts written by hand from the SoupBinTCP 3.00 specification, and the server's pace. */
import { test } from 'tap'
import { RewindSession } from '../../src/protocol/rewind-server.js'
import { accepted, createServer, login, onlyTest, packet, TestLog, take, text } from './rewind-stub.js'

const S = 1_000_000

function logOf(...events: string[]): TestLog {
  const log = new TestLog()
  log.commit(...events.map(text))
  return log
}

test('a whole session, byte for byte', (t) => {
  const { session, log, sent, closed } = createServer({}, logOf('one', 'two'))
  session.onBytes(
    Buffer.from(
      '002f4c' +
        '202020202020' +
        '20202020202020202020' +
        '20202020202054455354' +
        '2020202020202020202020202020202020202031',
      'hex',
    ),
    0,
  )
  t.equal(
    take(sent).toString('hex'),
    '001f41' + '20202020202054455354' + '2020202020202020202020202020202020202031' + '0004536f6e65' + '00045374776f',
  )
  log.commit(text('live'))
  session.onCommitted(1_000)
  t.equal(take(sent).toString('hex'), '0005536c697665')
  t.equal(session.tick(1_000), 1 * S + 1_000)
  session.tick(S + 1_000)
  t.equal(take(sent).toString('hex'), '000148', 'a heartbeat after a second of silence')
  log.commit(text(''))
  session.onSessionEnded(2 * S)
  t.equal(take(sent).toString('hex'), '000153' + '00015a', 'an empty message, then the end')
  t.strictSame(closed, ['session-ended'])
  log.commit(text('late'))
  session.onCommitted(2 * S)
  session.onBytes(packet('O'), 2 * S)
  t.equal(session.tick(99 * S), Number.POSITIVE_INFINITY)
  t.equal(sent.length, 0)
  t.equal(closed.length, 1)
  t.end()
})

test('where a login starts', (t) => {
  const starts = (sequence: number, log: TestLog, session = 'TEST'): [string, string] => {
    const server = createServer({}, log)
    server.session.onBytes(login(session, sequence), 0)
    const sent = take(server.sent)
    return [sent.subarray(0, 33).toString('latin1'), sent.subarray(33).toString('latin1')]
  }
  const a = (sequence: number): string => accepted('TEST', sequence).toString('latin1')
  const s = (message: string): string => packet('S', message).toString('latin1')
  const three = logOf('1', '2', '3')
  t.strictSame(starts(2, three), [a(2), s('2') + s('3')])
  t.strictSame(starts(0, three), [a(3), s('3')], 'the most recently generated message')
  t.strictSame(starts(4, three), [a(4), ''], 'the next one')
  t.strictSame(starts(1_000, three), [a(4), ''], 'past the end: the acceptance names the end')
  t.strictSame(starts(1, three, ''), [a(1), s('1') + s('2') + s('3')], 'blank: the current session')
  t.strictSame(starts(0, new TestLog()), [a(1), ''], 'nothing recorded yet')
  const late = new TestLog(3, 10)
  late.commit(text('10'), text('11'))
  t.strictSame(starts(1, late), [a(10), s('10') + s('11')], 'the log begins later')
  t.strictSame(starts(0, new TestLog(3, 10)), [a(10), ''])
  t.end()
})

test('refused logins', (t) => {
  const credentials = { username: 'User', password: 'Secret' }
  const answer = (bytes: Uint8Array): [string, string[]] => {
    const { session, sent, closed } = createServer({ credentials }, logOf('1'))
    session.onBytes(bytes, 0)
    return [take(sent).toString('latin1').slice(0, 4), closed]
  }
  t.strictSame(answer(login('TEST', 1, 'user', 'SECRET')), [accepted('', 1).toString('latin1').slice(0, 4), []])
  t.strictSame(answer(login('TEST', 1, 'user', 'wrong')), ['\0\x02JA', ['not-authorised']])
  t.strictSame(answer(login('TEST', 1)), ['\0\x02JA', ['not-authorised']])
  t.strictSame(answer(login('OTHER', 1, 'user', 'secret')), ['\0\x02JS', ['session-not-available']])
  t.strictSame(answer(login('OTHER', 1)), ['\0\x02JA', ['not-authorised']], 'a stranger learns no session')
  t.strictSame(answer(packet('L', 'short')), ['', ['malformed']])
  t.strictSame(answer(packet('L', login('TEST', 1).subarray(3).fill(0x78, 43))), ['', ['malformed']])
  t.strictSame(answer(Buffer.from([0, 0, 0])), ['', ['malformed']])
  t.strictSame(answer(packet('S', 'data')), ['', ['unexpected-packet']])
  t.strictSame(answer(Buffer.from('GET / HTTP/1.1\r\n\r\n'.padEnd(20_000, 'x'))), ['', ['unexpected-packet']])
  t.end()
})

test('what a client may say, and what it may not', (t) => {
  const { session, sent, closed } = createServer({}, logOf('1'))
  session.onBytes(packet('+', 'hello'), 0)
  session.onBytes(login('TEST', 1), 0)
  take(sent)
  session.onBytes(Buffer.concat([packet('U', 'order'), packet('+', 'debug'), packet('R'), packet('U')]), 0)
  t.equal(sent.length, 0)
  t.strictSame([session.counters.ignoredDebug, session.counters.ignoredUnsequenced], [2, 2])
  session.onBytes(Buffer.concat([packet('O'), login('TEST', 1)]), 0)
  t.strictSame(closed, ['logout'])
  t.equal(sent.length, 0)

  const twice = createServer({}, logOf('1'))
  twice.session.onBytes(Buffer.concat([login('TEST', 1), login('TEST', 1)]), 0)
  t.strictSame(twice.closed, ['unexpected-packet'])
  t.end()
})

test('silence: heartbeats out after one second, gone after fifteen', (t) => {
  const { session, sent, closed } = createServer({}, logOf('1'))
  t.equal(session.tick(5), 15 * S + 5, 'also before the login')
  session.onBytes(login('TEST', 1), 10)
  take(sent)
  let nowUs = 10
  for (let i = 0; i < 14; i++) {
    nowUs = session.tick(nowUs)
    session.tick(nowUs)
    t.same(take(sent), packet('H'))
  }
  t.equal(nowUs, 10 + 14 * S)
  session.tick(10 + 15 * S - 1)
  t.strictSame(closed, [])
  session.onBytes(packet('R'), 10 + 15 * S - 1)
  session.tick(10 + 15 * S)
  t.strictSame(closed, [])
  session.tick(10 + 30 * S - 1)
  t.strictSame(closed, ['silent'])

  const mute = createServer()
  mute.session.tick(0)
  mute.session.tick(15 * S)
  t.strictSame(mute.closed, ['silent'])
  t.end()
})

test('a slow client holds back reading from the log, and resumes it', (t) => {
  const log = new TestLog(10)
  const events = Array.from({ length: 10_000 }, (_, i) => text(`event ${i}`.padEnd(100)))
  log.commit(...events)
  const { session, sent } = createServer({ maxBufferedBytes: 200_000 }, log)
  session.onBytes(login('TEST', 1), 0)
  const outstanding = sent.reduce((sum, bytes) => sum + bytes.length, 0)
  t.ok(outstanding >= 200_000 && outstanding < 200_000 + 2 * 65_537, `${outstanding} bytes`)
  t.equal(sent.length, 1 + Math.ceil(outstanding / 65_537), 'many events in each send')
  session.onCommitted(1)
  t.equal(
    sent.reduce((sum, bytes) => sum + bytes.length, 0),
    outstanding,
    'nothing more while it is outstanding',
  )
  t.equal(session.tick(2 * S), 3 * S, 'no heartbeat behind what waits')
  const received = [take(sent)]
  for (let turns = 0; session.nextSequence <= 10_000; turns++) {
    if (turns > 20) throw new Error('does not get on')
    session.onDrained(0)
    received.push(take(sent))
  }
  const expected = [accepted('TEST', 1), ...events.map((event) => packet('S', event))]
  t.ok(Buffer.concat(received).equals(Buffer.concat(expected)))
  t.equal(session.counters.sentEvents, 10_000)
  t.end()
})

test('a fast network does not keep the server in one call', (t) => {
  const log = new TestLog(10)
  log.commit(...Array.from({ length: 10_000 }, () => text('x'.repeat(100))))
  let sentBytes = 0
  const session = new RewindSession(
    { find: onlyTest(log), maxBufferedBytes: 200_000 },
    { send: (bytes) => (sentBytes += bytes.length), close: () => {}, bufferedBytes: () => 0 },
  )
  session.onBytes(login('TEST', 1), 0)
  t.ok(sentBytes > 200_000 && sentBytes < 400_000, `${sentBytes} bytes in the first call`)
  t.equal(session.tick(7), 7, 'there is more at once')
  t.ok(sentBytes > 400_000 && sentBytes < 700_000, `${sentBytes} bytes after the second`)
  for (let i = 0; i < 10; i++) session.tick(8)
  t.equal(session.nextSequence, 10_001)
  t.equal(session.tick(8), 8 + S)
  t.end()
})

test('a log that cannot be read ends the connection with what was readable and a word', (t) => {
  const log = logOf('1', '2', '3', '4')
  log.failAt = 4
  const { session, sent, closed } = createServer({}, log)
  session.onBytes(login('TEST', 1), 0)
  const debug = packet('+', 'session TEST: the value at 4 is corrupt')
  t.same(take(sent), Buffer.concat([accepted('TEST', 1), ...['1', '2', '3'].map((e) => packet('S', e)), debug]))
  t.strictSame(closed, ['log-failed'])
  t.end()
})

test('a client that sends bytes and never a whole login is closed all the same', (t) => {
  const { session, closed } = createServer({}, logOf('1'))
  const whole = login('TEST', 1)
  for (let second = 0; second < 15; second++) {
    session.onBytes(whole.subarray(second, second + 1), second * S)
    session.tick(second * S)
  }
  t.strictSame(closed, [])
  session.tick(15 * S)
  t.strictSame(closed, ['silent'])
  const late = createServer({}, logOf('1'))
  late.session.onBytes(whole.subarray(0, 9), 0)
  late.session.onBytes(whole.subarray(9), 14 * S)
  late.session.tick(20 * S)
  t.strictSame(late.closed, [], 'the login counts as heard')
  t.end()
})

test('a log that takes its tail back ends the connections that have read it', (t) => {
  for (const [from, closed] of [
    [4, ['truncated']],
    [5, []],
  ] as const) {
    const { session, log, closed: reasons } = createServer({}, logOf('1', '2', '3'))
    const waiting = createServer({}, log)
    waiting.session.onTruncated(1, 0)
    t.strictSame(waiting.closed, [], 'nothing was sent before the login')
    log.commit(text('4'))
    session.onTruncated(from, 0)
    session.onBytes(login('TEST', 1), 0)
    t.equal(session.nextSequence, 5)
    session.onTruncated(from, 1)
    t.strictSame(reasons, closed)
  }
  t.end()
})
