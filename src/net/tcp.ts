/**
 * The TCP sockets of the rewind stream: a listener and a connection, with the few events that the sans-io sessions need.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import { isPort } from './interfaces.js'
import type { AcceptTcp, TcpConnection, TcpHandlers, TcpServer } from './network.js'

/** A peer that never reads would keep a closed connection for ever. */
const CLOSE_GRACE_MS = 1_000

/** Connects; `connected` is called before any other handler but `closed`. */
export function connectTcp(
  to: { address: string; port: number; interfaceAddress?: string },
  handlers: TcpHandlers & { connected(): void },
): TcpConnection {
  // The port may be a stranger's word, and Node throws at one that is none. At 0 nobody answers either.
  const port = isPort(to.port) ? to.port : 0
  const socket = createConnection({ host: to.address, port, noDelay: true })
  socket.once('connect', () => handlers.connected())
  return wrap(socket, handlers)
}

export class TcpListener implements TcpServer {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
    const address = server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
  }

  static async open(at: { address: string; port: number }, accept: AcceptTcp): Promise<TcpListener> {
    const server = createServer({ noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, at)))
      server.listen(at.port, at.address, resolve)
    })
    // Whom the process has no descriptor left for is not accepted; those who are connected go on.
    server.on('error', () => {})
    const listener = new TcpListener(server)
    server.on('connection', (socket) => listener.#accept(socket, accept))
    return listener
  }

  #accept(socket: Socket, accept: AcceptTcp): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const late: { handlers?: TcpHandlers } = {}
    const connection = wrap(socket, {
      bytes: (bytes) => late.handlers?.bytes(bytes),
      drained: () => late.handlers?.drained(),
      closed: (reason) => late.handlers?.closed(reason),
    })
    const handlers = accept(connection)
    if (handlers === undefined) connection.destroy()
    else late.handlers = handlers
  }

  /** Stops accepting; open connections get `graceMs` to take what was written. */
  async close(graceMs = CLOSE_GRACE_MS): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.end()
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, graceMs)
    await closed
    clearTimeout(timer)
  }
}

function wrap(socket: Socket, handlers: TcpHandlers): TcpConnection {
  let reason = 'closed by the other side'
  socket.on('data', (bytes) => handlers.bytes(bytes))
  socket.on('drain', () => handlers.drained())
  socket.on('error', (error) => {
    reason = messageOf(error)
  })
  socket.once('close', () => handlers.closed(reason))
  return {
    remote: `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`,
    bufferedBytes: () => socket.writableLength,
    send: (bytes) => {
      if (socket.writable) socket.write(bytes)
    },
    close: () => {
      socket.end()
      const timer = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS)
      socket.once('close', () => clearTimeout(timer))
    },
    destroy: () => socket.destroy(),
    setPaused: (isPaused) => {
      if (isPaused) socket.pause()
      else socket.resume()
    },
  }
}

function listenError(error: Error, at: { address: string; port: number }): SeqcastError {
  if (systemCodeOf(error) === 'EADDRINUSE') {
    return new SeqcastError('E_PORT_IN_USE', `TCP port ${at.port} on ${at.address} is in use`, {
      hint: 'stop the other process or choose another port',
      cause: error,
    })
  }
  return new SeqcastError('E_INTERFACE', `cannot listen on TCP ${at.address}:${at.port}: ${messageOf(error)}`, {
    hint: 'check the interface and the port',
    cause: error,
  })
}
