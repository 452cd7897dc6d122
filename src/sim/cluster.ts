/**
 * The system of a run: the real roles, each on a machine of the simulated world, and a supervisor that starts again what has
 * died. What it knows of the processes it takes from their public faces, as an operator would.
 */
import type { HostObserver } from '../component/host-options.js'
import { SeqcastError } from '../core/errors.js'
import type { LogFields, Logger } from '../core/log.js'
import type { Prng } from '../core/prng.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import type { StoredPromise } from '../protocol/voter.js'
import { startComponent } from '../runtime/component-role.js'
import {
  DEFAULT_COMMAND_GROUP,
  DEFAULT_CONTROL_GROUP,
  DEFAULT_EVENT_GROUP,
  DEFAULT_SEQUENCER_REQUEST_PORT,
  DEFAULT_STORE_REQUEST_PORT,
  DEFAULT_STORE_REWIND_PORT,
  type RoleOptions,
} from '../runtime/options.js'
import { Outcome } from '../runtime/outcome.js'
import type { Platform } from '../runtime/platform.js'
import { SendClient } from '../runtime/send-client.js'
import { startSequencer } from '../runtime/sequencer-role.js'
import { startStore } from '../runtime/store-role.js'
import type { SimPlatform } from './machine.js'
import { type RunningRole, SimNode } from './node.js'
import type { ObserverCalls, SimLogLevel, SimProcess, SimStream } from './observer.js'
import { Operator } from './operator.js'
import type { SimClient, SimComponent, SimTime } from './parts.js'
import { SimEventLog } from './sim-event-log.js'
import { SimPromises } from './sim-promises.js'
import { replicaOf, storeOf, type Topology } from './topology.js'
import { Violation } from './violation.js'
import { watchEffects } from './watch-effects.js'
import type { World } from './world.js'

export interface ClusterOptions {
  readonly world: World
  readonly topology: Topology
  readonly session: string
  readonly components: readonly SimComponent[]
  readonly clients: readonly SimClient[]
  readonly observe: ObserverCalls
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
  'E_REFUSED',
  'E_SESSION_UNKNOWN',
  'E_LOST',
])

export class Cluster {
  readonly nodes: readonly SimNode[]
  readonly operator: Operator
  readonly #options: ClusterOptions
  readonly #byName: ReadonlyMap<string, SimNode>
  readonly #byAddress: ReadonlyMap<string, SimNode>
  readonly #prng: Prng
  /** Addresses of those that run, for the taps of the network. */
  readonly #streams: ReadonlyMap<number, SimStream>

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#prng = options.world.prng('supervisor')
    this.nodes = this.#createNodes()
    this.#byName = new Map(this.nodes.map((node) => [node.name, node]))
    this.#byAddress = new Map(this.nodes.map((node) => [node.machine.address, node]))
    this.#streams = new Map<number, SimStream>([
      [DEFAULT_EVENT_GROUP.port, 'event'],
      [DEFAULT_COMMAND_GROUP.port, 'command'],
      [DEFAULT_CONTROL_GROUP.port, 'control'],
    ])
    this.operator = new Operator(options.world.addMachine('operator'), (platform, address) =>
      this.#roleOptions(platform, address, silent),
    )
    this.#tapNetwork()
  }

  #createNodes(): SimNode[] {
    const { world, topology } = this.#options
    const nodes: SimNode[] = []
    const add = (options: Omit<ConstructorParameters<typeof SimNode>[0], 'machine'>): void => {
      nodes.push(new SimNode({ ...options, machine: world.addMachine(options.name) }))
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
      .sort((a, b) => epoch(b) - epoch(a))
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
    this.#startRole(node, process, platform).then(
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

  async #startRole(node: SimNode, process: SimProcess, platform: SimPlatform): Promise<RunningRole> {
    const { topology, session, world, observe } = this.#options
    const options = this.#roleOptions(platform, node.machine.address, this.#loggerOf(node, process))
    if (node.kind === 'sequencer') {
      const isFirst = node.rank === 0 && process.start === 1
      return await startSequencer({
        ...options,
        voters: topology.voters,
        requestPort: DEFAULT_SEQUENCER_REQUEST_PORT,
        tickUs: topology.tickUs,
        standby: !isFirst,
        rank: node.rank,
        suspectUs: topology.suspectUs,
      })
    }
    if (node.kind === 'store') {
      const { disk } = node.machine
      const log = await SimEventLog.open({
        disk,
        platform,
        session,
        observer: {
          appended: (sequence, count, bytes, start, end) =>
            observe.appended(process, sequence, count, bytes, start, end, world.nowUs),
          truncated: (fromSequence) => observe.truncated(process, fromSequence, world.nowUs),
          durable: (sequence) => observe.durable(process, sequence, world.nowUs),
        },
      })
      observe.recovered(process, log, world.nowUs)
      const promises = SimPromises.open({
        disk,
        platform,
        session,
        observer: { promised: (epoch) => observe.promised(process, epoch, world.nowUs) },
      })
      node.isFounded = isFounded(node.voter, promises.stored)
      return await startStore({
        ...options,
        name: node.name,
        voter: node.voter,
        requestPort: DEFAULT_STORE_REQUEST_PORT,
        rewindPort: DEFAULT_STORE_REWIND_PORT,
        log,
        promises,
      })
    }
    if (node.kind === 'source') return await this.#startClient(node, process, options)
    return await this.#startComponent(node, process, options)
  }

  async #startClient(node: SimNode, process: SimProcess, options: RoleOptions): Promise<RunningRole> {
    const definition = this.#options.clients.find(({ name }) => name === node.name)
    if (definition === undefined) throw new Error(`no source ${node.name}`)
    const client = await SendClient.open({ ...options, name: node.name, schemaHash: '', onReturned: () => {} })
    const outcome = new Outcome()
    client.failed.catch((error: Error) => outcome.failed(error))
    const ended = definition.run(client, process, this.#timeOf(options))
    ended.catch((error: Error) => outcome.failed(error))
    const stop = (): Promise<void> => {
      client.close()
      outcome.stopped()
      return outcome.promise
    }
    return { client, done: outcome.promise, stop }
  }

  #startComponent(node: SimNode, process: SimProcess, options: RoleOptions): Promise<RunningRole> {
    const { components, observe, world } = this.#options
    const definition = components.find(({ name }) => name === node.component)
    if (definition === undefined) throw new Error(`no component ${node.component}`)
    const observer: HostObserver = {
      delivered: (sequence, count, bytes, start, end) =>
        observe.delivered(process, sequence, count, bytes, start, end, world.nowUs),
      stable: (sequence) => observe.stable(process, sequence, world.nowUs),
      revoked: (fromSequence) => observe.revoked(process, fromSequence, world.nowUs),
      digestTaken: (sequence, digest) => observe.digest(process, sequence, digest, world.nowUs),
      effectRevoked: ({ key }) => observe.effectRevoked(process, key, world.nowUs),
    }
    const component = watchEffects(definition.create(process, this.#timeOf(options)), {
      began: (effect) => observe.effectBegan(process, effect, world.nowUs),
      ended: (effect) => observe.effectEnded(process, effect, world.nowUs),
    })
    return startComponent(component, {
      ...options,
      instance: node.name,
      standby: node.rank > 0,
      guard: false,
      observer,
      onStateChanged: (state, reason) => observe.hostState(process, state, reason, world.nowUs),
    })
  }

  #timeOf({ platform }: RoleOptions): SimTime {
    const { world } = this.#options
    return {
      nowUs: () => world.nowUs,
      sleep: (us) =>
        new Promise((resolve) => {
          platform?.timers.after(us / 1000, resolve)
        }),
    }
  }

  #roleOptions(platform: Platform, address: string, logger: Logger): RoleOptions {
    return {
      session: this.#options.session,
      interfaceAddress: address,
      eventGroup: DEFAULT_EVENT_GROUP,
      commandGroup: DEFAULT_COMMAND_GROUP,
      controlGroup: DEFAULT_CONTROL_GROUP,
      stores: [],
      datagramBytes: this.#options.topology.datagramBytes,
      idle: 'block',
      logger,
      platform,
    }
  }

  #loggerOf(node: SimNode, process: SimProcess): Logger {
    const { observe } = this.#options
    const at =
      (level: SimLogLevel) =>
      (fields: LogFields, message: string): void => {
        if (node.process !== process) return
        if (message === 'voter') node.isFounded ||= fields.to === 'voting'
        observe.logged(process, level, fields, message)
      }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }
}

const ignore = (): void => {}
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** Its disk knows the life in which it takes part in the session. */
function isFounded(voter: string, stored: StoredPromise | undefined): boolean {
  return stored !== undefined && stored.lives[voter] === stored.life
}
