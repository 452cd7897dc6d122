/** What Wireshark's dissectors make of our packets. Skipped where tshark is not installed (`apt-get install tshark`). */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { sessionBytes } from '../../src/core/session.js'
import { writeU16 } from '../../src/wire/bytes.js'
import { EVENT_HEADER_BYTES, stampEvent, WHOLE_MESSAGE, writeCommandHeader } from '../../src/wire/event.js'
import { MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, writeMoldHeader } from '../../src/wire/moldudp64.js'
import {
  loginAcceptedPacket,
  loginRejectedPacket,
  loginRequestPacket,
  SOUP_CLIENT_HEARTBEAT,
  SOUP_DEBUG,
  SOUP_END_OF_SESSION,
  SOUP_LOGOUT,
  SOUP_SEQUENCED,
  SOUP_SERVER_HEARTBEAT,
  SOUP_UNSEQUENCED,
  soupPacket,
} from '../../src/wire/soupbintcp.js'
import { concat } from '../wire/hostile-bytes.js'
import { pcapFile, TcpConversation, udpPacket } from './pcap.js'

const UDP_PORT = 7701
const TCP_PORT = 7711

function hasTshark(): boolean {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const skip = hasTshark() ? false : 'tshark is not installed'

function tshark(args: readonly string[]): string {
  return execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** The named fields of each packet; a field that occurs more than once has several values. */
function dissect(file: string, decodeAs: string, fields: readonly string[]): string[][][] {
  const args = ['-n', '-r', file, '-d', decodeAs, '-T', 'fields', '-E', 'separator=|', '-E', 'aggregator=;']
  return tshark([...args, ...fields.flatMap((field) => ['-e', field])])
    .trimEnd()
    .split('\n')
    .map((line) => line.split('|').map((value) => (value === '' ? [] : value.split(';'))))
}

function event(sequence: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(EVENT_HEADER_BYTES + payload.length)
  writeCommandHeader(bytes, 0, 256, 3, sequence, WHOLE_MESSAGE)
  stampEvent(bytes, 0, { high: 0x1760_0000, low: sequence }, 1)
  bytes.set(payload, EVENT_HEADER_BYTES)
  return bytes
}

function mold(session: string, sequence: number, count: number, blocks: readonly Uint8Array[] = []): Uint8Array {
  const header = new Uint8Array(MOLD_HEADER_BYTES)
  writeMoldHeader(header, 0, sessionBytes(session), sequence, count)
  return concat([
    header,
    ...blocks.flatMap((block) => {
      const length = new Uint8Array(2)
      writeU16(length, 0, block.length)
      return [length, block]
    }),
  ])
}

const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
/** A character field is printed as 'A' by some versions, as 0x41 by others. */
const letter = (code: string): string =>
  code.startsWith('0x') ? String.fromCharCode(Number(code)) : code.replaceAll("'", '')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test("Wireshark's moldudp64 dissector reads our packets", { skip }, (t) => {
  const blocks = [event(1, new Uint8Array(0)), event(2, Uint8Array.of(1, 2, 3)), event(3, new Uint8Array(1000).fill(9))]
  const packets = [
    mold('20261120A', 1, blocks.length, blocks),
    mold('20261120A', 2 ** 53 - 2, 1, [event(9, Uint8Array.of(7))]),
    mold('20261120A', 4, 0),
    mold('20261120A', 4, MOLD_END_OF_SESSION),
    mold('20261120A', 2, 300),
  ]
  const file = join(t.testdir(), 'mold.pcap')
  writeFileSync(file, pcapFile(packets.map((packet) => udpPacket(UDP_PORT, packet))))
  const names = ['session', 'sequence', 'count', 'msglen', 'msgseq', 'msgdata'].map((name) => `moldudp64.${name}`)
  const rows = dissect(file, `udp.port==${UDP_PORT},moldudp64`, [...names, '_ws.expert.message', '_ws.col.Info'])
  t.equal(rows.length, packets.length)
  t.ok(rows.every(([session]) => session?.[0]?.trimEnd() === '20261120A'))
  t.strictSame(
    rows.map(([, sequence, count]) => [Number(sequence?.[0]), Number(count?.[0])]),
    [
      [1, 3],
      [2 ** 53 - 2, 1],
      [4, 0],
      [4, 65_535],
      [2, 300],
    ],
  )
  t.strictSame(rows[0]?.[3], ['20', '23', '1020'])
  t.strictSame(rows[0]?.[4], ['1', '2', '3'])
  t.strictSame(rows[0]?.[5], blocks.map(hex))
  t.strictSame(rows[1]?.[4], [String(2 ** 53 - 2)])
  // It takes any header without blocks and with a count, an end of session too, for a request, and notes the count.
  const remarks = rows.map((row) => row[6] ?? [])
  t.strictSame(remarks.slice(0, 3), [[], [], []], 'no complaint')
  t.ok(remarks.slice(3).every(([remark]) => remark === undefined || remark === 'Number of Requested Messages'))
  t.match(
    rows.map((row) => row[7]?.[0]),
    [/Messages/, /Messages/, /Heartbeat/, /End Of Session/, /Request/],
  )
  t.end()
})

test("Wireshark's soupbintcp dissector reads our packets, split or together", { skip }, (t) => {
  const tcp = new TcpConversation(TCP_PORT)
  const long = soupPacket(SOUP_SEQUENCED, event(43, new Uint8Array(500).fill(7)))
  // The dissector (4.0) starts a new conversation at a login: what is split between segments comes after it here.
  const segments = [
    tcp.fromClient(loginRequestPacket({ username: 'bob', password: 'secret', session: 'S1', sequence: 42 })),
    tcp.fromServer(loginAcceptedPacket({ session: 'S1', sequence: 42 })),
    tcp.fromServer(concat([soupPacket(SOUP_SEQUENCED, event(42, Uint8Array.of(1))), long.subarray(0, 100)])),
    tcp.fromServer(concat([long.subarray(100), soupPacket(SOUP_SERVER_HEARTBEAT)])),
    tcp.fromClient(concat([soupPacket(SOUP_CLIENT_HEARTBEAT), soupPacket(SOUP_UNSEQUENCED, Uint8Array.of(5))])),
    tcp.fromServer(concat([soupPacket(SOUP_DEBUG, ascii('note')), soupPacket(SOUP_END_OF_SESSION)])),
    tcp.fromClient(soupPacket(SOUP_LOGOUT)),
    tcp.fromServer(loginRejectedPacket('not-authorised')),
    tcp.fromServer(loginRejectedPacket('session-not-available')),
  ]
  const file = join(t.testdir(), 'soup.pcap')
  writeFileSync(file, pcapFile(segments))
  const names = ['packet_type', 'packet_length', 'username', 'password', 'session', 'text', 'reject_code']
  const decodeAs = `tcp.port==${TCP_PORT},soupbintcp`
  const rows = dissect(file, decodeAs, [...names.map((name) => `soupbintcp.${name}`), '_ws.malformed'])
  const column = (index: number): string[] => rows.flatMap((row) => row[index] ?? [])
  t.equal(column(0).map(letter).join(''), 'LASSHRU+ZOJJ')
  t.strictSame(column(1).map(Number), [47, 31, 22, 521, 1, 1, 2, 5, 1, 1, 2, 2])
  t.strictSame([column(2)[0]?.trim(), column(3)[0]?.trim()], ['bob', 'secret'])
  t.strictSame(
    column(4).map((session) => session.trim()),
    ['S1', 'S1'],
  )
  t.strictSame(column(5), ['note'])
  t.strictSame(column(6).map(letter), ['A', 'S'])
  t.strictSame(column(7), [], 'nothing malformed')
  const tree = tshark(['-n', '-r', file, '-d', decodeAs, '-V'])
  t.match(tree, /Requested sequence number: 42\b/)
  t.match(tree, /Next sequence number: 42\b/)
  t.strictSame(tree.match(/SoupBinTCP, Sequenced Data, SeqNum=\d+/g), [
    'SoupBinTCP, Sequenced Data, SeqNum=42',
    'SoupBinTCP, Sequenced Data, SeqNum=43',
  ])
  t.end()
})
