/** docs/PROTOCOL.md and the code say the same. */
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import { test } from 'tap'
import * as limits from '../../src/core/limits.js'
import { sessionBytes } from '../../src/core/session.js'
import { RECEIVER_COUNTERS } from '../../src/protocol/receiver-options.js'
import { REQUEST_COUNTERS } from '../../src/protocol/retransmitter.js'
import { SEQUENCER_COUNTERS } from '../../src/protocol/sequencer-types.js'
import { EVENT_LINK_COUNTERS } from '../../src/runtime/event-link.js'
import * as binaryfile from '../../src/wire/binaryfile.js'
import { CHECKPOINT_SCHEMA } from '../../src/wire/checkpoint.js'
import * as command from '../../src/wire/command.js'
import { CONTROL_SCHEMA } from '../../src/wire/control.js'
import * as event from '../../src/wire/event.js'
import * as mold from '../../src/wire/moldudp64.js'
import {
  COMMANDABLE_RUNTIME_TYPES,
  REGISTER_SOURCE,
  RUNTIME_EVENT_NAMES,
  RUNTIME_EVENT_SCHEMA,
} from '../../src/wire/runtime-events.js'
import * as snapshot from '../../src/wire/snapshot.js'
import * as soup from '../../src/wire/soupbintcp.js'

const document = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8')

/** The rows of the first table under a heading, without the heading row of the table. */
function tableUnder(heading: string): string[][] {
  const lines = document.split('\n')
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading)
  if (start < 0) throw new Error(`PROTOCOL.md has no heading '${heading}'`)
  const first = lines.findIndex((line, i) => i > start && line.startsWith('|'))
  const rows: string[][] = []
  for (let i = first + 2; lines[i]?.startsWith('|'); i++) {
    rows.push(
      (lines[i] ?? '')
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  }
  if (rows.length === 0) throw new Error(`no table under '${heading}'`)
  return rows
}

const columnUnder = (heading: string, column: number): string[] => tableUnder(heading).map((row) => row[column] ?? '')

/** The offsets that code uses, in the order of the table's rows, and where the last field begins or ends. */
const LAYOUTS: Readonly<Record<string, readonly number[]>> = {
  'MoldUDP64 downstream packet': [0, mold.MOLD_SEQUENCE_AT, mold.MOLD_COUNT_AT, mold.MOLD_HEADER_BYTES],
  'MoldUDP64 request packet': [0, mold.MOLD_SEQUENCE_AT, mold.MOLD_COUNT_AT, mold.MOLD_HEADER_BYTES],
  'Message block': [0, mold.BLOCK_LENGTH_BYTES],
  Event: [
    event.EVENT_TYPE_AT,
    event.EVENT_SOURCE_AT,
    event.EVENT_SOURCE_SEQUENCE_AT,
    event.EVENT_TIMESTAMP_AT,
    event.EVENT_EPOCH_AT,
    event.EVENT_FLAGS_AT,
    event.EVENT_HEADER_BYTES,
  ],
  'Command packet': [
    0,
    command.COMMAND_SOURCE_AT,
    command.COMMAND_EPOCH_AT,
    command.COMMAND_FIRST_AT,
    command.COMMAND_COUNT_AT,
    command.COMMAND_HEADER_BYTES,
  ],
  'SoupBinTCP packet': [0, soup.SOUP_LENGTH_BYTES, soup.SOUP_HEADER_BYTES],
  'SoupBinTCP login request payload': [0, 6, 16, 26, soup.LOGIN_REQUEST_PAYLOAD_BYTES],
  'SoupBinTCP login accepted payload': [0, 10, soup.LOGIN_ACCEPTED_PAYLOAD_BYTES],
  'BinaryFILE record': [0, binaryfile.BINARYFILE_LENGTH_BYTES],
}

test('byte tables: no hole, no overlap, and the offsets of the code', (t) => {
  for (const [heading, offsets] of Object.entries(LAYOUTS)) {
    const rows = tableUnder(heading)
    let next = 0
    for (const [offset, size] of rows) {
      t.equal(Number(offset), next, `${heading}: offset ${offset}`)
      next += size === '-' ? 0 : Number(size)
    }
    const open = rows.at(-1)?.[1] === '-'
    const found = rows.map(([offset]) => Number(offset))
    t.strictSame(open ? found : [...found, next], offsets, heading)
  }
  const all = document.match(/^\| offset \| size \| field \|$/gm) ?? []
  t.equal(all.length, Object.keys(LAYOUTS).length, 'every byte table of the document is checked')
  t.end()
})

/** The bytes of the field whose description begins with the word. */
function fieldOf(heading: string, word: string, bytes: Uint8Array): Buffer {
  const row = tableUnder(heading).find(([, , field]) => field?.startsWith(word))
  if (row === undefined) throw new Error(`${heading} has no field ${word}`)
  const at = Number(row[0])
  return Buffer.from(bytes.slice(at, at + Number(row[1])))
}

test('byte tables: what the code writes is found where the table says', (t) => {
  const packet = new Uint8Array(20)
  const session = sessionBytes('ABCDEFGHIJ')
  mold.writeMoldHeader(packet, 0, session, 0x0001_0203_0405_0607, 0x0809)
  for (const heading of ['MoldUDP64 downstream packet', 'MoldUDP64 request packet']) {
    t.equal(String(fieldOf(heading, 'session', packet)), 'ABCDEFGHIJ')
    t.equal(
      fieldOf(heading, heading.includes('request') ? 'first' : 'sequence', packet).toString('hex'),
      '0001020304050607',
    )
    t.equal(fieldOf(heading, heading.includes('request') ? 'number' : 'message', packet).toString('hex'), '0809')
  }
  command.writeCommandPacketHeader(packet, session, 0x0102, 0x0304_0506, 0x0708)
  const commandField = (word: string): string => fieldOf('Command packet', word, packet).toString('hex')
  t.strictSame(
    [commandField('source'), commandField('epoch'), commandField('source sequence'), commandField('count')],
    ['0102', '0000', '03040506', '0708'],
  )
  event.writeCommandHeader(packet, 0, 0x0102, 0x0304, 0x0506_0708, 0x0003)
  event.stampEvent(packet, 0, { high: 0x1112_1314, low: 0x1516_1718 }, 0x191a)
  const words = ['type', 'source', 'source sequence', 'timestamp', 'epoch', 'flags']
  t.strictSame(
    words.map((word) => fieldOf('Event', word, packet).toString('hex')),
    ['0102', '0304', '05060708', '1112131415161718', '191a', '0003'],
  )
  const login = soup
    .loginRequestPacket({ username: 'u', password: 'p', session: 's', sequence: 7 })
    .subarray(soup.SOUP_HEADER_BYTES)
  t.strictSame(
    ['username', 'password', 'session', 'sequence'].map((word) =>
      String(fieldOf('SoupBinTCP login request payload', word, login)),
    ),
    ['u'.padEnd(6), 'p'.padEnd(10), 's'.padStart(10), '7'.padStart(20)],
  )
  const accepted = soup.loginAcceptedPacket({ session: 's', sequence: 7 }).subarray(soup.SOUP_HEADER_BYTES)
  t.strictSame(
    ['session', 'sequence'].map((word) => String(fieldOf('SoupBinTCP login accepted payload', word, accepted))),
    ['s'.padStart(10), '7'.padStart(20)],
  )
  t.end()
})

test('numbers are those of the code', (t) => {
  const known: Readonly<Record<string, unknown>> = { ...limits, ...event, ...soup }
  for (const [name, value] of tableUnder('Numbers')) t.equal(known[name ?? ''], Number(value), `${name}`)
  t.match(document, new RegExp(`bit 0 \\(value ${event.FIRST_FRAGMENT}\\).*bit 1 \\(value ${event.LAST_FRAGMENT}\\)`))
  t.equal(event.fragmentBytes(1400, mold.MOLD_HEADER_BYTES, limits.AUTH_TAG_BYTES), 1400 - 20 - 2 - 20 - 16)
  t.match(document, /datagram − 20 \(header\) − 2 \(block length\) −\s+20 \(event header\) − 16 \(tag\)/)
  t.end()
})

test('SoupBinTCP types are those of the code', (t) => {
  const constants = Object.entries(soup).filter(([, value]) => typeof value === 'number')
  const byName = new Map<string, unknown>(constants)
  const rows = tableUnder('SoupBinTCP types')
  for (const [letter, name] of rows) t.equal(byName.get(name ?? ''), letter?.charCodeAt(0), `${name}`)
  t.equal(rows.length, 10)
  t.equal(new Set(rows.map(([letter]) => letter)).size, 10)
  t.end()
})

test('reasons are those of the code, no more, no less', (t) => {
  t.strictSame(columnUnder('MoldUDP64 reasons', 0), [...mold.MOLD_REASONS])
  t.strictSame(columnUnder('Command packet reasons', 0), [...command.COMMAND_REASONS])
  t.strictSame(columnUnder('SoupBinTCP reasons', 0), [...soup.SOUP_REASONS, ...soup.LOGIN_REASONS])
  t.strictSame(columnUnder('BinaryFILE reasons', 0), [...binaryfile.BINARYFILE_REASONS])
  t.end()
})

test('counters that the document names exist', (t) => {
  for (const [heading, names] of [
    ['Sequencer counters', SEQUENCER_COUNTERS],
    ['Receiver counters', RECEIVER_COUNTERS],
    ['Request server counters', REQUEST_COUNTERS],
  ] as const) {
    const known = new Set<string>(names)
    for (const name of columnUnder(heading, 0)) t.ok(known.has(name), `${heading}: ${name}`)
  }
  t.strictSame(columnUnder('Event link counters', 0), [...EVENT_LINK_COUNTERS])
  for (const reason of command.COMMAND_REASONS) t.ok(SEQUENCER_COUNTERS.includes(reason), `sequencer counts ${reason}`)
  for (const reason of mold.MOLD_REASONS) t.ok(RECEIVER_COUNTERS.includes(reason), `receiver counts ${reason}`)
  t.end()
})

test('runtime event types are those of the code', (t) => {
  const rows = tableUnder('Runtime events')
  t.strictSame(
    rows.map(([type, name]) => [Number(type), name]),
    Object.entries(RUNTIME_EVENT_NAMES).map(([type, name]) => [Number(type), name]),
  )
  for (const [type, name, who] of rows) {
    const expected = COMMANDABLE_RUNTIME_TYPES.has(Number(type))
      ? 'yes'
      : Number(type) === REGISTER_SOURCE
        ? 'source 0'
        : 'no'
    t.equal(who, expected, `${name}`)
  }
  t.end()
})

/** Every field of every message as one line of text, and each oneof. */
function describe(namespace: protobuf.NamespaceBase): string[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (!(nested instanceof protobuf.Type)) return nested instanceof protobuf.Namespace ? describe(nested) : []
    const fields = nested.fieldsArray.map((field) => {
      const key = field instanceof protobuf.MapField ? `map ${field.keyType} ` : ''
      return `${nested.name}.${field.name} = ${field.id}: ${key}${field.repeated ? 'repeated ' : ''}${field.type}`
    })
    const oneofs = nested.oneofsArray.map((oneof) => `${nested.name} oneof ${oneof.name}: ${oneof.oneof.join(' ')}`)
    return [`message ${nested.name}`, ...fields, ...oneofs]
  })
}

test('the protobuf text is the schema of the code, field by field', (t) => {
  const texts = [...document.matchAll(/```proto\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  t.equal(texts.length, 2)
  for (const [text, schema, atLeast] of [
    [texts[0] ?? '', RUNTIME_EVENT_SCHEMA, 40],
    [texts[1] ?? '', CONTROL_SCHEMA, 50],
  ] as const) {
    const fromText = describe(protobuf.parse(text, { keepCase: true }).root).sort()
    const fromCode = describe(protobuf.Root.fromJSON(schema)).sort()
    t.strictSame(fromText, fromCode)
    t.ok(fromCode.length >= atLeast, `${fromCode.length} lines were compared`)
  }
  t.end()
})

test('snapshots: types of messages, and the fields of the header in their order', (t) => {
  const constants: Readonly<Record<string, unknown>> = { ...snapshot }
  for (const [letter = '', constant = ''] of tableUnder('SoupBinTCP snapshot messages')) {
    t.equal(constants[constant], letter.charCodeAt(0), constant)
  }
  const rows = tableUnder('Checkpoint header').flatMap(([names = '', types = '']) => {
    const kinds = types.split(', ')
    return names.split(', ').map((name, i) => [name, kinds[i]])
  })
  const fields = Object.entries(CHECKPOINT_SCHEMA.nested.CheckpointHeader.fields)
    .sort(([, a], [, b]) => a.id - b.id)
    .map(([name, { rule, type }]) => [name, rule === undefined ? type : `${rule} ${type}`])
  t.strictSame(rows, fields)
  t.end()
})
