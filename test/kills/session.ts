/**
 * A session in which whoever is active is killed, again and again: a sequencer, a voter, and three replicas of the desk, each with a
 * trap of its own. What dies is followed by a new replica; who takes over decides by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import type { PacketSender } from '../../src/net/network.js'
import { systemNetwork } from '../../src/net/system-network.js'
import { type Running, Running as RunningProcess } from '../fixtures/processes.js'
import { World } from '../system/world.js'
import { type Death, POINTS, type Point, type ReplicaPlan } from './points.js'

const REPLICA = fileURLToPath(new URL('./replica.js', import.meta.url))
const REPLICAS = 3
/** A trap springs after so many occasions. */
const AFTER = [3, 60] as const
/**
 * A late packet arrives so long after the death: before or after the takeover. One that comes before is an event, and so a sign of life of
 * the dead replica: the takeover waits the longer.
 */
const LATE_MS = [0, 1_500] as const
const NEXT_DEATH_MS = 30_000
const QUIET_MS = 500
const POLL_MS = 20

export interface Takeover {
  readonly death: Death
  /** From the kill to the first word of the next active replica. */
  readonly tookMs: number
}

export interface KillsOptions {
  readonly kills: number
  readonly seed: number
  readonly killed?: (takeover: Takeover, count: number) => void
}

export interface KillsOutcome {
  readonly world: World
  readonly takeovers: readonly Takeover[]
  readonly ledger: string
  /** The component's digest was the same on all replicas in the end. */
  readonly replicas: number
  readonly sequencerCounters: Readonly<Record<string, number>>
}

interface Replica {
  readonly instance: string
  readonly process: Running
  readonly child: ChildProcess
}

export async function runKills(t: Pick<Test, 'teardown'>, options: KillsOptions): Promise<KillsOutcome> {
  const session = await KillSession.open(t, options)
  return await session.run()
}

class KillSession {
  readonly #options: KillsOptions
  readonly #world: World
  readonly #late: PacketSender
  readonly #random: Prng
  readonly #ledger: string
  readonly #store: Running
  readonly #sequencer: Running
  readonly #replicas = new Map<string, Replica>()
  readonly #takeovers: Takeover[] = []
  readonly #buried = new Set<string>()
  /** When an instance was first heard to be active, wall clock in milliseconds. */
  readonly #activeMs = new Map<string, number>()
  #points: Point[] = []
  #started = 0
  #isEnding = false
  #deaths = 0
  #problem: Error | undefined
  #sequencerCounters: Record<string, number> = {}

  private constructor(options: KillsOptions, world: World, late: PacketSender) {
    this.#options = options
    this.#world = world
    this.#late = late
    this.#random = new Prng(options.seed)
    this.#ledger = world.place.path('ledger.txt')
    this.#store = world.startStore('a', '--voter', 'a')
    this.#sequencer = world.startSequencer('--voters', 'a')
    world.observer.control.listen((message) => {
      // Heartbeats between the steady ones have none.
      if (message.kind === 'sequencer' && 'events' in message.body.counters)
        this.#sequencerCounters = message.body.counters
      if (message.kind !== 'component' || message.body.state !== 'active') return
      const { instance } = message.body
      if (!this.#activeMs.has(instance)) this.#activeMs.set(instance, performance.timeOrigin + performance.now())
    })
  }

  static async open(t: Pick<Test, 'teardown'>, options: KillsOptions): Promise<KillSession> {
    const world = await World.open(t)
    const { commandGroup, interfaceAddress } = world.options
    const onError = (): void => {}
    const late = await systemNetwork.openMulticastSender({ ...commandGroup, interfaceAddress, onError })
    const session = new KillSession(options, world, late)
    t.teardown(() => {
      late.close()
      for (const { child } of session.#replicas.values()) child.kill('SIGKILL')
    })
    return session
  }

  async run(): Promise<KillsOutcome> {
    const world = this.#world
    await this.#until('a sequencer', () => world.sequencer !== undefined)
    for (let i = 0; i < REPLICAS; i++) this.#start(i > 0)
    for (let count = 1; count <= this.#options.kills; count++) {
      await this.#until('a kill and its takeover', () => this.#takeovers.length >= count)
      const takeover = this.#takeovers[count - 1]
      if (takeover !== undefined) this.#options.killed?.(takeover, count)
    }
    await this.#end()
    return {
      world,
      takeovers: this.#takeovers,
      ledger: this.#ledger,
      replicas: REPLICAS,
      sequencerCounters: this.#sequencerCounters,
    }
  }

  #start(standby: boolean): void {
    const instance = `r${++this.#started}`
    const { event, command, control } = this.#world.place.groups
    const plan: ReplicaPlan = {
      ...{ session: this.#world.session, eventGroup: event, commandGroup: command, controlGroup: control },
      ...{ instance, standby, ledger: this.#ledger },
      point: this.#nextPoint(),
      after: this.#random.integer(...AFTER),
    }
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn(process.execPath, [REPLICA, JSON.stringify(plan)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env,
    })
    const running = new RunningProcess(child)
    if (this.#isEnding) tellToStop(child)
    this.#replicas.set(instance, { instance, process: running, child })
    child.once('close', (_code, signal) => this.#onClosed(instance, running, signal))
  }

  /** Each point once, in a random order, and then anew. */
  #nextPoint(): Point {
    if (this.#points.length === 0) {
      const points = [...POINTS]
      while (points.length > 0) this.#points.push(...points.splice(this.#random.integer(0, points.length - 1), 1))
    }
    return this.#points.shift() ?? 'reply-decided'
  }

  #onClosed(instance: string, { lines, stderr }: Running, signal: NodeJS.Signals | null): void {
    if (!this.#replicas.delete(instance)) return
    const last = lines.at(-1)
    if (signal !== 'SIGKILL' || last === undefined) {
      this.#problem = new Error(`${instance} ended by itself (${signal}):\n${stderr}`)
      return
    }
    const death = JSON.parse(last) as Death
    this.#deaths++
    this.#world.observer.bury(`desk/${instance}`)
    this.#buried.add(instance)
    if (death.late !== '') {
      const packet = Buffer.from(death.late, 'base64')
      setTimeout(() => this.#late.send(packet), this.#random.integer(...LATE_MS))
    }
    this.#awaitTakeover(death)
    this.#start(true)
  }

  /** Whoever is heard to be active first after the death. It may be dead by the time this looks. */
  #awaitTakeover(death: Death): void {
    const look = (): void => {
      const first = [...this.#activeMs].filter(([instance, ms]) => instance !== death.instance && ms >= death.atMs)
      const nextMs = Math.min(...first.map(([, ms]) => ms))
      if (nextMs === Number.POSITIVE_INFINITY) setTimeout(look, POLL_MS).unref()
      else this.#takeovers.push({ death, tookMs: nextMs - death.atMs })
    }
    look()
  }

  /** No more orders and no more deaths; then all that is owed is done, and all replicas say the same. */
  async #end(): Promise<void> {
    const world = this.#world
    this.#isEnding = true
    for (const { child } of this.#replicas.values()) tellToStop(child)
    let quietMs = 0
    await this.#until('nothing to be owed any more', () => {
      const isQuiet = this.#deaths === this.#takeovers.length && this.#owesNothing()
      quietMs = isQuiet ? quietMs + POLL_MS : 0
      return quietMs >= QUIET_MS
    })
    // Ends with an error where the digests differ.
    await world.decide('digest', 'desk')
    const running = [...this.#replicas.values()].map(({ process }) => process)
    this.#replicas.clear()
    await world.stop(...running, this.#sequencer, this.#store)
  }

  #living(): Replica[] {
    return [...this.#replicas.values()].filter(({ instance }) =>
      this.#world.observer.heard.components.has(`desk/${instance}`),
    )
  }

  #owesNothing(): boolean {
    const { components } = this.#world.observer.heard
    const all = this.#living().map(({ instance }) => components.get(`desk/${instance}`))
    if (all.length < REPLICAS || !all.some((status) => status?.state === 'active')) return false
    return all.every(
      (status) => status !== undefined && (status.counters.effectsPending ?? 0) === 0 && status.outboxCommands === 0,
    )
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + NEXT_DEATH_MS
    while (!holds()) {
      if (this.#problem !== undefined) throw this.#problem
      for (const { isOver, stderr } of [this.#store, this.#sequencer]) if (isOver) throw new Error(stderr)
      if (performance.now() > deadline) throw new Error(`no ${what}; ${this.#state()}`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  #state(): string {
    const components = [...this.#world.observer.heard.components.values()]
    const text = JSON.stringify(components, (key, value) => (key === 'digest' ? undefined : value))
    const logs = [...this.#replicas.values()].map(({ process }) => process.stderr.slice(-1_000))
    return `seed ${this.#options.seed}, ${this.#takeovers.length} takeovers; heard ${text}\n${logs.join('\n')}`
  }
}

/** It may have died this moment. */
function tellToStop(child: ChildProcess): void {
  child.send('stop', () => {})
}
