/**
 * The sockets that the roles need, as interfaces: `systemNetwork` has those of this machine, a simulation has its own.
 */
import type { Counters } from '../core/counters.js'
import type { SeqcastError } from '../core/errors.js'
import type { GroupAddress } from './interfaces.js'

export type SendCounters = Counters<'sent' | 'sentBytes' | 'congested' | 'sendErrors'>

/** The memory of the packet belongs to the listener from then on. */
export type PacketListener = (packet: Uint8Array, address: string, port: number) => void

export interface MulticastOptions extends GroupAddress {
  /** Address of the local interface that carries the group. */
  readonly interfaceAddress: string
  readonly bufferBytes?: number
  /** Asynchronous errors of the socket. The socket stays open. */
  readonly onError: (error: SeqcastError) => void
}

export interface UnicastOptions {
  /** 0 takes a free one. */
  readonly port: number
  readonly interfaceAddress: string
  readonly onError: (error: SeqcastError) => void
}

/** Sends to one group. */
export interface PacketSender {
  readonly counters: SendCounters
  /** True while datagrams wait in user space because the kernel is full. */
  readonly congested: boolean
  /** The packet's memory must not change in this turn of the event loop. After `close` nothing is sent. */
  send(packet: Uint8Array): void
  close(): void
}

/** Receives one group on one interface. */
export interface PacketReceiver {
  /** What the kernel gave. */
  readonly receiveBufferBytes: number
  close(): void
}

/** Requests, and their answers. */
export interface UnicastPort {
  readonly counters: SendCounters
  readonly port: number
  /** The packet is copied. */
  send(packet: Uint8Array, address: string, port: number): void
  close(): void
}

export interface TcpHandlers {
  /** Valid during the call. */
  bytes(bytes: Uint8Array): void
  /** What was written has left for the kernel. */
  drained(): void
  /** Exactly once, also when the connection never came up. */
  closed(reason: string): void
}

export interface TcpConnection {
  readonly remote: string
  /** Bytes that wait in user space. */
  bufferedBytes(): number
  /** Copies nothing: the bytes must not change afterwards. */
  send(bytes: Uint8Array): void
  /** Sends what is left, then closes; a peer that does not take it within a second is dropped. */
  close(): void
  /** Drops the connection at once. */
  destroy(): void
  /** Leaves what comes in the kernel, so that the other side has to wait, or takes it again. */
  setPaused(isPaused: boolean): void
}

/** Gets each connection and returns its handlers, or undefined to refuse it. */
export type AcceptTcp = (connection: TcpConnection) => TcpHandlers | undefined

export interface TcpServer {
  readonly port: number
  /** Stops accepting; open connections get `graceMs` to take what was written. */
  close(graceMs?: number): Promise<void>
}

export interface Network {
  /** @throws SeqcastError E_INTERFACE, E_SEND */
  openMulticastSender(options: MulticastOptions): Promise<PacketSender>
  /** @throws SeqcastError E_INTERFACE, E_GROUP */
  openMulticastReceiver(options: MulticastOptions, listener: PacketListener): Promise<PacketReceiver>
  /** @throws SeqcastError E_INTERFACE, E_PORT_IN_USE */
  openUnicast(options: UnicastOptions, listener: PacketListener): Promise<UnicastPort>
  /** `connected` is called before any other handler but `closed`. */
  connectTcp(to: { address: string; port: number }, handlers: TcpHandlers & { connected(): void }): TcpConnection
  /** @throws SeqcastError E_INTERFACE, E_PORT_IN_USE */
  listenTcp(at: { address: string; port: number }, accept: AcceptTcp): Promise<TcpServer>
}
