/**
 * The port of a process to which requests for retransmission come: of the session that it is in, and of those that it has been in
 * and still answers for. Each request names its session in its first ten bytes.
 */
import type { SeqcastError } from '../core/errors.js'
import { sessionBytes } from '../core/session.js'
import type { UnicastPort } from '../net/network.js'
import { bytesEqualAt } from '../wire/bytes.js'
import type { Platform } from './platform.js'

export type RequestHandler = (packet: Uint8Array, address: string, port: number) => void

interface Route {
  readonly session: Uint8Array
  readonly handler: RequestHandler
}

export interface SessionPortOptions {
  readonly port: number
  readonly interfaceAddress: string
  readonly onError: (error: SeqcastError) => void
}

export class SessionPort {
  /** The newest first: what belongs to none of them is for that one to count and drop. */
  readonly #routes: Route[] = []
  #socket: UnicastPort | undefined

  private constructor() {}

  /** @throws SeqcastError E_PORT_IN_USE, E_INTERFACE */
  static async open(options: SessionPortOptions, platform: Platform): Promise<SessionPort> {
    const port = new SessionPort()
    port.#socket = await platform.network.openUnicast(options, (packet, address, from) => {
      port.#routeOf(packet)?.handler(packet, address, from)
    })
    return port
  }

  get port(): number {
    return this.#socket?.port ?? 0
  }

  /** Hands on the requests of a session. @returns a call that ends it */
  route(session: string, handler: RequestHandler): () => void {
    const route = { session: sessionBytes(session), handler }
    this.#routes.unshift(route)
    return () => {
      const at = this.#routes.indexOf(route)
      if (at >= 0) this.#routes.splice(at, 1)
    }
  }

  send(packet: Uint8Array, address: string, port: number): void {
    this.#socket?.send(packet, address, port)
  }

  close(): void {
    this.#socket?.close()
  }

  #routeOf(packet: Uint8Array): Route | undefined {
    const own = this.#routes.find(({ session }) => bytesEqualAt(packet, 0, session))
    return own ?? this.#routes[0]
  }
}
