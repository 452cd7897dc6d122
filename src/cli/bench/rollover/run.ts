/**
 * `seqcast bench rollover`: what the end of a session costs those who send. The shipment system runs on a whole topology of real
 * processes at a steady rate, and is rolled over again and again. At the end the stores' logs are read: how long no scan was sequenced,
 * and that none is missing, none is there twice, and every history goes on.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLogger } from '../../../core/log.js'
import { generateScans, readRoutes } from '../../../examples/sms/scan-generator.js'
import type { Scan } from '../../../examples/sms/scans.js'
import { ShipmentBook } from '../../../examples/sms/shipment-book.js'
import { parseGroup } from '../../../net/interfaces.js'
import { isSequencing } from '../../../protocol/sequencer-states.js'
import type { RoleOptions } from '../../../runtime/options.js'
import { rollOver } from '../../admin-roll.js'
import { chooseGroups, freeUdpPort } from '../../demo/topology.js'
import { Observer } from '../../observer.js'
import { BenchChild } from '../children.js'
import { checkChain } from './chain-check.js'
import {
  notificationsFile,
  SMS_COMPONENTS,
  type SmsPlan,
  type SmsSystem,
  STATIC_FILE,
  sessionOfDay,
  smsPlans,
  storeDirectory,
} from './plan.js'
import { benchError, type RolloverResult, resultOf } from './report.js'

export interface RolloverBenchOptions {
  readonly directory: string
  readonly rollovers: number
  /** Commands a second: scans, and what the components answer to them. */
  readonly rate: number
  /** Shipments that are under way, and so carried over each time. */
  readonly live: number
  readonly voters: readonly string[]
  readonly datagram: number
  /** What is done now, and how far that is. */
  readonly onStep: (what: string) => void
}

const START_WITHIN_MS = 60_000
const SETTLE_WITHIN_MS = 60_000
/** Between two rollovers, and before the first one: not in step with anything. */
const BETWEEN_MS = { least: 1_500, most: 2_500 } as const
/** The asking takes some time as well. */
const ASKING_MS = 500
const QUIET_MS = 800
const POLL_MS = 10
const REPLICAS = { scanner: 1, shipments: 2, router: 1, notifier: 1 } as const
const DIGITS = 2

export async function benchRollover(options: RolloverBenchOptions): Promise<RolloverResult> {
  const { directory, rollovers, rate, voters } = options
  const session = `R${Date.now().toString(36).slice(-7).toUpperCase()}${'1'.padStart(DIGITS, '0')}`
  const routes = await readRoutes(STATIC_FILE)
  const seconds = ((rollovers + 1) * (BETWEEN_MS.most + ASKING_MS)) / 1_000
  const enough = generateScans(routes, { scans: Math.ceil(rate * seconds), live: options.live, seed: 1 })
  const scanRate = rate / commandsPerScan(enough, new ShipmentBook(routes))
  const scans = enough.slice(0, Math.ceil(scanRate * seconds))
  const input = join(directory, 'scans.jsonl')
  await writeFile(input, scans.map((scan) => `${JSON.stringify(scan)}\n`).join(''))
  const sequencers = voters.length > 1 ? 2 : 1
  const sequencerPorts: number[] = []
  for (let i = 0; i < sequencers; i++) sequencerPorts.push(await freeUdpPort())
  const groups = await chooseGroups()
  const system = { session, groups, directory, voters, sequencerPorts, replicas: REPLICAS, input, rate: scanRate }
  const bench = new RolloverBench(options, system)
  try {
    const sessions = await bench.run()
    options.onStep('reading the logs')
    const directories = new Map(voters.map((voter) => [voter, storeDirectory(system, voter)]))
    const report = await checkChain({
      directories,
      sessions,
      scans,
      isComplete: true,
      notifications: notificationsFile(system),
    })
    return resultOf(report, options)
  } finally {
    await bench.close()
  }
}

/** Scans included: each is one; so are its answers, and what says that an effect is done. */
function commandsPerScan(scans: readonly Scan[], book: ShipmentBook): number {
  let commands = 0
  for (const [i, scan] of scans.entries()) {
    const answers = book.scan(i + 1, scan)
    const effects = answers.filter(({ name }) => name === 'ShipmentDelivered' || name === 'ShipmentRejected')
    commands += 1 + answers.length + effects.length
  }
  return commands / scans.length
}

class RolloverBench {
  readonly #options: RolloverBenchOptions
  readonly #system: SmsSystem
  readonly #children = new Map<string, BenchChild>()
  #observer: Observer | undefined

  constructor(options: RolloverBenchOptions, system: SmsSystem) {
    this.#options = options
    this.#system = system
  }

  /** @returns the sessions, in their order */
  async run(): Promise<string[]> {
    const { onStep, rollovers } = this.#options
    const { session } = this.#system
    onStep('starting the shipment system')
    await this.#start()
    const sessions = [session]
    for (let day = 1; day <= rollovers; day++) {
      onStep(`rollover ${day} of ${rollovers}`)
      await sleep(BETWEEN_MS.least + Math.random() * (BETWEEN_MS.most - BETWEEN_MS.least))
      const [from, to] = [sessionOfDay(session, day), sessionOfDay(session, day + 1)]
      await this.#observe(from)
      await sleep(ASKING_MS)
      const { state } = await rollOver(this.#here, from, to, 'bench', true)
      if (state !== 'open' && state !== 'held') throw benchError(`session ${to} is not open, but '${state}'`)
      sessions.push(to)
    }
    await this.#observe(sessionOfDay(session, rollovers + 1))
    onStep('waiting for the last scans')
    await this.#settled()
    onStep('stopping all processes in order')
    await this.#stop()
    return sessions
  }

  /** Whatever happened: nobody is left behind. */
  async close(): Promise<void> {
    this.#observer?.close()
    await Promise.all([...this.#children.values()].map((child) => child.stop()))
  }

  async #start(): Promise<void> {
    const plans = smsPlans(this.#system)
    const ofRole = (role: string): SmsPlan[] => plans.filter((plan) => plan.role === role)
    const start = async (plan: SmsPlan): Promise<void> => {
      const { datagram } = this.#options
      this.#children.set(plan.name, await BenchChild.role([...plan.args, '--datagram', String(datagram)], plan.ready))
    }
    await this.#observe(this.#system.session)
    await all(ofRole('store').map(start))
    await all(ofRole('sequencer').map(start))
    await this.#until('a sequencer', START_WITHIN_MS, () => this.#reigning !== undefined)
    // Scans come when everybody is there who answers them.
    const [scanner, ...others] = SMS_COMPONENTS
    await all(others.flatMap(ofRole).map(start))
    const active = (name: string): boolean =>
      [...this.#here.heard.components.values()].some((one) => one.component === name && one.state === 'active')
    await this.#until('the components', START_WITHIN_MS, () => others.every(active))
    await all(ofRole(scanner).map(start))
    await this.#until('the scanner', START_WITHIN_MS, () => active(scanner))
  }

  /** All scans are sequenced and answered, and nothing is owed. */
  async #settled(): Promise<void> {
    let sequence = 0
    let quietMs = 0
    await this.#until('all to be answered', SETTLE_WITHIN_MS + this.#expectedMs, () => {
      const now = this.#reigning?.nextSequence ?? 0
      const components = [...this.#here.heard.components.values()]
      const owesNothing = components.every(
        ({ outboxCommands, counters }) => outboxCommands === 0 && (counters.effectsPending ?? 0) === 0,
      )
      quietMs = now > 0 && now === sequence && components.length > 0 && owesNothing ? quietMs + POLL_MS : 0
      sequence = now
      return quietMs >= QUIET_MS
    })
  }

  /** How long all scans take. */
  get #expectedMs(): number {
    return (this.#options.rollovers + 1) * (BETWEEN_MS.most + ASKING_MS)
  }

  /** Components first, then the sequencer that waits, the one that reigns, the stores. */
  async #stop(): Promise<void> {
    const port = this.#reigning?.requestPort ?? 0
    const reigning = `sequencer/${this.#system.sequencerPorts.indexOf(port) + 1}`
    const named = (role: string): string[] => [...this.#children.keys()].filter((name) => name.startsWith(`${role}/`))
    const waiting = named('sequencer').filter((name) => name !== reigning)
    for (const name of [...SMS_COMPONENTS.flatMap(named), ...waiting, reigning, ...named('store')]) {
      await this.#children.get(name)?.end()
    }
  }

  get #here(): Observer {
    if (this.#observer === undefined) throw new Error('nobody observes')
    return this.#observer
  }

  get #reigning(): { readonly nextSequence: number; readonly requestPort: number } | undefined {
    const all = [...this.#here.heard.sequencers.values()].filter(({ state }) => isSequencing(state))
    return all.sort((a, b) => b.epoch - a.epoch)[0]
  }

  async #observe(session: string): Promise<void> {
    this.#observer?.close()
    const { eventGroup, commandGroup, controlGroup } = this.#system.groups
    const { datagram: datagramBytes } = this.#options
    const options: RoleOptions = {
      ...{ session, interfaceAddress: '127.0.0.1', stores: [], datagramBytes, idle: 'block', logger: silentLogger },
      eventGroup: parseGroup(eventGroup),
      commandGroup: parseGroup(commandGroup),
      controlGroup: parseGroup(controlGroup),
    }
    this.#observer = await Observer.open(options)
  }

  async #until(what: string, timeoutMs: number, holds: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    while (!holds()) {
      for (const child of this.#children.values()) if (child.isOver) throw child.failure()
      if (performance.now() > deadlineMs) throw benchError(`waited ${timeoutMs / 1_000} s for ${what}`)
      await sleep(POLL_MS)
    }
  }
}

/** Waits for all of them also where one has failed, so that none is started behind a bench that is over. */
async function all(started: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(started)
  await Promise.all(started)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
