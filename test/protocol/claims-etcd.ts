/**
 * The etcd of the model of claims: calls are slow, lost before or after they were done; it is away, comes back empty or with a
 * backup, and others write to it.
 */
import type { Election } from '../../src/protocol/election.js'
import type { EtcdCall } from '../../src/wire/etcd.js'
import type { Process, World } from './claims-world.js'
import { type Backup, GARBAGE, ModelEtcd } from './model-etcd.js'

/** What a call that is lost has cost when that is known. */
const TIMEOUT_US = 400_000
const KEYS = ['p/S/epoch', 'p/S/candidate']

export class ClaimsEtcd {
  readonly #world: World
  readonly #count: (what: string) => void
  readonly #model = new ModelEtcd()
  #backup: Backup
  #isAway = false

  constructor(world: World, count: (what: string) => void) {
    this.#world = world
    this.#count = count
    this.#backup = this.#model.backup()
  }

  /** @param answer is called with what is to be told to the election, in the process that called, if that still runs */
  call(call: EtcdCall, process: Process, answer: (tell: (election: Election) => void) => void): void {
    const { random } = this.#world
    const { run } = process
    const reply = (delayUs: number, tell: (election: Election) => void): void =>
      this.#world.after(delayUs, () => process.receive(() => (run === process.run ? answer(tell) : undefined)))
    const slowUs = this.#world.isFaulty && random.chance(0.05) ? random.integer(0, TIMEOUT_US) : 0
    this.#world.after(random.integer(300, 3_000) + slowUs, () => {
      const isLost = this.#isAway || (this.#world.isFaulty && random.chance(0.05))
      const done = isLost ? undefined : this.#model.do(call, this.#world.nowUs)
      if (done === undefined || (this.#world.isFaulty && random.chance(0.05))) {
        this.#count('unanswered calls')
        // What is away refuses at once, or says nothing.
        const afterUs = this.#isAway && random.chance(0.5) ? 500 : TIMEOUT_US
        reply(afterUs, (election) => election.onFailure({ reason: 'lost', isNotFound: false }, this.#world.nowUs))
        return
      }
      reply(random.integer(100, 2_000), (election) => {
        if (done === 'not-found') {
          this.#count('leases not found')
          election.onFailure({ reason: 'no lease', isNotFound: true }, this.#world.nowUs)
          return
        }
        if (call.kind === 'swap' && done.kind === 'found') this.#count('failed swaps')
        election.onAnswer(done, this.#world.nowUs)
      })
    })
  }

  /** Something happens to it now and then, as long as the world is faulty. */
  suffer(): void {
    const world = this.#world
    if (!world.isFaulty) return
    const { random } = world
    const kind = random.integer(0, 5)
    if (kind <= 1) {
      this.#count('etcd outages')
      this.#isAway = true
      world.after(random.integer(50_000, 1_000_000), () => {
        this.#isAway = false
      })
    } else if (kind === 2) {
      this.#count('emptied etcd')
      this.#model.wipe()
    } else if (kind === 3) this.#backup = this.#model.backup()
    else if (kind === 4) {
      this.#count('restored etcd')
      this.#model.restore(this.#backup)
    } else {
      this.#count('garbage')
      this.#model.put(KEYS[random.integer(0, 1)] ?? '', GARBAGE[random.integer(0, GARBAGE.length - 1)] ?? '')
    }
    world.after(random.integer(100_000, 800_000), () => this.suffer())
  }

  /** It is there. What it has, it has. */
  heal(): void {
    this.#isAway = false
  }
}
