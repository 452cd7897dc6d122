/** Datagrams and TCP on the simulated network: what is promised of it, and what faults do. */
import fc from 'fast-check'
import { test } from 'tap'
import { SeqcastError } from '../../src/core/errors.js'
import type { TcpConnection, TcpHandlers } from '../../src/net/network.js'
import type { World } from '../../src/sim/world.js'
import { newWorld, SECOND_US, type Station, stations } from './rig.js'

const numbers = (station: Station): number[] => station.heard.map(({ bytes }) => bytes[0] ?? -1)

async function three(world: World): Promise<[Station, Station, Station]> {
  const [a, b, c] = await stations(world, ['a', 'b', 'c'])
  if (a === undefined || b === undefined || c === undefined) throw new Error('no stations')
  return [a, b, c]
}

function sendMany(world: World, from: Station, count: number, everyUs = 100): void {
  for (let i = 0; i < count; i++) world.at(i * everyUs + 1, () => from.sender.send(Uint8Array.of(i & 0xff, i >> 8)))
}

test('a quiet network: everybody hears everything once, in order, also the sender', async (t) => {
  const world = newWorld()
  const all = await three(world)
  sendMany(world, all[0], 100)
  await world.run({ deadlineUs: SECOND_US })
  const sent = Array.from({ length: 100 }, (_, i) => i)
  for (const station of all) {
    t.strictSame(numbers(station), sent)
    t.ok(station.heard.every(({ from }) => from === all[0].platform.process.machine.address))
  }
  t.equal(world.network.counters.delivered, 300)
})

test('bytes are copied when they are sent, and each receiver has its own', async (t) => {
  const world = newWorld()
  const [a, b, c] = await three(world)
  const got: Uint8Array[] = []
  for (const { platform } of [b, c]) {
    await platform.network.openMulticastReceiver(
      {
        group: '239.0.0.2',
        port: 1,
        interfaceAddress: '',
        onError: () => {},
      },
      (packet) => {
        got.push(packet.slice())
        packet.fill(0)
      },
    )
  }
  const sender = await a.platform.network.openMulticastSender({
    group: '239.0.0.2',
    port: 1,
    interfaceAddress: '',
    onError: () => {},
  })
  const packet = Buffer.from([1, 2, 3])
  sender.send(packet)
  packet.fill(9)
  await world.run({ deadlineUs: SECOND_US })
  t.strictSame(
    got.map((bytes) => [...bytes]),
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  )
})

test('loss, repeats and reordering come as often as asked; the own machine is spared', async (t) => {
  const world = newWorld(3)
  world.network.setFaults({ loss: 0.2, duplicate: 0.1, reorder: 0.1, reorderMaxUs: 3_000 })
  const [a, b] = await three(world)
  sendMany(world, a, 2_000)
  await world.run({ deadlineUs: SECOND_US })
  const heard = b.heard.map(({ bytes }) => (bytes[0] ?? 0) + (bytes[1] ?? 0) * 256)
  const distinct = new Set(heard).size
  t.ok(distinct > 1_500 && distinct < 1_700, `${distinct} of 2,000 came`)
  const repeats = heard.length - distinct
  t.ok(repeats > 100 && repeats < 220, `${repeats} came twice`)
  t.ok(heard.some((number, i) => number < (heard[i - 1] ?? 0)))
  t.equal(a.heard.length, 2_000)
  world.network.clearFaults()
  b.heard.length = 0
  world.after(1, () => a.sender.send(Uint8Array.of(1)))
  await world.run({ deadlineUs: 2 * SECOND_US })
  t.equal(b.heard.length, 1)
})

test('faults and cuts are for one direction', async (t) => {
  const world = newWorld()
  const [a, b, c] = await three(world)
  const [ma, mb] = [a.platform.process.machine, b.platform.process.machine]
  world.network.cut(ma, mb)
  t.strictSame([world.network.isCut(ma, mb), world.network.isCut(mb, ma)], [true, false])
  sendMany(world, a, 10)
  sendMany(world, b, 10)
  await world.run({ deadlineUs: SECOND_US })
  t.equal(b.heard.length, 10, 'its own')
  t.equal(a.heard.length, 20)
  t.equal(c.heard.length, 20)
  world.network.heal(ma, mb)
  world.network.setFaults({ loss: 1 }, { to: mb })
  world.network.setFaults({ loss: 0 }, { from: c.platform.process.machine, to: mb })
  b.heard.length = 0
  world.after(1, () => {
    a.sender.send(Uint8Array.of(1))
    c.sender.send(Uint8Array.of(2))
  })
  await world.run({ deadlineUs: 2 * SECOND_US })
  t.strictSame(numbers(b), [2], 'the narrower setting wins')
})

test('unicast: ports are of an address, and free again when their process is gone', async (t) => {
  const world = newWorld()
  const [a, b] = await three(world)
  const got: string[] = []
  const open = (station: Station, port: number) =>
    station.platform.network.openUnicast(
      { port, interfaceAddress: station.platform.process.machine.address, onError: () => {} },
      (packet, address, fromPort) =>
        got.push(`${station.platform.process.machine.name} ${packet[0]} ${address}:${fromPort}`),
    )
  const first = await open(a, 7710)
  await open(b, 7710)
  await t.rejects(open(a, 7710), SeqcastError)
  const free = await open(a, 0)
  t.ok(free.port > 0 && free.port !== first.port)
  const toB = b.platform.process.machine.address
  free.send(Uint8Array.of(5), toB, 7710)
  free.send(Uint8Array.of(6), toB, 9)
  free.send(Uint8Array.of(7), '10.9.9.9', 7710)
  await world.run({ deadlineUs: SECOND_US })
  t.strictSame(got, [`b 5 ${a.platform.process.machine.address}:${free.port}`])
  t.equal(world.network.counters.unheard, 2)
  first.close()
  await open(a, 7710)
  b.platform.process.machine.kill()
  b.platform = b.platform.process.machine.boot()
  await open(b, 7710)
})

interface Peer {
  readonly events: string[]
  readonly bytes: number[]
  connection: TcpConnection | undefined
}

function peer(): Peer & { handlers: TcpHandlers } {
  const found: Peer & { handlers: TcpHandlers } = {
    events: [],
    bytes: [],
    connection: undefined,
    handlers: {
      bytes: (bytes) => found.bytes.push(...bytes),
      drained: () => found.events.push('drained'),
      closed: (reason) => found.events.push(`closed: ${reason}`),
    },
  }
  return found
}

interface Pair {
  readonly world: World
  readonly server: Peer
  readonly client: Peer
  readonly machines: World['machines']
}

async function connected(seed = 1): Promise<Pair> {
  const world = newWorld(seed)
  const [a, b] = await three(world)
  const server = peer()
  const client = peer()
  const { address } = a.platform.process.machine
  await a.platform.network.listenTcp({ address, port: 80 }, (connection) => {
    server.connection = connection
    return server.handlers
  })
  world.after(1, () => {
    client.connection = b.platform.network.connectTcp(
      { address, port: 80 },
      { ...client.handlers, connected: () => client.events.push('connected') },
    )
  })
  await world.run({ deadlineUs: 10_000 })
  return { world, server, client, machines: world.machines }
}

test('TCP: bytes arrive whole and in order, however they are cut', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 1e6 }),
      fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 12 }),
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      async (seed, lengths, loss) => {
        const { world, server, client } = await connected(seed)
        world.network.setFaults({ loss })
        const sent: number[] = []
        let next = 0
        for (const length of lengths) {
          const bytes = Uint8Array.from({ length }, () => next++ % 251)
          for (const byte of bytes) sent.push(byte)
          client.connection?.send(bytes)
        }
        client.connection?.close()
        await world.run({ deadlineUs: 900_000 })
        if (loss === 0 && Buffer.compare(Buffer.from(sent), Buffer.from(server.bytes)) !== 0) {
          throw new Error(`${server.bytes.length} of ${sent.length} bytes`)
        }
        const came = Buffer.from(server.bytes)
        if (Buffer.compare(came, Buffer.from(sent).subarray(0, came.length)) !== 0) throw new Error('other bytes')
      },
    ),
    { numRuns: 25 },
  )
  t.pass('for all that were tried')
})

test('TCP: bytes stay in order where a machine is slow, or stopped for a while', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, server, client, machines } = await connected(seed)
    for (const machine of machines) machine.setWork(400)
    for (let i = 0; i < 200; i++) {
      world.at(20_000 + i * 100, () => client.connection?.send(Uint8Array.of(i)))
      if (i % 50 === 0) world.at(20_000 + i * 100, () => machines[0]?.pause(2_000))
    }
    await world.run({ deadlineUs: SECOND_US })
    const expected = Array.from({ length: 200 }, (_, i) => i)
    if (server.bytes.join() !== expected.join()) t.fail(`seed ${seed}: ${server.bytes.join()}`)
  }
  t.pass('in order')
})

test('TCP: an end closes in order, and tells the other side once', async (t) => {
  const { world, server, client } = await connected()
  t.strictSame(client.events, ['connected'])
  client.connection?.send(Uint8Array.of(1, 2, 3))
  client.connection?.close()
  client.connection?.send(Uint8Array.of(4))
  await world.run({ deadlineUs: 2 * SECOND_US })
  t.strictSame(server.bytes, [1, 2, 3])
  t.strictSame(server.events, ['closed: closed by the other side'])
  t.strictSame(client.events, ['connected', 'closed: closed by the other side'])
})

test('TCP: a reader that takes nothing makes the writer wait', async (t) => {
  const { world, server, client } = await connected()
  server.connection?.setPaused(true)
  for (let i = 0; i < 30; i++) client.connection?.send(new Uint8Array(10_000).fill(i))
  await world.run({ deadlineUs: SECOND_US })
  t.equal(server.bytes.length, 0)
  const waiting = client.connection?.bufferedBytes() ?? 0
  t.ok(waiting > 100_000 && waiting < 300_000, `${waiting} bytes wait`)
  t.notOk(client.events.includes('drained'))
  world.after(1, () => server.connection?.setPaused(false))
  await world.run({ deadlineUs: 2 * SECOND_US })
  t.equal(server.bytes.length, 300_000)
  t.equal(client.connection?.bufferedBytes(), 0)
  t.ok(client.events.includes('drained'))
})

test('TCP: a short cut only delays, a long one breaks', async (t) => {
  const { world, server, client, machines } = await connected()
  const [a, b] = machines
  if (a === undefined || b === undefined) throw new Error('no machines')
  world.network.cut(a, b)
  client.connection?.send(Uint8Array.of(1))
  world.after(SECOND_US, () => world.network.healAll())
  await world.run({ deadlineUs: 2 * SECOND_US })
  t.strictSame(server.bytes, [1])
  world.network.cut(b, a)
  client.connection?.send(Uint8Array.of(2))
  await world.run({ deadlineUs: 6 * SECOND_US })
  t.strictSame(client.events, ['connected', 'closed: read ETIMEDOUT'])
  t.strictSame(server.events, [], 'the other side does not know')
  world.network.healAll()
  server.connection?.send(Uint8Array.of(3))
  await world.run({ deadlineUs: 7 * SECOND_US })
  t.strictSame(server.events, ['closed: read ECONNRESET'], 'until it says something')
})

test('TCP: a killed process resets, a closed port refuses, a cut one times out', async (t) => {
  const { world, server, client, machines } = await connected()
  const [a, b] = machines
  if (a === undefined || b === undefined) throw new Error('no machines')
  a.kill()
  await world.run({ deadlineUs: 100_000 })
  t.equal(client.events.length, 2)
  t.match(client.events[1], /closed/)
  t.strictSame(server.events, [], 'the dead are told nothing')
  const platform = a.boot()
  const refused = peer()
  const cut = peer()
  const connect = (to: string, found: ReturnType<typeof peer>): void => {
    platform.network.connectTcp({ address: to, port: 80 }, { ...found.handlers, connected: () => t.fail('connected') })
  }
  connect(b.address, refused)
  await world.run({ deadlineUs: 200_000 })
  t.strictSame(refused.events, [`closed: connect ECONNREFUSED ${b.address}:80`])
  world.network.cut(a, b)
  connect(b.address, cut)
  await world.run({ deadlineUs: 10 * SECOND_US })
  t.strictSame(cut.events, [`closed: connect ETIMEDOUT ${b.address}:80`])
})

test('TCP: a server that is closed ends its connections', async (t) => {
  const world = newWorld()
  const [a, b] = await three(world)
  const { address } = a.platform.process.machine
  const client = peer()
  const server = await a.platform.network.listenTcp({ address, port: 80 }, () => peer().handlers)
  await t.rejects(
    a.platform.network.listenTcp({ address, port: 80 }, () => undefined),
    { code: 'E_PORT_IN_USE' },
  )
  b.platform.network.connectTcp({ address, port: 80 }, { ...client.handlers, connected: () => {} })
  await world.run({ deadlineUs: 10_000 })
  let isClosed = false
  void server.close().then(() => {
    isClosed = true
  })
  await world.run({ deadlineUs: 20_000 })
  t.ok(isClosed)
  t.equal(client.events.length, 1)
})
