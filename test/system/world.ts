/**
 * A session of real processes for one test: its own groups, ports, id and directory, every process killed at the end. Tests
 * wait on conditions, which they see on the control stream as any observer does, never on time.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfiguration, roleOptions } from '../../src/cli/configuration.js'
import { chooseGroups } from '../../src/cli/demo/topology.js'
import { Observer } from '../../src/cli/observer.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import type { ComponentStatus, SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'

const PROGRAM = fileURLToPath(new URL('../../src/cli/seqcast.js', import.meta.url))
/** Far beyond what anything here takes; a test that waits so long has failed. */
const GIVE_UP_MS = 60_000

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A `seqcast` process. */
export class Program {
  readonly name: string
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''
  result: Ended | undefined
  readonly #child: ChildProcess

  constructor(args: readonly string[]) {
    this.name = args.slice(0, 2).join(' ')
    // tap's loaders come with NODE_OPTIONS.
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.result = { code, signal, stdout: this.stdout, stderr: this.stderr }
        resolve(this.result)
      })
    })
  }

  /** kill -9. */
  kill(): Promise<Ended> {
    this.#child.kill('SIGKILL')
    return this.ended
  }

  /** SIGTERM. */
  stop(): Promise<Ended> {
    this.#child.kill('SIGTERM')
    return this.ended
  }
}

let worlds = 0

export class World {
  readonly session: string
  readonly directory: string
  readonly options: RoleOptions
  /** The flags that every process of the session takes. */
  readonly streamArgs: readonly string[]
  readonly observer: Observer
  readonly #programs: Program[] = []
  readonly #killAll = (): void => {
    for (const program of this.#programs) void program.kill()
  }

  private constructor(session: string, streamArgs: readonly string[], options: RoleOptions, observer: Observer) {
    this.session = session
    this.streamArgs = streamArgs
    this.options = options
    this.observer = observer
    this.directory = mkdtempSync(join(tmpdir(), 'seqcast-system-'))
    process.once('exit', this.#killAll)
  }

  static async open(): Promise<World> {
    worlds += 1
    const session = `T${process.pid.toString(36)}${worlds}`.toUpperCase()
    const groups = await chooseGroups()
    const options = roleOptions(readConfiguration({ session, ...groups, logLevel: 'error' }), 'test')
    const streamArgs = [
      ...['--session', session, '--event-group', groups.eventGroup, '--command-group', groups.commandGroup],
      ...['--control-group', groups.controlGroup, '--json'],
    ]
    return new World(session, streamArgs, options, await Observer.open(options))
  }

  /** Starts `seqcast COMMAND … ` on this session. */
  start(command: readonly string[], ...more: readonly string[]): Program {
    const program = new Program([...command, ...this.streamArgs, ...more])
    this.#programs.push(program)
    return program
  }

  startStore(name: string, ...more: readonly string[]): Program {
    const ports = ['--request-port', '0', '--rewind-port', '0']
    return this.start(['store'], '--name', name, '--dir', this.storeDirectory(name), ...ports, ...more)
  }

  startSequencer(...more: readonly string[]): Program {
    return this.start(['sequencer'], '--request-port', '0', ...more)
  }

  /** A replica of a component of the tests. */
  startComponent(module: string, instance: string, ...more: readonly string[]): Program {
    const path = fileURLToPath(new URL(`./${module}.js`, import.meta.url))
    return this.start(['run', path], '--instance', instance, '--no-guard', ...more)
  }

  storeDirectory(name: string): string {
    return join(this.directory, name)
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  store(name: string): StoreStatus | undefined {
    return this.observer.heard.stores.get(name)
  }

  replica(component: string, instance: string): ComponentStatus | undefined {
    return this.observer.heard.components.get(`${component}/${instance}`)
  }

  /** The sequencer that was heard last. */
  get sequencer(): SequencerHeartbeat | undefined {
    return [...this.observer.heard.sequencers.values()].at(-1)
  }

  /** Forgets what was heard, so that a wait sees what is said from now on. */
  forget(): void {
    const { sequencers, stores, components } = this.observer.heard
    for (const heard of [sequencers, stores, components]) heard.clear()
  }

  /** Resolves when it holds. @throws Error where a process that should run has ended, or after a minute */
  async until(what: string, holds: () => boolean, ...running: readonly Program[]): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS
    while (!holds()) {
      const dead = running.find((program) => program.result !== undefined)
      if (dead !== undefined) throw new Error(`${dead.name} ended while waiting for ${what}:\n${dead.stderr}`)
      if (performance.now() > deadline) throw new Error(`no ${what}; heard ${this.#heard()}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Kills whatever runs. */
  async close(): Promise<void> {
    this.observer.close()
    await Promise.all(this.#programs.map((program) => program.kill()))
    process.removeListener('exit', this.#killAll)
    rmSync(this.directory, { recursive: true, force: true })
  }

  #heard(): string {
    const { sequencers, stores, components } = this.observer.heard
    const all = [...sequencers.values(), ...stores.values(), ...components.values()]
    return JSON.stringify(all, (key, value) => (key === 'digest' ? undefined : value))
  }
}
