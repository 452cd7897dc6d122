/**
 * One end of a simulated TCP connection.
 *
 * `connecting` -> `open` -> `ending` (what is left is sent) -> `closed`
 */
import type { TcpConnection, TcpHandlers } from '../net/network.js'
import type { Machine } from './machine.js'
import type { NetworkModel } from './network-model.js'
import type { Scheduler, SimProcess } from './sim-process.js'
import type { Trace } from './trace.js'

/** What the ends of all connections share. */
export interface TcpWires {
  readonly scheduler: Scheduler
  readonly model: NetworkModel
  readonly trace: Trace
  isCut(a: Machine, b: Machine): boolean
  delayUs(from: Machine, to: Machine): number
}

/** On the way, or with the other side's kernel: what is beyond waits in user space. */
const WINDOW_BYTES = 128 * 1024
/** A writer is told that its bytes have left when more than this had waited. */
const HIGH_WATER_BYTES = 16 * 1024
/** A lost segment is sent again after this. */
const RESEND_US = 200_000
/** Nothing got through for so long: the connection is given up. */
const BREAK_AFTER_US = 2_000_000
const CLOSE_GRACE_US = 1_000_000
const SPLIT_CHANCE = 0.2
const BY_PEER = 'closed by the other side'
/** What a handler kept of bytes that were valid during its call. */
const STALE_BYTE = 0xee

export class TcpEnd implements TcpConnection {
  readonly process: SimProcess
  readonly remote: string
  handlers: TcpHandlers | undefined
  /** The other end, once the connection stands. */
  peer: TcpEnd | undefined
  state: 'connecting' | 'open' | 'ending' | 'closed' = 'connecting'
  onOver: () => void = () => {}
  /** The other side is gone, and this one could not be told. */
  isOrphan = false
  readonly #wires: TcpWires
  #outbox: Uint8Array[] = []
  #outboxBytes = 0
  #inbox: Uint8Array[] = []
  #onTheWayBytes = 0
  #lastArrivalUs = 0
  #isReadPaused = false
  #wasFull = false
  #hasEnded = false
  #stalledSinceUs = -1

  constructor(wires: TcpWires, process: SimProcess, remote: string, handlers: TcpHandlers | undefined) {
    this.#wires = wires
    this.process = process
    this.remote = remote
    this.handlers = handlers
    process.onEnd.push(() => {
      if (this.state !== 'closed') this.#drop()
    })
  }

  bufferedBytes(): number {
    return this.#outboxBytes
  }

  send(bytes: Uint8Array): void {
    if ((this.state !== 'open' && this.state !== 'connecting') || bytes.length === 0 || !this.process.spend()) return
    const [address = '', port = '0'] = this.remote.split(':')
    this.#wires.model.told(this.process.machine, 'tcp', { address, port: Number(port) }, bytes)
    this.#outbox.push(bytes)
    this.#outboxBytes += bytes.length
    this.pump()
    if (this.#outboxBytes > HIGH_WATER_BYTES) this.#wasFull = true
  }

  close(): void {
    if (this.state === 'connecting') {
      this.destroy()
      return
    }
    if (this.state !== 'open') return
    this.state = 'ending'
    this.#wires.scheduler.schedule(CLOSE_GRACE_US, 'stream', this.process, () => this.destroy())
    this.pump()
  }

  destroy(): void {
    if (this.state === 'closed') return
    this.#drop()
    // Told later, as a real socket does.
    this.#wires.scheduler.schedule(1, 'stream', this.process, () => this.#tellClosed(BY_PEER))
  }

  setPaused(isPaused: boolean): void {
    if (this.#isReadPaused === isPaused) return
    this.#isReadPaused = isPaused
    if (!isPaused) this.#wires.scheduler.schedule(1, 'stream', this.process, () => this.#takeInbox())
  }

  /** Puts on the way what the window has room for. */
  pump(): void {
    const { peer } = this
    if (peer === undefined || this.state === 'closed' || this.state === 'connecting') return
    const isEnding = this.state === 'ending' && !this.#hasEnded
    if (this.#outboxBytes === 0 && !isEnding) return
    if (this.#isStalled(peer)) return
    while (this.#outboxBytes > 0 && this.#onTheWayBytes < WINDOW_BYTES) this.#sendSegment(peer, this.#nextSegment())
    if (this.#outboxBytes > 0) return
    if (this.#wasFull) {
      this.#wasFull = false
      this.#wires.scheduler.schedule(1, 'stream', this.process, () => this.handlers?.drained())
    }
    if (this.state !== 'ending' || this.#hasEnded) return
    this.#hasEnded = true
    this.#arrange(peer, () => {
      peer.over(BY_PEER)
      this.#wires.scheduler.schedule(this.#delayUs(peer), 'stream', this.process, () => this.over(BY_PEER))
    })
  }

  /** It is closed, and the program is told why; to be called where the process runs. */
  over(reason: string): void {
    if (this.state === 'closed') return
    this.#forget()
    this.#tellClosed(reason)
  }

  /** Nothing gets through, now or any more. */
  #isStalled(peer: TcpEnd): boolean {
    const { scheduler } = this.#wires
    if (!this.#wires.isCut(this.process.machine, peer.process.machine)) {
      this.#stalledSinceUs = -1
      if (!this.isOrphan) return false
      scheduler.schedule(this.#delayUs(peer), 'stream', this.process, () => this.over('read ECONNRESET'))
      return true
    }
    if (this.#stalledSinceUs >= 0) return true
    this.#stalledSinceUs = scheduler.nowUs
    this.#lookAgain(peer)
    return true
  }

  #lookAgain(peer: TcpEnd): void {
    this.#wires.scheduler.schedule(RESEND_US, 'stream', this.process, () => {
      if (this.state === 'closed') return
      if (!this.#wires.isCut(this.process.machine, peer.process.machine)) {
        this.pump()
      } else if (this.#wires.scheduler.nowUs - this.#stalledSinceUs < BREAK_AFTER_US) {
        this.#lookAgain(peer)
      } else {
        peer.isOrphan = true
        this.over('read ETIMEDOUT')
      }
    })
  }

  #nextSegment(): Uint8Array {
    const first = this.#outbox[0] ?? new Uint8Array(0)
    let lengthBytes = first.length
    if (lengthBytes > 1 && this.#wires.model.chance(SPLIT_CHANCE)) {
      lengthBytes = this.#wires.model.integer(1, lengthBytes - 1)
      this.#outbox[0] = first.subarray(lengthBytes)
    } else this.#outbox.shift()
    this.#outboxBytes -= lengthBytes
    return new Uint8Array(first.subarray(0, lengthBytes))
  }

  #sendSegment(peer: TcpEnd, segment: Uint8Array): void {
    this.#onTheWayBytes += segment.length
    this.#arrange(peer, () => peer.#receive(segment))
  }

  /** Lets something happen at the other end, after all that was sent before. */
  #arrange(peer: TcpEnd, arrive: () => void): void {
    const { scheduler, model } = this.#wires
    const isLost = model.chance(model.link(this.process.machine, peer.process.machine).faults.loss)
    const atUs = scheduler.nowUs + this.#delayUs(peer) + (isLost ? RESEND_US : 0)
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs, atUs)
    scheduler.schedule(this.#lastArrivalUs - scheduler.nowUs, 'stream', peer.process, arrive)
  }

  #receive(segment: Uint8Array): void {
    if (this.state === 'closed') return
    this.#inbox.push(segment)
    this.#takeInbox()
  }

  #takeInbox(): void {
    while (!this.#isReadPaused && this.state !== 'closed') {
      const segment = this.#inbox.shift()
      if (segment === undefined) return
      this.#wires.trace.noteBytes(segment)
      this.handlers?.bytes(segment)
      this.#acknowledge(segment.length)
      segment.fill(STALE_BYTE)
    }
  }

  #acknowledge(lengthBytes: number): void {
    const { peer } = this
    if (peer === undefined) return
    this.#wires.scheduler.schedule(this.#delayUs(peer), 'stream', peer.process, () => {
      peer.#onTheWayBytes -= lengthBytes
      peer.pump()
    })
  }

  #delayUs(peer: TcpEnd): number {
    return this.#wires.delayUs(this.process.machine, peer.process.machine)
  }

  /** This end is gone; the other one learns it, unless the way there is cut. */
  #drop(): void {
    const { peer } = this
    const { scheduler, model } = this.#wires
    this.#forget()
    if (peer === undefined || peer.state === 'closed') return
    if (this.#wires.isCut(this.process.machine, peer.process.machine)) {
      peer.isOrphan = true
      return
    }
    // What is on the way still comes, or is overtaken by the reset.
    if (model.chance(0.5)) this.#arrange(peer, () => peer.over(BY_PEER))
    else scheduler.schedule(this.#delayUs(peer), 'stream', peer.process, () => peer.over('read ECONNRESET'))
  }

  #forget(): void {
    this.state = 'closed'
    this.#outbox = []
    this.#inbox = []
    this.#outboxBytes = 0
    this.onOver()
  }

  #tellClosed(reason: string): void {
    this.handlers?.closed(reason)
  }
}
