/**
 * The four components in one process, between them a sequencer that only does what the guarantees say: it takes one command
 * at a time, from a source that is drawn at random, each source's in order. So a run is one of all the interleavings that a
 * network could make, and its seed names it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type Component, Prng } from 'seqcast'
import { createClientProxy } from '../../src/examples/oms/client-proxy.js'
import { component as exchangeGateway } from '../../src/examples/oms/exchange-gateway.js'
import { schema } from '../../src/examples/oms/generated/oms.js'
import { OmsAudit, type OmsReport } from '../../src/examples/oms/oms-report.js'
import { component as orderManager } from '../../src/examples/oms/order-manager.js'
import { component as orderRouter } from '../../src/examples/oms/order-router.js'

interface Command {
  readonly type: number
  readonly bytes: Uint8Array
}

interface Replica {
  readonly component: Component
  readonly state: unknown
  readonly commands: Command[]
}

export interface PipelineOptions {
  readonly input: string
  readonly seed: number
  /** After so many events the proxy is replaced by its standby. */
  readonly switchAfter?: number
  /** What becomes of the old proxy's commands that are not sequenced: `late` are sequenced among those of the new one. */
  readonly oldCommands?: 'lost' | 'late'
}

export interface PipelineResult {
  readonly report: OmsReport | undefined
  readonly problems: readonly string[]
  readonly latencies: readonly number[]
  readonly events: readonly { readonly name: string; readonly payload: unknown }[]
  /** The final state of each component. */
  readonly states: ReadonlyMap<string, unknown>
}

export class Pipeline {
  readonly #options: PipelineOptions
  readonly #random: Prng
  readonly #replicas: Replica[]
  readonly #proxy: Replica
  readonly #sources: Command[][]
  readonly #latencies: number[] = []
  readonly #audit = new OmsAudit((latencyUs) => this.#latencies.push(latencyUs))
  readonly #events: { name: string; payload: unknown }[] = []
  #active = new AbortController()
  #failure: unknown

  constructor(options: PipelineOptions) {
    this.#options = options
    this.#random = new Prng(options.seed)
    this.#proxy = replicaOf(createClientProxy({ input: options.input }))
    this.#replicas = [this.#proxy, ...[orderManager, orderRouter, exchangeGateway].map(replicaOf)]
    this.#sources = this.#replicas.map(({ commands }) => commands)
  }

  async run(): Promise<PipelineResult> {
    this.#startInput()
    while (!this.#audit.isDone) {
      await turn()
      if (this.#failure !== undefined) throw this.#failure
      for (let steps = this.#random.integer(1, 3_000); steps > 0 && this.#step(); steps--) this.#switchProxy()
    }
    while (this.#step()); // What comes after the end must change nothing.
    return {
      report: this.#audit.report(),
      problems: this.#audit.problems(),
      latencies: this.#latencies,
      events: this.#events,
      states: new Map(this.#replicas.map(({ component, state }) => [component.name, state])),
    }
  }

  /** Sequences one command. @returns false where there was none */
  #step(): boolean {
    const waiting = this.#sources.filter((commands) => commands.length > 0)
    const command = waiting[this.#random.integer(0, waiting.length - 1)]?.shift()
    if (command === undefined) return false
    const name = schema.nameOf(command.type)
    if (name === undefined) throw new Error(`type ${command.type}`)
    const payload = schema.decode(command.type, command.bytes, 0, command.bytes.length)
    const sequence = this.#events.push({ name, payload })
    const timeUs = sequence * 10
    for (const { component, state, commands } of this.#replicas) {
      component.handlers[command.type]?.(
        state,
        { sequence, timeUs, source: 1, name, payload },
        { ...noTimers, sequence, timeUs, send: (sent, body) => commands.push(commandOf(sent, body)) },
      )
    }
    this.#audit.onEvent(name, payload, timeUs)
    return true
  }

  #startInput(): void {
    const { signal } = this.#active
    const commands: Command[] = []
    this.#sources[0] = commands
    const send = (name: string, payload: unknown): void => {
      if (signal.aborted) throw new Error('sent while passive')
      commands.push(commandOf(name, payload))
    }
    this.#proxy.component.input?.({ send, ready: async () => {}, signal }, this.#proxy.state).catch((error) => {
      this.#failure = error
    })
  }

  /** The standby has handled the same events, so it has the same state. */
  #switchProxy(): void {
    if (this.#events.length !== this.#options.switchAfter) return
    this.#active.abort()
    this.#active = new AbortController()
    const old = this.#sources[0] ?? []
    this.#startInput()
    if (this.#options.oldCommands === 'late') this.#sources.push(old)
  }
}

const noTimers = {
  startTimer: (): never => unused(),
  cancelTimer: (): never => unused(),
  random: (): never => unused(),
}

function unused(): never {
  throw new Error('not used by these components')
}

function replicaOf(component: Component): Replica {
  return { component, state: component.state(), commands: [] }
}

function commandOf(name: string, payload: unknown): Command {
  const type = schema.typeOf(name)
  if (type === undefined) throw new Error(`no event ${name}`)
  const untyped: { encode(name: string, payload: unknown): Uint8Array } = schema
  return { type, bytes: untyped.encode(name, payload).slice() }
}
