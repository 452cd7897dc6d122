/**
 * Starts the demo's processes, notices when one dies, starts it again, and stops all of them in order at the end.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SeqcastError } from '../../core/errors.js'
import type { ProcessPlan } from './topology.js'

const PROGRAM = fileURLToPath(new URL('../seqcast.js', import.meta.url))
const STOP_TIMEOUT_MS = 20_000
/** A process that died this often is broken, not unlucky. */
const MAX_RESTARTS = 5
/** Of the log of a process that failed. */
const SHOWN_LOG_BYTES = 4_000

interface Running {
  readonly plan: ProcessPlan
  readonly child: ChildProcess
  readonly exited: Promise<void>
  output: string
  errors: string
}

export interface Death {
  readonly plan: ProcessPlan
  readonly how: string
}

export class Supervisor {
  readonly #directory: string
  readonly #running = new Map<string, Running>()
  readonly #restarts = new Map<string, number>()
  readonly #onDeath: (death: Death) => void
  readonly #onOutput: (plan: ProcessPlan, line: string) => void
  #stopping = false

  /** @param directory where the logs of the processes go, one file each */
  constructor(directory: string, onDeath: (death: Death) => void, onOutput: (plan: ProcessPlan, line: string) => void) {
    this.#directory = directory
    this.#onDeath = onDeath
    this.#onOutput = onOutput
  }

  get restarts(): number {
    return [...this.#restarts.values()].reduce((sum, n) => sum + n, 0)
  }

  get names(): string[] {
    return [...this.#running.keys()]
  }

  start(plan: ProcessPlan, args = plan.args): void {
    const log = createWriteStream(join(this.#directory, `${plan.name.replace('/', '-')}.log`), { flags: 'a' })
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      // The channel carries nothing: its end tells a child that the demo is gone, however it went.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const running: Running = { plan, child, exited, output: '', errors: '' }
    this.#running.set(plan.name, running)
    this.#listen(running, log)
    child.once('close', (code, signal) => this.#onExit(running, signal ?? `status ${code}`))
  }

  /** Starts a process again that has died. @throws SeqcastError E_DEMO where it keeps dying */
  restart(plan: ProcessPlan): void {
    const restarts = (this.#restarts.get(plan.name) ?? 0) + 1
    this.#restarts.set(plan.name, restarts)
    if (restarts > MAX_RESTARTS) {
      throw new SeqcastError('E_DEMO', `${plan.name} died ${restarts} times`, {
        hint: `see its log in ${this.#directory}`,
      })
    }
    this.start(plan, plan.restartArgs ?? plan.args)
  }

  kill(name: string): boolean {
    return this.#running.get(name)?.child.kill('SIGKILL') ?? false
  }

  /** The end of what a process wrote on stderr. */
  errorsOf(name: string): string {
    return this.#running.get(name)?.errors ?? ''
  }

  /** Ends those that match, once the session has ended, and waits for them. @returns the names of those that did not stop in order */
  async stop(matches: (plan: ProcessPlan) => boolean): Promise<string[]> {
    this.#stopping = true
    const chosen = [...this.#running.values()].filter(({ plan }) => matches(plan))
    const bad = await Promise.all(chosen.map((running) => this.#end(running)))
    return bad.filter((name) => name !== undefined)
  }

  killAll(): void {
    this.#stopping = true
    for (const { child } of this.#running.values()) child.kill('SIGKILL')
  }

  /** All but the stores end with the session: a signal would meet them while they do, when Node catches it no more. */
  async #end({ plan, child, exited }: Running): Promise<string | undefined> {
    if (plan.role === 'store') child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
    return child.exitCode === 0 ? undefined : plan.name
  }

  #listen(running: Running, log: WriteStream): void {
    running.child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (running.output + chunk.toString()).split('\n')
      running.output = lines.pop() ?? ''
      for (const line of lines) this.#onOutput(running.plan, line)
    })
    running.child.stderr?.on('data', (chunk: Buffer) => {
      log.write(chunk)
      running.errors = (running.errors + chunk.toString()).slice(-SHOWN_LOG_BYTES)
    })
    running.child.once('close', () => log.end())
  }

  #onExit(running: Running, how: string): void {
    if (this.#running.get(running.plan.name) !== running) return
    // Components end by themselves, in order, when the session does.
    if (!this.#stopping && running.child.exitCode !== 0) this.#onDeath({ plan: running.plan, how })
  }
}
