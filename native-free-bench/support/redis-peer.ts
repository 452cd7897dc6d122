/** Redis Streams through the JavaScript client. */
import { createClient, RESP_TYPES } from '@redis/client'
import { PeerServer } from './peer-server.js'
import type { Peer, Rates } from './peers.js'

const STREAM = 'bench'
const STORED = 'bench-stored'
const IN_FLIGHT = 512
const RANGE_COUNT = 1_000

/** @returns undefined where no redis-server is found */
export async function openRedis(): Promise<Peer[] | undefined> {
  const server = await PeerServer.start('redis-server', (port, directory) => [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', directory],
    ...['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'],
  ])
  if (server === undefined) return undefined
  const writer = await createClient({ socket: { host: '127.0.0.1', port: server.port } }).connect()
  const reader = await createClient({ socket: { host: '127.0.0.1', port: server.port } }).connect()
  let lastId = '0-0'

  /** From XADD until a reader that is blocked on the stream has the entry. */
  const roundTrip = async (payload: Uint8Array): Promise<void> => {
    const arrival = reader.sendCommand(['XREAD', 'BLOCK', '10000', 'STREAMS', STREAM, lastId])
    const added = writer.xAdd(STREAM, '*', { p: Buffer.from(payload) })
    await arrival
    lastId = String(await added)
  }
  return [
    {
      name: 'Redis Streams XADD to XREAD',
      roundTrip,
      rates: async (payload, messages): Promise<Rates> => {
        const value = Buffer.from(payload)
        await writer.del(STORED)
        const startMs = performance.now()
        for (let sent = 0; sent < messages; sent += IN_FLIGHT) {
          const count = Math.min(IN_FLIGHT, messages - sent)
          await Promise.all(Array.from({ length: count }, () => writer.xAdd(STORED, '*', { p: value })))
        }
        const storedMs = performance.now()
        const raw = reader.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
        let seen = 0
        let from = '-'
        while (seen < messages) {
          const entries = (await raw.xRange(STORED, from, '+', { COUNT: RANGE_COUNT })) ?? []
          const last = entries.at(-1)
          if (last === undefined) break
          seen += entries.length
          from = `(${last.id.toString()}`
        }
        const endMs = performance.now()
        if (seen !== messages) throw new Error(`Redis gave ${seen} of ${messages} entries`)
        return {
          stored: messages / ((storedMs - startMs) / 1000),
          replayed: messages / ((endMs - storedMs) / 1000),
        }
      },
      close: async () => {
        writer.destroy()
        reader.destroy()
        await server.stop()
      },
    },
  ]
}
