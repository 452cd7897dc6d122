/** A LAN of simulated machines with the real roles: three voters, and some sequencers that sequence ticks. */
import type { Test } from 'tap'
import type { Logger } from '../../src/core/log.js'
import type { RoleOptions } from '../../src/runtime/options.js'
import { type SequencerRole, startSequencer } from '../../src/runtime/sequencer-role.js'
import { type StoreRole, startStore } from '../../src/runtime/store-role.js'
import type { Machine } from '../../src/sim/machine.js'
import { SimEventLog } from '../../src/sim/sim-event-log.js'
import { SimPromises } from '../../src/sim/sim-promises.js'
import { World } from '../../src/sim/world.js'

const SESSION = 'ADOPT'
const VOTERS = ['a', 'b', 'c']
const MS = 1_000

interface Said {
  readonly who: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** Three voters and some sequencers, each on a machine of its own. */
export class Lan {
  readonly world: World
  readonly said: Said[] = []
  readonly stores = new Map<string, StoreRole>()
  readonly sequencers = new Map<string, SequencerRole>()
  readonly machines = new Map<string, Machine>()
  onSaid: (said: Said) => void = () => {}

  constructor(t: Test, seed: number, sequencers: readonly string[]) {
    this.world = new World({ seed })
    t.teardown(() => this.world.close())
    for (const name of [...VOTERS, ...sequencers]) this.machines.set(name, this.world.addMachine(name))
    for (const voter of VOTERS) this.world.after(0, () => this.startStore(voter))
    for (const [rank, name] of sequencers.entries()) {
      this.world.after(rank * 900 * MS, () => this.#startSequencer(name, rank))
    }
  }

  readonly machine = (name: string): Machine => {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`no ${name}`)
    return machine
  }

  async run(ms: number): Promise<void> {
    await this.world.run({ deadlineUs: this.world.nowUs + ms * MS })
  }

  /** Nobody is heard by this one from now on, or again. */
  deafen(name: string, isDeaf: boolean): void {
    const { network } = this.world
    for (const other of this.machines.values()) {
      if (other === this.machine(name)) continue
      if (isDeaf) network.cut(other, this.machine(name))
      else network.heal(other, this.machine(name))
    }
  }

  next(name: string): number {
    return this.sequencers.get(name)?.sequencer.nextSequence ?? 0
  }

  saidBy(who: string, message: RegExp): Said[] {
    return this.said.filter((said) => said.who === who && message.test(said.message))
  }

  startStore(voter: string): void {
    const machine = this.machine(voter)
    const platform = machine.boot()
    const start = async (): Promise<void> => {
      const log = await SimEventLog.open({ disk: machine.disk, platform, session: SESSION })
      const promises = SimPromises.open({ disk: machine.disk, platform, session: SESSION })
      const options = { ...this.#options(voter, machine), platform, requestPort: 7_710, rewindPort: 7_711 }
      this.stores.set(voter, await startStore({ ...options, name: voter, voter, log, promises }))
    }
    void start()
  }

  #startSequencer(name: string, rank: number): void {
    const machine = this.machine(name)
    const options = { ...this.#options(name, machine), platform: machine.boot(), voters: VOTERS, requestPort: 7_712 }
    void startSequencer({ ...options, tickUs: 20 * MS, standby: rank > 0, rank }).then((role) => {
      this.sequencers.set(name, role)
      role.done.catch(() => {})
    })
  }

  #options(who: string, machine: Machine): RoleOptions {
    const note = (fields: object, message: string): void => {
      const said = { who, message, fields: { ...fields } }
      this.said.push(said)
      this.onSaid(said)
    }
    const logger: Logger = { debug() {}, info: note, warn: note, error: note }
    return {
      session: SESSION,
      interfaceAddress: machine.address,
      eventGroup: { group: '239.255.77.1', port: 7_701 },
      commandGroup: { group: '239.255.77.2', port: 7_702 },
      controlGroup: { group: '239.255.77.3', port: 7_703 },
      stores: [],
      datagramBytes: 1_400,
      idle: 'block',
      logger,
    }
  }
}

/** The newest reign and every store have the same log, to the byte. */
export function sameLogs(t: Test, lan: Lan, name: string): void {
  const table = lan.sequencers.get(name)?.sequencer.epochTable
  const bytesOf = (role: StoreRole | undefined): string => {
    let text = ''
    role?.log.read(1, last, (sequence, count, bytes, start, end) => {
      text += `${sequence} ${count} ${Buffer.from(bytes.subarray(start, end)).toString('hex')}\n`
      return true
    })
    return text.replaceAll(/^\d+ \d+ /gm, '').replaceAll('\n', '')
  }
  const last = Math.min(...VOTERS.map((voter) => lan.stores.get(voter)?.log.durableSequence ?? 0))
  t.ok(last > (table?.at(-1)?.sequence ?? Number.POSITIVE_INFINITY), 'all have recorded the new reign')
  const [first = '', ...others] = VOTERS.map((voter) => bytesOf(lan.stores.get(voter)).slice(0, 40 * last))
  for (const other of others) t.equal(other, first)
  for (const voter of VOTERS) t.strictSame(lan.stores.get(voter)?.log.epochTable, table)
}
