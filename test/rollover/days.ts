/**
 * The shipment system over several sessions on real processes: scans come in all the time, each session is rolled over into the
 * next one, and during each rollover processes are killed. What dies is started again; who takes over, and where each one goes on, they decide
 * by themselves.
 */
import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import {
  notificationsFile,
  SMS_COMPONENTS,
  type SmsPlan,
  type SmsSystem,
  STATIC_FILE,
  sessionOfDay,
  smsPlans,
  storeDirectory,
} from '../../src/cli/bench/rollover/plan.js'
import { readConfiguration, roleOptions } from '../../src/cli/configuration.js'
import { Observer } from '../../src/cli/observer.js'
import { Prng } from '../../src/core/prng.js'
import { generateScans, readRoutes } from '../../src/examples/sms/scan-generator.js'
import type { Scan } from '../../src/examples/sms/scans.js'
import { isSequencing } from '../../src/protocol/sequencer-states.js'
import type { ComponentStatus, SequencerHeartbeat } from '../../src/wire/control.js'
import { freePort, type Stage, stage } from '../fixtures/processes.js'
import { Fleet, type FleetDeath } from './fleet.js'
import { POINTS, type Point } from './points.js'

export interface DaysOptions {
  readonly voters: readonly string[]
  readonly sequencers: number
  readonly replicas: SmsSystem['replicas']
  readonly sessions: number
  /** Processes that are killed at each rollover; 0: none. */
  readonly kills: number
  readonly seed: number
  /** Scans a second. */
  readonly rate: number
  readonly onDeath?: (death: FleetDeath, session: string) => void
  readonly onOpen?: (session: string) => void
}

export interface DaysOutcome {
  readonly sessions: readonly string[]
  readonly directories: ReadonlyMap<string, string>
  readonly scans: readonly Scan[]
  readonly notifications: string
  readonly deaths: readonly FleetDeath[]
  /** Kills that were planned at a point where the process never came. */
  readonly missed: readonly string[]
}

interface Kill {
  readonly name: string
  /** Absent: at any moment. */
  readonly point?: Point
}

const SCANS = 40_000
const LIVE_SHIPMENTS = 150
/** Scans go on for so long before a session is rolled over. */
const BEFORE_ROLL_MS = [300, 1_200] as const
/** A kill at any moment comes so long after the roll was asked for: the asking itself takes some 700 ms. */
const ANY_MOMENT_MS = [300, 1_300] as const
const ONE_IN_AT_ANY_MOMENT = 3
/** A run of three sessions with two kills each uses about so many. */
const POINTS_PER_RUN = 3
const ASK_AGAIN_MS = 3_000
const GIVE_UP_MS = 90_000
const QUIET_MS = 600
const POLL_MS = 20

export async function runDays(t: Pick<Test, 'teardown'>, options: DaysOptions): Promise<DaysOutcome> {
  const place = await stage(t)
  const session = `${place.session.slice(0, 8)}01`
  const { event: eventGroup, command: commandGroup, control: controlGroup } = place.groups
  const ports: number[] = []
  for (let i = 0; i < options.sequencers; i++) ports.push(await freePort())
  const input = place.path('scans.jsonl')
  const scans = generateScans(await readRoutes(STATIC_FILE), { scans: SCANS, live: LIVE_SHIPMENTS, seed: options.seed })
  writeFileSync(input, scans.map((scan) => `${JSON.stringify(scan)}\n`).join(''))
  const days = new Days(t, options, place, {
    session,
    groups: { eventGroup, commandGroup, controlGroup },
    directory: place.directory,
    voters: options.voters,
    sequencerPorts: ports,
    replicas: options.replicas,
    input,
    rate: options.rate,
  })
  const sessions = await days.run()
  return {
    sessions,
    directories: new Map(options.voters.map((voter) => [voter, storeDirectory(days.system, voter)])),
    scans,
    notifications: notificationsFile(days.system),
    deaths: days.fleet.deaths,
    missed: days.missed,
  }
}

class Days {
  readonly system: SmsSystem
  readonly fleet: Fleet
  readonly missed: string[] = []
  readonly #options: DaysOptions
  readonly #place: Stage
  readonly #plans: readonly SmsPlan[]
  readonly #random: Prng
  readonly #t: Pick<Test, 'teardown'>
  #pointsUsed = 0
  #session: string
  #observer: Observer | undefined

  constructor(t: Pick<Test, 'teardown'>, options: DaysOptions, place: Stage, system: SmsSystem) {
    this.#t = t
    this.#options = options
    this.#place = place
    this.system = system
    this.#session = system.session
    this.#plans = smsPlans(system)
    this.#random = new Prng(options.seed)
    const fleet = new Fleet(place.directory, this.#random, (death) => options.onDeath?.(death, this.#session))
    this.fleet = fleet
    t.teardown(() => fleet.close())
  }

  async run(): Promise<string[]> {
    await this.#observe(this.system.session)
    await this.#start()
    const sessions = [this.#session]
    for (let day = 2; day <= this.#options.sessions; day++) {
      await sleep(this.#random.integer(...BEFORE_ROLL_MS))
      const next = sessionOfDay(this.system.session, day)
      await this.#roll(next)
      sessions.push(next)
      this.#options.onOpen?.(next)
    }
    await sleep(this.#random.integer(...BEFORE_ROLL_MS))
    await this.#end()
    return sessions
  }

  async #start(): Promise<void> {
    const ofRole = (role: string): SmsPlan[] => this.#plans.filter((plan) => plan.role === role)
    await Promise.all(ofRole('store').map((plan) => this.fleet.start(plan)))
    await Promise.all(ofRole('sequencer').map((plan) => this.fleet.start(plan)))
    await this.#until('a sequencer', () => this.#reigning !== undefined)
    await Promise.all(SMS_COMPONENTS.flatMap(ofRole).map((plan) => this.fleet.start(plan)))
    await this.#until('everybody', () => this.#isWhole())
  }

  /** Rolls the session over, with deaths on the way, and resolves when the next one is whole and everybody is in it. */
  async #roll(next: string): Promise<void> {
    const before = this.fleet.deaths.length
    const kills = this.#plan()
    const old = this.#session
    for (const { name, point } of kills) {
      if (point !== undefined) this.fleet.arm(name, point, point.session === 'old' ? old : next)
    }
    const from = this.#observer
    await this.#observe(next)
    const asked = this.#ask(old, next)
    for (const { name, point } of kills) {
      if (point === undefined) setTimeout(() => this.fleet.kill(name), this.#random.integer(...ANY_MOMENT_MS))
    }
    await this.#until(`session ${next} to open`, () => this.#reigning?.state === 'open')
    await asked
    from?.close()
    await this.#until(`everybody in session ${next}`, () => this.#isWhole())
    const died = this.fleet.deaths.slice(before).map(({ name, point }) => `${name} ${point}`)
    for (const { name, point } of kills) {
      if (point !== undefined && !died.includes(`${name} ${point.name}`)) this.missed.push(`${name} at ${point.name}`)
    }
  }

  /** Asks until it has begun: who was asked first may have died of it. */
  async #ask(from: string, to: string): Promise<void> {
    const isUnderWay = (): boolean => this.#reigning !== undefined
    while (!isUnderWay()) {
      const { status, stderr } = await this.#admin(from, 'roll-session', '--to', to, '--anyway')
      const deadline = performance.now() + ASK_AGAIN_MS
      while (!isUnderWay() && performance.now() < deadline) await sleep(POLL_MS)
      if (isUnderWay() || this.fleet.problem !== undefined) return
      this.#options.onDeath?.({ name: 'admin', point: `asked, status ${status} ${stderr.slice(0, 200)}` }, from)
    }
  }

  /** Who dies at this rollover, and when: at every point in turn, and now and then at any moment. */
  #plan(): Kill[] {
    const kills: Kill[] = []
    for (let i = 0; i < this.#options.kills; i++) {
      const free = this.fleet.names.filter((name) => !kills.some((kill) => kill.name === name))
      if (this.#random.integer(1, ONE_IN_AT_ANY_MOMENT) === 1) kills.push({ name: this.#pick(free) })
      else {
        const point = this.#nextPoint()
        const candidates = free.filter(
          (name) => point.roles.includes(name.split('/')[0] ?? '') && this.#comesBy(name, point),
        )
        if (candidates.length > 0) kills.push({ name: this.#pick(candidates), point })
      }
    }
    return kills
  }

  /** Only who reigns or is active sends. */
  #comesBy(name: string, { way }: Point): boolean {
    if (way === 'receive') return true
    const [role = '', which = ''] = name.split('/')
    if (role === 'sequencer') return this.system.sequencerPorts[Number(which) - 1] === this.#reigning?.requestPort
    return this.#observer?.heard.components.get(name)?.state === 'active'
  }

  /** Runs with seeds that follow each other go on in the list of points. */
  #nextPoint(): Point {
    const point = POINTS[(this.#options.seed * POINTS_PER_RUN + this.#pointsUsed++) % POINTS.length]
    if (point === undefined) throw new Error('there are no points')
    return point
  }

  #pick(names: readonly string[]): string {
    return names[this.#random.integer(0, names.length - 1)] ?? ''
  }

  /** No more scans; then all that is owed is done, all replicas say the same, and all stop in order. */
  async #end(): Promise<void> {
    const { status, stderr } = await this.#admin(this.#session, 'passivate', 'scanner')
    if (status !== 0) throw new Error(`passivate: ${stderr}`)
    let quietMs = 0
    let sequence = 0
    await this.#until('nothing to be owed any more', () => {
      const now = this.#reigning?.nextSequence ?? 0
      quietMs = now === sequence && this.#owesNothing() ? quietMs + POLL_MS : 0
      sequence = now
      return quietMs >= QUIET_MS
    })
    const digests = await this.#admin(this.#session, 'digest')
    if (digests.status !== 0) throw new Error(`digest: ${digests.stderr}`)
    const names = this.fleet.names
    const reigning = `sequencer/${this.system.sequencerPorts.indexOf(this.#reigning?.requestPort ?? 0) + 1}`
    const ofRoles = (roles: readonly string[]): string[] =>
      names.filter((name) => roles.includes(name.split('/')[0] ?? ''))
    const waiting = ofRoles(['sequencer']).filter((name) => name !== reigning)
    await this.fleet.stop([...ofRoles(SMS_COMPONENTS), ...waiting, reigning, ...ofRoles(['store'])])
  }

  #owesNothing(): boolean {
    const all = [...(this.#observer?.heard.components.values() ?? [])]
    return all.every(({ outboxCommands, counters }) => outboxCommands === 0 && (counters.effectsPending ?? 0) === 0)
  }

  /** Every process is there, and every component has an active replica. */
  #isWhole(): boolean {
    const { heard } = this.#observer ?? {}
    if (heard === undefined || this.fleet.names.length < this.#plans.length) return false
    const components = [...heard.components.values()]
    const isActive = (name: string): boolean =>
      components.some((one) => one.component === name && one.state === 'active')
    const replicas = SMS_COMPONENTS.reduce((sum, name) => sum + this.system.replicas[name], 0)
    const ready = ({ state }: ComponentStatus): boolean => state === 'active' || state === 'standby'
    const isStoreThere = ({ state }: { readonly state: string }): boolean => state === 'live'
    return (
      SMS_COMPONENTS.every(isActive) &&
      components.filter(ready).length === replicas &&
      [...heard.stores.values()].filter(isStoreThere).length === this.system.voters.length &&
      heard.sequencers.size >= this.system.sequencerPorts.length
    )
  }

  /** The sequencer of the newest reign in the session that is observed. */
  get #reigning(): SequencerHeartbeat | undefined {
    const all = [...(this.#observer?.heard.sequencers.values() ?? [])].filter(({ state }) => isSequencing(state))
    return all.sort((a, b) => b.epoch - a.epoch)[0]
  }

  async #observe(session: string): Promise<void> {
    const { event: eventGroup, command: commandGroup, control: controlGroup } = this.#place.groups
    const flags = { session, eventGroup, commandGroup, controlGroup, logLevel: 'error' }
    const observer = await Observer.open(roleOptions(readConfiguration(flags), 'test'))
    this.#t.teardown(() => observer.close())
    this.#observer = observer
    this.#session = session
  }

  async #admin(session: string, ...what: readonly string[]): Promise<{ status: number | null; stderr: string }> {
    const streams = this.#place.streams.map((flag) => (flag === this.#place.session ? session : flag))
    return await this.#place.run(['admin', ...what, ...streams, '--json'])
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS
    while (!holds()) {
      if (this.fleet.problem !== undefined) throw this.fleet.problem
      if (performance.now() > deadline) throw new Error(`no ${what}; ${this.#heard()}\n${this.fleet.logs()}`)
      await sleep(POLL_MS)
    }
  }

  #heard(): string {
    const { sequencers, stores, components } = this.#observer?.heard ?? {}
    const all = [sequencers, stores, components].flatMap((heard) => [...(heard?.values() ?? [])])
    const names = this.fleet.names.join(' ')
    const text = JSON.stringify(all, (key, value) => (key === 'counters' || key === 'digest' ? undefined : value))
    return `seed ${this.#options.seed}, running ${names}; heard ${text}`
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
