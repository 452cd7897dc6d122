/** Other people's readers, clients and tools on a live session of ours, and our recorder on a stream that is not ours. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Test, test } from 'tap'
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import { IndependentMoldReader, parseMold } from '../fixtures/independent-mold-reader.js'
import { IndependentSoupClient } from '../fixtures/independent-soup-client.js'
import { freePort, type Running } from '../fixtures/processes.js'
import { readRecording } from './recorded.js'
import { World } from './world.js'

/** Sends so many messages of type 300, of many sizes, and waits until they are stable events. */
async function sendMessages(world: World, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ type: 300, payload: Buffer.alloc((i * 37) % 1_200, i).toString('base64') }),
  )
  const { status, stderr } = await world.place.run(['send', ...world.place.streams], lines.join('\n'))
  if (status !== 0) throw new Error(stderr)
}

/** @param flags of the sequencer */
async function startSession(
  t: Test,
  ...flags: string[]
): Promise<{ world: World; store: Running; sequencer: Running }> {
  const world = await World.open(t)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a', ...flags)
  await world.until('the session', () => (world.sequencer?.stableSequence ?? 0) > 0, store, sequencer)
  return { world, store, sequencer }
}

async function moldReader(t: Test, world: World, requestPort?: number): Promise<IndependentMoldReader> {
  const { group, port } = world.options.eventGroup
  const requestServer = requestPort === undefined ? {} : { requestServer: { host: '127.0.0.1', port: requestPort } }
  const reader = await IndependentMoldReader.open({ group, port, session: world.session, ...requestServer })
  t.teardown(() => reader.close())
  return reader
}

async function soupClient(t: Test, world: World, sequence: number): Promise<IndependentSoupClient> {
  const port = world.store('a')?.rewindPort ?? 0
  const client = await IndependentSoupClient.connect({ port, session: world.session, sequence, username: 'guest' })
  t.teardown(() => client.close())
  return client
}

test('an independent MoldUDP64 reader and an independent SoupBinTCP client read what was recorded', async (t) => {
  const world = await World.open(t)
  const fromTheStart = await moldReader(t, world)
  const store = world.startStore('a', '--voter', 'a')
  const sequencer = world.startSequencer('--voters', 'a')
  await world.until('the session', () => (world.sequencer?.stableSequence ?? 0) > 0, store, sequencer)
  await sendMessages(world, 500)

  const requestPort = world.store('a')?.requestPort
  const byRequests = await moldReader(t, world, requestPort)
  const before = world.sequencer?.stableSequence ?? 0
  const fromOne = await soupClient(t, world, 1)
  const fromMiddle = await soupClient(t, world, 250)
  const newest = await soupClient(t, world, 0)
  for (const client of [fromOne, fromMiddle, newest]) t.equal(await client.waitForLogin(), true)
  t.strictSame([fromOne.accepted?.sequence, fromMiddle.accepted?.sequence], [1, 250])
  t.equal(fromOne.accepted?.session.trim(), world.session)
  t.ok((newest.accepted?.sequence ?? 0) >= before, 'sequence 0 asks for the newest message')
  await fromOne.waitForMessages(before)

  await sendMessages(world, 100)
  await world.decide('end-session')
  const clients = [fromOne, fromMiddle, newest]
  await Promise.all([
    ...clients.map((client) => client.waitForEnd()),
    fromTheStart.waitForEnd(),
    byRequests.waitForEnd(),
  ])
  await Promise.all(clients.map((client) => client.waitForClose()))
  t.equal((await sequencer.result()).status, 0, 'the sequencer ends with its session')
  await world.stop(store)

  const { events } = await readRecording(world.storeDirectory('a'), world.session)
  const recorded = events.map(({ bytes }) => bytes)
  t.equal(recorded.length > 600, true)
  t.same(Buffer.concat(fromTheStart.messages), Buffer.concat(recorded), 'by multicast')
  t.same(Buffer.concat(byRequests.messages), Buffer.concat(recorded), 'by requests')
  for (const client of clients) {
    const first = client.accepted?.sequence ?? 0
    t.strictSame(
      client.messages.map(({ sequence }) => sequence),
      recorded.map((_, i) => i + 1).slice(first - 1),
    )
    t.same(Buffer.concat(client.messages.map(({ bytes }) => bytes)), Buffer.concat(recorded.slice(first - 1)))
  }
  for (const reader of [fromTheStart, byRequests]) {
    t.equal(reader.nextSequence, recorded.length + 1)
    t.equal(reader.session, world.session)
    t.ok(reader.packets.ends > 0)
  }
  t.ok(fromTheStart.packets.heartbeats > 0)
  t.ok(byRequests.packets.answers > 0, 'the request server answered')
  for (const reader of [...clients, fromTheStart, byRequests]) t.strictSame(reader.problems, [])
})

test('a wrong login is rejected, and the store serves the next one', async (t) => {
  const { world } = await startSession(t, '--tick-ms', '0')
  const port = world.store('a')?.rewindPort ?? 0
  const stranger = await IndependentSoupClient.connect({ port, session: 'OTHER', sequence: 1 })
  t.equal(await stranger.waitForLogin(), false)
  t.equal(stranger.rejected, 'S')
  await stranger.waitForClose()
  t.strictSame(stranger.problems, [])
  const blank = await IndependentSoupClient.connect({ port })
  t.equal(await blank.waitForLogin(), true, 'no session: the current one')
  await blank.waitForMessages(1)
  await blank.waitForHeartbeat()
  blank.logout()
  await blank.waitForClose()
  t.strictSame(blank.problems, [])
})

interface Capture {
  readonly child: ChildProcess
  /** The named fields of each packet so far. */
  readonly rows: string[][]
}

const FIELDS = [
  'moldudp64.session',
  'moldudp64.sequence',
  'moldudp64.count',
  'moldudp64.msgseq',
  'soupbintcp.packet_type',
]

/** Starts tshark on loopback. It says nothing of a filter that is active: the first row does. */
function startTshark(t: Test, udpPort: number, tcpPort: number): Capture {
  const decodeAs = ['-d', `udp.port==${udpPort},moldudp64`, '-d', `tcp.port==${tcpPort},soupbintcp`]
  const format = [
    '-T',
    'fields',
    '-E',
    'separator=|',
    '-E',
    'aggregator=;',
    ...FIELDS.flatMap((field) => ['-e', field]),
  ]
  const filter = `udp port ${udpPort} or tcp port ${tcpPort}`
  const args = ['-n', '-l', '-i', 'lo', '-f', filter, ...decodeAs, ...format, '-e', '_ws.malformed']
  const child = spawn('tshark', args, { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  const rows: string[][] = []
  createInterface({ input: child.stdout }).on('line', (line) => rows.push(line.split('|')))
  return { child, rows }
}

/** A character field is printed as 'A' by some versions, as 0x41 by others. */
const letter = (code: string): string =>
  code.startsWith('0x') ? String.fromCharCode(Number(code)) : code.replaceAll("'", '')

function hasTshark(): boolean {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test("Wireshark dissects the live session's packets", {
  skip: hasTshark() ? false : 'tshark is not installed',
}, async (t) => {
  const { world, store, sequencer } = await startSession(t)
  const udpPort = world.options.eventGroup.port
  const { child, rows } = startTshark(t, udpPort, world.store('a')?.rewindPort ?? 0)
  await world.until('the capture', () => rows.length > 0 || child.exitCode !== null, store, sequencer)
  if (child.exitCode !== null) {
    t.comment('skipped: this user may not capture')
    return
  }
  const first = (world.sequencer?.nextSequence ?? 0) + 1
  await sendMessages(world, 50)
  const last = world.sequencer?.stableSequence ?? 0
  const client = await soupClient(t, world, first)
  await client.waitForMessages(last - first + 1)
  const sequences = (): number[] =>
    rows.flatMap((row) =>
      (row[3] ?? '')
        .split(';')
        .filter((s) => s !== '')
        .map(Number),
    )
  const soupTypes = (): string => rows.flatMap((row) => (row[4] ?? '').split(';').map(letter)).join('')
  const isDissected = (): boolean => sequences().includes(last) && soupTypes().includes('S')
  await world.until('the dissection', isDissected, store, sequencer)
  const seen = new Set(sequences())
  for (let sequence = first; sequence <= last; sequence++) {
    if (!seen.has(sequence)) t.fail(`message ${sequence} was not dissected`)
  }
  const mold = rows.filter((row) => row[0] !== '')
  t.ok(
    mold.every((row) => row[0]?.trimEnd() === world.session),
    'the session',
  )
  t.ok(
    mold.some((row) => row[2] === '0'),
    'heartbeats',
  )
  t.ok(
    mold.every((row) => Number(row[2]) === (row[3] ?? '').split(';').filter((s) => s !== '').length),
    'the counts',
  )
  t.match(soupTypes(), /L.*A.*S/)
  t.ok(
    rows.every((row) => (row[5] ?? '') === ''),
    'nothing is malformed',
  )
})

test('seqcast record stores a stream that our sequencer did not send, byte for byte', async (t) => {
  const world = await World.open(t)
  const [group, port] = ['239.255.99.7', await freePort()]
  const recorder = world.place.start(
    'record',
    '--group',
    `${group}:${port}`,
    '--dir',
    world.place.path('foreign'),
    '--json',
  )
  const reader = await IndependentMoldReader.open({ group, port })
  t.teardown(() => reader.close())
  await recorder.says('listening')
  const publisher = createSocket('udp4')
  t.teardown(() => publisher.close())
  publisher.bind(0, '127.0.0.1')
  await once(publisher, 'listening')
  publisher.setMulticastInterface('127.0.0.1')

  const messages = Array.from({ length: 400 }, (_, i) => Buffer.alloc((i * 13) % 300, i))
  for (let at = 0; at < messages.length; at += 40) {
    const blocks = messages
      .slice(at, at + 40)
      .flatMap((message) => [Buffer.of(message.length >> 8, message.length), message])
    await multicast(foreignPacket(at + 1, 40, Buffer.concat(blocks)))
    await multicast(foreignPacket(at + 41, 0, Buffer.alloc(0)))
  }
  await multicast(foreignPacket(401, 0xffff, Buffer.alloc(0)))
  const { status, stderr } = await recorder.result()
  t.equal(status, 0, stderr)
  await reader.waitForEnd()
  t.strictSame(reader.problems, [])
  const log = await LmdbEventLog.openReader(world.place.path('foreign'), 'FOREIGN 1')
  const recorded: Buffer[] = []
  log.read(1, Number.POSITIVE_INFINITY, (sequence, count, bytes, start, end) => {
    const run = foreignPacket(sequence, count, Buffer.from(bytes.subarray(start, end)))
    recorded.push(...parseMold(run).messages)
    return true
  })
  await log.close()
  t.same(recorded, messages)
  t.same(reader.messages, messages)

  async function multicast(packet: Buffer): Promise<void> {
    await new Promise((resolve) => publisher.send(packet, port, group, resolve))
  }
})

/** A downstream packet of a session whose id has a space in it. */
function foreignPacket(sequence: number, count: number, blocks: Buffer): Buffer {
  const header = Buffer.alloc(20)
  header.write('FOREIGN 1 ', 0, 'latin1')
  header.writeBigUInt64BE(BigInt(sequence), 10)
  header.writeUInt16BE(count, 18)
  return Buffer.concat([header, blocks])
}
