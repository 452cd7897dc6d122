/**
 * The UDP sockets of the runtime.
 *
 * A sender is connected, because only a connected socket sends inline (an unconnected one defers every datagram by a tick).
 * A receiver is bound to the group's own address, because a socket bound to 0.0.0.0 hears every group that anybody on the
 * host has joined. Buffer sizes are read back: Linux clamps them without a word.
 */
import { createSocket, type Socket } from 'node:dgram'
import { createCounters } from '../core/counters.js'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import { isPort } from './interfaces.js'
import type {
  MulticastOptions,
  PacketListener,
  PacketReceiver,
  PacketSender,
  SendCounters,
  UnicastOptions,
  UnicastPort,
} from './network.js'

/** Asked for; what was got is in `receiveBufferBytes` and depends on net.core.rmem_max. */
export const WANTED_BUFFER_BYTES = 8 * 1024 * 1024

/** Sends to one group. Datagrams that the kernel has no room for wait in user space; that is `congested`. */
export class MulticastSender implements PacketSender {
  readonly counters: SendCounters = createCounters(['sent', 'sentBytes', 'congested', 'sendErrors'])
  readonly #socket: Socket
  readonly #afterSend: (error: Error | null) => void
  #isOpen = true
  /** Sends of which nothing was heard yet: what the kernel took at once is told at the next tick. */
  #unfinished = 0

  private constructor(socket: Socket, options: MulticastOptions) {
    this.#socket = socket
    this.#afterSend = (error) => {
      this.#unfinished -= 1
      if (error === null) return
      this.counters.sendErrors += 1
      if (this.counters.sendErrors === 1) options.onError(sendError(error, `${options.group}:${options.port}`))
    }
  }

  static async open(options: MulticastOptions): Promise<MulticastSender> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    const sender = new MulticastSender(socket, options)
    // This order matters: connecting first freezes the source interface that routing prefers.
    await bind(socket, 0, options.interfaceAddress, options.onError)
    try {
      socket.setMulticastInterface(options.interfaceAddress)
      socket.setMulticastTTL(1)
      socket.setMulticastLoopback(true)
      socket.setSendBufferSize(options.bufferBytes ?? WANTED_BUFFER_BYTES)
      await new Promise<void>((resolve, reject) => {
        socket.connect(options.port, options.group, (error?: Error) => (error ? reject(error) : resolve()))
      })
    } catch (error) {
      socket.close()
      throw new SeqcastError('E_SEND', `cannot send to ${options.group}:${options.port}: ${messageOf(error)}`, {
        hint: `check that interface ${options.interfaceAddress} is up and carries multicast`,
        cause: error,
      })
    }
    return sender
  }

  /** True while datagrams wait in user space because the kernel is full. */
  get congested(): boolean {
    return this.#socket.getSendQueueCount() > 0
  }

  /** After `close` nothing is sent: a turn that closes may still have something to say. */
  send(packet: Uint8Array): void {
    if (!this.#isOpen) return
    this.#unfinished += 1
    this.#socket.send(packet, this.#afterSend)
    // Asking the socket takes a call into node itself: not where all before this one are known to be gone.
    if (this.#unfinished > 1 && this.congested) this.counters.congested += 1
    this.counters.sent += 1
    this.counters.sentBytes += packet.length
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#socket.close()
  }
}

/** Receives one group on one interface. */
export class MulticastReceiver implements PacketReceiver {
  readonly #socket: Socket
  #isOpen = true
  /** What the kernel gave; Linux reports twice the usable size. */
  readonly receiveBufferBytes: number

  private constructor(socket: Socket) {
    this.#socket = socket
    this.receiveBufferBytes = socket.getRecvBufferSize()
  }

  static async open(options: MulticastOptions, listener: PacketListener): Promise<MulticastReceiver> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    await bind(socket, options.port, options.group, options.onError)
    try {
      socket.addMembership(options.group, options.interfaceAddress)
      socket.setRecvBufferSize(options.bufferBytes ?? WANTED_BUFFER_BYTES)
    } catch (error) {
      socket.close()
      throw new SeqcastError(
        'E_GROUP',
        `cannot join ${options.group} on ${options.interfaceAddress}: ${messageOf(error)}`,
        {
          hint: 'check that the interface is up and carries multicast',
          cause: error,
        },
      )
    }
    socket.on('message', (packet, from) => listener(packet, from.address, from.port))
    return new MulticastReceiver(socket)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#socket.close()
  }
}

/** A unicast socket, for requests and their answers. Port 0 takes a free one. */
export class UnicastSocket implements UnicastPort {
  readonly counters: SendCounters = createCounters(['sent', 'sentBytes', 'congested', 'sendErrors'])
  readonly port: number
  readonly #socket: Socket
  readonly #afterSend: (error: Error | null) => void
  #isOpen = true

  private constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
    this.#afterSend = (error) => {
      if (error !== null) this.counters.sendErrors += 1
    }
  }

  static async open(options: UnicastOptions, listener: PacketListener): Promise<UnicastSocket> {
    const socket = createSocket({ type: 'udp4' })
    await bind(socket, options.port, options.interfaceAddress, options.onError)
    socket.setRecvBufferSize(WANTED_BUFFER_BYTES)
    socket.setSendBufferSize(WANTED_BUFFER_BYTES)
    socket.on('message', (packet, from) => listener(packet, from.address, from.port))
    return new UnicastSocket(socket)
  }

  /**
   * The packet is copied: an unconnected socket sends a tick later, when its memory may be in use again. The port is one that
   * somebody else named: where nobody can listen on it, nothing is sent.
   */
  send(packet: Uint8Array, address: string, port: number): void {
    if (!isPort(port)) {
      this.counters.sendErrors += 1
      return
    }
    if (!this.#isOpen) return
    this.#socket.send(packet.slice(), port, address, this.#afterSend)
    this.counters.sent += 1
    this.counters.sentBytes += packet.length
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#socket.close()
  }
}

function bind(socket: Socket, port: number, address: string, onError: (error: SeqcastError) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      socket.close()
      reject(bindError(error, address, port))
    }
    socket.once('error', failed)
    socket.bind(port, address, () => {
      socket.removeListener('error', failed)
      socket.on('error', (error) => onError(sendError(error, `${address}:${port}`)))
      resolve()
    })
  })
}

function bindError(error: Error, address: string, port: number): SeqcastError {
  if (systemCodeOf(error) === 'EADDRINUSE') {
    return new SeqcastError('E_PORT_IN_USE', `UDP port ${port} on ${address} is in use`, {
      hint: 'stop the other process or choose another port',
      cause: error,
    })
  }
  return new SeqcastError('E_INTERFACE', `cannot bind UDP ${address}:${port}: ${messageOf(error)}`, {
    hint: 'check the interface and the port',
    cause: error,
  })
}

function sendError(error: Error, target: string): SeqcastError {
  const hint =
    systemCodeOf(error) === 'EMSGSIZE'
      ? 'the datagram is larger than the interface carries: lower --datagram'
      : 'check that the interface is up and carries multicast'
  return new SeqcastError('E_SEND', `UDP ${target}: ${error.message}`, { hint, cause: error })
}
