/**
 * Stands between a projector and its database, and cuts the connection at a chosen moment, once: before a chunk of the client's goes on
 * to the server, or after the server has answered it and before the client hears of that.
 */
import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'

export interface Cut {
  /** The chunk of the client's, from 1, over all connections. */
  readonly chunk: number
  readonly when: 'unheard' | 'unanswered'
}

export class CuttingRelay {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut: Cut | undefined
  #port = 0
  /** Chunks of the client's since `arm`. */
  chunks = 0
  cuts = 0

  static async open(target: URL): Promise<CuttingRelay> {
    const relay = new CuttingRelay(target)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    const address = relay.#server.address()
    relay.#port = typeof address === 'object' && address !== null ? address.port : 0
    return relay
  }

  private constructor(target: URL) {
    this.#server = createServer((client) => this.#onClient(client, Number(target.port), target.hostname))
  }

  /** The same address, through here. */
  through(url: string): string {
    const through = new URL(url)
    through.port = String(this.#port)
    return through.href
  }

  arm(cut: Cut | undefined): void {
    this.#cut = cut
    this.chunks = 0
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #onClient(client: Socket, port: number, host: string): void {
    const server = createConnection({ port, host })
    let isDoomed = false
    const end = (): void => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', end)
      socket.on('close', end)
    }
    client.on('data', (chunk) => {
      this.chunks += 1
      if (this.chunks === this.#cut?.chunk) {
        this.cuts += 1
        if (this.#cut.when === 'unheard') {
          end()
          return
        }
        isDoomed = true
      }
      server.write(chunk)
    })
    server.on('data', (chunk) => {
      if (isDoomed) end()
      else client.write(chunk)
    })
  }
}
