/** The independent reader and client, tried against packets of our wire code on real sockets. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket as TcpSocket } from 'node:net'
import { test } from 'tap'
import { sessionBytes } from '../../src/core/session.js'
import { writeU16 } from '../../src/wire/bytes.js'
import {
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
  parseLoginRequest,
  SOUP_END_OF_SESSION,
  SOUP_LOGIN_REQUEST,
  SOUP_LOGOUT,
  SOUP_SEQUENCED,
  SOUP_SERVER_HEARTBEAT,
  SoupParser,
  soupPacket,
} from '../../src/wire/soupbintcp.js'
import { IndependentMoldReader } from '../fixtures/independent-mold-reader.js'
import { IndependentSoupClient } from '../fixtures/independent-soup-client.js'
import { concat } from '../wire/hostile-bytes.js'

const LOOPBACK = '127.0.0.1'

const contentOf = (sequence: number): Uint8Array => Uint8Array.from(Buffer.from(`message ${sequence}`))

function downstream(sequence: number, count: number): Uint8Array {
  const header = new Uint8Array(MOLD_HEADER_BYTES)
  writeMoldHeader(header, 0, sessionBytes('S1'), sequence, count)
  if (count === MOLD_END_OF_SESSION) return header
  const blocks = Array.from({ length: count }, (_, i) => {
    const content = contentOf(sequence + i)
    const block = new Uint8Array(2 + content.length)
    writeU16(block, 0, content.length)
    block.set(content, 2)
    return block
  })
  return concat([header, ...blocks])
}

async function udp(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  return socket
}

test('the fixtures import nothing of the project', (t) => {
  for (const name of ['independent-mold-reader', 'independent-soup-client']) {
    const source = readFileSync(new URL(`../../../test/fixtures/${name}.ts`, import.meta.url), 'utf8')
    const imports = [...source.matchAll(/from '([^']+)'/g)].map((match) => match[1] ?? '')
    t.ok(imports.length > 0 && imports.every((from) => from.startsWith('node:')), `${name}: ${imports}`)
  }
  t.end()
})

test('the MoldUDP64 reader asks for what was lost and reads the session to its end', async (t) => {
  const sender = await udp()
  sender.setMulticastInterface(LOOPBACK)
  const server = await udp()
  const group = `239.255.${100 + (process.pid % 100)}.${1 + (Math.floor(process.pid / 100) % 250)}`
  const port = sender.address().port
  const reader = await IndependentMoldReader.open({
    group,
    port,
    session: 'S1',
    requestServer: { host: LOOPBACK, port: server.address().port },
  })
  t.teardown(() => {
    reader.close()
    sender.close()
    server.close()
  })
  const requests: [number, number][] = []
  server.on('message', (request, peer) => {
    if (checkRequest(request) !== undefined) return
    requests.push([moldSequence(request), moldCount(request)])
    server.send(downstream(moldSequence(request), moldCount(request)), peer.port, peer.address)
  })
  const send = (packet: Uint8Array): void => sender.send(packet, port, group)
  send(downstream(1, 3))
  await reader.waitForSequence(4)
  send(downstream(8, 2)) // 4 to 7 are lost
  send(downstream(10, 0))
  send(downstream(12, MOLD_END_OF_SESSION)) // 10 and 11 are lost as well, and only the end says so
  await reader.waitForSequence(10)
  send(downstream(12, 0))
  await reader.waitForEnd()
  t.same(
    reader.messages.map(String),
    Array.from({ length: 11 }, (_, i) => `message ${i + 1}`),
  )
  t.same(requests[0], [4, 4])
  t.strictSame(reader.problems, [])
  t.equal(reader.packets.ends, 1)
  t.ok(reader.packets.requestsSent >= 2)
})

test('the MoldUDP64 reader complains about what the document does not allow', async (t) => {
  const sender = await udp()
  const reader = await IndependentMoldReader.open({
    group: '239.255.99.99',
    port: sender.address().port,
    session: 'S1',
  })
  t.teardown(() => {
    reader.close()
    sender.close()
  })
  sender.setMulticastInterface(LOOPBACK)
  const bad = downstream(1, 2)
  const foreign = downstream(1, 1)
  foreign.set(sessionBytes('OTHER'))
  const changed = downstream(1, 1)
  changed[changed.length - 1] = 0x7a
  for (const packet of [downstream(1, 1), bad.subarray(0, 30), bad.subarray(0, 7), foreign, changed]) {
    sender.send(packet, sender.address().port, '239.255.99.99')
  }
  await reader.waitForSequence(2)
  while (reader.problems.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
  t.match(reader.problems, [/cut off/, /no header/, /OTHER/, /two contents/])
})

/** A server of a few lines on our wire code: five messages, a heartbeat, the end. */
function serve(connection: TcpSocket): void {
  const parser = new SoupParser((type, bytes, at, end) => {
    if (type === SOUP_LOGOUT) connection.end()
    if (type !== SOUP_LOGIN_REQUEST) return type !== SOUP_LOGOUT
    const login = parseLoginRequest(bytes.subarray(at, end))
    if (typeof login === 'string' || login.password !== 'secret') {
      connection.end(loginRejectedPacket('not-authorised'))
      return false
    }
    if (login.session !== '' && login.session !== 'S1') {
      connection.end(loginRejectedPacket('session-not-available'))
      return false
    }
    const first = login.sequence === 0 ? 6 : login.sequence
    const messages: Uint8Array[] = []
    for (let sequence = first; sequence <= 5; sequence++) messages.push(soupPacket(SOUP_SEQUENCED, contentOf(sequence)))
    const stream = concat([
      loginAcceptedPacket({ session: 'S1', sequence: first }),
      ...messages,
      soupPacket(SOUP_SERVER_HEARTBEAT),
      soupPacket(SOUP_END_OF_SESSION),
    ])
    connection.write(stream.subarray(0, 40))
    setTimeout(() => connection.write(stream.subarray(40)), 20)
    return true
  })
  connection.on('data', (bytes) => parser.push(bytes))
  connection.on('error', () => connection.destroy())
}

async function listen(server: Server): Promise<number> {
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

test('the SoupBinTCP client logs in, reads from any sequence, and logs out', async (t) => {
  const server = createServer(serve)
  const port = await listen(server)
  t.teardown(() => server.close())
  for (const sequence of [1, 3, 6, 0]) {
    const client = await IndependentSoupClient.connect({
      port,
      username: 'u',
      password: 'secret',
      session: 'S1',
      sequence,
    })
    t.equal(await client.waitForLogin(), true)
    await client.waitForEnd()
    const first = sequence === 0 ? 6 : sequence
    t.strictSame(client.accepted, { session: 'S1', sequence: first })
    t.strictSame(
      client.messages.map((message) => [message.sequence, String(message.bytes)]),
      [1, 2, 3, 4, 5].filter((n) => n >= first).map((n) => [n, `message ${n}`]),
    )
    t.equal(client.heartbeats, 1)
    client.logout()
    await client.waitForClose()
    t.strictSame(client.problems, [])
  }
})

test('the SoupBinTCP client is told why it is refused', async (t) => {
  const server = createServer(serve)
  const port = await listen(server)
  t.teardown(() => server.close())
  const stranger = await IndependentSoupClient.connect({ port, session: 'S1' })
  t.equal(await stranger.waitForLogin(), false)
  t.equal(stranger.rejected, 'A')
  const lost = await IndependentSoupClient.connect({ port, password: 'secret', session: 'OTHER' })
  t.equal(await lost.waitForLogin(), false)
  t.equal(lost.rejected, 'S')
  await Promise.all([stranger.waitForClose(), lost.waitForClose()])
  t.strictSame([...stranger.problems, ...lost.problems], [])
})
