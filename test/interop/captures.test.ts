/**
 * Captures that Wireshark's own tools wrote, of a stream with the messages of an exchange: each imports to what went in. Skipped where
 * the tools are not installed (`apt-get install tshark`).
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { writeArchive } from '../../src/store/archive/archive-source.js'
import { exportBinaryFile, importBinaryFile } from '../../src/store/archive/binaryfile.js'
import { exportPcap } from '../../src/store/archive/pcap-export.js'
import { importPcap } from '../../src/store/archive/pcap-import.js'
import { MemoryEventLog } from '../../src/store/memory-event-log.js'
import { mold } from '../store/archive/captures.js'
import { durable, split } from '../store/recordings.js'

const TOOLS = ['text2pcap', 'editcap', 'mergecap', 'tshark']
const missing = TOOLS.filter((tool) => spawnSync(tool, ['-v']).status !== 0)
const skip = missing.length === 0 ? false : `not installed: ${missing.join(', ')}`
const REAL = fileURLToPath(new URL('../../../../shared/data/nasdaq-2019-12-30-open.itch50', import.meta.url))
const START_MS = Date.UTC(2019, 11, 30, 9, 30)

/** Of the exchange's recording where it is there, else made up. */
function exchangeMessages(): Uint8Array[] {
  if (!existsSync(REAL)) return Array.from({ length: 1000 }, (_, i) => Buffer.alloc(12 + (i % 39), i))
  const file = readFileSync(REAL)
  const messages: Uint8Array[] = []
  for (let at = 0; at < file.length; at += 2 + file.readUInt16BE(at)) {
    messages.push(file.subarray(at + 2, at + 2 + file.readUInt16BE(at)))
  }
  return messages
}

interface Packet {
  readonly timeNs: number
  readonly payload: Buffer
  readonly messages: number
}

/** Packets of 1 to 20 messages, 1,234,567 nanoseconds apart, with the end of the session. */
function packetsOf(messages: readonly Uint8Array[]): Packet[] {
  const packets: Packet[] = []
  for (let at = 0; at < messages.length; ) {
    const some = messages.slice(at, at + 1 + ((at * 7) % 20))
    packets.push({
      timeNs: packets.length * 1_234_567,
      payload: mold('20191230T', at + 1, some),
      messages: some.length,
    })
    at += some.length
  }
  const end = mold('20191230T', messages.length + 1, 'end')
  return [...packets, { timeNs: packets.length * 1_234_567, payload: end, messages: 0 }]
}

/** What text2pcap reads: a time, and the bytes in hex. */
function hexDump(packets: readonly Packet[]): string {
  const lines = packets.flatMap(({ timeNs, payload }) => {
    const rows = [`${new Date(START_MS).toISOString().slice(0, 19)}.${String(timeNs).padStart(9, '0')}`]
    for (let at = 0; at < payload.length; at += 16) {
      const bytes = payload
        .subarray(at, at + 16)
        .toString('hex')
        .replace(/../g, '$& ')
      rows.push(`${at.toString(16).padStart(6, '0')} ${bytes}`)
    }
    return [...rows, '']
  })
  return `${lines.join('\n')}\n`
}

interface Row {
  readonly message: string
  readonly timeNs: number
}

function rowsOf(log: MemoryEventLog): Row[] {
  const rows: Row[] = []
  log.read(1, Number.POSITIVE_INFINITY, (_sequence, _count, bytes, start, end, us, ns = 0) => {
    const timeNs = (us - START_MS * 1000) * 1000 + ns
    for (const message of split(bytes, start, end)) rows.push({ message: Buffer.from(message).toString('hex'), timeNs })
    return true
  })
  return rows
}

async function importedFrom(file: string): Promise<{ log: MemoryEventLog; ended: boolean }> {
  const log = new MemoryEventLog({ session: '20191230T', kind: 'opaque' })
  const { ended } = await importPcap(createReadStream(file), log, { name: file })
  await durable(log)
  return { log, ended }
}

test('captures of text2pcap, editcap and mergecap', { skip }, async (t) => {
  const directory = t.testdir()
  const path = (name: string): string => join(directory, name)
  const run = (tool: string, args: readonly string[]): void =>
    void execFileSync(tool, args, { stdio: 'ignore', env: { ...process.env, TZ: 'UTC', NODE_OPTIONS: '' } })
  const messages = exchangeMessages()
  const packets = packetsOf(messages)
  const wanted = packets
    .flatMap(({ timeNs, messages: count }) => Array.from({ length: count }, () => timeNs))
    .map((timeNs, i) => ({ message: Buffer.from(messages[i] ?? []).toString('hex'), timeNs }))
  const micros = wanted.map(({ message, timeNs }) => ({ message, timeNs: Math.floor(timeNs / 1000) * 1000 }))
  writeFileSync(path('dump.txt'), hexDump(packets))
  for (const [name, addresses] of [
    ['v4', ['-4', '10.0.0.1,239.1.1.1']],
    ['v6', ['-6', '2001:db8::1,ff15::1']],
  ] as const) {
    const from = ['-q', '-t', 'ISO', '-u', '5000,26400', ...addresses]
    run('text2pcap', [...from, '-F', 'nsecpcap', path('dump.txt'), path(`${name}.ns`)])
    for (const format of ['nsecpcap', 'pcap', 'modpcap', 'pcapng']) {
      run('editcap', ['-F', format, path(`${name}.ns`), path(`${name}.${format}`)])
      const { log, ended } = await importedFrom(path(`${name}.${format}`))
      t.ok(ended, `${name} ${format}`)
      t.strictSame(rowsOf(log), /^(pcap|modpcap)$/.test(format) ? micros : wanted, `${name} ${format}`)
    }
  }
  // One half of the packets over IPv4, the other over IPv6, of two files put together; two interfaces, and any order.
  run('editcap', ['-r', path('v4.ns'), path('first.pcapng'), `1-${packets.length >> 1}`])
  run('editcap', ['-r', path('v6.ns'), path('second.pcapng'), `${(packets.length >> 1) + 1}-${packets.length}`])
  run('mergecap', ['-a', '-w', path('both.pcapng'), path('second.pcapng'), path('first.pcapng')])
  const both = await importedFrom(path('both.pcapng'))
  t.strictSame(rowsOf(both.log), wanted, 'merged')
  t.ok(both.ended)
  run('editcap', ['-s', '200', path('v4.ns'), path('cut.pcapng')])
  await t.rejects(importedFrom(path('cut.pcapng')), { code: 'E_FILE_FORMAT', hint: /[0-9]+ frames were cut short/ })
})

const skipReal = skip || existsSync(REAL) ? skip : 'the recording of the exchange is not here'

test('a recording of an exchange: into a session, a capture, and back, byte for byte', {
  skip: skipReal,
}, async (t) => {
  const log = new MemoryEventLog({ session: '20191230T', kind: 'opaque' })
  await importBinaryFile(createReadStream(REAL), log, { receivedUs: START_MS * 1000 })
  await durable(log)
  const capture = join(t.testdir(), 'exchange.pcap')
  await writeArchive(capture, (sink) => exportPcap(log, sink, { ended: true }))
  const complaints = spawnSync('tshark', ['-r', capture, '-d', 'udp.port==7701,moldudp64', '-Y', '_ws.malformed'])
  t.equal(complaints.stdout.toString(), '')
  const back = await importedFrom(capture)
  const parts: Buffer[] = []
  await exportBinaryFile(back.log, async (bytes) => void parts.push(Buffer.from(bytes)))
  t.ok(Buffer.concat(parts).equals(readFileSync(REAL)))
})
