/**
 * Captures that other tools made: every kind of file, link and resolution; what a capture has beside the stream; failovers in it; and
 * files that were damaged anywhere.
 */
import fc from 'fast-check'
import { test } from 'tap'
import { SeqcastError } from '../../../src/core/errors.js'
import { exportPcap } from '../../../src/store/archive/pcap-export.js'
import { importPcap, type PcapImportOptions, peekPcap } from '../../../src/store/archive/pcap-import.js'
import { MemoryEventLog } from '../../../src/store/memory-event-log.js'
import type { BlockKind } from '../../../src/store/time-index.js'
import { EPOCH_OPENED } from '../../../src/wire/runtime-events.js'
import { appendMessages, durable, eventBytes, numberedEvents, split } from '../recordings.js'
import { type Captured, type CaptureStyle, captureFile, mold, PORT, resolved } from './captures.js'

const START_NS = 1_700_000_000_123_456_789n
const styles: fc.Arbitrary<CaptureStyle> = fc.record({
  file: fc.constantFrom('pcap', 'pcap-ns', 'pcap-long', 'pcapng', 'pcapng-ns', 'pcapng-binary'),
  littleEndian: fc.boolean(),
  link: fc.constantFrom('ethernet', 'vlan', 'qinq', 'raw', 'loopback', 'cooked', 'cooked-2'),
  ip: fc.constantFrom(4, 6),
  fragmentBytes: fc.constantFrom(undefined, undefined, 40),
})
const plain: CaptureStyle = { file: 'pcap-ns', littleEndian: true, link: 'ethernet', ip: 4 }

interface Row {
  readonly message: string
  readonly timeNs: bigint
}

function contentOf(log: MemoryEventLog): Row[] {
  const rows: Row[] = []
  log.read(log.firstSequence, Number.POSITIVE_INFINITY, (_sequence, _count, bytes, start, end, us, ns = 0) => {
    const timeNs = BigInt(us) * 1000n + BigInt(ns)
    for (const message of split(bytes, start, end)) rows.push({ message: hex(message), timeNs })
    return true
  })
  return rows
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

async function* chunked(bytes: Uint8Array, size = 4096): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

interface Imported {
  readonly log: MemoryEventLog
  readonly result: Awaited<ReturnType<typeof importPcap>> | undefined
  readonly error: SeqcastError | undefined
}

/** As the command does it: the first packet says where the log begins. */
async function imported(file: Buffer, options: PcapImportOptions = {}, kind: BlockKind = 'opaque'): Promise<Imported> {
  let log = new MemoryEventLog({ session: 'S', kind })
  try {
    const start = await peekPcap(chunked(file), options)
    log = new MemoryEventLog({ session: 'S', kind, firstSequence: start?.firstSequence ?? 1 })
    const result = await importPcap(chunked(file, 100), log, options)
    await durable(log)
    return { log, result, error: undefined }
  } catch (error) {
    if (!(error instanceof SeqcastError) || error.code !== 'E_FILE_FORMAT') throw error
    await durable(log)
    return { log, result: undefined, error }
  }
}

/** Messages as packets of a few, ten nanoseconds apart, and an end of session. */
function captured(messages: readonly Uint8Array[], first = 1, perPacket = 3): Captured[] {
  const packets: Captured[] = []
  for (let at = 0; at < messages.length; at += perPacket) {
    const payload = mold('FEED', first + at, messages.slice(at, at + perPacket))
    packets.push({ payload, timeNs: START_NS + BigInt(at * 10) })
  }
  return [...packets, { payload: mold('FEED', first + messages.length, 'end'), timeNs: START_NS + 1_000_000n }]
}

const messagesArbitrary = fc.array(fc.uint8Array({ minLength: 0, maxLength: 40 }), { minLength: 1, maxLength: 20 })

test('every kind of capture gives every message and its time, and ours gives the same back', async (t) => {
  await fc.assert(
    fc.asyncProperty(styles, messagesArbitrary, fc.integer({ min: 1, max: 1e9 }), async (style, messages, first) => {
      const packets = captured(messages, first)
      const { log, result, error } = await imported(captureFile(style, packets))
      t.equal(error?.message, undefined, JSON.stringify(style))
      t.match(result, { session: 'FEED', ended: true, events: messages.length })
      const wanted = messages.map((message, i) => {
        const timeNs = resolved(style, START_NS + BigInt(Math.floor(i / 3) * 30))
        return { message: hex(message), timeNs }
      })
      t.strictSame(contentOf(log), wanted)
      const parts: Uint8Array[] = []
      await exportPcap(log, async (bytes) => void parts.push(Buffer.from(bytes)), { ended: true })
      const again = await imported(Buffer.concat(parts))
      t.strictSame(contentOf(again.log), wanted, 'exported and imported')
      t.equal(again.log.firstSequence, first)
    }),
    { numRuns: 150 },
  )
})

test('what is beside the stream is counted and named', async (t) => {
  const messages = numberedEvents(1, 12)
  const [a, b, c, d, end] = captured(messages)
  const time = { timeNs: START_NS }
  if (a === undefined || b === undefined || c === undefined || d === undefined || end === undefined) return
  const strangers: Captured[] = [
    { payload: mold('OTHER', 1, [Buffer.from('x')]), ...time },
    { payload: mold('THIRD', 1, [Buffer.from('x')]), ...time },
    { payload: Buffer.from('no MoldUDP64'), ...time },
    { payload: mold('FEED', 7, []), ...time },
  ]
  const { result, log } = await imported(captureFile(plain, [b, a, ...strangers, d, a, c, end]))
  t.strictSame(
    contentOf(log).map(({ message }) => message),
    messages.map(hex),
    'also where the first two are swapped',
  )
  t.match(result, {
    skipped: { 'other-session': 2, 'not-moldudp64': 1, repeat: 1, 'before-start': 0 },
    otherSessions: ['OTHER', 'THIRD'],
  })
  const late = await imported(captureFile(plain, [c, d, a, end]))
  t.match(late.result, { events: 6, ended: true, skipped: { 'before-start': 1 } })
  t.equal(late.log.firstSequence, 7)
  const named = await imported(captureFile(plain, [...strangers.slice(0, 3), a]), { session: 'FEED' })
  t.match(named.result, { session: 'FEED', events: 3, ended: false })
  const ported = captureFile(plain, [{ ...a, port: 9 }, ...strangers.slice(0, 3), a])
  t.match((await imported(ported, { group: { port: PORT }, session: 'FEED' })).result, {
    skipped: { 'other-group': 1 },
  })
})

test('a hole is an error, also where only a heartbeat or the end of the session tells of it', async (t) => {
  const [a, b, c, , end] = captured(numberedEvents(1, 12))
  if (a === undefined || b === undefined || c === undefined || end === undefined) return
  const hole = await imported(captureFile(plain, [a, c]))
  t.match(hole.error?.fields, { reason: 'events 4 to 6 are not in the file before this packet' })
  const tail = await imported(captureFile(plain, [a, b, c, end]))
  t.match(tail.error?.fields, { reason: 'events 10 to 12 are not in the file, and this packet tells of them' })
  t.equal(tail.log.nextSequence, 10, 'what came before is kept')
  const beat = await imported(captureFile(plain, [a, { payload: mold('FEED', 9, []), timeNs: START_NS }, b]))
  t.match(beat.error?.fields, { reason: /^events 7 to 8 are not in the file/ })
})

test('frames that were cut short, and fragments, are what is likely missing', async (t) => {
  const packets = captured(numberedEvents(1, 9))
  const file = captureFile(plain, packets)
  const frameBytes = file.readUInt32LE(24 + 8)
  const second = 24 + 16 + frameBytes
  const cut = Buffer.concat([file.subarray(0, second + 16 + 60), file.subarray(second + 16 + frameBytes)])
  cut.writeUInt32LE(60, second + 8)
  const short = await imported(cut)
  t.match(short.error, { message: /events 4 to 6 are not in the file/, hint: / 1 frames were cut short/ })
  // The last two, so that no later packet shows the hole.
  const last = file.length - (16 + 62)
  const cutEnd = Buffer.concat([file.subarray(0, last - 30)])
  cutEnd.writeUInt32LE(frameBytes - 30, last - frameBytes - 16 + 8)
  t.match((await imported(cutEnd)).error?.fields, {
    reason: /^events 7 to 9 are not in the file, and this packet tells/,
  })
  const fragment = Buffer.from(file)
  fragment[second + 16 + 14 + 6] = 0x20
  t.match((await imported(fragment)).error, { hint: / 1 IP fragments/ })
})

/** Events of source 1 in one epoch; each knows its epoch by its payload, too. */
function branch(epoch: number, first: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    eventBytes({
      type: epoch > 1 && i === 0 ? EPOCH_OPENED : 300,
      epoch,
      sourceSequence: first + i,
      timeUs: 1_700_000_000_000_000 + first + i,
      payload: Buffer.of(epoch),
    }),
  )
}

test('a capture of a failover: what was taken back goes, whatever the order of the packets', async (t) => {
  const old = branch(1, 1, 9)
  const lives = [...old.slice(0, 5), ...branch(2, 6, 7)]
  const dead = captured(old).slice(0, 3)
  const alive = captured(lives).slice(1, 4)
  // The second of the new reign begins where nothing differs; the old one still sends when the new one does.
  const orders: [string, (Captured | undefined)[]][] = [
    ['one after the other', [...dead, ...alive]],
    ['the dead one is late', [dead[0], dead[1], alive[0], dead[2], alive[1], alive[2]]],
    ['the new one overtakes', [dead[0], alive[1], dead[1], alive[0], dead[2], alive[2]]],
    ['only the new one', [dead[0], ...alive]],
  ]
  for (const [name, packets] of orders) {
    const file = captureFile(
      plain,
      packets.flatMap((packet) => packet ?? []),
    )
    const { log, result, error } = await imported(file, {}, 'events')
    t.equal(error?.message, undefined, name)
    t.strictSame(
      contentOf(log).map(({ message }) => message),
      lives.map(hex),
      name,
    )
    t.strictSame(log.epochTable, [
      { epoch: 1, sequence: 1 },
      { epoch: 2, sequence: 6 },
    ])
    t.ok((result?.revoked ?? 0) <= 4)
  }
})

test('events that can’t follow each other are damage', async (t) => {
  const wrong = numberedEvents(1, 9)
  wrong[4]?.set([0, 0, 0, 99], 4)
  const { error, log } = await imported(captureFile(plain, captured(wrong)), {}, 'events')
  t.match(error?.fields, { reason: /^event 5 can't follow what is before it: source-sequence/ })
  t.equal(log.nextSequence, 4, 'the packets before')
})

test('a pcap can’t hold every message and every time', async (t) => {
  const huge = new MemoryEventLog({ session: 'S', kind: 'opaque' })
  appendMessages(huge, [new Uint8Array(10)], 1)
  appendMessages(huge, [new Uint8Array(65_500)], 1)
  await durable(huge)
  await t.rejects(
    exportPcap(huge, async () => {}),
    { code: 'E_FILE_FORMAT', message: /event 2 of 65500 bytes fits no datagram/ },
  )
  const late = new MemoryEventLog({ session: 'S', kind: 'opaque' })
  appendMessages(late, [new Uint8Array(10)], 5_000_000_000_000_000)
  await durable(late)
  await t.rejects(
    exportPcap(late, async () => {}),
    { code: 'E_FILE_FORMAT', message: /2106/ },
  )
})

test('a file that was damaged anywhere: what is imported is what was there, and what is missing is said', async (t) => {
  const messages = Array.from({ length: 15 }, (_, i) => Buffer.from(`message ${i + 1} of the feed`))
  const wanted = messages.map(hex)
  const damage = fc.record({ at: fc.nat(), value: fc.integer({ min: 1, max: 255 }), cut: fc.option(fc.nat()) })
  await fc.assert(
    fc.asyncProperty(styles, fc.array(damage, { minLength: 1, maxLength: 3 }), async (style, damages) => {
      const whole = captureFile(style, captured(messages))
      let file = Buffer.from(whole)
      for (const { at, value, cut } of damages) {
        file[at % file.length] = file[at % file.length]! ^ value
        if (cut !== null) file = file.subarray(0, 1 + (cut % file.length))
      }
      const { log, result, error } = await imported(file)
      if (error !== undefined) {
        t.match(error.message, /byte \d+: ./)
        const { offsetBytes } = error.fields
        t.ok(typeof offsetBytes === 'number' && offsetBytes >= 0 && offsetBytes <= file.length)
        return
      }
      // No error: every message is there, or counted as left out, or its own bytes are the damage; or the end is missing, and is
      // not said to be there.
      const got = contentOf(log).map(({ message }) => message)
      const left = Object.values(result?.skipped ?? {}).reduce((sum, frames) => sum + frames, 0)
      const missing = wanted.filter((message) => !got.includes(message)).length
      const isCut = file.length < whole.length && result?.ended === false
      t.ok(missing <= damages.length + left * 3 || isCut, `${missing} missing, ${left} left out`)
      t.ok(got.filter((message) => !wanted.includes(message)).length <= damages.length, 'nothing is made up')
    }),
    { numRuns: 400 },
  )
})
