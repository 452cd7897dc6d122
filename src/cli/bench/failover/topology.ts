/**
 * The processes of the failover bench: three voters, two sequencers of which one waits, a component twice, and a client. A
 * sequencer is known by its request port.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chooseGroups, freeUdpPort } from '../../demo/topology.js'
import { BenchChild } from '../children.js'
import type { LoadArgument } from './load-child.js'

export const VOTERS = ['a', 'b', 'c'] as const
const REPLICAS = ['a', 'b'] as const
const MODULE = fileURLToPath(new URL('./desk.js', import.meta.url))

export interface TopologyOptions {
  readonly directory: string
  readonly datagram: number
  readonly bytes: number
  /** Orders a second. */
  readonly orderRate: number
  readonly suspectMs: number
  /** Of an etcd that chooses; '' where the voters do alone. */
  readonly etcd: string
}

export class Topology {
  readonly session = `F${Date.now().toString(36).slice(-8).toUpperCase()}`
  readonly groups: Awaited<ReturnType<typeof chooseGroups>>
  readonly ports: readonly [number, number]
  readonly #options: TopologyOptions
  readonly #stores: BenchChild[] = []
  readonly #replicas: BenchChild[] = []
  /** By request port. */
  readonly #sequencers = new Map<number, BenchChild>()
  readonly #burners: BenchChild[] = []
  #load: BenchChild | undefined

  private constructor(options: TopologyOptions, groups: Awaited<ReturnType<typeof chooseGroups>>, ports: number[]) {
    this.#options = options
    this.groups = groups
    this.ports = [ports[0] ?? 0, ports[1] ?? 0]
  }

  static async create(options: TopologyOptions): Promise<Topology> {
    return new Topology(options, await chooseGroups(), [await freeUdpPort(), await freeUdpPort()])
  }

  get storeDirectories(): Map<string, string> {
    return new Map(VOTERS.map((voter) => [voter, join(this.#options.directory, voter)]))
  }

  get load(): BenchChild {
    if (this.#load === undefined) throw new Error('the client was not started')
    return this.#load
  }

  async startStores(): Promise<void> {
    const ports = ['--request-port', '0', '--rewind-port', '0']
    const started = [...this.storeDirectories].map(async ([voter, directory]) => {
      this.#stores.push(await this.#role(['store', '--dir', directory, '--voter', voter, ...ports], 'recording'))
    })
    await allOf(started)
  }

  /** Every one is started as a standby: where nobody reigns it claims. */
  async startSequencer(port: number): Promise<void> {
    const { suspectMs, etcd } = this.#options
    const args = ['--voters', VOTERS.join(','), '--standby', '--suspect-ms', String(suspectMs)]
    const chosen = etcd === '' ? [] : ['--etcd', etcd]
    const child = await this.#role(['sequencer', ...args, ...chosen, '--request-port', String(port)], 'standby')
    this.#sequencers.set(port, child)
  }

  async startReplicas(): Promise<void> {
    const started = REPLICAS.map(async (instance) => {
      const standby = instance === REPLICAS[0] ? [] : ['--standby']
      const args = ['run', MODULE, '--instance', instance, '--option', `bytes=${this.#options.bytes}`, ...standby]
      this.#replicas.push(await this.#role(args, 'component: started'))
    })
    await allOf(started)
  }

  async startLoad(): Promise<void> {
    const { datagram, bytes, orderRate: rate } = this.#options
    const argument: LoadArgument = { session: this.session, ...this.groups, datagram, bytes, rate }
    this.#load = (await BenchChild.script('failover/load-child.js', argument)).child
  }

  async startBurners(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#burners.push((await BenchChild.script('failover/burner-child.js', {})).child)
    }
  }

  async stopBurners(): Promise<void> {
    for (const burner of this.#burners.splice(0)) await burner.stop()
  }

  /** @throws Error where there is none at that port */
  sequencer(port: number): BenchChild {
    const child = this.#sequencers.get(port)
    if (child === undefined) throw new Error(`no sequencer has port ${port}`)
    return child
  }

  /** Those that may end from now on without ending the bench. */
  mayEnd(port: number): void {
    this.#sequencers.delete(port)
  }

  /** @throws SeqcastError E_BENCH where a process that should run has ended */
  check(): void {
    for (const child of this.#all()) if (child.isOver) throw child.failure()
  }

  /** Stops everybody in order: components, the sequencer that waits, the one that reigns, the stores. */
  async endAll(activePort: number): Promise<void> {
    await this.#load?.stop()
    await allOf(this.#replicas.splice(0).map((child) => child.end()))
    for (const [port, child] of this.#sequencers) if (port !== activePort) await child.end()
    await this.sequencer(activePort).end()
    this.#sequencers.clear()
    await allOf(this.#stores.splice(0).map((child) => child.end()))
  }

  /** Whatever happened: nobody is left behind. */
  async close(): Promise<void> {
    await Promise.all([...this.#all(), ...this.#burners].map((child) => child.stop()))
  }

  #all(): BenchChild[] {
    const load = this.#load === undefined ? [] : [this.#load]
    return [...load, ...this.#replicas, ...this.#sequencers.values(), ...this.#stores]
  }

  #role(args: readonly string[], ready: string): Promise<BenchChild> {
    const { eventGroup, commandGroup, controlGroup } = this.groups
    const streams = ['--event-group', eventGroup, '--command-group', commandGroup, '--control-group', controlGroup]
    const common = ['--session', this.session, '--datagram', String(this.#options.datagram), ...streams]
    return BenchChild.role([...args, ...common], ready)
  }
}

/** Waits for all of them also where one has failed, so that none is started behind a bench that is over. */
export async function allOf(started: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(started)
  await Promise.all(started)
}
