/** The processes of a run, each with a trap in it. Whoever is killed is started again after a moment, with the first session's name. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SmsPlan } from '../../src/cli/bench/rollover/plan.js'
import type { Prng } from '../../src/core/prng.js'
import { Running } from '../fixtures/processes.js'
import { type Death, deathFile, type Point, trapFile } from './points.js'

const PROGRAM = fileURLToPath(new URL('../../src/cli/seqcast.js', import.meta.url))
const TRAP = new URL('./trap.js', import.meta.url).href
const AGAIN_MS = [0, 400] as const
/** A dozen processes start at once, on a machine that may be busy with others. */
const START_WITHIN_MS = 60_000
const STOP_WITHIN_MS = 20_000
const SHOWN_LOG = 3_000

export interface FleetDeath {
  readonly name: string
  /** '' for a kill at any moment. */
  readonly point: string
}

interface Member {
  readonly plan: SmsPlan
  readonly child: ChildProcess
  readonly process: Running
}

export class Fleet {
  readonly deaths: FleetDeath[] = []
  readonly #directory: string
  readonly #random: Prng
  readonly #members = new Map<string, Member>()
  readonly #onDeath: (death: FleetDeath) => void
  #state: 'running' | 'stopping' = 'running'
  /** Of a process that ended by itself. */
  problem: Error | undefined

  constructor(directory: string, random: Prng, onDeath: (death: FleetDeath) => void) {
    this.#directory = directory
    this.#random = random
    this.#onDeath = onDeath
  }

  get names(): string[] {
    return [...this.#members.keys()]
  }

  /** Starts it, and resolves when it says that it is there. */
  async start(plan: SmsPlan, args = plan.args): Promise<void> {
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn(process.execPath, ['--import', TRAP, PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, SEQCAST_TRAPS: this.#directory },
    })
    const running = new Running(child)
    // Of all its lives, one behind the other.
    child.stderr.pipe(createWriteStream(join(this.#directory, `${plan.name.replace('/', '-')}.log`), { flags: 'a' }))
    this.#members.set(plan.name, { plan, child, process: running })
    child.once('close', (_code, signal) => this.#onClosed(plan, running, signal))
    try {
      await running.says(plan.ready, START_WITHIN_MS)
    } catch (error) {
      // Killed before it was there: it is started once more.
      if (child.signalCode !== 'SIGKILL') throw error
    }
  }

  /** It will die at the point, should it come there. @returns false where it does not run */
  arm(name: string, point: Point, session: string): boolean {
    const pid = this.#members.get(name)?.child.pid
    if (pid === undefined) return false
    writeFileSync(trapFile(this.#directory, pid), JSON.stringify({ point, session }))
    return true
  }

  /** @returns false where it does not run */
  kill(name: string): boolean {
    return this.#members.get(name)?.child.kill('SIGKILL') ?? false
  }

  /** SIGTERM to each in turn. @throws Error where one does not stop in order */
  async stop(names: readonly string[]): Promise<void> {
    this.#state = 'stopping'
    for (const name of names) {
      const member = this.#members.get(name)
      if (member === undefined) throw new Error(`${name} does not run`)
      member.child.kill('SIGTERM')
      const { status, stderr } = await member.process.result(STOP_WITHIN_MS)
      if (status !== 0) throw new Error(`${name} ended with ${status}:\n${stderr.slice(-SHOWN_LOG)}`)
    }
  }

  /** Whatever happened: nobody is left behind. */
  async close(): Promise<void> {
    this.#state = 'stopping'
    const all = [...this.#members.values()]
    for (const { child } of all) child.kill('SIGKILL')
    await Promise.all(all.map((member) => member.process.result()))
  }

  /** The end of what each process has logged. */
  logs(): string {
    const tail = ({ plan, process }: Member): string => `--- ${plan.name}\n${process.stderr.slice(-SHOWN_LOG)}`
    return [...this.#members.values()].map(tail).join('\n')
  }

  #onClosed(plan: SmsPlan, { child, stderr }: Running, signal: NodeJS.Signals | null): void {
    if (this.#state === 'stopping') return
    if (signal !== 'SIGKILL') {
      const how = signal ?? `status ${child.exitCode}`
      this.problem ??= new Error(`${plan.name} ended by itself (${how}):\n${stderr.slice(-SHOWN_LOG)}`)
      return
    }
    this.#members.delete(plan.name)
    const death = { name: plan.name, point: this.#pointOf(child.pid ?? 0) }
    this.deaths.push(death)
    this.#onDeath(death)
    setTimeout(() => this.#again(plan), this.#random.integer(...AGAIN_MS))
  }

  #again(plan: SmsPlan): void {
    if (this.#state === 'stopping') return
    this.start(plan, plan.restartArgs).catch((error: Error) => {
      if (this.#state === 'running') this.problem ??= error
    })
  }

  #pointOf(pid: number): string {
    const path = deathFile(this.#directory, pid)
    if (!existsSync(path)) return ''
    const death: Death = JSON.parse(readFileSync(path, 'utf8'))
    return death.point
  }
}
