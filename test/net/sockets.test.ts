/** Real sockets on loopback: what is sent to a group arrives, what can't be opened says why. */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { test } from 'tap'
import type { SeqcastError } from '../../src/core/errors.js'
import { parseGroup, parseHostPort, resolveInterface } from '../../src/net/interfaces.js'
import { connectTcp, TcpListener } from '../../src/net/tcp.js'
import { MulticastReceiver, MulticastSender, UnicastSocket } from '../../src/net/udp.js'

const LOOPBACK = '127.0.0.1'

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4').bind(0, LOOPBACK, () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}

test('a group carries datagrams to every receiver, and to no other group', async (t) => {
  const port = await freePort()
  const errors: SeqcastError[] = []
  const at = { port, interfaceAddress: LOOPBACK, onError: (error: SeqcastError) => errors.push(error) }
  const heard: string[] = []
  const all = new Promise<void>((resolve) => {
    const note = (who: string) => (packet: Uint8Array) => {
      heard.push(`${who}${packet[0]}`)
      if (heard.length === 6) resolve()
    }
    Promise.all([
      MulticastReceiver.open({ ...at, group: '239.255.90.1' }, note('a')),
      MulticastReceiver.open({ ...at, group: '239.255.90.1' }, note('b')),
      MulticastReceiver.open({ ...at, group: '239.255.90.2' }, note('other')),
    ]).then(async (receivers) => {
      for (const receiver of receivers) t.ok(receiver.receiveBufferBytes > 0, 'the buffer size is read back')
      const sender = await MulticastSender.open({ ...at, group: '239.255.90.1' })
      for (const byte of [1, 2, 3]) sender.send(new Uint8Array([byte]))
      t.equal(sender.counters.sent, 3)
      t.equal(sender.congested, false)
      t.teardown(() => {
        sender.close()
        for (const receiver of receivers) receiver.close()
      })
    })
  })
  await all
  t.strictSame(
    heard.filter((name) => name.startsWith('a')),
    ['a1', 'a2', 'a3'],
  )
  t.strictSame(
    heard.filter((name) => name.startsWith('b')),
    ['b1', 'b2', 'b3'],
  )
  t.strictSame(errors, [])
})

test('a datagram that is too long is an error with a hint, once', async (t) => {
  const port = await freePort()
  const error = await new Promise<SeqcastError>((resolve) => {
    MulticastSender.open({ group: '239.255.90.3', port, interfaceAddress: LOOPBACK, onError: resolve }).then(
      (sender) => {
        t.teardown(() => sender.close())
        sender.send(new Uint8Array(65_508))
      },
    )
  })
  t.match(error, { code: 'E_SEND', hint: /--datagram/ })
})

test('every send that fails is counted, and the first is told', async (t) => {
  const told: SeqcastError[] = []
  const sender = await MulticastSender.open({
    group: '239.255.90.4',
    port: await freePort(),
    interfaceAddress: LOOPBACK,
    onError: (error) => told.push(error),
  })
  t.teardown(() => sender.close())
  for (let i = 0; i < 5; i++) sender.send(new Uint8Array(65_508))
  while (sender.counters.sendErrors < 5) await new Promise((resolve) => setImmediate(resolve))
  t.equal(told.length, 1)
})

test('a UDP port in use is named', async (t) => {
  const onError = (error: SeqcastError): void => {
    t.fail(error.message)
  }
  const first = await UnicastSocket.open({ port: 0, interfaceAddress: LOOPBACK, onError }, () => {})
  t.teardown(() => first.close())
  await t.rejects(
    UnicastSocket.open({ port: first.port, interfaceAddress: LOOPBACK, onError }, () => {}),
    {
      code: 'E_PORT_IN_USE',
      message: new RegExp(String(first.port)),
    },
  )
})

test('a unicast answer is copied before the caller uses its memory again', async (t) => {
  const onError = (error: SeqcastError): void => {
    t.fail(error.message)
  }
  const got = await new Promise<Uint8Array>((resolve) => {
    UnicastSocket.open({ port: 0, interfaceAddress: LOOPBACK, onError }, resolve).then((socket) => {
      t.teardown(() => socket.close())
      const packet = new Uint8Array([1, 2, 3])
      socket.send(packet, LOOPBACK, socket.port)
      packet.fill(9)
    })
  })
  t.strictSame([...got], [1, 2, 3])
})

test('TCP: a listener, a client, bytes both ways, and a close with its reason', async (t) => {
  const listener = await TcpListener.open({ address: LOOPBACK, port: 0 }, (connection) => ({
    bytes: (bytes) => connection.send(bytes.slice()),
    drained: () => {},
    closed: () => {},
  }))
  const reason = await new Promise<string>((resolve) => {
    const connection = connectTcp(
      { address: LOOPBACK, port: listener.port },
      {
        connected: () => connection.send(new Uint8Array([7])),
        bytes: (bytes) => {
          t.strictSame([...bytes], [7])
          connection.close()
        },
        drained: () => {},
        closed: resolve,
      },
    )
  })
  t.type(reason, 'string')
  await listener.close()
  const refused = await new Promise<string>((resolve) => {
    connectTcp(
      { address: LOOPBACK, port: listener.port },
      { connected: () => t.fail('connected'), bytes: () => {}, drained: () => {}, closed: resolve },
    )
  })
  t.match(refused, /ECONNREFUSED/)
})

test('a TCP port in use is named', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await t.rejects(
    TcpListener.open({ address: LOOPBACK, port }, () => undefined),
    { code: 'E_PORT_IN_USE' },
  )
})

test('addresses are checked before any socket is opened', (t) => {
  t.strictSame(parseGroup('239.255.77.1:7701'), { group: '239.255.77.1', port: 7701 })
  t.strictSame(parseHostPort('127.0.0.1:1'), { address: '127.0.0.1', port: 1 })
  for (const text of [
    '127.0.0.1:7701',
    '10.0.0.1:1',
    '240.0.0.1:1',
    '239.1.1.1',
    '239.1.1.1:0',
    '239.1.1.1:65536',
    'x:1',
    '',
  ]) {
    t.throws(() => parseGroup(text), { code: 'E_GROUP' }, text)
  }
  t.throws(() => parseHostPort('localhost:1'), { code: 'E_CONFIG' })
  t.equal(resolveInterface('lo'), LOOPBACK)
  t.equal(resolveInterface(LOOPBACK), LOOPBACK)
  t.throws(() => resolveInterface('nosuch0'), { code: 'E_INTERFACE', hint: /lo \(127\.0\.0\.1\)/ })
  t.end()
})

test('a socket that is closed takes a late send and a second close without a word', async (t) => {
  const errors: SeqcastError[] = []
  const at = {
    port: await freePort(),
    interfaceAddress: LOOPBACK,
    onError: (error: SeqcastError) => errors.push(error),
  }
  const sender = await MulticastSender.open({ ...at, group: '239.255.90.3' })
  const unicast = await UnicastSocket.open({ ...at, port: 0 }, () => {})
  const receiver = await MulticastReceiver.open({ ...at, group: '239.255.90.3' }, () => {})
  for (const socket of [sender, unicast, receiver, sender, unicast, receiver]) socket.close()
  sender.send(new Uint8Array([1]))
  unicast.send(new Uint8Array([1]), LOOPBACK, at.port)
  t.equal(sender.counters.sent + unicast.counters.sent, 0)
  t.strictSame(errors, [])
})

test('a peer that named a port that is none is not sent to', async (t) => {
  const errors: SeqcastError[] = []
  const at = { port: 0, interfaceAddress: LOOPBACK, onError: (error: SeqcastError) => errors.push(error) }
  const socket = await UnicastSocket.open(at, () => {})
  t.teardown(() => socket.close())
  for (const port of [0, -1, 65_536, 2 ** 32 - 1, Number.NaN]) socket.send(new Uint8Array(20), LOOPBACK, port)
  t.equal(socket.counters.sendErrors, 5)
  t.equal(socket.counters.sent, 0)
  t.strictSame(errors, [])
})

test('a connection to a port that is none ends as one to which nobody answers', async (t) => {
  for (const port of [0, 65_536, 4_294_967_295]) {
    const reason = await new Promise<string>((closed) => {
      connectTcp({ address: '127.0.0.1', port }, { connected() {}, bytes() {}, drained() {}, closed })
    })
    t.not(reason, '', `${port}: ${reason}`)
  }
})

test('a connection that was closed goes away also where the peer never reads', async (t) => {
  let isClosed: () => void = () => {}
  const closed = new Promise<void>((resolve) => {
    isClosed = resolve
  })
  const listener = await TcpListener.open({ address: LOOPBACK, port: 0 }, (connection) => {
    for (let i = 0; i < 64; i++) connection.send(new Uint8Array(1 << 18))
    setImmediate(() => connection.close())
    return { bytes() {}, drained() {}, closed: () => isClosed() }
  })
  const client = connect({ host: LOOPBACK, port: listener.port })
  client.pause()
  client.on('error', () => {})
  t.teardown(async () => {
    client.destroy()
    await listener.close()
  })
  await closed
  t.pass()
})
