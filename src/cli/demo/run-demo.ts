/**
 * The demo from start to proof: starts every process, lets the orders flow, replaces what dies, and then checks what came of
 * it: digests of the replicas, both recordings, and a replay.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { SeqcastError } from '../../core/errors.js'
import { scanItchFile } from '../../examples/oms/itch-file.js'
import { generateItchFile } from '../../examples/oms/itch-generator.js'
import type { RoleOptions } from '../../runtime/options.js'
import type { ComponentStatus } from '../../wire/control.js'
import { decide } from '../admin.js'
import { LatencyHistogram } from '../latency.js'
import type { DemoProgress } from './progress.js'
import { proveSession } from './proof.js'
import type { DemoResult } from './report.js'
import { type Death, Supervisor } from './supervisor.js'
import {
  COMPONENTS,
  type ComponentName,
  type ProcessPlan,
  planReplicas,
  planSequencer,
  planStores,
  STORES,
  type TopologyOptions,
} from './topology.js'
import { DemoWatch } from './watch.js'

const START_TIMEOUT_MS = 60_000
/** Without any event for this long, the demo has got stuck. */
const STALL_TIMEOUT_MS = 60_000

export interface KillPlan {
  readonly name: string
  /** When this part of the input was sequenced, from 0 to 1. */
  readonly at: number
}

export interface DemoOptions {
  readonly role: RoleOptions
  readonly topology: TopologyOptions
  /** The file to make where no input is given. */
  readonly generate: { readonly orders: number; readonly seed: number } | undefined
  readonly kills: readonly KillPlan[]
}

export async function runDemo(options: DemoOptions, progress: DemoProgress): Promise<DemoResult> {
  const { topology } = options
  // A file that can't be read leaves nothing behind.
  if (options.generate === undefined) await scanItchFile(topology.inputFile)
  await mkdir(topology.directory, { recursive: true })
  if (options.generate !== undefined) {
    await writeFile(topology.inputFile, generateItchFile(options.generate))
  }
  const { messages } = await scanItchFile(topology.inputFile)
  const demo = new Demo(options, messages, progress)
  const interrupt = (signal: NodeJS.Signals): void => demo.interrupt(signal)
  process.once('SIGTERM', interrupt)
  process.once('SIGINT', interrupt)
  try {
    return await demo.run()
  } finally {
    process.removeListener('SIGTERM', interrupt)
    process.removeListener('SIGINT', interrupt)
    demo.close()
  }
}

class Demo {
  readonly #options: DemoOptions
  readonly #messages: number
  readonly #progress: DemoProgress
  readonly #supervisor: Supervisor
  readonly #commandToEvent = new LatencyHistogram()
  readonly #pendingKills: KillPlan[]
  #watch: DemoWatch | undefined
  #phase: 'starting' | 'running' | 'over' = 'starting'

  constructor(options: DemoOptions, messages: number, progress: DemoProgress) {
    this.#options = options
    this.#messages = messages
    this.#progress = progress
    this.#pendingKills = [...options.kills].sort((a, b) => a.at - b.at)
    this.#supervisor = new Supervisor(
      options.topology.directory,
      (death) => this.#onDeath(death),
      (_plan, line) => this.#onOutput(line),
    )
  }

  close(): void {
    this.#supervisor.killAll()
    this.#watch?.close()
  }

  /** No process is left behind; whatever the demo waits for fails. */
  interrupt(signal: NodeJS.Signals): void {
    this.#supervisor.killAll()
    this.#watch?.fail(new SeqcastError('E_DEMO', `interrupted by ${signal}`))
  }

  async run(): Promise<DemoResult> {
    const watch = await DemoWatch.open(this.#options.role)
    this.#watch = watch
    await this.#start(watch)
    this.#phase = 'running'
    this.#progress.start(this.#messages)
    await watch.until(
      'the book to be closed',
      STALL_TIMEOUT_MS,
      () => watch.audit.isDone,
      () => this.#poll(watch),
    )
    this.#progress.stop()
    this.#progress.step('comparing digests of all replicas')
    await watch.until('every replica to be back', START_TIMEOUT_MS, () => this.#allPresent(watch))
    const digests = await this.#compareDigests(watch)
    const end = await decide(watch.observer, 'end-session', '', '', 'the demo is over')
    await watch.until('both stores to have recorded the end', START_TIMEOUT_MS, () =>
      STORES.every((name) => (watch.observer.heard.stores.get(name)?.durableSequence ?? 0) >= end.sequence),
    )
    this.#phase = 'over'
    await this.#stopAll()
    const counters = countersOf(watch)
    this.#progress.step('verifying both recordings, replaying every component')
    const problems = await proveSession(this.#options.topology, end.sequence, digests, (what) =>
      this.#progress.step(what),
    )
    return this.#result(watch, end.sequence, digests, counters, [...watch.audit.problems(), ...problems])
  }

  /** Stores first, since the sequencer waits for its voter; the proxy last, so that the first order finds everybody there. */
  async #start(watch: DemoWatch): Promise<void> {
    const { topology } = this.#options
    this.#progress.step('starting two stores and the sequencer')
    for (const plan of planStores(topology)) this.#supervisor.start(plan)
    await watch.until('the stores', START_TIMEOUT_MS, () =>
      STORES.every((name) => watch.observer.heard.stores.has(name)),
    )
    await watch.follow(this.#options.role)
    this.#supervisor.start(planSequencer(topology))
    this.#progress.step('starting four components, each with a standby')
    const [proxy, ...others] = COMPONENTS
    for (const component of others) this.#startReplicas(component)
    const [, proxyStandby] = planReplicas(proxy, topology)
    if (proxyStandby !== undefined) this.#supervisor.start(proxyStandby)
    await watch.until('the components', START_TIMEOUT_MS, () => others.every((name) => this.#isComplete(watch, name)))
    await watch.until('the standby proxy', START_TIMEOUT_MS, () => watch.replica(proxy, 'b')?.state === 'standby')
    const [activeProxy] = planReplicas(proxy, topology)
    if (activeProxy !== undefined) this.#supervisor.start(activeProxy)
  }

  #startReplicas(component: ComponentName): void {
    for (const plan of planReplicas(component, this.#options.topology)) this.#supervisor.start(plan)
  }

  #isComplete(watch: DemoWatch, component: string): boolean {
    const states = watch.replicas(component).map((status) => status.state)
    return states.includes('active') && states.includes('standby')
  }

  #allPresent(watch: DemoWatch): boolean {
    return COMPONENTS.every((component) => this.#isComplete(watch, component))
  }

  #poll(watch: DemoWatch): void {
    this.#progress.update(watch.audit.lastKey, watch.events)
    const next = this.#pendingKills[0]
    if (next === undefined || watch.audit.lastKey < next.at * this.#messages) return
    const name = this.#processNamed(watch, next.name)
    if (name === undefined) return
    this.#pendingKills.shift()
    this.#progress.note(`kill -9 ${name}`)
    if (!this.#supervisor.kill(name)) watch.fail(new SeqcastError('E_DEMO', `there is no process '${name}' to kill`))
  }

  /** A component's name stands for its active replica; undefined while it has none. */
  #processNamed(watch: DemoWatch, name: string): string | undefined {
    if (!COMPONENTS.some((component) => component === name)) return name
    const active = watch.replicas(name).find((status) => status.state === 'active')
    return active === undefined ? undefined : `${name}/${active.instance}`
  }

  #onDeath({ plan, how }: Death): void {
    const watch = this.#watch
    if (watch === undefined) return
    if (this.#phase !== 'running') {
      const errors = this.#supervisor.errorsOf(plan.name)
      watch.fail(new SeqcastError('E_DEMO', `${plan.name} ended with ${how}\n${errors}`))
      return
    }
    this.#progress.note(`${plan.name} died (${how})`)
    this.#replace(plan, watch).catch((error: Error) => watch.fail(error))
  }

  /** Starts what died again, as a standby; of a component the other replica takes over by itself. */
  async #replace(plan: ProcessPlan, watch: DemoWatch): Promise<void> {
    watch.observer.bury(plan.name)
    this.#supervisor.restart(plan)
    this.#progress.note(`${plan.name} was started again`)
    if (plan.role !== 'component') return
    const component = plan.name.split('/')[0] ?? ''
    const active = (): ComponentStatus | undefined => watch.replicas(component).find(({ state }) => state === 'active')
    await watch.until(`a replica of ${component} to take over`, START_TIMEOUT_MS, () => active() !== undefined)
    this.#progress.note(`${component}/${active()?.instance} is active`)
  }

  async #compareDigests(watch: DemoWatch): Promise<DemoResult['digests']> {
    const { sequence } = await decide(watch.observer, 'digest', '', '', 'the demo compares replicas')
    await watch.until('the digests', START_TIMEOUT_MS, () =>
      COMPONENTS.every((name) => watch.replicas(name).every((status) => status.digestSequence === sequence)),
    )
    return Object.fromEntries(
      COMPONENTS.map((name) => {
        const digests = watch.replicas(name).map((status) => Buffer.from(status.digest).toString('hex'))
        const [digest = ''] = digests
        return [name, { sequence, digest, replicas: digests.length, equal: new Set(digests).size === 1 }]
      }),
    )
  }

  async #stopAll(): Promise<void> {
    this.#progress.step('stopping all processes in order')
    const bad = [
      ...(await this.#supervisor.stop((plan) => plan.role === 'component')),
      ...(await this.#supervisor.stop((plan) => plan.role === 'sequencer')),
      ...(await this.#supervisor.stop((plan) => plan.role === 'store')),
    ]
    if (bad.length === 0) return
    throw new SeqcastError('E_DEMO', `these processes did not stop in order: ${bad.join(', ')}`, {
      hint: `see their logs in ${this.#options.topology.directory}`,
    })
  }

  /** Components end with one line of JSON: their latencies. */
  #onOutput(line: string): void {
    if (!line.startsWith('{')) return
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed !== 'object' || parsed === null || !('histogram' in parsed)) return
    this.#commandToEvent.addEncoded(String(parsed.histogram))
  }

  #result(
    watch: DemoWatch,
    events: number,
    digests: DemoResult['digests'],
    counters: DemoResult['counters'],
    problems: string[],
  ): DemoResult {
    const report = watch.audit.report()
    if (report === undefined)
      throw new SeqcastError('E_DEMO', 'the stream holds no report', { hint: problems.join('; ') })
    for (const [name, { equal, replicas }] of Object.entries(digests)) {
      if (!equal) problems.push(`the replicas of ${name} have different digests`)
      if (replicas !== 2) problems.push(`${replicas} replicas of ${name} gave a digest, and not 2`)
    }
    return {
      ...report,
      events,
      session: this.#options.topology.session,
      seconds: (watch.lastUs - watch.firstOrderUs) / 1e6,
      digests,
      latency: {
        commandToEvent: this.#commandToEvent.summary(),
        orderToExecution: watch.orderToExecution.summary(),
      },
      counters,
      restarts: this.#supervisor.restarts,
      directory: this.#options.topology.directory,
      verified: problems.length === 0,
      problems,
    }
  }
}

/** What was lost on the way and recovered, over all processes. */
function countersOf(watch: DemoWatch): DemoResult['counters'] {
  const { sequencers, stores, components } = watch.observer.heard
  const all = [...sequencers.values(), ...stores.values(), ...components.values()].map((status) => status.counters)
  const sum = (name: string): number => all.reduce((total, counters) => total + (counters[name] ?? 0), 0)
  return {
    gaps: sum('gaps'),
    requests: sum('requests'),
    rewinds: sum('rewinds'),
    duplicates: sum('duplicate'),
    lostEvents: sum('lost-events'),
    commandsResent: sum('resentCommands'),
  }
}
