/**
 * Sockets on a simulated network, for the processes of one world. What is sent is copied at once, and each receiver gets
 * bytes of its own, so that nothing travels by being shared.
 */
import { createCounters } from '../core/counters.js'
import { SeqcastError } from '../core/errors.js'
import type {
  AcceptTcp,
  MulticastOptions,
  Network,
  PacketListener,
  PacketReceiver,
  PacketSender,
  SendCounters,
  TcpConnection,
  TcpHandlers,
  TcpServer,
  UnicastOptions,
  UnicastPort,
} from '../net/network.js'
import { Occurrence } from './event-queue.js'
import type { NetworkModel } from './network-model.js'
import type { Scheduler, SimProcess } from './sim-process.js'
import { Slab } from './slab.js'
import type { Trace } from './trace.js'
import type { TcpModel } from './virtual-tcp.js'

/** As Linux says where nothing was configured. */
const RECEIVE_BUFFER_BYTES = 425_984
const FIRST_FREE_PORT = 40_000

/** A socket that receives. */
interface Inlet {
  readonly process: SimProcess
  readonly listener: PacketListener
  isOpen: boolean
  /** By the sender's machine: when its last datagram came, so that one in order is never before it. */
  readonly lastArrivalUs: number[]
}

/** Who listens where, over all machines. */
export class SocketTable {
  readonly #scheduler: Scheduler
  readonly #model: NetworkModel
  readonly #trace: Trace
  readonly #groups = new Map<string, Inlet[]>()
  readonly #ports = new Map<string, Inlet>()
  readonly #slab = new Slab()
  #freePort = FIRST_FREE_PORT

  constructor(scheduler: Scheduler, model: NetworkModel, trace: Trace) {
    this.#scheduler = scheduler
    this.#model = model
    this.#trace = trace
  }

  freePort(): number {
    this.#freePort = this.#freePort >= 65_000 ? FIRST_FREE_PORT : this.#freePort + 1
    return this.#freePort
  }

  join(key: string, process: SimProcess, listener: PacketListener): () => void {
    const inlet: Inlet = { process, listener, isOpen: true, lastArrivalUs: [] }
    const members = this.#groups.get(key) ?? []
    this.#groups.set(key, members)
    members.push(inlet)
    const leave = (): void => {
      if (!inlet.isOpen) return
      inlet.isOpen = false
      members.splice(members.indexOf(inlet), 1)
    }
    process.onEnd.push(leave)
    return leave
  }

  /** @throws SeqcastError E_PORT_IN_USE */
  bind(address: string, port: number, process: SimProcess, listener: PacketListener): () => void {
    const key = `${address}:${port}`
    if (this.#ports.has(key)) throw inUse('UDP', address, port)
    const inlet: Inlet = { process, listener, isOpen: true, lastArrivalUs: [] }
    this.#ports.set(key, inlet)
    const close = (): void => {
      if (!inlet.isOpen) return
      inlet.isOpen = false
      this.#ports.delete(key)
    }
    process.onEnd.push(close)
    return close
  }

  multicast(from: SimProcess, fromPort: number, to: { address: string; port: number }, packet: Uint8Array): void {
    this.#model.counters.sent += 1
    this.#model.told(from.machine, 'multicast', to, packet)
    const members = this.#groups.get(`${to.address}:${to.port}`)
    if (members === undefined) return
    for (const inlet of members) this.#transmit(from, fromPort, inlet, packet)
  }

  unicast(from: SimProcess, fromPort: number, to: { address: string; port: number }, packet: Uint8Array): void {
    this.#model.counters.sent += 1
    this.#model.told(from.machine, 'unicast', to, packet)
    const inlet = this.#ports.get(`${to.address}:${to.port}`)
    if (inlet === undefined) this.#model.counters.unheard += 1
    else this.#transmit(from, fromPort, inlet, packet)
  }

  #transmit(from: SimProcess, fromPort: number, inlet: Inlet, packet: Uint8Array): void {
    const model = this.#model
    const to = inlet.process.machine
    const link = model.link(from.machine, to)
    if (from.machine === to) {
      this.#arrive(from, fromPort, inlet, packet, model.delayUs(from.machine, to, link))
      return
    }
    if (link.isCut) {
      model.counters.cut += 1
      return
    }
    const { loss, duplicate, reorder, reorderMaxUs } = link.faults
    if (model.chance(loss)) {
      model.counters.lost += 1
      return
    }
    const { nowUs } = this.#scheduler
    let delayUs = model.delayUs(from.machine, to, link)
    if (model.chance(reorder)) {
      model.counters.reordered += 1
      delayUs += model.integer(1, reorderMaxUs)
    } else {
      delayUs = Math.max(delayUs, (inlet.lastArrivalUs[from.machine.index] ?? 0) - nowUs)
      inlet.lastArrivalUs[from.machine.index] = nowUs + delayUs
    }
    this.#arrive(from, fromPort, inlet, packet, delayUs)
    if (!model.chance(duplicate)) return
    model.counters.duplicated += 1
    this.#arrive(from, fromPort, inlet, packet, delayUs + model.integer(1, reorderMaxUs))
  }

  #arrive(from: SimProcess, fromPort: number, inlet: Inlet, packet: Uint8Array, delayUs: number): void {
    const timeUs = this.#scheduler.nowUs + delayUs
    this.#scheduler.add(
      new Delivery(timeUs, inlet, this.#slab.copy(packet), from.machine.address, fromPort, this.#model, this.#trace),
    )
  }
}

/** A datagram on its way to one socket. */
class Delivery extends Occurrence {
  readonly #inlet: Inlet
  readonly #bytes: Uint8Array
  readonly #address: string
  readonly #port: number
  readonly #model: NetworkModel
  readonly #trace: Trace

  constructor(
    timeUs: number,
    inlet: Inlet,
    bytes: Uint8Array,
    address: string,
    port: number,
    model: NetworkModel,
    trace: Trace,
  ) {
    super(timeUs, 'datagram', inlet.process, bytes.length)
    this.#inlet = inlet
    this.#bytes = bytes
    this.#address = address
    this.#port = port
    this.#model = model
    this.#trace = trace
  }

  happen(): void {
    if (!this.#inlet.isOpen) {
      this.#model.counters.unheard += 1
      return
    }
    this.#model.counters.delivered += 1
    this.#trace.noteBytes(this.#bytes)
    this.#inlet.listener(this.#bytes, this.#address, this.#port)
  }
}

export function inUse(protocol: 'UDP' | 'TCP', address: string, port: number): SeqcastError {
  return new SeqcastError('E_PORT_IN_USE', `${protocol} port ${port} on ${address} is in use`, {
    hint: 'stop the other process or choose another port',
  })
}

const noSends = (): SendCounters => createCounters(['sent', 'sentBytes', 'congested', 'sendErrors'])

/** The network as one process has it. */
export class VirtualNetwork implements Network {
  readonly #process: SimProcess
  readonly #sockets: SocketTable
  readonly #tcp: TcpModel

  constructor(process: SimProcess, sockets: SocketTable, tcp: TcpModel) {
    this.#process = process
    this.#sockets = sockets
    this.#tcp = tcp
  }

  async openMulticastSender(options: MulticastOptions): Promise<PacketSender> {
    const to = { address: options.group, port: options.port }
    const port = this.#sockets.freePort()
    const counters = noSends()
    let isOpen = true
    return {
      counters,
      congested: false,
      send: (packet) => {
        if (!isOpen || !this.#process.spend()) return
        counters.sent += 1
        counters.sentBytes += packet.length
        this.#sockets.multicast(this.#process, port, to, packet)
      },
      close: () => {
        isOpen = false
      },
    }
  }

  async openMulticastReceiver(options: MulticastOptions, listener: PacketListener): Promise<PacketReceiver> {
    const close = this.#sockets.join(`${options.group}:${options.port}`, this.#process, listener)
    return { receiveBufferBytes: RECEIVE_BUFFER_BYTES, close }
  }

  async openUnicast(options: UnicastOptions, listener: PacketListener): Promise<UnicastPort> {
    const port = options.port === 0 ? this.#sockets.freePort() : options.port
    const release = this.#sockets.bind(options.interfaceAddress, port, this.#process, listener)
    const counters = noSends()
    let isOpen = true
    return {
      counters,
      port,
      send: (packet, address, toPort) => {
        if (!isOpen || !this.#process.spend()) return
        counters.sent += 1
        counters.sentBytes += packet.length
        this.#sockets.unicast(this.#process, port, { address, port: toPort }, packet)
      },
      close: () => {
        isOpen = false
        release()
      },
    }
  }

  connectTcp(to: { address: string; port: number }, handlers: TcpHandlers & { connected(): void }): TcpConnection {
    return this.#tcp.connect(this.#process, to, handlers)
  }

  async listenTcp(at: { address: string; port: number }, accept: AcceptTcp): Promise<TcpServer> {
    const port = at.port === 0 ? this.#sockets.freePort() : at.port
    return this.#tcp.listen(this.#process, { address: at.address, port }, accept)
  }
}
