/**
 * `record` on a stream that our sequencer did not send: the packets are put together here, byte by byte, and a request server
 * stands by that knows nothing of this project.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { cancels, OMS_PROTO, type Running, type Stage, stage, startSystem } from '../fixtures/processes.js'

const SESSION = 'ITCH-7 x'

function mold(sequence: number, count: number, messages: readonly Buffer[], session = SESSION): Buffer {
  const header = Buffer.alloc(20)
  header.write(session.padEnd(10), 0, 'latin1')
  header.writeBigUInt64BE(BigInt(sequence), 10)
  header.writeUInt16BE(count, 18)
  const blocks = messages.map((message) => Buffer.concat([Buffer.from([0, message.length]), message]))
  return Buffer.concat([header, ...blocks])
}

const message = (sequence: number): Buffer => Buffer.from(`message ${sequence}`)
const one = (sequence: number): Buffer => mold(sequence, 1, [message(sequence)])
const endOfSession = (next: number): Buffer => mold(next, 0xffff, [])

async function openSocket(t: Test): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.setMulticastInterface('127.0.0.1')
  t.teardown(() => socket.close())
  return socket
}

async function multicaster(t: Test, place: Stage): Promise<(packet: Buffer) => Promise<void>> {
  const socket = await openSocket(t)
  const [group = '', port = ''] = place.groups.event.split(':')
  return (packet) => new Promise((resolve) => socket.send(packet, Number(port), group, () => resolve()))
}

/** Answers each request with up to three messages. */
async function requestServer(t: Test, last: number): Promise<{ port: number; requests: string[] }> {
  const socket = await openSocket(t)
  const requests: string[] = []
  socket.on('message', (request, from) => {
    const first = Number(request.readBigUInt64BE(10))
    const wanted = request.readUInt16BE(18)
    requests.push(`${request.toString('latin1', 0, 10)}/${first}/${wanted}`)
    const count = Math.min(3, wanted, last - first + 1)
    const messages = Array.from({ length: count }, (_, i) => message(first + i))
    if (count > 0) socket.send(mold(first, count, messages), from.port, from.address)
  })
  const address: AddressInfo = socket.address()
  return { port: address.port, requests }
}

function startRecord(place: Stage, ...flags: string[]): Running {
  const verbose = ['--json', '--log-level', 'info']
  return place.start('record', '--group', place.groups.event, '--dir', place.path('recorded'), ...verbose, ...flags)
}

async function messagesOf(place: Stage, session = SESSION): Promise<string[]> {
  const exported = await place.run(['export', '--dir', 'recorded', '--session', session, '--format', 'jsonl'])
  return exported.lines.map((line) => Buffer.from(JSON.parse(line).message, 'base64').toString())
}

const messages = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => message(from + i).toString())

test('a foreign stream, its session learnt, its gaps filled from a request server, to its end', async (t) => {
  const place = await stage(t)
  const send = await multicaster(t, place)
  const server = await requestServer(t, 20)
  const record = startRecord(place, '--request-server', `127.0.0.1:${server.port}`)
  await record.says('record: listening')
  await send(Buffer.from('no packet'))
  for (const sequence of [4, 6, 5, 5, 9, 20]) await send(one(sequence))
  await send(mold(1, 1, [Buffer.from('of another session')], 'OTHER'))
  await send(endOfSession(21))
  const result = await record.result()
  t.equal(result.status, 0, result.stderr)
  const said = JSON.parse(result.lines[0] ?? '')
  t.match(said, { session: SESSION, firstSequence: 1, lastSequence: 20, events: 20, ended: true })
  t.match(said.counters, { 'foreign-session': 1, malformed: 1 })
  t.equal(server.requests[0]?.slice(0, 12), 'ITCH-7 x  /1', 'from the beginning')
  t.strictSame(await messagesOf(place), messages(1, 20))
  const listed = await place.run(['sessions', '--dir', 'recorded', '--json'])
  t.match(JSON.parse(listed.lines[0] ?? ''), { session: SESSION, kind: 'opaque', lastSequence: 20, ended: true })
  t.equal((await place.run(['verify', '--dir', 'recorded'])).status, 0)
})

test('what nobody can give is a loss, and the recording ends before it; it goes on where it stopped', async (t) => {
  const place = await stage(t)
  const send = await multicaster(t, place)
  const first = startRecord(place)
  await first.says('record: listening')
  for (const sequence of [7, 8, 11]) await send(one(sequence))
  const lost = await first.result()
  t.strictSame([lost.status, lost.code], [1, 'E_LOST'])
  t.match(lost.stderr, /events 9 to 10 of session ITCH-7 x/)
  t.match(JSON.parse(lost.lines[0] ?? ''), { firstSequence: 7, lastSequence: 8, ended: false })

  const server = await requestServer(t, 12)
  const again = startRecord(place, '--session', SESSION, '--request-server', `127.0.0.1:${server.port}`)
  await again.says('record: listening')
  await send(one(12))
  await again.says('record: recording')
  await send(mold(13, 0, []))
  await again.until(() => server.requests.length > 0, 'a request')
  await new Promise((resolve) => setTimeout(resolve, 200))
  const stopped = await again.stop('SIGTERM')
  t.equal(stopped.status, 0, stopped.stderr)
  t.match(JSON.parse(stopped.lines[0] ?? ''), { firstSequence: 7, lastSequence: 12, events: 4, ended: false })
  t.strictSame(await messagesOf(place), messages(7, 12))
})

test('stopped with a gap: what is missing is said; silence is an error', async (t) => {
  const place = await stage(t)
  const send = await multicaster(t, place)
  const record = startRecord(place, '--seconds', '0.7')
  await record.says('record: listening')
  for (const sequence of [1, 3]) await send(one(sequence))
  const result = await record.result()
  t.strictSame([result.status, result.code], [1, 'E_LOST'])
  t.match(JSON.parse(result.lines[0] ?? ''), { lastSequence: 1, missing: { from: 2, to: 3 } })

  const silent = await startRecord(place, '--seconds', '0.2').result()
  t.strictSame([silent.status, silent.code], [1, 'E_SESSION_UNKNOWN'])
})

test('our own stream is recorded as events', async (t) => {
  const s = await startSystem(t)
  const record = startRecord(s)
  await record.says('record: listening')
  const sent = await s.run(['send', ...s.streams, '--proto', OMS_PROTO], cancels(1, 200))
  t.equal(sent.status, 0, sent.stderr)
  t.equal((await s.run(['admin', 'end-session', ...s.streams])).status, 0)
  const result = await record.result()
  t.equal(result.status, 0, result.stderr)
  t.match(JSON.parse(result.lines[0] ?? ''), { session: s.session, firstSequence: 2, lastSequence: 203, ended: true })
  const verified = await s.run(['verify', '--dir', 'recorded', '--json'])
  t.equal(verified.status, 0, verified.stderr)
  t.match(JSON.parse(verified.lines[0] ?? ''), { kind: 'events', problemCount: 0, events: 202 })
})
