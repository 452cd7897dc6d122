/** The sockets of this machine. */
import type { Network } from './network.js'
import { connectTcp, TcpListener } from './tcp.js'
import { MulticastReceiver, MulticastSender, UnicastSocket } from './udp.js'

export const systemNetwork: Network = {
  openMulticastSender: (options) => MulticastSender.open(options),
  openMulticastReceiver: (options, listener) => MulticastReceiver.open(options, listener),
  openUnicast: (options, listener) => UnicastSocket.open(options, listener),
  connectTcp: (to, handlers) => connectTcp(to, handlers),
  listenTcp: (at, accept) => TcpListener.open(at, accept),
}
