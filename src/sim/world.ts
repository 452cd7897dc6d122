/**
 * A world on virtual time: machines, the network between them, and one loop that lets things happen one after the other.
 * Everything that is random comes from one seed, so that a run can be repeated exactly.
 *
 * After each step the loop lets promises go on, a fixed number of times: what they do is in an order that is the same in each
 * run of the seed. Code that waits for anything but virtual time (a real timer, a file) breaks that.
 */
import { Prng } from '../core/prng.js'
import { ArrangedCall, EventQueue, type Occurrence, type OccurrenceKind } from './event-queue.js'
import { Machine } from './machine.js'
import { NetworkModel } from './network-model.js'
import type { Scheduler, SimProcess } from './sim-process.js'
import { Trace } from './trace.js'
import { SocketTable } from './virtual-network.js'
import { TcpModel } from './virtual-tcp.js'

export interface WorldOptions {
  /** Equal seeds give equal runs. A safe integer. */
  readonly seed: number
  /** The wall clock at virtual time 0, in microseconds since the Unix epoch. */
  readonly startWallUs?: number
}

export interface RunOptions {
  /** Virtual time at which the run returns. */
  readonly deadlineUs: number
  /** Asked after each step: true ends the run. */
  readonly until?: () => boolean
}

/** Code of a machine threw where nobody caught it: on a real one the process would be gone. */
export class SimCrash extends Error {
  readonly machine: string
  readonly atUs: number

  constructor(machine: string, atUs: number, cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause)
    super(`${machine} crashed at ${atUs} us: ${message}`, { cause })
    this.name = 'SimCrash'
    this.machine = machine
    this.atUs = atUs
  }
}

/** 2025-06-15T15:06:40Z */
const START_WALL_US = 1_750_000_000_000_000
/** Before the world is found to be at rest, promises may go on so often. */
const REST_TURNS = 200

export class World implements Scheduler {
  readonly seed: number
  readonly network: NetworkModel
  /** Set: it is told of code that threw, and the machine's process is killed; otherwise `run` rejects. */
  onCrash: ((machine: Machine, error: unknown) => void) | undefined
  readonly #queue = new EventQueue()
  readonly #trace = new Trace()
  readonly #sockets: SocketTable
  readonly #tcp: TcpModel
  readonly #startWallUs: number
  readonly #machines: Machine[] = []
  readonly #byAddress = new Map<string, Machine>()
  readonly #stepListeners: (() => void)[] = []
  #nowUs = 0
  #steps = 0
  #isRunning = false

  constructor(options: WorldOptions) {
    this.seed = options.seed
    this.#startWallUs = options.startWallUs ?? START_WALL_US
    this.network = new NetworkModel(this.prng('network'))
    this.#sockets = new SocketTable(this, this.network, this.#trace)
    this.#tcp = new TcpModel(this, this.network, this.#trace, (address) => this.#byAddress.get(address))
  }

  /** Virtual microseconds since the world began: an integer. */
  get nowUs(): number {
    return this.#nowUs
  }

  get steps(): number {
    return this.#steps
  }

  /** The same for two runs of one seed: 32 bits over every step that was taken. */
  get traceHash(): number {
    return this.#trace.hash
  }

  get machines(): readonly Machine[] {
    return this.#machines
  }

  /** A stream of random numbers of its own: what is drawn from one never moves another. */
  prng(name: string): Prng {
    let hash = Math.imul(this.seed ^ Math.floor(this.seed / 0x1_0000_0000), 0x9e37_79b1)
    for (let i = 0; i < name.length; i++) hash = Math.imul((hash ^ name.charCodeAt(i)) | 0, 0x0100_0193)
    return new Prng(hash >>> 0)
  }

  /** A machine with an address and a disk of its own; nothing runs there until it boots. */
  addMachine(name: string): Machine {
    const machine = new Machine(name, this.#machines.length, {
      scheduler: this,
      sockets: this.#sockets,
      tcp: this.#tcp,
      startWallUs: this.#startWallUs,
      prng: (of) => this.prng(of),
    })
    this.#machines.push(machine)
    this.#byAddress.set(machine.address, machine)
    return machine
  }

  /** Something that the world itself does: a fault, or work that comes from outside. */
  at(timeUs: number, run: () => void): void {
    this.after(timeUs - this.#nowUs, run)
  }

  after(delayUs: number, run: () => void): void {
    this.schedule(delayUs, 'world', undefined, run)
  }

  /** @returns ends it */
  every(periodUs: number, run: () => void): () => void {
    let isOver = false
    const next = (): void => {
      if (isOver) return
      run()
      this.after(periodUs, next)
    }
    this.after(periodUs, next)
    return () => {
      isOver = true
    }
  }

  /** Called after each step. */
  onStep(listener: () => void): void {
    this.#stepListeners.push(listener)
  }

  schedule(delayUs: number, kind: OccurrenceKind, process: SimProcess | undefined, run: () => void): Occurrence {
    const timeUs = this.#nowUs + Math.max(0, Math.ceil(delayUs))
    const occurrence = new ArrangedCall(timeUs, kind, process, run)
    this.#queue.push(occurrence)
    return occurrence
  }

  add(occurrence: Occurrence): void {
    this.#queue.push(occurrence)
  }

  again(occurrence: Occurrence, delayUs: number): void {
    occurrence.timeUs = this.#nowUs + delayUs
    this.#queue.pushAgain(occurrence)
  }

  /**
   * Lets things happen. It can be called again, to go on.
   * @returns why it ended: `idle` where nothing is left to happen
   * @throws SimCrash where code of a machine threw, unless `onCrash` is set; whatever the world's own code throws
   */
  async run({ deadlineUs, until }: RunOptions): Promise<'until' | 'deadline' | 'idle'> {
    if (this.#isRunning) throw new Error('the world runs already')
    this.#isRunning = true
    try {
      await this.#letPromisesGoOn()
      for (;;) {
        const next = this.#queue.peek()
        if (next === undefined) {
          await this.#letPromisesGoOn()
          if (this.#queue.length === 0) return 'idle'
          continue
        }
        if (next.timeUs > deadlineUs) {
          this.#nowUs = deadlineUs
          return 'deadline'
        }
        this.#queue.pop()
        if (!this.#step(next)) continue
        await undefined
        await undefined
        await undefined
        for (const listener of this.#stepListeners) listener()
        if (until?.() === true) return 'until'
      }
    } finally {
      this.#isRunning = false
    }
  }

  /** Kills everything. */
  close(): void {
    for (const machine of this.#machines) machine.kill()
    this.#queue.clear()
  }

  /** @returns false where nothing happened */
  #step(occurrence: Occurrence): boolean {
    const { process } = occurrence
    if (occurrence.isCancelled || process?.isAlive === false) return false
    this.#nowUs = occurrence.timeUs
    if (process?.machine.isPaused === true) {
      if (!process.keepWaiting(occurrence)) this.network.counters.overflowed += 1
      return false
    }
    if (process !== undefined && process.busyUntilUs > occurrence.timeUs) {
      this.again(occurrence, process.busyUntilUs - occurrence.timeUs)
      return false
    }
    this.#steps += 1
    this.#trace.note(occurrence.timeUs, process?.machine.index ?? -1, occurrence.lengthBytes)
    if (process === undefined) {
      occurrence.happen()
      return true
    }
    try {
      occurrence.happen()
      process.busyUntilUs = this.#nowUs + process.machine.workUs(process)
    } catch (error) {
      if (this.onCrash === undefined) throw new SimCrash(process.machine.name, this.#nowUs, error)
      process.machine.kill()
      this.onCrash(process.machine, error)
    }
    return true
  }

  async #letPromisesGoOn(): Promise<void> {
    for (let i = 0; i < REST_TURNS; i++) await undefined
  }
}
