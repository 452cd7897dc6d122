/**
 * Starts the real roles on simulated machines, and ties what can be seen of them to the observers of the run.
 */
import type { HostObserver } from '../component/host-options.js'
import type { LogFields, Logger } from '../core/log.js'
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
import type { RunningRole, SimNode } from './node.js'
import type { ObserverCalls, SimLogLevel, SimProcess } from './observer.js'
import type { SimClient, SimComponent, SimTime } from './parts.js'
import { SimEventLog } from './sim-event-log.js'
import { SimPromises } from './sim-promises.js'
import type { Topology } from './topology.js'
import { watchEffects } from './watch-effects.js'
import type { World } from './world.js'

export interface RoleStarterOptions {
  readonly world: World
  readonly topology: Topology
  readonly session: string
  readonly components: readonly SimComponent[]
  readonly clients: readonly SimClient[]
  readonly observe: ObserverCalls
}

export class RoleStarter {
  readonly #options: RoleStarterOptions

  constructor(options: RoleStarterOptions) {
    this.#options = options
  }

  /** @throws SeqcastError where the role does not start; never settles where its process dies before */
  async start(node: SimNode, process: SimProcess, platform: SimPlatform): Promise<RunningRole> {
    const { topology, session } = this.#options
    const options = this.optionsOf(platform, node.machine.address, this.#loggerOf(node, process))
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
      const { log, promises } = await this.#openRecording(node, process, platform, session)
      return await startStore({
        ...options,
        name: node.name,
        voter: node.voter,
        requestPort: DEFAULT_STORE_REQUEST_PORT,
        rewindPort: DEFAULT_STORE_REWIND_PORT,
        log,
        promises,
        recordings: {
          has: (later) => node.machine.disk.log(later) !== undefined,
          open: (later) => this.#openRecording(node, process, platform, later),
        },
      })
    }
    if (node.kind === 'source') return await this.#startClient(node, process, options)
    return await this.#startComponent(node, process, options)
  }

  async #openRecording(
    node: SimNode,
    process: SimProcess,
    platform: SimPlatform,
    session: string,
  ): Promise<{ log: SimEventLog; promises: SimPromises }> {
    const { world, observe } = this.#options
    const { disk } = node.machine
    const here = { ...process, session }
    const log = await SimEventLog.open({
      disk,
      platform,
      session,
      observer: {
        appended: (sequence, count, bytes, start, end) =>
          observe.appended(here, sequence, count, bytes, start, end, world.nowUs),
        truncated: (fromSequence) => observe.truncated(here, fromSequence, world.nowUs),
        durable: (sequence) => observe.durable(here, sequence, world.nowUs),
      },
    })
    observe.recovered(here, log, world.nowUs)
    const promises = SimPromises.open({
      disk,
      platform,
      session,
      observer: {
        promised: (epoch) => {
          if (isFounded(node.voter, disk.promise(session).synced)) node.votesIn.add(session)
          observe.promised(here, epoch, world.nowUs)
        },
      },
    })
    if (!isFounded(node.voter, promises.stored)) node.votesIn.delete(session)
    return { log, promises }
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
    return {
      client,
      get session(): string {
        return client.session
      },
      done: outcome.promise,
      stop,
    }
  }

  #startComponent(node: SimNode, process: SimProcess, options: RoleOptions): Promise<RunningRole> {
    const { components, observe, world } = this.#options
    const definition = components.find(({ name }) => name === node.component)
    if (definition === undefined) throw new Error(`no component ${node.component}`)
    let here = process
    const observer: HostObserver = {
      began: (session) => {
        here = { ...process, session }
        if (node.process === process) node.session = session
        observe.began(here, world.nowUs)
      },
      delivered: (sequence, count, bytes, start, end) =>
        observe.delivered(here, sequence, count, bytes, start, end, world.nowUs),
      stable: (sequence) => observe.stable(here, sequence, world.nowUs),
      revoked: (fromSequence) => observe.revoked(here, fromSequence, world.nowUs),
      digestTaken: (sequence, digest) => observe.digest(here, sequence, digest, world.nowUs),
      effectRevoked: ({ key }) => observe.effectRevoked(here, key, world.nowUs),
    }
    const component = watchEffects(definition.create(process, this.#timeOf(options)), {
      began: (effect) => observe.effectBegan(here, effect, world.nowUs),
      ended: (effect) => observe.effectEnded(here, effect, world.nowUs),
    })
    return startComponent(component, {
      ...options,
      instance: node.name,
      standby: node.rank > 0,
      guard: false,
      observer,
      onStateChanged: (state, reason) => observe.hostState(here, state, reason, world.nowUs),
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

  optionsOf(platform: Platform, address: string, logger: Logger): RoleOptions {
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
        if (message === 'voter' && fields.to === 'voting') node.votesIn.add(String(fields.session))
        observe.logged(process, level, fields, message)
      }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }
}

/** Its disk knows the life in which it takes part in the session. */
function isFounded(voter: string, stored: StoredPromise | undefined): boolean {
  return stored !== undefined && stored.lives[voter] === stored.life
}
