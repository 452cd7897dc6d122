/**
 * One machine of a simulated world: an address, a disk, clocks, and at most one process at a time.
 */
import type { Prng } from '../core/prng.js'
import type { Platform } from '../runtime/platform.js'
import { SimDisk } from './disk.js'
import { type Scheduler, SimProcess } from './sim-process.js'
import { VirtualClock } from './virtual-clock.js'
import { type SocketTable, VirtualNetwork } from './virtual-network.js'
import type { TcpModel } from './virtual-tcp.js'
import { VirtualTimers } from './virtual-timers.js'

/** What a simulated process stands on. */
export interface SimPlatform extends Platform {
  readonly process: SimProcess
}

/** What the machines of a world share. */
export interface MachineParts {
  readonly scheduler: Scheduler
  readonly sockets: SocketTable
  readonly tcp: TcpModel
  readonly startWallUs: number
  /** A stream of random numbers of its own for each name. */
  prng(name: string): Prng
}

/** Before whatever happens at the same time: more than there ever are occurrences. */
const AHEAD = 2 ** 40
/** Wall clocks that are kept by NTP differ by less than this. */
const WALL_APART_US = 5_000

export class Machine {
  readonly name: string
  readonly index: number
  readonly address: string
  readonly disk: SimDisk
  readonly #parts: MachineParts
  readonly #prng: Prng
  #process: SimProcess | undefined
  #boots = 0
  #wallOffsetUs: number
  #pausedUntilUs = 0
  #workMaxUs = 0

  constructor(name: string, index: number, parts: MachineParts) {
    this.name = name
    this.index = index
    this.address = `10.0.${Math.floor((index + 1) / 250)}.${((index + 1) % 250) + 1}`
    this.#parts = parts
    this.#prng = parts.prng(`machine ${name}`)
    this.disk = new SimDisk(parts.scheduler, parts.prng(`disk ${name}`))
    this.#wallOffsetUs = parts.startWallUs + this.#prng.integer(-WALL_APART_US, WALL_APART_US)
  }

  /** How many processes were started here. */
  get boots(): number {
    return this.#boots
  }

  get isRunning(): boolean {
    return this.#process !== undefined
  }

  get isPaused(): boolean {
    return this.#process !== undefined && this.#pausedUntilUs > this.#parts.scheduler.nowUs
  }

  /** Starts a process. @throws Error where one runs: a programmer's error */
  boot(): SimPlatform {
    if (this.#process !== undefined) throw new Error(`a process runs on machine ${this.name}`)
    const { scheduler, sockets, tcp, prng } = this.#parts
    this.#boots += 1
    const process = new SimProcess(this, prng(`process ${this.name} ${this.#boots}`))
    this.#process = process
    const originUs = process.prng.integer(1_000, 1_000_000_000) - scheduler.nowUs
    return {
      process,
      clock: new VirtualClock(scheduler, originUs, () => this.#wallOffsetUs),
      timers: new VirtualTimers(scheduler, process),
      network: new VirtualNetwork(process, sockets, tcp),
      random: () => (process.prng.nextU32() >>> 12) * 0x1_0000_0000 + process.prng.nextU32() + 1,
    }
  }

  /**
   * SIGKILL: nothing of the process ever runs or sends again. What its disk had not synced is lost, or torn. Whoever is connected
   * with it sees a reset.
   */
  kill(): void {
    if (this.#process === undefined) return
    this.#end()
    this.disk.crash()
  }

  /**
   * It dies in the midst of things: after so many more packets, TCP writes and disk writes.
   * @param died told when it does, from inside of what it was doing
   */
  killAfter(outputs: number, died: () => void = () => {}): void {
    this.#process?.dieAfter(outputs, died)
  }

  /** The process has ended in order: what it wrote stays. */
  exit(): void {
    if (this.#process === undefined) return
    this.#end()
    this.disk.settle()
  }

  /**
   * SIGSTOP, and SIGCONT after a while. Datagrams wait in the buffer of their socket as long as there is room; timers come late;
   * what was sent over TCP waits.
   */
  pause(durationUs: number): void {
    const process = this.#process
    if (process === undefined) return
    const { scheduler } = this.#parts
    const untilUs = scheduler.nowUs + durationUs
    if (untilUs <= this.#pausedUntilUs) return
    this.#pausedUntilUs = untilUs
    scheduler.schedule(durationUs, 'world', undefined, () => {
      if (process.isAlive && scheduler.nowUs >= this.#pausedUntilUs) this.#resume(process)
    })
  }

  /** Whatever its processes do takes up to so long from now on, and all else waits meanwhile; 0: no time at all. */
  setWork(maxUs: number): void {
    this.#workMaxUs = maxUs
  }

  /** For the world: how long its process is at work with what it has just done. */
  workUs(process: SimProcess): number {
    return this.#workMaxUs === 0 ? 0 : process.prng.integer(1, this.#workMaxUs)
  }

  /** The wall clock is set forward, or back. */
  stepClock(us: number): void {
    this.#wallOffsetUs += us
  }

  /** The loop of a process that was stopped may look at its timers first, or at its sockets. */
  #resume(process: SimProcess): void {
    const { scheduler } = this.#parts
    const timersFirst = process.prng.chance(0.5)
    for (const occurrence of process.takeWaiting()) {
      if ((occurrence.kind === 'timer') === timersFirst) occurrence.order -= AHEAD
      scheduler.again(occurrence, 0)
    }
  }

  #end(): void {
    const process = this.#process
    this.#process = undefined
    this.#pausedUntilUs = 0
    process?.end()
  }
}
