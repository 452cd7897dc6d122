/**
 * What a new sequencer fetches of the log that it adopts, by the real roles on simulated machines: nothing, the part that it lacks, or
 * all of it; and from another store where the first one dies meanwhile.
 */
import { type Test, test } from 'tap'
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
class Lan {
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

  machine(name: string): Machine {
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
function sameLogs(t: Test, lan: Lan, name: string): void {
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

test('a standby that missed the last seconds fetches just these', async (t) => {
  const lan = new Lan(t, 1, ['s1', 's2'])
  await lan.run(3_000)
  t.equal(lan.sequencers.get('s1')?.sequencer.state, 'open')
  lan.deafen('s2', true)
  const had = lan.next('s2')
  await lan.run(2_000)
  t.ok(had > 20 && lan.next('s2') <= had + 5, 'it has the beginning only')
  const sent = lan.next('s1')
  lan.machine('s1').kill()
  lan.deafen('s2', false)
  await lan.run(3_000)
  const [rebuilding, ...more] = lan.saidBy('s2', /rebuilding/)
  t.strictSame(more, [])
  t.equal(rebuilding?.fields.from, had, 'not from the first event')
  t.ok(Number(rebuilding?.fields.through) >= sent - 2)
  t.match(lan.saidBy('s2', /^sequencer: reigns$/), [{ fields: { epoch: 2, adopted: 'store' } }])
  sameLogs(t, lan, 's2')
})

test('one that has all of it fetches nothing', async (t) => {
  const lan = new Lan(t, 2, ['s1', 's2'])
  await lan.run(3_000)
  lan.machine('s1').kill()
  await lan.run(3_000)
  t.strictSame(lan.saidBy('s2', /rebuilding/), [])
  t.match(lan.saidBy('s2', /^sequencer: reigns$/), [{ fields: { adopted: 'own' } }])
  sameLogs(t, lan, 's2')
})

test('one that missed a whole reign reads all of it anew', async (t) => {
  const lan = new Lan(t, 3, ['s1', 's2', 's3'])
  await lan.run(4_000)
  lan.deafen('s3', true)
  await lan.run(500)
  lan.machine('s1').kill()
  await lan.run(2_000)
  t.equal(lan.sequencers.get('s2')?.sequencer.epoch, 2)
  lan.machine('s2').kill()
  lan.deafen('s3', false)
  await lan.run(4_000)
  t.match(lan.saidBy('s3', /rebuilding/).at(-1)?.fields, { from: 1 })
  t.match(lan.saidBy('s3', /^sequencer: reigns$/), [{ fields: { epoch: 3, adopted: 'store' } }])
  sameLogs(t, lan, 's3')
})

test('a store that dies while it is read from is left for another one', async (t) => {
  const lan = new Lan(t, 4, ['s1', 's2'])
  await lan.run(3_000)
  lan.deafen('s2', true)
  await lan.run(2_000)
  let killed = ''
  lan.onSaid = ({ who, message, fields }) => {
    if (who !== 's2' || !/rebuilding/.test(message) || killed !== '') return
    killed = String(fields.store)
    lan.world.after(0, () => lan.machine(killed).kill())
  }
  lan.machine('s1').kill()
  lan.deafen('s2', false)
  await lan.run(8_000)
  t.not(killed, '')
  const from = lan.saidBy('s2', /rebuilding/).map(({ fields }) => fields.store)
  t.ok(from.length > 1 && from.at(-1) !== killed, from.join())
  lan.startStore(killed)
  await lan.run(3_000)
  t.equal(lan.sequencers.get('s2')?.sequencer.state, 'open')
  sameLogs(t, lan, 's2')
})
