/** A session with three voters, an active sequencer and a standby, for tests of what happens when the active one goes. */
import type { Test } from 'tap'
import type { Running } from '../fixtures/processes.js'
import { loadsOf, readRecording } from './recorded.js'
import { World } from './world.js'

export const VOTERS = ['a', 'b', 'c'] as const
export const SEQUENCER = ['--voters', VOTERS.join(',')]
const STANDBY = [...SEQUENCER, '--standby']
export const RATE = ['--rate', '10000']

export class Session {
  readonly world: World
  readonly stores: Running[]
  readonly sequencers: Running[] = []
  /** The newest epoch in which somebody was heard to sequence, the end of what is stable in it, and when it was heard first. */
  epoch = 0
  stable = 0
  /** When it was first heard that events of this epoch are stable. */
  stableAtMs = Number.NaN
  readonly #senders = new Map<number, number>()

  private constructor(world: World) {
    this.world = world
    this.stores = VOTERS.map((name) => world.startStore(name, '--voter', name))
    world.observer.control.listen((message) => {
      if (message.kind !== 'sequencer') return
      const { epoch, epochTable, stableSequence, state } = message.body
      if (state !== 'open' && state !== 'held') return
      if (epoch > this.epoch) {
        this.epoch = epoch
        this.stableAtMs = Number.NaN
      }
      if (epoch !== this.epoch) return
      this.#senders.set(epoch, message.sender)
      this.stable = stableSequence
      const opening = epochTable.at(-1)?.sequence ?? 0
      if (Number.isNaN(this.stableAtMs) && stableSequence >= opening) this.stableAtMs = performance.now()
    })
  }

  /** @param more flags of both sequencers */
  static async open(t: Test, ...more: readonly string[]): Promise<Session> {
    const session = new Session(await World.open(t))
    const { world } = session
    // One that is told to be patient would listen for as long before it claims.
    const first = more.filter(
      (flag) => flag !== '--manual' && !flag.startsWith('--suspect') && Number.isNaN(Number(flag)),
    )
    session.sequencers.push(world.startSequencer(...SEQUENCER, ...first))
    await world.until('the first sequencer', () => session.epoch > 0, ...session.running)
    await session.addStandby(...more)
    return session
  }

  get running(): Running[] {
    return [...this.stores, ...this.sequencers]
  }

  /** Starts those stores again that have ended. */
  restartStores(): void {
    VOTERS.forEach((name, i) => {
      if (this.stores[i]?.isOver) this.stores[i] = this.world.startStore(name, '--voter', name)
    })
  }

  /** Starts a standby and waits until it has read the session. */
  async addStandby(...more: readonly string[]): Promise<Running> {
    this.world.forget()
    const standby = this.world.startSequencer(...STANDBY, ...more)
    this.sequencers.push(standby)
    await this.standby()
    return standby
  }

  async standby(): Promise<void> {
    const isThere = (): boolean =>
      [...this.world.observer.heard.sequencers.values()].some((s) => s.state === 'standby' && s.nextSequence > 1)
    await this.world.until('a standby', isThere, ...this.running)
  }

  async events(count: number, ...running: readonly Running[]): Promise<void> {
    const from = this.stable
    await this.world.until('events', () => this.stable > from + count, ...this.running, ...running)
  }

  /** Resolves when events of a newer epoch are stable. @returns how long after `fromMs` */
  async takeover(epoch: number, fromMs: number, ...running: readonly Running[]): Promise<number> {
    const isOver = (): boolean => this.epoch > epoch && !Number.isNaN(this.stableAtMs)
    await this.world.until('a takeover', isOver, ...this.running, ...running)
    return this.stableAtMs - fromMs
  }

  /** Removes one from those that should run. */
  gone(sequencer: Running): void {
    this.sequencers.splice(this.sequencers.indexOf(sequencer), 1)
  }

  /** Stops everybody in order, and looks at what the voters have recorded. */
  async check(t: Test, messages: number): Promise<void> {
    const { world } = this
    // The standbys first: the last one that reigns stays until all is stable.
    for (const sequencer of [...this.sequencers].reverse()) await world.stop(sequencer)
    await world.stop(...this.stores)
    const records = await Promise.all(VOTERS.map((name) => readRecording(world.storeDirectory(name), world.session)))
    const [first, ...others] = records
    const loads = loadsOf(first?.events ?? [])
    t.equal(loads.length, messages, 'all commands')
    t.ok(
      loads.every((n, i) => n === i + 1),
      'once, in order',
    )
    for (const { events } of others) {
      const length = Math.min(events.length, first?.events.length ?? 0)
      t.ok(loadsOf(events).length === messages, 'all commands')
      const differs = events.findIndex(
        (event, i) => i < length && !event.bytes.equals(first?.events[i]?.bytes ?? event.bytes),
      )
      t.equal(differs, -1, 'the same record')
    }
  }
}
