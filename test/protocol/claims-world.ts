/**
 * The world of the model test of claims: virtual time, a network that loses, repeats, delays and parts, and processes that
 * pause, crash, and come back with what their disk had. All from one seed.
 */
import { Prng } from '../../src/core/prng.js'

interface Task {
  readonly atUs: number
  readonly order: number
  readonly run: () => void
}

export class World {
  readonly random: Prng
  nowUs = 0
  /** Loss, delay and the like happen. */
  isFaulty = true
  /** Directed pairs of names that do not hear each other. */
  readonly cuts = new Set<string>()
  #order = 0
  readonly #tasks: Task[] = []

  constructor(seed: number) {
    this.random = new Prng(seed)
  }

  after(delayUs: number, run: () => void): void {
    this.#push({ atUs: this.nowUs + Math.max(1, Math.floor(delayUs)), order: this.#order++, run })
  }

  runUntil(endUs: number): void {
    for (let task = this.#tasks[0]; task !== undefined && task.atUs <= endUs; task = this.#tasks[0]) {
      this.#pop()
      this.nowUs = task.atUs
      task.run()
    }
    this.nowUs = endUs
  }

  /** One datagram: none, one or two arrive. */
  send(from: string, to: Process, deliver: () => void): void {
    const { random } = this
    if (this.cuts.has(`${from}>${to.name}`)) return
    const copies = !this.isFaulty ? 1 : random.chance(0.05) ? 0 : random.chance(0.05) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const slow = this.isFaulty && random.chance(0.03) ? random.integer(0, 400_000) : 0
      this.after(random.integer(50, 2_000) + slow, () => to.receive(deliver))
    }
  }

  #push(task: Task): void {
    const tasks = this.#tasks
    let at = tasks.length
    tasks.push(task)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(task, tasks[parent]!)) break
      tasks[at] = tasks[parent]!
      at = parent
    }
    tasks[at] = task
  }

  #pop(): void {
    const tasks = this.#tasks
    const last = tasks.pop()
    if (last === undefined || tasks.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= tasks.length) break
      if (child + 1 < tasks.length && isBefore(tasks[child + 1]!, tasks[child]!)) child++
      if (!isBefore(tasks[child]!, last)) break
      tasks[at] = tasks[child]!
      at = child
    }
    tasks[at] = last
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order)
}

/** Something with a life of its own. What was sent to an earlier run of it may still reach the next one. */
export abstract class Process {
  readonly name: string
  protected readonly world: World
  isUp = false
  /** Counts starts: what an earlier run had begun does not go on. */
  run = 0
  #pausedUntilUs = 0

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
  }

  start(): void {
    this.isUp = true
    this.run++
    this.onStart()
  }

  crash(): void {
    this.isUp = false
    this.run++
    this.#pausedUntilUs = 0
  }

  pause(forUs: number): void {
    this.#pausedUntilUs = this.world.nowUs + forUs
  }

  /** Does something now, or when the process runs again. */
  receive(deliver: () => void): void {
    if (!this.isUp) return
    if (this.world.nowUs < this.#pausedUntilUs)
      this.world.after(this.#pausedUntilUs - this.world.nowUs, () => this.receive(deliver))
    else deliver()
  }

  /** Does something later in this run. */
  later(delayUs: number, act: () => void): void {
    const { run } = this
    this.world.after(delayUs, () => this.receive(() => (run === this.run ? act() : undefined)))
  }

  protected abstract onStart(): void
}

export interface Event {
  readonly sequence: number
  readonly epoch: number
  readonly id: number
}
