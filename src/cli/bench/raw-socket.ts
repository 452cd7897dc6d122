/**
 * The floor: raw node:dgram over loopback multicast, with the socket options that the runtime uses and nothing else.
 */
import { createSocket, type Socket } from 'node:dgram'

const LOOPBACK = '127.0.0.1'
const BUFFER_BYTES = 8 * 1024 * 1024

export async function rawSender(group: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve))
  socket.setMulticastInterface(LOOPBACK)
  socket.setMulticastTTL(1)
  socket.setSendBufferSize(BUFFER_BYTES)
  await new Promise<void>((resolve) => socket.connect(port, group, () => resolve()))
  return socket
}

export async function rawReceiver(group: string, port: number, onMessage: (packet: Buffer) => void): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  await new Promise<void>((resolve) => socket.bind(port, group, resolve))
  socket.addMembership(group, LOOPBACK)
  socket.setRecvBufferSize(BUFFER_BYTES)
  socket.on('message', onMessage)
  return socket
}
