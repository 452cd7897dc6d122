/**
 * The system of a run: the real roles, each on a machine of the simulated world, and a supervisor that starts again what has
 * died. What it knows of the processes it takes from their public faces, as an operator would.
 */
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { Prng } from '../core/prng.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import { DEFAULT_COMMAND_GROUP, DEFAULT_CONTROL_GROUP, DEFAULT_EVENT_GROUP } from '../runtime/options.js'
import { SimNode } from './node.js'
import type { SimProcess, SimStream } from './observer.js'
import { Operator } from './operator.js'
import { RoleStarter, type RoleStarterOptions } from './role-starter.js'
import { laterOf, sessionNumber } from './session-names.js'
import { replicaOf, storeOf } from './topology.js'
import { Violation } from './violation.js'

export interface ClusterOptions extends RoleStarterOptions {
  readonly violate: (violation: Violation) => void
}

/** What a process may die of while faults are played; a supervisor starts it again. Everything else is a defect. */
const EXPECTED = new Set([
  'E_STORE_FULL',
  'E_STORE_IO',
  'E_SESSION_NEEDS_STORE',
  'E_SECOND_SEQUENCER',
  'E_SECOND_INSTANCE',
  'E_TIMEOUT',
  'E_SESSION_UNKNOWN',
])

export class Cluster {
  readonly nodes: readonly SimNode[]
  readonly operator: Operator
  readonly #options: ClusterOptions
  readonly #byName: ReadonlyMap<string, SimNode>
  readonly #byAddress: ReadonlyMap<string, SimNode>
  readonly #prng: Prng
  readonly #starter: RoleStarter
  /** Addresses of those that run, for the taps of the network. */
  readonly #streams: ReadonlyMap<number, SimStream>

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#prng = options.world.prng('supervisor')
    this.#starter = new RoleStarter(options)
    this.nodes = this.#createNodes()
    this.#byName = new Map(this.nodes.map((node) => [node.name, node]))
    this.#byAddress = new Map(this.nodes.map((node) => [node.machine.address, node]))
    this.#streams = new Map<number, SimStream>([
      [DEFAULT_EVENT_GROUP.port, 'event'],
      [DEFAULT_COMMAND_GROUP.port, 'command'],
      [DEFAULT_CONTROL_GROUP.port, 'control'],
    ])
    this.operator = new Operator(options.world.addMachine('operator'), (platform, address) =>
      this.#starter.optionsOf(platform, address, silent),
    )
    this.#tapNetwork()
  }

  #createNodes(): SimNode[] {
    const { world, topology, session } = this.#options
    const nodes: SimNode[] = []
    const add = (options: Omit<ConstructorParameters<typeof SimNode>[0], 'machine' | 'session'>): void => {
      nodes.push(new SimNode({ ...options, machine: world.addMachine(options.name), session }))
    }
    for (const [rank, voter] of topology.voters.entries()) add({ name: storeOf(voter), kind: 'store', rank, voter })
    for (const [rank, copy] of topology.copies.entries()) add({ name: storeOf(copy), kind: 'store', rank })
    for (const [rank, name] of topology.sequencers.entries()) add({ name, kind: 'sequencer', rank })
    for (const { name, replicas } of topology.components) {
      for (let rank = 0; rank < replicas; rank++) {
        add({ name: replicaOf(name, rank + 1), kind: 'component', rank, component: name })
      }
    }
    for (const [rank, { name }] of this.#options.clients.entries()) add({ name, kind: 'source', rank })
    return nodes
  }

  #tapNetwork(): void {
    const { world, observe } = this.#options
    world.network.onSend((from, kind, to, packet) => {
      const process = this.#byAddress.get(from.address)?.process
      if (process === undefined || kind === 'tcp') return
      observe.sent(process, this.#streams.get(to.port) ?? 'unicast', packet, world.nowUs)
    })
  }

  /** Starts all nodes. */
  start(): void {
    const { world } = this.#options
    for (const node of this.nodes) world.after(this.#prng.integer(0, 50_000), () => this.startNode(node))
    world.after(0, () => this.operator.start())
  }

  node(name: string): SimNode {
    const node = this.#byName.get(name)
    if (node === undefined) throw new RangeError(`this system has no node ${name}`)
    return node
  }

  ofKind(kind: SimNode['kind']): SimNode[] {
    return this.nodes.filter((node) => node.kind === kind)
  }

  /** Those that sequence now, each by its own account; the newest reign first. */
  reigning(): SimNode[] {
    const epoch = (node: SimNode): number => node.role?.sequencer?.epochTable.at(-1)?.epoch ?? 0
    return this.ofKind('sequencer')
      .filter((node) => isSequencing(node.role?.sequencer?.state ?? ''))
      .sort((a, b) => sessionNumber(b.currentSession) - sessionNumber(a.currentSession) || epoch(b) - epoch(a))
  }

  /** The last session of the chain that anybody is in, or has made ready for. */
  newestSession(): string {
    return this.nodes.map(({ newestSession }) => newestSession).reduce(laterOf)
  }

  /** A voter whose disk has what it ever had that counts. */
  isFounded(node: SimNode): boolean {
    const hasVote = node.votesIn.size > 0 && (!node.isEmptied || node.votesIn.has(this.newestSession()))
    if (hasVote) node.isEmptied = false
    return hasVote
  }

  /** How many replicas of a component are active where nothing is wrong. */
  wantedActive(component: string): number {
    const definition = this.#options.components.find(({ name }) => name === component)
    return definition?.hotHot === true ? definition.replicas : 1
  }

  /** Those replicas of a component that take themselves for the active one. */
  active(component: string): SimNode[] {
    return this.nodes.filter((node) => node.component === component && node.role?.host?.state === 'active')
  }

  startNode(node: SimNode): void {
    const { world, observe } = this.#options
    if (node.process !== undefined || world.nowUs < node.downUntilUs) return
    const process = node.nextProcess()
    node.process = process
    observe.started(process, world.nowUs)
    const platform = node.machine.boot()
    this.#starter.start(node, process, platform).then(
      (role) => {
        if (node.process !== process) return
        node.role = role
        role.done.then(
          () => this.#onEnded(node, process, undefined),
          (error: Error) => this.#onEnded(node, process, error),
        )
      },
      (error: Error) => this.#onEnded(node, process, error),
    )
  }

  /** As by `kill -9`; it is started again at `untilUs`. */
  kill(node: SimNode, untilUs: number): void {
    const { world, observe } = this.#options
    this.#staysDown(node, untilUs)
    const process = node.process
    if (process === undefined) return
    node.process = undefined
    node.role = undefined
    node.machine.kill()
    observe.stopped(process, 'killed', undefined, world.nowUs)
  }

  /** Dies in the midst of what it does. */
  killAfter(node: SimNode, outputs: number, untilUs: number): void {
    if (node.process === undefined) this.#staysDown(node, untilUs)
    else node.machine.killAfter(outputs, () => this.kill(node, untilUs))
  }

  /** Lets a process end in order, as by SIGTERM; it is started again at `untilUs`. */
  stop(node: SimNode, untilUs: number): void {
    if (node.role === undefined) this.kill(node, untilUs)
    else node.role.stop('asked to stop').catch((error: Error) => error)
    this.#staysDown(node, untilUs)
  }

  #staysDown(node: SimNode, untilUs: number): void {
    const { world } = this.#options
    node.downUntilUs = Math.max(node.downUntilUs, untilUs)
    world.at(node.downUntilUs, () => this.startNode(node))
  }

  #onEnded(node: SimNode, process: SimProcess, error: Error | undefined): void {
    const { world, observe, violate } = this.#options
    if (node.process !== process) return
    node.process = undefined
    node.role = undefined
    observe.stopped(process, 'failed', error, world.nowUs)
    node.machine.exit()
    const isExpected = error === undefined || (error instanceof SeqcastError && EXPECTED.has(error.code))
    if (!isExpected) violate(new Violation('crash', `${process.node} died: ${error.stack ?? error.message}`))
    this.#staysDown(node, world.nowUs + this.#prng.integer(100_000, 600_000))
  }
}

const ignore = (): void => {}
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
