/** A session through each archive format and back, any order of packets, and every damage with its place. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { SeqcastError } from '../../../src/core/errors.js'
import type { ArchiveProgress, ByteSink } from '../../../src/store/archive/archive-source.js'
import { writeArchive } from '../../../src/store/archive/archive-source.js'
import { exportBinaryFile, importBinaryFile } from '../../../src/store/archive/binaryfile.js'
import { exportJsonLines, importJsonLines } from '../../../src/store/archive/json-lines.js'
import { exportPcap } from '../../../src/store/archive/pcap-export.js'
import { importPcap, peekPcap } from '../../../src/store/archive/pcap-import.js'
import { MemoryEventLog } from '../../../src/store/memory-event-log.js'
import type { BlockKind } from '../../../src/store/time-index.js'
import { appendMessages, durable, numberedEvents, scratchDirectory, split } from '../recordings.js'

const scratch = scratchDirectory()
process.on('exit', () => scratch.remove())

async function logOf(packets: readonly (readonly Uint8Array[])[], kind: BlockKind = 'events', firstSequence = 1) {
  const log = new MemoryEventLog({ session: 'ARCHIVE', kind, firstSequence })
  for (const [i, packet] of packets.entries()) appendMessages(log, packet, 1_700_000_000_000_000 + i * 10)
  await durable(log)
  return log
}

function contentOf(log: MemoryEventLog): { messages: string[]; times: number[] } {
  const messages: string[] = []
  const times: number[] = []
  log.read(log.firstSequence, Number.POSITIVE_INFINITY, (_sequence, count, bytes, start, end, receivedUs) => {
    messages.push(...split(bytes, start, end).map((message) => Buffer.from(message).toString('hex')))
    for (let i = 0; i < count; i++) times.push(receivedUs)
    return true
  })
  return { messages, times }
}

async function exported(run: (sink: ByteSink) => Promise<{ bytes: number }>): Promise<Buffer> {
  const parts: Buffer[] = []
  const { bytes } = await run(async (part) => void parts.push(Buffer.from(part)))
  const all = Buffer.concat(parts)
  if (bytes !== all.length) throw new Error(`${bytes} bytes reported, ${all.length} written`)
  return all
}

/** Bytes in chunks of a size, as a stream would bring them. */
async function* chunked(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function refusal(run: Promise<unknown>): Promise<{ code: string; offsetBytes: unknown; reason: unknown }> {
  const error: unknown = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  const { code = '', fields = {} } = (error ?? {}) as { code?: string; fields?: Record<string, unknown> }
  return { code, offsetBytes: fields.offsetBytes, reason: fields.reason }
}

const message = fc.uint8Array({ minLength: 1, maxLength: 60 })
const packetsArbitrary = fc.array(fc.array(message, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 })

test('any foreign session comes back from each format', async (t) => {
  await fc.assert(
    fc.asyncProperty(packetsArbitrary, fc.integer({ min: 1, max: 90 }), fc.nat(1e6), async (packets, size, first) => {
      const log = await logOf(packets, 'opaque', first + 1)
      const wanted = contentOf(log)
      const binary = await exported((sink) => exportBinaryFile(log, sink, { ended: true }))
      const lines = await exported((sink) => exportJsonLines(log, sink))
      const pcap = await exported((sink) => exportPcap(log, sink, { ended: true }))

      const fromBinary = await logOf([], 'opaque', first + 1)
      const result = await importBinaryFile(chunked(binary, size), fromBinary, { receivedUs: 7, datagramBytes: 300 })
      await durable(fromBinary)
      t.strictSame(contentOf(fromBinary).messages, wanted.messages)
      t.ok(result.ended && result.events === wanted.messages.length && result.bytes === binary.length)

      const fromLines = await logOf([], 'opaque', first + 1)
      await importJsonLines(chunked(lines, size), fromLines)
      await durable(fromLines)
      t.strictSame(contentOf(fromLines), wanted)

      const start = await peekPcap(chunked(pcap, size))
      t.match(start, { session: 'ARCHIVE', firstSequence: first + 1, receivedUs: wanted.times[0] })
      const fromPcap = await logOf([], 'opaque', first + 1)
      const { ended } = await importPcap(chunked(pcap, size), fromPcap)
      await durable(fromPcap)
      t.ok(ended)
      t.strictSame(contentOf(fromPcap), wanted)
    }),
    { numRuns: 60 },
  )
})

test('our events come back from each format; a range is a range', async (t) => {
  const log = await logOf([numberedEvents(1, 5), numberedEvents(6, 5), numberedEvents(11, 5)])
  const wanted = contentOf(log).messages.slice(2, 12)
  const seen: ArchiveProgress[] = []
  const options = { from: 3, to: 12, onProgress: (progress: ArchiveProgress) => void seen.push(progress) }
  const binary = await exported((sink) => exportBinaryFile(log, sink, options))
  t.match(seen.at(-1), { events: 10, totalEvents: 10, bytes: binary.length })
  const decode = (type: number): { name: string; data: object } => ({ name: 'Sample', data: { type } })
  const lines = await exported((sink) => exportJsonLines(log, sink, { ...options, decode }))
  t.match(JSON.parse(lines.toString().split('\n')[0] ?? ''), {
    sequence: 3,
    receivedUs: 1_700_000_000_000_000,
    timeNs: '1700000000000003000',
    name: 'Sample',
    data: { type: 300 },
    source: 1,
    sourceSequence: 3,
    epoch: 1,
    flags: 3,
  })
  for (const [name, load] of [
    ['binaryfile', (to: MemoryEventLog) => importBinaryFile(chunked(binary), to, { receivedUs: 0 })],
    ['jsonl', (to: MemoryEventLog) => importJsonLines(chunked(lines), to)],
  ] as const) {
    const back = await logOf([], 'events', 3)
    await load(back)
    await durable(back)
    t.strictSame(contentOf(back).messages, wanted, name)
  }
  await t.rejects(
    exportBinaryFile(log, async () => {}, { to: 16 }),
    { code: 'E_SEQUENCE_PAST_END' },
  )
})

test('a payload written by hand is encoded by the caller', async (t) => {
  const log = await logOf([])
  const line = { type: 300, source: 1, sourceSequence: 1, timeNs: '5000', data: { text: 'hi' } }
  const bytes = Buffer.from(`${JSON.stringify(line)}\n\n`)
  await importJsonLines(chunked(bytes), log, { encode: () => Buffer.from('hi') })
  await durable(log)
  t.strictSame(contentOf(log).messages, ['012c0001000000010000000000001388000100036869'])
  const without = await refusal(importJsonLines(chunked(bytes), await logOf([])))
  t.match(without, { code: 'E_FILE_FORMAT', offsetBytes: 0, reason: /can be encoded/ })
})

test('damaged files give the place and the reason, and what came before is kept', async (t) => {
  const messages = numberedEvents(1, 3, 0)
  const log = await logOf([messages])
  const binary = await exported((sink) => exportBinaryFile(log, sink, { ended: true }))
  const binaryCases: [string, Uint8Array, number, string | RegExp, number][] = [
    ['cut in a length', binary.subarray(0, 45), 44, 'truncated-length', 2],
    ['cut in a message', binary.subarray(0, 60), 44, 'truncated-message', 2],
    ['more after the end', Buffer.concat([binary, Buffer.of(0)]), 68, 'bytes-after-end', 3],
    ['overlong', Buffer.concat([binary.subarray(0, 22), Buffer.of(0xff, 0xff)]), 22, 'overlong-message', 1],
    ['no event', Buffer.concat([binary.subarray(0, 22), Buffer.of(0, 1, 65)]), 22, /not an event/, 1],
  ]
  for (const [name, bytes, offsetBytes, reason, kept] of binaryCases) {
    const target = await logOf([])
    const load = importBinaryFile(chunked(bytes), target, { receivedUs: 0, maxMessageBytes: 2000 })
    t.match(await refusal(load), { code: 'E_FILE_FORMAT', offsetBytes, reason }, name)
    t.equal(target.nextSequence, kept + 1, `${name}: what came before`)
  }

  const lines = (await exported((sink) => exportJsonLines(log, sink))).toString()
  const second = lines.indexOf('\n') + 1
  const lineCases: [string, string, RegExp][] = [
    ['not JSON', '{"type":', /not JSON/],
    ['a sequence that is not next', lines.slice(0, second), /event 1 where 2 is next/],
    ['no time', '{"type":300,"source":1,"sourceSequence":2,"payload":""}', /timeNs/],
    ['a type out of range', '{"type":70000,"source":1,"sourceSequence":2}', /'type'/],
    ['a payload that is not base64', '{"type":300,"source":1,"sourceSequence":2,"timeNs":"1","payload":"?"}', /base64/],
    ['an array', '[1]', /'type'/],
    ['a number', '17', /not an object/],
  ]
  for (const [name, line, reason] of lineCases) {
    const target = await logOf([])
    const load = importJsonLines(chunked(Buffer.from(lines.slice(0, second) + line)), target)
    t.match(await refusal(load), { code: 'E_FILE_FORMAT', offsetBytes: second, reason }, name)
    t.equal(target.nextSequence, 2, `${name}: what came before`)
  }

  const pcap = await exported((sink) => exportPcap(log, sink, { ended: true }))
  const overlong = Buffer.from(pcap)
  overlong.writeUInt32BE(300_000, 32)
  const pcapCases: [string, Uint8Array, number, RegExp][] = [
    ['no pcap', Buffer.alloc(30), 0, /neither pcap nor pcapng/],
    ['pcapng', Buffer.concat([Buffer.of(0x0a, 0x0d, 0x0d, 0x0a), Buffer.alloc(30)]), 0, /without its byte order/],
    ['cut in the header', pcap.subarray(0, 10), 0, /shorter/],
    ['cut in a frame', pcap.subarray(0, pcap.length - 3), pcap.length - 78, /truncated/],
    ['an overlong frame', overlong, 24, /300000 bytes/],
  ]
  for (const [name, bytes, offsetBytes, reason] of pcapCases) {
    t.match(
      await refusal(importPcap(chunked(bytes), await logOf([]))),
      { code: 'E_FILE_FORMAT', offsetBytes, reason },
      name,
    )
  }
  const empty = await logOf([[new Uint8Array(0)]], 'opaque')
  await t.rejects(
    exportBinaryFile(empty, async () => {}),
    { code: 'E_FILE_FORMAT', message: /event 1 is empty/ },
  )
})

test('a capture with repeats, other traffic and any order comes out in order; a hole is named', async (t) => {
  const log = await logOf([numberedEvents(1, 2), numberedEvents(3, 2), numberedEvents(5, 2), numberedEvents(7, 2)])
  const pcap = await exported((sink) => exportPcap(log, sink, { link: 'raw-ip' }))
  const header = pcap.subarray(0, 24)
  const frameBytes = (pcap.length - 24) / 4
  const frames = [0, 1, 2, 3].map((i) => pcap.subarray(24 + i * frameBytes, 24 + (i + 1) * frameBytes))
  const foreign = Buffer.from(frames[0] ?? [])
  foreign.write('OTHER', 16 + 28, 'ascii')
  const noMold = Buffer.from(frames[0] ?? [])
  noMold.writeUInt16BE(9999, 16 + 28 + 18)
  const file = (parts: (Buffer | undefined)[]): Buffer =>
    Buffer.concat([header, ...parts.map((part) => part ?? Buffer.of())])
  const target = await logOf([])
  const { skipped, ended } = await importPcap(
    chunked(file([frames[0], frames[2], foreign, frames[3], frames[0], noMold, frames[1]])),
    target,
  )
  await durable(target)
  t.strictSame(contentOf(target).messages, contentOf(log).messages)
  t.match(skipped, { 'other-session': 1, 'not-moldudp64': 1, repeat: 1 })
  t.notOk(ended)
  const hole = importPcap(chunked(file([frames[0], frames[3]])), await logOf([]))
  t.match(await refusal(hole), { offsetBytes: 24 + frameBytes, reason: /events 3 to 6 are not in the file/ })
})

const tshark = spawnSync('tshark', ['-v']).status === 0

test('tshark reads the capture', { skip: tshark ? false : 'tshark is not installed' }, async (t) => {
  const log = await logOf([numberedEvents(1, 5), [...numberedEvents(6, 1000), ...numberedEvents(1006, 100)]])
  for (const link of ['ethernet', 'raw-ip'] as const) {
    const file = join(scratch.path, `${link}.pcap`)
    await writeArchive(file, (sink) => exportPcap(log, sink, { ended: true, link }))
    t.equal(readFileSync(file).readUInt32BE(0), 0xa1b23c4d)
    const fields = ['frame.time_epoch', 'moldudp64.session', 'moldudp64.sequence', 'moldudp64.count']
    const columns = ['-Tfields', ...fields.flatMap((field) => ['-e', field]), '-E', 'occurrence=f']
    const { stdout } = spawnSync('tshark', [
      '-r',
      file,
      '-d',
      'udp.port==7701,moldudp64',
      '-o',
      'ip.check_checksum:TRUE',
      ...columns,
    ])
    const rows = stdout
      .toString()
      .trim()
      .split('\n')
      .map((row) => row.split('\t'))
    t.strictSame(
      rows.map((row) => row.slice(1)).map(([session, ...rest]) => [session?.trim(), ...rest]),
      [
        ['ARCHIVE', '1', '5'],
        ['ARCHIVE', '6', '992'],
        ['ARCHIVE', '998', '108'],
        ['ARCHIVE', '1106', '65535'],
      ],
    )
    t.match(rows[0]?.[0], /^1700000000\.0000000/)
    const malformed = spawnSync('tshark', [
      '-r',
      file,
      '-d',
      'udp.port==7701,moldudp64',
      '-Y',
      '_ws.malformed || ip.checksum.status == 0',
    ])
    t.equal(malformed.stdout.toString(), '')
  }
})

test('our events with damage anywhere: refused with the place, or the damage is in what no check covers', async (t) => {
  const wanted = numberedEvents(1, 12, 8).map((event) => Buffer.from(event).toString('hex'))
  const log = await logOf([numberedEvents(1, 12, 8)])
  const binary = await exported((sink) => exportBinaryFile(log, sink, { ended: true }))
  const lines = await exported((sink) => exportJsonLines(log, sink))
  const change = fc.record({ at: fc.nat(), value: fc.integer({ min: 1, max: 255 }) })
  await fc.assert(
    fc.asyncProperty(fc.boolean(), change, async (isBinary, { at, value }) => {
      const file = Buffer.from(isBinary ? binary : lines)
      file[at % file.length] = file[at % file.length]! ^ value
      const target = await logOf([])
      const load = isBinary
        ? importBinaryFile(chunked(file), target, { receivedUs: 0 })
        : importJsonLines(chunked(file), target)
      const error = await load.then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      await durable(target)
      const got = contentOf(target).messages
      // A type, a time between its neighbours, a byte of a payload: only the reader of that event can tell.
      t.ok(got.filter((message, i) => message !== wanted[i]).length <= 1)
      // A length that takes in all that follows, to the byte, is a message as any other.
      const bytes = got.reduce((sum, message) => sum + 2 + message.length / 2, 0)
      if (error === undefined) t.ok(isBinary ? file.length - bytes <= 2 : got.length === wanted.length)
      else t.match(error, { code: 'E_FILE_FORMAT', message: /byte \d+: ./ })
    }),
    { numRuns: 400 },
  )
})

test('what JSON Lines say must be what they mean', async (t) => {
  const good = { sequence: 1, receivedUs: 5, timeNs: '1', type: 300, source: 1, sourceSequence: 1, payload: 'AAA=' }
  const wrong: [object, RegExp][] = [
    [{ receivedUs: '5' }, /'receivedUs'/],
    [{ receivedUs: -1 }, /'receivedUs'/],
    [{ receivedNs: 1000 }, /'receivedNs'/],
    [{ epoch: 'one' }, /'epoch'/],
    [{ epoch: 0 }, /epoch-zero/],
    [{ flags: 70_000 }, /'flags'/],
    [{ flags: 4 }, /unknown-flags/],
    [{ payload: 'A' }, /'payload' is not base64/],
    [{ payload: 'AAA' }, /'payload' is not base64/],
    [{ payload: null, data: {} }, /'payload' is not base64/],
    [{ sourceSequence: 2 }, /source-sequence/],
    [{ timeNs: 1 }, /'timeNs'/],
  ]
  for (const [change, reason] of wrong) {
    const bytes = Buffer.from(JSON.stringify({ ...good, ...change }))
    t.match(await refusal(importJsonLines(chunked(bytes), await logOf([]))), { code: 'E_FILE_FORMAT', reason })
  }
  const log = await logOf([])
  await importJsonLines(chunked(Buffer.from(JSON.stringify({ ...good, receivedNs: 7 }))), log)
  await durable(log)
  const again = await exported((sink) => exportJsonLines(log, sink))
  t.match(JSON.parse(again.toString()), { receivedUs: 5, receivedNs: 7, payload: 'AAA=' })
})

test('an export is there whole or not at all', async (t) => {
  const log = await logOf([numberedEvents(1, 3)])
  const file = join(scratch.path, 'whole.bin')
  await writeArchive(file, (sink) => exportBinaryFile(log, sink))
  const before = readFileSync(file)
  const failing = writeArchive(file, async (sink) => {
    await exportBinaryFile(log, sink, { to: 2 })
    throw new SeqcastError('E_STORE_CORRUPT', 'damage')
  })
  await t.rejects(failing, { code: 'E_STORE_CORRUPT' })
  t.strictSame(readFileSync(file), before)
  t.strictSame(
    readdirSync(scratch.path).filter((name) => name.includes('.part')),
    [],
  )
  await t.rejects(
    writeArchive(join(scratch.path, 'nowhere', 'x.bin'), (sink) => exportBinaryFile(log, sink)),
    { code: 'E_FILE', message: /nowhere/ },
  )
  const taken = await logOf([numberedEvents(1, 3), numberedEvents(4, 3)])
  const sink = async (): Promise<void> => void (taken.nextSequence > 2 && (await taken.truncate(2)))
  await t.rejects(exportBinaryFile(taken, sink), { code: 'E_SEQUENCE_PAST_END', message: /not recorded any more/ })
})
