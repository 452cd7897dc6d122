/**
 * Whatever can happen, in an order that a seed draws: the seeds are printed, and `SEED=N npm run test-netns -- chaos` plays
 * that one again, as far as real processes can.
 */
import { Prng } from '../../src/core/prng.js'
import { scenario } from './scenario.js'
import { MEMBERS, REPLICAS, SEQUENCERS, type System, sleep, VOTERS } from './system.js'

const ROUNDS = 12
const SEEDS = process.env.SEED === undefined ? [1, 2, Date.now() % 1_000_000] : [Number(process.env.SEED)]

interface Fault {
  readonly name: string
  undo(): Promise<void> | void
}

for (const seed of SEEDS) {
  scenario(`chaos, seed ${seed}`, { lossPercent: 1 }, async (system, t) => {
    const chaos = new Chaos(system, new Prng(seed))
    for (let round = 1; round <= ROUNDS; round++) {
      const names = await chaos.round()
      t.comment(`${round}: ${names.join(', ')}`)
      await system.goesOn(`after round ${round}`, 300)
    }
    for (const voter of VOTERS) await system.isBack(voter)
    await system.until('one standby', () => system.isStandby(system.passive))
  })
}

class Chaos {
  readonly #system: System
  readonly #prng: Prng
  /** Whose disk was taken in this round. */
  #emptied: string | undefined

  constructor(system: System, prng: Prng) {
    this.#system = system
    this.#prng = prng
  }

  /** One to three faults that overlap, and their end. @returns what they were */
  async round(): Promise<string[]> {
    const faults: Fault[] = []
    const used = new Set<string>()
    for (let left = this.#prng.integer(1, 3); left > 0; left--) {
      faults.push(await this.#fault(used))
      await sleep(this.#prng.integer(0, 600))
    }
    for (const fault of faults) {
      await fault.undo()
      await sleep(this.#prng.integer(0, 300))
    }
    this.#system.lan.heal()
    if (this.#emptied !== undefined) await this.#system.isBack(this.#emptied)
    this.#emptied = undefined
    return faults.map(({ name }) => name)
  }

  /** @param used hosts that something happens to already in this round: processes there are left alone */
  async #fault(used: Set<string>): Promise<Fault> {
    const system = this.#system
    const kind = this.#prng.integer(0, 6)
    const host = this.#pick(kind === 2 ? VOTERS : kind < 2 ? [...VOTERS, ...SEQUENCERS, ...REPLICAS] : SEQUENCERS)
    if (kind <= 3 && !used.has(host)) {
      used.add(host)
      if (kind === 1) return this.#pause(host)
      await system.kill(host)
      if (kind === 2 && this.#emptied === undefined) return this.#empty(host)
      return { name: `kill ${host}`, undo: () => system.start(host) }
    }
    const some = MEMBERS.filter(() => this.#prng.chance(0.4))
    const others = MEMBERS.filter((name) => !some.includes(name))
    if (kind <= 5) {
      system.lan.part(some, others)
      return { name: `part ${some.join('+')} from ${others.join('+')}`, undo: () => system.lan.heal() }
    }
    system.lan.cut(some, others)
    return { name: `cut ${some.join('+')} to ${others.join('+')}`, undo: () => system.lan.heal() }
  }

  #pause(host: string): Fault {
    this.#system.pause(host)
    return { name: `pause ${host}`, undo: () => this.#system.resume(host) }
  }

  /** One disk at a time: a second one, before the first voter has recovered, is more than any minority. */
  #empty(voter: string): Fault {
    const system = this.#system
    system.empty(voter)
    this.#emptied = voter
    return { name: `empty ${voter}`, undo: () => system.start(voter) }
  }

  #pick(names: readonly string[]): string {
    return names[this.#prng.integer(0, names.length - 1)] ?? ''
  }
}
