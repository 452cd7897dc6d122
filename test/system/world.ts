/**
 * A session of real processes for one test, with an observer on its control stream. Tests wait on what the observer hears,
 * never on time.
 */
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { readConfiguration, roleOptions } from '../../src/cli/configuration.js'
import { Observer } from '../../src/cli/observer.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import type { ComponentStatus, SequencerHeartbeat, StoreStatus } from '../../src/wire/control.js'
import { type Running, type Stage, stage } from '../fixtures/processes.js'
import { ASK } from './tally.js'

/** Far beyond what anything here takes; a test that waits so long has failed. */
const GIVE_UP_MS = 60_000
const POLL_MS = 5

export class World {
  readonly place: Stage
  readonly options: RoleOptions
  readonly observer: Observer

  private constructor(place: Stage, options: RoleOptions, observer: Observer) {
    this.place = place
    this.options = options
    this.observer = observer
  }

  static async open(t: Pick<Test, 'teardown'>): Promise<World> {
    const place = await stage(t)
    const { event, command, control } = place.groups
    const configured = { session: place.session, eventGroup: event, commandGroup: command, controlGroup: control }
    const options = roleOptions(readConfiguration({ ...configured, logLevel: 'error' }), 'test')
    const observer = await Observer.open(options)
    t.teardown(() => observer.close())
    return new World(place, options, observer)
  }

  get session(): string {
    return this.place.session
  }

  /** A store named `a`, `b`, …; it votes where `--voter` says so. */
  startStore(name: string, ...more: readonly string[]): Running {
    const ports = ['--request-port', '0', '--rewind-port', '0']
    return this.#start('store', '--name', name, '--dir', this.storeDirectory(name), ...ports, ...more)
  }

  startSequencer(...more: readonly string[]): Running {
    return this.#start('sequencer', '--request-port', '0', '--json', ...more)
  }

  /** A replica of the component of the tests. */
  startTally(instance: string, ...more: readonly string[]): Running {
    const path = fileURLToPath(new URL('./tally.js', import.meta.url))
    return this.#start('run', path, '--instance', instance, '--no-guard', ...more)
  }

  /** `seqcast send` of a BinaryFILE on its standard input. */
  startSend(type: number, ...more: readonly string[]): Running {
    return this.#start('send', '--type', String(type), '--json', ...more)
  }

  /** Has the component say in the stream what it has counted. */
  async ask(): Promise<void> {
    const line = JSON.stringify({ type: ASK, payload: '' })
    const { status, stderr } = await this.place.run(['send', ...this.place.streams], line)
    if (status !== 0) throw new Error(`send: ${stderr}`)
  }

  /** `seqcast admin`. */
  async decide(...what: readonly string[]): Promise<number> {
    const result = await this.place.run(['admin', ...what, ...this.place.streams, '--json'])
    if (result.status !== 0) throw new Error(`admin ${what.join(' ')}: ${result.stderr}`)
    return Number(JSON.parse(result.lines[0] ?? '').sequence)
  }

  /** SIGTERM to each in turn. @throws Error where one does not stop in order */
  async stop(...roles: readonly Running[]): Promise<void> {
    for (const role of roles) {
      const { status, stderr } = await role.stop()
      if (status !== 0) throw new Error(`${role.child.spawnargs[2]} ended with ${status}:\n${stderr}`)
    }
  }

  storeDirectory(name: string): string {
    return this.place.path(`store-${name}`)
  }

  store(name: string): StoreStatus | undefined {
    return this.observer.heard.stores.get(name)
  }

  tally(instance: string): ComponentStatus | undefined {
    return this.observer.heard.components.get(`tally/${instance}`)
  }

  /** The sequencer that was heard last. */
  get sequencer(): SequencerHeartbeat | undefined {
    return [...this.observer.heard.sequencers.values()].at(-1)
  }

  /** Forgets what was heard, so that a wait sees only what is said from now on. */
  forget(): void {
    const { sequencers, stores, components } = this.observer.heard
    for (const heard of [sequencers, stores, components]) heard.clear()
  }

  /** Resolves when it holds. @throws Error where a process that should run has ended, or after a minute */
  async until(what: string, holds: () => boolean, ...running: readonly Running[]): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS
    while (!holds()) {
      const over = running.find(({ isOver }) => isOver)
      if (over !== undefined) {
        const command = over.child.spawnargs.slice(2, 4).join(' ')
        throw new Error(`${command} ended while waiting for ${what}:\n${over.stderr}`)
      }
      if (performance.now() > deadline) throw new Error(`no ${what}; heard ${this.#heard()}`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  #start(command: string, ...args: readonly string[]): Running {
    return this.place.start(command, ...args, ...this.place.streams)
  }

  #heard(): string {
    const { sequencers, stores, components } = this.observer.heard
    const all = [...sequencers.values(), ...stores.values(), ...components.values()]
    return JSON.stringify(all, (key, value) => (key === 'digest' ? undefined : value), 1)
  }
}
