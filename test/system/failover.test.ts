/**
 * The active sequencer dies, or sleeps and comes back: a standby goes on, on one branch, with every command once, and three
 * voters have the same record to the byte.
 */
import { type Test, test } from 'tap'
import type { Running } from '../fixtures/processes.js'
import { Load } from './load.js'
import { loadsOf, readRecording } from './recorded.js'
import { LOAD } from './tally.js'
import { World } from './world.js'

const VOTERS = ['a', 'b', 'c'] as const
const SEQUENCER = ['--voters', VOTERS.join(',')]
const STANDBY = [...SEQUENCER, '--standby']
const RATE = ['--rate', '10000']
/** The bound of the slowest takeover; a median is far below. The machine of a test is shared. */
const TAKEOVER_MS = 5_000

class Session {
  readonly world: World
  readonly stores: readonly Running[]
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

  static async open(t: Test): Promise<Session> {
    const session = new Session(await World.open(t))
    const { world } = session
    session.sequencers.push(world.startSequencer(...SEQUENCER))
    await world.until('the first sequencer', () => session.epoch > 0, ...session.running)
    await session.addStandby()
    return session
  }

  get running(): Running[] {
    return [...this.stores, ...this.sequencers]
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

test('kill -9 of the active sequencer, twice: a standby goes on, every command once', async (t) => {
  const session = await Session.open(t)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  for (let round = 1; round <= 2; round++) {
    await session.events(3_000, sender)
    const [active] = session.sequencers
    if (active === undefined) throw new Error('nobody to kill')
    const epoch = session.epoch
    session.gone(active)
    const killedMs = performance.now()
    active.child.kill('SIGKILL')
    const tookMs = await session.takeover(epoch, killedMs, sender)
    t.comment(`takeover ${round}: ${tookMs.toFixed(0)} ms from the kill to stable events of epoch ${session.epoch}`)
    t.ok(tookMs < TAKEOVER_MS, 'in time')
    await session.events(3_000, sender)
    await session.addStandby()
  }
  const sent = await load.end()
  await session.check(t, sent.messages)
})

test('SIGSTOP of the active sequencer for 3 seconds: it steps down, and there is one branch', async (t) => {
  const session = await Session.open(t)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(3_000, sender)
  const [active] = session.sequencers
  if (active === undefined) throw new Error('nobody to stop')
  const epoch = session.epoch
  const stoppedMs = performance.now()
  active.child.kill('SIGSTOP')
  const tookMs = await session.takeover(epoch, stoppedMs, sender)
  t.comment(`takeover: ${tookMs.toFixed(0)} ms`)
  t.ok(tookMs < TAKEOVER_MS, 'in time')
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, 3_000 - (performance.now() - stoppedMs))))
  const reign = session.epoch
  session.world.forget()
  active.child.kill('SIGCONT')
  await active.says('stepped down')
  await session.standby()
  await session.events(3_000, sender)
  t.equal(session.epoch, reign, 'nobody claimed again')
  const sent = await load.end()
  session.sequencers.reverse()
  await session.check(t, sent.messages)
})

test('a session without a standby: the sequencer is started again, and claims the next epoch', async (t) => {
  const session = await Session.open(t)
  const [active, standby] = session.sequencers
  if (active === undefined || standby === undefined) throw new Error('nobody to stop')
  await session.world.stop(standby)
  session.gone(standby)
  const sender = session.world.startSend(LOAD, ...RATE)
  const load = new Load(sender)
  await session.events(1_000, sender)
  const epoch = session.epoch
  session.gone(active)
  await active.stop('SIGKILL')
  session.sequencers.push(session.world.startSequencer(...SEQUENCER))
  await session.takeover(epoch, performance.now(), sender)
  await session.events(1_000, sender)
  t.equal(session.epoch, epoch + 1)
  const sent = await load.end()
  await session.check(t, sent.messages)
})
