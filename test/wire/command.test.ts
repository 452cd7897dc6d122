import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { sessionBytes } from '../../src/core/session.js'
import { writeU16, writeU32 } from '../../src/wire/bytes.js'
import {
  COMMAND_COUNT_AT,
  COMMAND_HEADER_BYTES,
  COMMAND_REASONS,
  checkCommandPacket,
  commandCount,
  commandFirst,
  commandSource,
  writeCommandPacketHeader,
} from '../../src/wire/command.js'
import { EVENT_HEADER_BYTES, stampEvent, WHOLE_MESSAGE, writeCommandHeader } from '../../src/wire/event.js'
import { checkDownstream, moldCount, moldSequence, writeMoldHeader } from '../../src/wire/moldudp64.js'
import { holds } from './holds.js'
import { embedded, guarded, hostile } from './hostile-bytes.js'

interface Command {
  readonly type: number
  readonly flags: number
  readonly payload: Uint8Array
}

function commandPacket(source: number, first: number, commands: readonly Command[]): Uint8Array {
  const lengths = commands.map(({ payload }) => 2 + EVENT_HEADER_BYTES + payload.length)
  const packet = new Uint8Array(COMMAND_HEADER_BYTES + lengths.reduce((sum, length) => sum + length, 0))
  writeCommandPacketHeader(packet, sessionBytes('S1'), source, first, commands.length)
  let at = COMMAND_HEADER_BYTES
  commands.forEach(({ type, flags, payload }, i) => {
    writeU16(packet, at, EVENT_HEADER_BYTES + payload.length)
    writeCommandHeader(packet, at + 2, type, source, first + i, flags)
    packet.set(payload, at + 2 + EVENT_HEADER_BYTES)
    at += 2 + EVENT_HEADER_BYTES + payload.length
  })
  return packet
}

/** The layout's words in another hand. */
function isValid(packet: Uint8Array): boolean {
  if (packet.length < 20) return false
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  const source = view.getUint16(10)
  const first = view.getUint32(14)
  const count = view.getUint16(18)
  if (first === 0 || count === 0 || count === 0xffff) return false
  let at = 20
  for (let i = 0; i < count; i++) {
    if (at + 2 > packet.length) return false
    const length = view.getUint16(at)
    at += 2
    if (length < 20 || at + length > packet.length) return false
    if (view.getUint16(at + 2) !== source || view.getUint32(at + 4) !== first + i) return false
    if (view.getBigUint64(at + 8) !== 0n || view.getUint16(at + 16) !== 0 || view.getUint16(at + 18) > 3) return false
    at += length
  }
  return at === packet.length
}

const command = fc.record({
  type: fc.nat(0xffff),
  flags: fc.nat(3),
  payload: fc.uint8Array({ maxLength: 60 }),
})
const commands = fc.array(command, { minLength: 1, maxLength: 12 })
const first = fc.integer({ min: 1, max: 0xffff_fff0 })

test('command packets survive the wire', (t) => {
  holds(
    t,
    fc.property(fc.nat(0xffff), first, commands, (source, start, list) => {
      const packet = commandPacket(source, start, list)
      assert.equal(checkCommandPacket(guarded(packet)), undefined)
      assert.deepEqual(
        [commandSource(packet), commandFirst(packet), commandCount(packet)],
        [source, start, list.length],
      )
    }),
  )
  t.end()
})

test('stamped where it lies, a command packet is a MoldUDP64 packet', (t) => {
  holds(
    t,
    fc.property(first, commands, fc.integer({ min: 1, max: 2 ** 50 }), (start, list, sequence) => {
      const packet = commandPacket(3, start, list)
      let at = COMMAND_HEADER_BYTES
      for (const { payload } of list) {
        stampEvent(packet, at + 2, { high: 1, low: 2 }, 1)
        at += 2 + EVENT_HEADER_BYTES + payload.length
      }
      assert.equal(checkCommandPacket(packet), 'already-stamped', 'no longer a command')
      writeMoldHeader(packet, 0, sessionBytes('S1'), sequence, list.length)
      assert.equal(checkDownstream(packet), undefined)
      assert.deepEqual([moldSequence(packet), moldCount(packet)], [sequence, list.length])
    }),
  )
  t.end()
})

test('each rule has its reason', (t) => {
  const valid = (): Uint8Array => commandPacket(3, 7, [{ type: 300, flags: WHOLE_MESSAGE, payload: Uint8Array.of(1) }])
  const spoilt = (spoil: (packet: Uint8Array) => void): string | undefined => {
    const packet = valid()
    spoil(packet)
    return checkCommandPacket(guarded(packet))
  }
  const block = COMMAND_HEADER_BYTES + 2
  t.equal(checkCommandPacket(valid()), undefined)
  t.equal(checkCommandPacket(valid().subarray(0, 19)), 'short-header')
  t.equal(checkCommandPacket(valid().subarray(0, 21)), 'truncated-block')
  t.equal(checkCommandPacket(Uint8Array.from([...valid(), 0])), 'trailing-bytes')
  t.equal(
    spoilt((p) => writeU16(p, 12, 1)),
    undefined,
  )
  t.equal(
    spoilt((p) => writeU16(p, COMMAND_COUNT_AT, 0)),
    'bad-count',
  )
  t.equal(
    spoilt((p) => writeU16(p, COMMAND_COUNT_AT, 0xffff)),
    'bad-count',
  )
  t.equal(
    spoilt((p) => writeU16(p, COMMAND_COUNT_AT, 2)),
    'truncated-block',
  )
  t.equal(
    spoilt((p) => writeU16(p, COMMAND_HEADER_BYTES, 19)),
    'short-event',
  )
  t.equal(
    spoilt((p) => writeU16(p, block + 2, 4)),
    'foreign-source',
  )
  t.equal(
    spoilt((p) => writeU32(p, block + 4, 8)),
    'broken-numbering',
  )
  t.equal(
    spoilt((p) => writeU16(p, block + 18, 4)),
    'bad-flags',
  )
  for (let at = 8; at < 18; at++)
    t.equal(
      spoilt((p) => p.fill(1, block + at, block + at + 1)),
      'already-stamped',
    )
  t.equal(
    checkCommandPacket(commandPacket(3, 0, [{ type: 300, flags: 3, payload: new Uint8Array(0) }])),
    'broken-numbering',
  )
  t.end()
})

test('source sequences do not wrap inside a packet', (t) => {
  const list = [1, 2].map(() => ({ type: 300, flags: 3, payload: new Uint8Array(0) }))
  t.equal(checkCommandPacket(commandPacket(3, 0xffff_ffff, list)), 'broken-numbering')
  t.end()
})

test('every truncation and single-byte corruption is a valid packet or has a reason', (t) => {
  const samples = [
    commandPacket(1, 1, [{ type: 256, flags: WHOLE_MESSAGE, payload: new Uint8Array(0) }]),
    commandPacket(0xffff, 0x0102_0304, [
      { type: 256, flags: 1, payload: Uint8Array.of(1, 2, 3) },
      { type: 256, flags: 2, payload: Uint8Array.of(4) },
    ]),
  ]
  const seen = new Set<string>()
  for (const sample of samples) {
    for (const bad of hostile(sample)) {
      const reason = checkCommandPacket(guarded(bad))
      if ((reason === undefined) !== isValid(bad)) t.fail(`${Buffer.from(bad).toString('hex')}: ${reason}`)
      for (const poison of [0, 0xff]) {
        if (checkCommandPacket(embedded(bad, poison)) !== reason) t.fail('bytes around the packet change the verdict')
      }
      seen.add(reason ?? 'valid')
    }
  }
  t.strictSame([...seen].sort(), ['valid', ...COMMAND_REASONS].sort(), 'and every reason was met')
  t.end()
})
