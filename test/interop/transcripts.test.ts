import { test } from 'tap'
import { sessionBytes } from '../../src/core/session.js'
import { BinaryFileReader, binaryFileEnd, binaryFileRecord } from '../../src/wire/binaryfile.js'
import { readU16, writeU16 } from '../../src/wire/bytes.js'
import {
  blocksEnd,
  checkDownstream,
  checkRequest,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  moldCount,
  moldSequence,
  writeMoldHeader,
} from '../../src/wire/moldudp64.js'
import {
  loginAcceptedPacket,
  loginRejectedPacket,
  loginRequestPacket,
  parseLoginAccepted,
  parseLoginRequest,
  SOUP_CLIENT_HEARTBEAT,
  SOUP_DEBUG,
  SOUP_END_OF_SESSION,
  SOUP_LOGOUT,
  SOUP_SEQUENCED,
  SOUP_SERVER_HEARTBEAT,
  SOUP_UNSEQUENCED,
  SoupParser,
  soupPacket,
} from '../../src/wire/soupbintcp.js'
import { moldRequest, parseMold } from '../fixtures/independent-mold-reader.js'
import { concat } from '../wire/hostile-bytes.js'
import { BINARYFILE, hex, MOLD, SOUP } from './transcripts.js'

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, 'latin1'))

function ours(session: string, sequence: number, count: number, messages: readonly Uint8Array[] = []): Uint8Array {
  const header = new Uint8Array(MOLD_HEADER_BYTES)
  writeMoldHeader(header, 0, sessionBytes(session), sequence, count)
  const blocks = messages.map((message) => {
    const block = new Uint8Array(2 + message.length)
    writeU16(block, 0, message.length)
    block.set(message, 2)
    return block
  })
  return concat([header, ...blocks])
}

test('MoldUDP64: what we write is what the document says', (t) => {
  t.same(ours('MOLD64TEST', 1, 2, [text('hello'), text('')]), MOLD.twoMessages)
  t.same(ours('S1', 2 ** 32, 1, [hex('01ff00')]), MOLD.beyond32Bits)
  t.same(ours('MOLD64TEST', 3, 0), MOLD.heartbeat)
  t.same(ours('MOLD64TEST', 3, MOLD_END_OF_SESSION), MOLD.endOfSession)
  t.same(ours('MOLD64TEST', 258, 200), MOLD.request)
  t.end()
})

test('MoldUDP64: what the document says is what we read', (t) => {
  for (const [name, sequence, count] of [
    ['twoMessages', 1, 2],
    ['beyond32Bits', 2 ** 32, 1],
    ['heartbeat', 3, 0],
    ['endOfSession', 3, 0xffff],
  ] as const) {
    const packet = MOLD[name]
    t.equal(checkDownstream(packet), undefined, name)
    t.strictSame([moldSequence(packet), moldCount(packet)], [sequence, count], name)
  }
  t.equal(checkRequest(MOLD.request), undefined)
  t.equal(checkDownstream(MOLD.request), 'truncated-block', 'a request is no downstream packet')
  t.equal(readU16(MOLD.twoMessages, MOLD_HEADER_BYTES), 5)
  t.equal(blocksEnd(MOLD.twoMessages, MOLD_HEADER_BYTES, 2), MOLD.twoMessages.length)
  t.end()
})

test('the independent MoldUDP64 reader agrees with the transcripts', (t) => {
  const parsed = (bytes: Uint8Array) => parseMold(Buffer.from(bytes))
  t.match(parsed(MOLD.twoMessages), { kind: 'messages', session: 'MOLD64TEST', sequence: 1n, count: 2, bytesAfter: 0 })
  t.strictSame(parsed(MOLD.twoMessages).messages.map(String), ['hello', ''])
  t.match(parsed(MOLD.beyond32Bits), { session: 'S1        ', sequence: 4_294_967_296n })
  t.match(parsed(MOLD.heartbeat), { kind: 'heartbeat', sequence: 3n })
  t.match(parsed(MOLD.endOfSession), { kind: 'end-of-session', sequence: 3n })
  t.throws(() => parsed(MOLD.request), /has no length/)
  t.same(Uint8Array.from(moldRequest('MOLD64TEST', 258n, 200)), MOLD.request)
  t.end()
})

test('SoupBinTCP: what we write is what the document says', (t) => {
  const login = { username: 'bob', password: 'secret', session: 'S1', sequence: 42 }
  t.same(loginRequestPacket(login), SOUP.loginRequest)
  t.same(loginRequestPacket({ username: '', password: '', session: '', sequence: 0 }), SOUP.loginRequestBlank)
  t.same(loginAcceptedPacket({ session: 'S1', sequence: 42 }), SOUP.loginAccepted)
  t.same(loginRejectedPacket('not-authorised'), SOUP.notAuthorised)
  t.same(loginRejectedPacket('session-not-available'), SOUP.sessionNotAvailable)
  t.same(soupPacket(SOUP_SEQUENCED, text('hi')), SOUP.sequenced)
  t.same(soupPacket(SOUP_SEQUENCED), SOUP.sequencedEmpty)
  t.same(soupPacket(SOUP_UNSEQUENCED, hex('07')), SOUP.unsequenced)
  t.same(soupPacket(SOUP_DEBUG, text('note')), SOUP.debug)
  t.same(soupPacket(SOUP_SERVER_HEARTBEAT), SOUP.serverHeartbeat)
  t.same(soupPacket(SOUP_CLIENT_HEARTBEAT), SOUP.clientHeartbeat)
  t.same(soupPacket(SOUP_END_OF_SESSION), SOUP.endOfSession)
  t.same(soupPacket(SOUP_LOGOUT), SOUP.logout)
  t.end()
})

test('SoupBinTCP: what the document says is what we read, in one stream', (t) => {
  const seen: [string, string][] = []
  const parser = new SoupParser((type, bytes, at, end) => {
    seen.push([String.fromCharCode(type), Buffer.from(bytes.slice(at, end)).toString('hex')])
    return true
  })
  t.equal(parser.push(concat(Object.values(SOUP))), undefined)
  t.equal(seen.map(([type]) => type).join(''), 'LLAJJSSU+HRZO')
  t.strictSame(
    seen.slice(3, 9).map(([, payload]) => payload),
    ['41', '53', '6869', '', '07', '6e6f7465'],
  )
  t.strictSame(parseLoginRequest(SOUP.loginRequest.subarray(3)), {
    username: 'bob',
    password: 'secret',
    session: 'S1',
    sequence: 42,
  })
  t.strictSame(parseLoginRequest(SOUP.loginRequestBlank.subarray(3)), {
    username: '',
    password: '',
    session: '',
    sequence: 0,
  })
  t.strictSame(parseLoginAccepted(SOUP.loginAccepted.subarray(3)), { session: 'S1', sequence: 42 })
  t.end()
})

test('BinaryFILE: written and read as the document says', (t) => {
  const messages = [text('hello'), hex('ff'), new Uint8Array(256).fill(0x61)]
  t.same(concat([...messages.map(binaryFileRecord), binaryFileEnd()]), BINARYFILE)
  const read: Uint8Array[] = []
  const reader = new BinaryFileReader((message) => read.push(message.slice()))
  t.equal(reader.push(BINARYFILE), undefined)
  t.equal(reader.finish(), 'end-of-session')
  t.same(read, messages)
  t.end()
})
