/**
 * A whole system on a LAN of namespaces: three voters, two sequencers (or three), two replicas of a component and a sender, each on a
 * host of its own, and a host that only watches. What can happen to it are calls; `finish` ends the session and judges it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { Running } from '../fixtures/processes.js'
import { readRecording } from '../system/recorded.js'
import { Feed } from './feed.js'
import { Lan } from './lan.js'
import { LOADS_PER_MARK } from './marker.js'
import { effectsOf, MEMBERS, REPLICAS, roleOf, SENDER, SEQUENCERS, storeOf, VOTERS, WATCHER } from './members.js'
import { readNotes } from './stable-notes.js'
import { BALLAST, problemsOf } from './verify.js'
import { Watcher } from './watcher.js'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
const PROGRAM = path('../../src/cli/seqcast.js')
const WATCH = path('./watch.js')
const EVENT_GROUP = '239.255.77.1:7701'
const CONTROL_GROUP = '239.255.77.3:7703'

const DEFAULT_RATE = 1_000
const GIVE_UP_MS = 60_000
const POLL_MS = 5
/** A wait that is worth a word. */
const LONG_MS = 2_000
const BALLAST_BYTES = 1_250
const BALLAST_RATE = 4_000
const LAST_LINES = 25

export interface SystemOptions {
  /** Messages a second. */
  readonly rate?: number
  /** Of what arrives at each member. */
  readonly lossPercent?: number
  /** Of each member's link. */
  readonly megabits?: number
  /** Two, unless three are asked for. */
  readonly sequencers?: 2 | 3
  /** Delay, reordering and repeats: on the links where the kernel can, otherwise played by each process. */
  readonly isDisturbed?: boolean
}

export interface Outcome {
  readonly problems: readonly string[]
  readonly events: number
  readonly epochs: number
  readonly messages: number
  readonly noted: number
  /** Why sequencers took over, and how often. */
  readonly takeovers: Readonly<Record<string, number>>
}

export class System {
  readonly lan: Lan
  readonly watcher: Watcher
  readonly session: string
  readonly #t: Test
  readonly #directory: string
  readonly #options: SystemOptions
  readonly #watch: Running
  /** By host: what should run there now. */
  readonly #running = new Map<string, Running>()
  readonly #ever: { readonly host: string; readonly running: Running }[] = []
  #feed: Feed | undefined
  #ballast = 0

  private constructor(t: Test, lan: Lan, options: SystemOptions) {
    this.#t = t
    this.lan = lan
    this.#options = options
    this.session = `N${Math.random().toString(36).slice(2, 10).toUpperCase()}`
    this.#directory = mkdtempSync(join(tmpdir(), 'seqcast-netns-'))
    t.teardown(() => this.#close())
    const notes = [EVENT_GROUP, CONTROL_GROUP, join(this.#directory, 'notes')]
    this.#watch = this.#spawn(WATCHER, WATCH, this.session, lan.host(WATCHER).address, ...notes)
    this.watcher = new Watcher(this.#watch)
  }

  /** Resolves when everybody is there and the sender's messages become stable. */
  static async open(t: Test, options: SystemOptions = {}): Promise<System> {
    const lan = await Lan.open(t)
    for (const name of [...MEMBERS, WATCHER]) await lan.add(name)
    const system = new System(t, lan, options)
    await system.#begin()
    return system
  }

  async #begin(): Promise<void> {
    const { lossPercent = 0, megabits, isDisturbed = false } = this.#options
    for (const name of MEMBERS) {
      if (lossPercent > 0) this.lan.host(name).lose(lossPercent)
      if (megabits !== undefined) this.lan.limit(name, megabits)
      if (isDisturbed && this.lan.hasNetem) this.lan.disturb(name)
    }
    await this.until('the watcher', () => this.watcher.isReady)
    this.start(...VOTERS, 's1')
    await this.until('the first reign', () => this.watcher.reign?.state === 'open')
    this.start(...this.sequencers.slice(1), ...REPLICAS)
    await this.othersStandBy()
    await this.until('the active replica', () => this.watcher.components.get('p1')?.state === 'active')
    await this.until('the standby replica', () => this.watcher.components.get('p2')?.state === 'standby')
    this.start(SENDER)
    this.#feed = new Feed(this.#role(SENDER), this.#options.rate ?? DEFAULT_RATE)
    await this.goesOn('the first messages')
  }

  /** Where sequencers run, or should. */
  get sequencers(): readonly string[] {
    return SEQUENCERS.slice(0, this.#options.sequencers ?? 2)
  }

  /** The host of the newest reign's sequencer. */
  get active(): string {
    return this.#hostAt(this.watcher.reign?.address)
  }

  get epoch(): number {
    return this.watcher.reign?.epoch ?? 0
  }

  get stable(): number {
    return this.watcher.reign?.stable ?? 0
  }

  start(...names: readonly string[]): void {
    for (const name of names) this.#running.set(name, this.#spawn(name, PROGRAM, ...this.#command(name)))
  }

  /** `kill -9`; resolves when they are gone. */
  async kill(...names: readonly string[]): Promise<void> {
    const killed = names.map((name) => this.#role(name))
    for (const name of names) this.#running.delete(name)
    for (const { child } of killed) child.kill('SIGKILL')
    await Promise.all(killed.map((running) => running.result()))
    this.watcher.forget()
  }

  /** SIGTERM; resolves when it has ended in order. */
  async stop(name: string): Promise<void> {
    const running = this.#role(name)
    this.#running.delete(name)
    const { status, stderr } = await running.stop()
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`)
    this.watcher.forget()
  }

  pause(name: string): void {
    this.#role(name).child.kill('SIGSTOP')
  }

  resume(name: string): void {
    this.#role(name).child.kill('SIGCONT')
  }

  /** A second source: messages so long that each fills a packet, and fast. Its end is the caller's. */
  startBallast(): { end(): Promise<void> } {
    const ballast = this.#spawn(SENDER, PROGRAM, 'send', '--type', String(BALLAST), '--json', ...this.#streams(SENDER))
    const feed = new Feed(ballast, BALLAST_RATE, BALLAST_BYTES)
    return {
      end: async () => {
        this.#ballast = await feed.end()
      },
    }
  }

  /** Takes the disk of a voter that does not run. */
  empty(voter: string): void {
    rmSync(storeOf(voter, this.#directory), { recursive: true, force: true })
  }

  /** What the role on a host has written to its log in all its lives. */
  log(name: string): string {
    return this.#ever
      .filter(({ host }) => host === name)
      .map(({ running }) => running.stderr)
      .join('')
  }

  /** The host of the replica that says it is active. */
  get activeReplica(): string {
    return REPLICAS.find((name) => this.watcher.components.get(name)?.state === 'active') ?? ''
  }

  isStandby(name: string): boolean {
    return this.watcher.sequencers.get(this.lan.host(name).address)?.state === 'standby'
  }

  /** Resolves when all sequencers but the active one wait behind it. */
  async othersStandBy(): Promise<void> {
    await this.until('standbys behind one sequencer', () => {
      const { active } = this
      return this.sequencers.every((name) => name === active || this.isStandby(name))
    })
  }

  /** Resolves when events of a newer epoch are stable. @returns how long after `fromMs` that was */
  async takeover(epoch: number, fromMs: number): Promise<number> {
    await this.until(`epoch ${epoch + 1} or later`, () => this.epoch > epoch && !Number.isNaN(this.#reignStableMs))
    return this.#reignStableMs - fromMs
  }

  /** Resolves when so many more events have become stable. */
  async goesOn(what: string, count = 500): Promise<void> {
    const from = this.stable
    await this.until(`${what}: more stable events`, () => this.stable > from + count)
  }

  /** Resolves when a voter acknowledges under the newest reign, and has all that was stable when this was called. */
  async isBack(voter: string): Promise<void> {
    const from = this.stable
    this.watcher.stores.delete(voter)
    await this.until(`voter ${voter} under the reign`, () => {
      const status = this.watcher.stores.get(voter)
      return status !== undefined && status.epoch === this.epoch && status.durableSequence >= from
    })
  }

  /** @throws Error where a process that should run has ended, or after a minute; with the last words of all */
  async until(what: string, holds: () => boolean): Promise<void> {
    const startedMs = performance.now()
    const deadlineMs = startedMs + GIVE_UP_MS
    while (!holds()) {
      const over = [...this.#running].find(([, { isOver }]) => isOver)?.[0]
      if (over !== undefined) throw new Error(`${over} ended while waiting for ${what}${this.#lastWords()}`)
      if (performance.now() > deadlineMs) throw new Error(`no ${what}${this.#lastWords()}`)
      await sleep(POLL_MS)
    }
    const tookMs = performance.now() - startedMs
    if (tookMs > LONG_MS) this.#t.comment(`waited ${(tookMs / 1000).toFixed(1)} s for ${what}`)
  }

  /**
   * Ends the load and the session, stops everybody in order, and judges what is recorded. Everybody must be there, and nothing cut;
   * losses go on.
   */
  async finish(): Promise<Outcome> {
    const messages = (await this.#feed?.end()) ?? 0
    this.#running.delete(SENDER)
    const marks = Math.floor(messages / LOADS_PER_MARK)
    await this.until('all effects', () => new Set(this.#effects().map((line) => line.split(' ')[0])).size >= marks)
    await this.until('empty outboxes', () =>
      REPLICAS.every((name) => this.watcher.components.get(name)?.outboxCommands === 0),
    )
    await this.#tool('admin', 'digest', 'marker')
    const last = Number(JSON.parse(await this.#tool('admin', 'end-session')).sequence)
    await this.#end([...REPLICAS, ...this.sequencers])
    await this.until('all voters at the last event', () =>
      VOTERS.every((name) => this.watcher.stores.get(name)?.durableSequence === last),
    )
    for (const name of VOTERS) this.#role(name).child.kill('SIGTERM')
    await this.#end(VOTERS)
    this.#watch.child.stdin?.end()
    await this.#watch.result()
    return this.#judge(messages)
  }

  async #judge(messages: number): Promise<Outcome> {
    const { session } = this
    const read = VOTERS.map(
      async (name) => [name, (await readRecording(storeOf(name, this.#directory), session)).events] as const,
    )
    const records = new Map(await Promise.all(read))
    const notes = readNotes(join(this.#directory, 'notes'))
    const found = problemsOf({ session, records, notes, messages, ballast: this.#ballast, effects: this.#effects() })
    const problems = [...this.watcher.violations, ...found]
    if (problems.length > 0) this.#t.comment(this.#lastWords())
    const events = records.get('a')?.length ?? 0
    return { problems, events, epochs: this.epoch, messages, noted: notes.length, takeovers: this.#takeovers() }
  }

  /** Waits for the end of roles that end by themselves, in order. */
  async #end(names: readonly string[]): Promise<void> {
    await this.until(`the end of ${names.join(', ')}`, () => {
      for (const name of names) {
        const running = this.#running.get(name)
        if (running?.isOver !== true) continue
        this.#running.delete(name)
        const { exitCode } = running.child
        if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}${this.#lastWords()}`)
      }
      return names.every((name) => !this.#running.has(name))
    })
  }

  /** Runs a tool on the sender's host. @returns the first line that it prints */
  async #tool(...command: readonly string[]): Promise<string> {
    const tool = this.#spawn(SENDER, PROGRAM, ...command, ...this.#streams(SENDER), '--json')
    const { status, stderr, lines } = await tool.result()
    if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}${this.#lastWords()}`)
    return lines[0] ?? ''
  }

  #command(name: string): string[] {
    return [...roleOf(name, this.#directory), ...this.#streams(name), ...this.#disturbance()]
  }

  #streams(name: string): string[] {
    return ['--session', this.session, '--interface', this.lan.host(name).address]
  }

  #disturbance(): string[] {
    if (this.#options.isDisturbed !== true || this.lan.hasNetem) return []
    return ['--reorder', '0.05', '--duplicate', '0.02', '--fault-seed', String(1 + this.#ever.length)]
  }

  #spawn(host: string, ...args: readonly string[]): Running {
    // tap's loaders come with NODE_OPTIONS.
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = this.lan.host(host).spawn([process.execPath, ...args], { cwd: this.#directory, env })
    child.stdin?.on('error', () => {})
    const running = new Running(child)
    this.#ever.push({ host, running })
    return running
  }

  #role(name: string): Running {
    const running = this.#running.get(name)
    if (running === undefined) throw new Error(`nothing runs on ${name}`)
    return running
  }

  #hostAt(address: string | undefined): string {
    return [...this.lan.hosts.values()].find((host) => host.address === address)?.name ?? ''
  }

  get #reignStableMs(): number {
    return this.watcher.reign?.stableAtMs ?? Number.NaN
  }

  #effects(): string[] {
    const files = REPLICAS.map((name) => effectsOf(name, this.#directory)).filter((file) => existsSync(file))
    return files.flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1))
  }

  #takeovers(): Record<string, number> {
    const reasons: Record<string, number> = {}
    for (const { running } of this.#ever) {
      for (const [, reason = ''] of running.stderr.matchAll(/sequencer: taking over reason="([^"]+)"/g)) {
        reasons[reason] = (reasons[reason] ?? 0) + 1
      }
    }
    return reasons
  }

  #lastWords(): string {
    const said = this.#ever.map(({ host, running }) => {
      const lines = running.stderr.trimEnd().split('\n').slice(-LAST_LINES)
      return `\n--- ${host} (${running.isOver ? `over: ${running.child.exitCode ?? running.child.signalCode}` : 'runs'})\n${lines.join('\n')}`
    })
    return `\n${JSON.stringify([...this.watcher.reigns.values()])}${said.join('')}`
  }

  async #close(): Promise<void> {
    for (const { running } of this.#ever) running.child.kill('SIGKILL')
    await Promise.all(this.#ever.map(({ running }) => running.result()))
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
