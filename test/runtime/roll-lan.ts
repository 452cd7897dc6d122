/**
 * A LAN of simulated machines with the real roles, whose sessions go on in one another while machines are killed and started again,
 * always with the id of the first session.
 */
import type { Test } from 'tap'
import type { Logger } from '../../src/core/log.js'
import type { EventLog } from '../../src/protocol/event-log.js'
import { ControlLink } from '../../src/runtime/control-link.js'
import { DutyCycle } from '../../src/runtime/duty-cycle.js'
import { endOfLog, startOfLog } from '../../src/runtime/last-event.js'
import { droppedStatus } from '../../src/runtime/last-words.js'
import { newestSession } from '../../src/runtime/newest-session.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import type { RollPlan } from '../../src/runtime/roll-desk.js'
import { type SequencerRole, startSequencer } from '../../src/runtime/sequencer-role.js'
import { type Recording, type StoreRole, startStore } from '../../src/runtime/store-role.js'
import type { Machine, SimPlatform } from '../../src/sim/machine.js'
import { SimEventLog } from '../../src/sim/sim-event-log.js'
import { SimPromises } from '../../src/sim/sim-promises.js'
import { World } from '../../src/sim/world.js'
import { EVENT_HEADER_BYTES } from '../../src/wire/event.js'
import { SESSION_ENDED, sessionEndedCodec } from '../../src/wire/runtime-events.js'

export const FIRST = 'ROLL1'
const MS = 1_000
const STATICS = {
  hash: 'static',
  events: [300, 301, 302].map((type) => ({ type, payload: Uint8Array.of(type & 0xff) })),
}

export interface Said {
  readonly who: string
  /** The message, and the state that it tells of. */
  readonly text: string
  readonly session: string
  readonly reason: string
}

export interface RollLanOptions {
  readonly seed: number
  readonly voters: boolean
  readonly sequencers: readonly string[]
  readonly stores: readonly string[]
  readonly roll?: RollPlan
}

export class RollLan {
  readonly world: World
  readonly said: Said[] = []
  readonly #options: RollLanOptions
  readonly #machines = new Map<string, Machine>()
  readonly #stores = new Map<string, StoreRole>()
  readonly #sequencers = new Map<string, SequencerRole>()
  readonly failures: string[] = []
  /** False where sequencers get no more. */
  hasSockets = true
  onSaid: (said: Said) => void = () => {}
  #control: ControlLink | undefined

  constructor(t: Test, options: RollLanOptions) {
    this.#options = options
    this.world = new World({ seed: options.seed })
    t.teardown(() => this.world.close())
    for (const name of [...options.stores, ...options.sequencers, 'operator', 'late']) {
      this.#machines.set(name, this.world.addMachine(name))
    }
    for (const store of options.stores) this.world.after(0, () => this.start(store))
    options.sequencers.forEach((name, rank) => {
      this.world.after(rank * 900 * MS, () => this.start(name))
    })
    this.world.after(0, () => void this.#openOperator())
  }

  async run(ms: number): Promise<void> {
    await this.world.run({ deadlineUs: this.world.nowUs + ms * MS })
  }

  /** The session that is open now, as its sequencer says; '' where nobody does. */
  get openSession(): string {
    const open = [...this.#sequencers.values()].find(({ sequencer }) => sequencer.state === 'open')
    return open?.session ?? ''
  }

  next(): number {
    return Math.max(0, ...[...this.#sequencers.values()].map(({ sequencer }) => sequencer.nextSequence))
  }

  saidBy(who: string, text: RegExp): Said[] {
    return this.said.filter((said) => said.who === who && text.test(said.text))
  }

  /** An operator has the session that is open go on in the next one; asks again until it does. */
  roll(): void {
    const session = this.openSession
    const nonce = this.world.nowUs + 1
    const ask = (): void => {
      if (this.openSession !== session) return
      this.#control?.sendFor(session, 'adminRequest', {
        ...{ nonce, action: 'roll-session', component: '', instance: '', incarnation: 0, expectedTerm: 0 },
        reason: 'asked',
      })
      this.world.after(100 * MS, ask)
    }
    if (session !== '') ask()
  }

  /** Somebody asks once, in that session. */
  ask(session: string, action: string, instance: string): void {
    const request = { component: '', incarnation: 0, expectedTerm: 0, reason: 'asked' }
    this.#control?.sendFor(session, 'adminRequest', { nonce: this.world.nowUs + 1, action, instance, ...request })
  }

  /** A stranger claims. */
  claim(session: string, epoch: number): void {
    this.#control?.sendFor(session, 'claim', { epoch, name: 'stranger' })
  }

  /** Why anything was said. */
  get reasons(): string[] {
    return this.said.map(({ reason }) => reason)
  }

  /** Somebody says that a store has dropped a session, and what went on from it. */
  sayDropped(name: string, session: string, successor: string): void {
    const says = { name, voter: '', requestPort: 1, rewindPort: 1 }
    this.#control?.sendFor(session, 'store', droppedStatus(says, successor))
  }

  /** One datagram, of nobody who is there, that says where a session goes on; and so for each datagram. */
  lie(session: string, successor: string): void {
    const nothing = { epoch: 0, promised: 0, lastEpoch: 0, life: 0, lives: {}, counters: {}, voter: '' }
    const says = { name: 'nobody', ...nothing, durableSequence: 9, committedSequence: 9, requestPort: 9, rewindPort: 9 }
    this.#control?.sendFor(session, 'store', { ...says, state: 'ended', successor })
  }

  /** The session that a process would begin in now which is told the first one. */
  newest(): Promise<string> {
    const machine = this.#machine('late')
    const platform = machine.boot()
    return newestSession(this.#optionsOf('late', machine, platform), platform)
  }

  kill(name: string): void {
    this.#stores.delete(name)
    this.#sequencers.delete(name)
    this.#machine(name).kill()
  }

  /** @param session the id that it is told */
  start(name: string, session = FIRST): void {
    const isStore = this.#options.stores.includes(name)
    const started = isStore ? this.#startStore(name, session) : this.#startSequencer(name, session)
    started.catch((error: Error) => this.#onFailed(name, session, error))
  }

  startStandby(name: string, session: string): void {
    this.#startSequencer(name, session, true).catch((error: Error) => this.failures.push(error.message))
  }

  startActive(name: string, session: string): void {
    this.#startSequencer(name, session, false).catch((error: Error) => this.failures.push(error.message))
  }

  /** As a supervisor does it: what ends with an error is started again. */
  #onFailed(name: string, session: string, error: Error): void {
    this.failures.push(`${name}: ${error.message}`)
    this.kill(name)
    this.world.after(300 * MS, () => this.start(name, session))
  }

  /** The chain of sessions as a store has it, from the first on. */
  chainOf(store: string): { session: string; start: ReturnType<typeof startOfLog>; log: EventLog }[] {
    const chain = []
    const { disk } = this.#machine(store)
    for (let session: string = FIRST; session !== '' && disk.log(session) !== undefined; ) {
      const log = this.#logs.get(`${store}/${session}`)
      if (log === undefined) break
      chain.push({ session, start: startOfLog(log), log })
      session = endOfLog(log)?.successor ?? ''
    }
    return chain
  }

  /** How many sessions a store has open. */
  openLogs(store: string): number {
    const isOpen = (log: EventLog): boolean => {
      try {
        log.read(1, 1, () => false)
        return true
      } catch {
        return false
      }
    }
    return [...this.#logs].filter(([key, log]) => key.startsWith(`${store}/`) && isOpen(log)).length
  }

  get stores(): readonly string[] {
    return this.#options.stores
  }

  readonly #logs = new Map<string, EventLog>()

  #machine(name: string): Machine {
    const machine = this.#machines.get(name)
    if (machine === undefined) throw new Error(`no ${name}`)
    return machine
  }

  async #startStore(name: string, first: string): Promise<void> {
    const machine = this.#machine(name)
    const platform = machine.boot()
    const { disk } = machine
    const open = async (session: string): Promise<Recording> => {
      const log = await SimEventLog.open({ disk, platform, session })
      this.#logs.set(`${name}/${session}`, log)
      return { log, promises: SimPromises.open({ disk, platform, session }) }
    }
    const { log, promises } = await open(first)
    const role = await startStore({
      ...this.#optionsOf(name, machine, platform),
      session: first,
      ...{ name, voter: this.#options.voters ? name : '', requestPort: 7_710, rewindPort: 7_711, log },
      ...(promises === undefined ? {} : { promises }),
      recordings: { has: (session) => disk.log(session) !== undefined, open },
    })
    this.#stores.set(name, role)
    role.done.catch((error: Error) => this.#onFailed(name, first, error))
  }

  async #startSequencer(name: string, session: string, standby?: boolean): Promise<void> {
    const machine = this.#machine(name)
    const rank = this.#options.sequencers.indexOf(name)
    const { voters, stores, roll } = this.#options
    const platform = machine.boot()
    const { network } = platform
    const openMulticastReceiver = network.openMulticastReceiver.bind(network)
    network.openMulticastReceiver = (...args) =>
      this.hasSockets ? openMulticastReceiver(...args) : Promise.reject(new Error('too many open files'))
    const role = await startSequencer({
      ...this.#optionsOf(name, machine, platform),
      session,
      ...{ voters: voters ? stores : [], requestPort: 7_712, tickUs: 20 * MS, staticEvents: STATICS },
      ...(roll === undefined ? {} : { roll }),
      ...((standby ?? (rank > 0 || (voters && this.said.length > 100))) ? { standby: voters, rank } : {}),
    })
    this.#sequencers.set(name, role)
    role.done.catch((error: Error) => this.#onFailed(name, session, error))
  }

  async #openOperator(): Promise<void> {
    const machine = this.#machine('operator')
    const platform = machine.boot()
    const options = this.#optionsOf('operator', machine, platform)
    const cycle = new DutyCycle(platform, 'block')
    cycle.start()
    this.#control = await ControlLink.open(options, platform.random(), cycle, (error) =>
      this.failures.push(error.message),
    )
  }

  #optionsOf(who: string, machine: Machine, platform: SimPlatform): RoleOptions & { platform: SimPlatform } {
    const note = (fields: object, message: string): void => {
      const [to = '', session = '', reason = '']: unknown[] = ['to', 'session', 'reason'].map((name) =>
        Reflect.get(fields, name),
      )
      const said = { who, text: `${message} ${to}`.trim(), session: `${session}`, reason: `${reason}` }
      this.said.push(said)
      this.onSaid(said)
    }
    const logger: Logger = { debug() {}, info: note, warn: note, error: note }
    return {
      session: FIRST,
      interfaceAddress: machine.address,
      eventGroup: { group: '239.255.77.1', port: 7_701 },
      commandGroup: { group: '239.255.77.2', port: 7_702 },
      controlGroup: { group: '239.255.77.3', port: 7_703 },
      stores: [],
      datagramBytes: 1_400,
      idle: 'block',
      logger,
      platform,
    }
  }
}

/** What each store has is one chain: the same sessions, the same events, each end naming the next beginning. */
export function oneChain(t: Test, lan: RollLan, atLeast: number): void {
  const chains = lan.stores.map((store) => lan.chainOf(store))
  const [first] = chains
  if (first === undefined) throw new Error('no stores')
  t.ok(first.length >= atLeast, `${first.map(({ session }) => session).join(' ')}: at least ${atLeast} sessions`)
  first.forEach(({ session, start, log }, i) => {
    t.equal(start?.predecessor, first[i - 1]?.session ?? '', `predecessor of ${session}`)
    const endedAt = start?.predecessorSequence ?? 0
    if (i > 0)
      t.ok(endsOf(first[i - 1]?.log, session).includes(endedAt), `${session} goes on from the end that names it`)
    t.strictSame(staticsOf(log), [300, 301, 302], `${session} begins with the static events, once`)
  })
  for (const chain of chains.slice(1)) {
    t.strictSame(
      chain.map(({ session }) => session),
      first.map(({ session }) => session),
    )
    chain.forEach(({ session, log }, i) => {
      const other = first[i]?.log
      const last = Math.min(log.durableSequence, other?.durableSequence ?? 0)
      t.equal(textOf(log, last), textOf(other, last), `${session} up to ${last}`)
    })
  }
}

function eventsOf(log: EventLog | undefined, last: number): Buffer[] {
  const events: Buffer[] = []
  log?.read(1, Number.POSITIVE_INFINITY, (_sequence, count, bytes, start) => {
    let at = start
    for (let i = 0; i < count; i++) {
      const length = Buffer.from(bytes.buffer, bytes.byteOffset + at, 2).readUInt16BE()
      events.push(Buffer.from(bytes.slice(at + 2, at + 2 + length)))
      at += 2 + length
    }
    return events.length < last
  })
  return events.slice(0, last)
}

/** Its events up to there, one a line. */
export const textOf = (log: EventLog | undefined, last: number): string =>
  eventsOf(log, last)
    .map((event) => event.toString('hex'))
    .join('\n')

const staticsOf = (log: EventLog): number[] =>
  eventsOf(log, log.durableSequence).flatMap((event) => {
    const type = event.readUInt16BE(0)
    return type >= 300 && event.length > EVENT_HEADER_BYTES ? [type] : []
  })

/** A later reign says the end again: each of them names the successor. */
function endsOf(log: EventLog | undefined, successor: string): number[] {
  return eventsOf(log, log?.durableSequence ?? 0).flatMap((event, i) => {
    const isEnd = event.readUInt16BE(0) === SESSION_ENDED
    return isEnd && sessionEndedCodec.decode(event.subarray(EVENT_HEADER_BYTES))?.successor === successor ? [i + 1] : []
  })
}
