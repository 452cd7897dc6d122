/**
 * Whatever can happen, in an order that a seed draws, with three sequencers. The seeds are printed, and `SEED=N npm run test-netns --
 * chaos` plays that one again, as far as real processes can.
 */
import { Prng } from '../../src/core/prng.js'
import { MEMBERS, REPLICAS, VOTERS } from './members.js'
import { scenario } from './scenario.js'
import { type System, sleep } from './system.js'

const ROUNDS = 15
const SEEDS = process.env.SEED === undefined ? [1, 2, 3, Date.now() % 1_000_000] : [Number(process.env.SEED)]
const LOSS_PERCENT = 1
const BURST_PERCENT = 40

interface Fault {
  readonly name: string
  undo(): Promise<void> | void
}

for (const seed of SEEDS) {
  scenario(`chaos, seed ${seed}`, { lossPercent: LOSS_PERCENT, sequencers: 3 }, async (system, t) => {
    const chaos = new Chaos(system, new Prng(seed))
    for (let round = 1; round <= ROUNDS; round++) {
      const names = await chaos.round()
      t.comment(`${round}: ${names.join(', ')}`)
      await system.goesOn(`after round ${round}`, 100)
    }
    for (const voter of VOTERS) await system.isBack(voter)
    await system.othersStandBy()
  })
}

class Chaos {
  readonly #system: System
  readonly #prng: Prng
  /** Hosts where something happens to the process in this round: nothing else does. */
  readonly #used = new Set<string>()
  /** Whose disk was taken in this round. */
  #emptied: string | undefined

  constructor(system: System, prng: Prng) {
    this.#system = system
    this.#prng = prng
  }

  /** One to three faults that overlap, and their end. @returns what they were */
  async round(): Promise<string[]> {
    const faults: Fault[] = []
    for (let left = this.#prng.integer(1, 3); left > 0; left--) {
      faults.push(await this.#fault())
      await sleep(this.#prng.integer(0, 1_000))
    }
    for (const fault of faults) {
      await fault.undo()
      await sleep(this.#prng.integer(0, 300))
    }
    this.#system.lan.heal()
    this.#used.clear()
    // One disk at a time: a second one, before the first voter has recovered, is more than any minority.
    if (this.#emptied !== undefined) await this.#system.isBack(this.#emptied)
    this.#emptied = undefined
    return faults.map(({ name }) => name)
  }

  async #fault(): Promise<Fault> {
    const { sequencers, active } = this.#system
    switch (this.#prng.integer(0, 10)) {
      case 0:
        return await this.#kill(this.#pick([...VOTERS, ...sequencers, ...REPLICAS]))
      case 1:
        return await this.#kill(active)
      case 2:
        return await this.#killSuccessor(active)
      case 3:
        return await this.#kill(this.#pick(sequencers), this.#pick(VOTERS))
      case 4:
        return await this.#kill(...VOTERS, ...sequencers)
      case 5:
        return this.#pause(this.#pick([...VOTERS, ...sequencers, ...REPLICAS]))
      case 6:
        return this.#pause(active)
      case 7:
        return await this.#empty(this.#pick(VOTERS))
      case 8:
        return this.#part([active, this.#pick(VOTERS), ...REPLICAS.filter(() => this.#prng.chance(0.5))])
      case 9:
        return this.#prng.chance(0.5) ? this.#part(this.#some()) : this.#cut(this.#some())
      default:
        return this.#burst()
    }
  }

  async #kill(...names: readonly string[]): Promise<Fault> {
    const victims = [...new Set(names)].filter((name) => !this.#used.has(name))
    for (const name of victims) this.#used.add(name)
    await this.#system.kill(...victims)
    return { name: `kill ${victims.join('+')}`, undo: () => this.#system.start(...victims) }
  }

  /** The active sequencer, and about when the next one reigns that one, too. */
  async #killSuccessor(active: string): Promise<Fault> {
    const first = await this.#kill(active)
    await sleep(this.#prng.integer(250, 600))
    const others = this.#system.sequencers.filter((name) => name !== active)
    const next = this.#system.active === active ? this.#pick(others) : this.#system.active
    const second = await this.#kill(next)
    return {
      name: `${first.name}, then ${second.name}`,
      undo: async () => {
        await first.undo()
        await second.undo()
      },
    }
  }

  #pause(host: string): Fault {
    if (this.#used.has(host)) return { name: `nothing to ${host}`, undo: () => {} }
    this.#used.add(host)
    this.#system.pause(host)
    return { name: `pause ${host}`, undo: () => this.#system.resume(host) }
  }

  async #empty(voter: string): Promise<Fault> {
    if (this.#emptied !== undefined || this.#used.has(voter)) return await this.#kill(voter)
    this.#emptied = voter
    const { undo } = await this.#kill(voter)
    this.#system.empty(voter)
    return { name: `empty ${voter}`, undo }
  }

  #part(some: readonly string[]): Fault {
    const { lan } = this.#system
    lan.part(some, without(some))
    return { name: `part ${some.join('+')}`, undo: () => lan.heal() }
  }

  #cut(some: readonly string[]): Fault {
    const { lan } = this.#system
    lan.cut(some, without(some))
    return { name: `mute ${some.join('+')}`, undo: () => lan.heal() }
  }

  #burst(): Fault {
    const hosts = this.#system.lan.named(this.#some())
    for (const host of hosts) host.lose(BURST_PERCENT)
    return {
      name: `${BURST_PERCENT} % loss at ${hosts.map(({ name }) => name).join('+')}`,
      undo: () => {
        for (const host of hosts) host.lose(LOSS_PERCENT)
      },
    }
  }

  #some(): string[] {
    return MEMBERS.filter(() => this.#prng.chance(0.4))
  }

  #pick(names: readonly string[]): string {
    return names[this.#prng.integer(0, names.length - 1)] ?? ''
  }
}

const without = (some: readonly string[]): string[] => MEMBERS.filter((name) => !some.includes(name))
