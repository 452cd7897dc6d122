/** NATS and JetStream through their own JavaScript client. */
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Child } from './children.js'
import { PeerServer } from './peer-server.js'
import type { Peer, Rates } from './peers.js'

const ECHO = 'bench.echo'
const STREAM = 'BENCH'
const STORED = 'stored.event'
/** Publishes that wait for their acknowledgement at the same time. */
const IN_FLIGHT = 512

/** @returns undefined where no nats-server is found */
export async function openNats(): Promise<Peer[] | undefined> {
  const server = await PeerServer.start('nats-server', (port, directory) => [
    ...['-a', '127.0.0.1', '-p', String(port)],
    ...['-js', '-sd', directory],
  ])
  if (server === undefined) return undefined
  const connection = await connect({ port: server.port })
  const responder = await Child.start('./nats-responder.js', { port: server.port, subject: ECHO })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: STREAM, subjects: [STORED], storage: StorageType.File })
  const close = async (): Promise<void> => {
    await connection.close()
    await responder.stop()
    await server.stop()
  }
  return [
    {
      name: 'NATS request/reply',
      roundTrip: (payload) => connection.request(ECHO, payload, { timeout: 10_000 }),
      close: async () => {},
    },
    {
      name: 'NATS JetStream publish, acknowledged',
      roundTrip: (payload) => jetstream(connection).publish(STORED, payload),
      rates: (payload, messages) => rates(connection, payload, messages),
      close,
    },
  ]
}

async function rates(connection: NatsConnection, payload: Uint8Array, messages: number): Promise<Rates> {
  const stream = jetstream(connection)
  const manager = await jetstreamManager(connection)
  await manager.streams.purge(STREAM)
  const startMs = performance.now()
  for (let sent = 0; sent < messages; sent += IN_FLIGHT) {
    const count = Math.min(IN_FLIGHT, messages - sent)
    await Promise.all(Array.from({ length: count }, () => stream.publish(STORED, payload)))
  }
  const publishedMs = performance.now()
  const replay = await manager.consumers.add(STREAM, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
    mem_storage: true,
  })
  const consumer = await stream.consumers.get(STREAM, replay.name)
  const replayStartMs = performance.now()
  let seen = 0
  const iterator = await consumer.consume({ max_messages: 10_000 })
  for await (const message of iterator) {
    seen += message.data.length > 0 || payload.length === 0 ? 1 : 0
    if (seen === messages) break
  }
  const endMs = performance.now()
  return {
    stored: messages / ((publishedMs - startMs) / 1000),
    replayed: messages / ((endMs - replayStartMs) / 1000),
  }
}
