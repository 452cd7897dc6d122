/**
 * Sessions that end at any moment, with replicas that lag, die and come anew, packets that get lost, and effects that hang: over the
 * whole chain each order is seen once, answered once, and has one effect key; and all replicas agree.
 */
import fc from 'fast-check'
import { test } from 'tap'
import { defineComponent, type Port } from '../../src/component/definition.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { type DeskMessages, deskSchema } from './desk.js'

interface State {
  seen: number[]
  answered: number[]
}

type Step =
  | { readonly kind: 'publish' | 'come' | 'sequence' | 'lose' | 'resend' | 'roll' | 'settle' | 'add' | 'passivate' }
  | { readonly kind: 'deliver'; readonly which: number; readonly packets: number }
  | { readonly kind: 'kill' | 'activate'; readonly which: number }

const kinds = fc.constantFrom(
  ...(['publish', 'publish', 'come', 'come', 'sequence', 'sequence', 'lose', 'resend', 'roll', 'settle'] as const),
  ...(['add', 'passivate'] as const),
)
const which = fc.nat(5)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: kinds }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), which, packets: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('kill' as const, 'activate' as const), which }) },
)

class World {
  session = new TestSession()
  before: TestSession | undefined
  rolls = 0
  wentBack = 0
  readonly #published: number[] = []
  readonly #came = new Set<number>()
  readonly #keys = new Map<number, Set<string>>()
  #port: Port<DeskMessages> | undefined
  #nextId = 1
  #isPassive = false

  readonly component = defineComponent({
    name: 'desk',
    schema: deskSchema,
    state: (): State => ({ seen: [], answered: [] }),
    on: {
      Order(state, { payload: { id } }, ctx) {
        state.seen.push(id)
        ctx.send('Accepted', { id, draw: 0 })
      },
      Accepted: (state, { payload }) => void state.answered.push(payload.id),
      // What lives on.
      Foreign: (state, { payload }) => void state.seen.push(payload.id),
      Expired: (state, { payload }) => void state.answered.push(payload.id),
    },
    effects: {
      Accepted: {
        after: 'published',
        run: ({ key, payload }) => {
          this.#keys.set(payload.id, (this.#keys.get(payload.id) ?? new Set()).add(key))
        },
      },
    },
    seed(state, seed) {
      for (const id of state.seen) seed.send('Foreign', { id })
      for (const id of state.answered) seed.send('Expired', { id })
    },
    input: async (port) => {
      this.#port = port
    },
  })

  constructor() {
    this.session.addReplica(this.component)
    this.session.addReplica(this.component)
    this.#activate(0)
  }

  async apply(step: Step): Promise<void> {
    const { session } = this
    const replica = 'which' in step ? session.replicas[step.which % Math.max(1, session.replicas.length)] : undefined
    if (step.kind === 'publish') this.#publish()
    else if (step.kind === 'come') this.#come()
    else if (step.kind === 'sequence') session.sequence()
    else if (step.kind === 'lose') session.commandsUnderWay.splice(0, 1)
    else if (step.kind === 'resend') session.resend()
    else if (step.kind === 'settle') await session.settled()
    else if (step.kind === 'roll') this.#roll()
    else if (step.kind === 'add') session.addReplica(this.component)
    else if (step.kind === 'passivate') this.#passivate()
    else if (step.kind === 'deliver' && replica !== undefined) session.deliver(replica, step.packets)
    else if (step.kind === 'kill' && replica !== undefined) this.#kill(replica)
    else if (step.kind === 'activate' && replica !== undefined) this.#activate(step.which)
    this.#throwErrors()
  }

  /** Nothing fails any more: all of it comes to rest. */
  async finish(): Promise<void> {
    if (this.session.replicas.length === 0) this.session.addReplica(this.component)
    await this.#rest()
    this.#activate(0)
    await this.#rest()
  }

  check(): string {
    const [first, ...others] = this.session.replicas
    if (first === undefined) return 'nobody'
    const { seen, answered } = first.host.applicationState as State
    const sorted = (ids: readonly number[]): string => [...ids].sort((a, b) => a - b).join()
    if (new Set(seen).size !== seen.length) return `seen twice: ${seen}`
    if (sorted(answered) !== sorted(seen)) return `seen ${sorted(seen)}, answered ${sorted(answered)}`
    const lost = this.#published.filter((id) => !seen.includes(id))
    if (lost.length > 0) return `published and not seen: ${lost}`
    const strange = seen.filter((id) => !this.#published.includes(id) && !this.#came.has(id))
    if (strange.length > 0) return `seen and not published: ${strange}`
    for (const id of answered)
      if (this.#keys.get(id)?.size !== 1) return `keys of ${id}: ${[...(this.#keys.get(id) ?? [])]}`
    if (first.host.effects().length > 0) return 'effects are owed'
    const late = this.session.addReplica(this.component)
    this.session.settle()
    for (const other of [...others, late]) {
      if (other.host.digest() !== first.host.digest()) return 'replicas differ'
    }
    return ''
  }

  async #rest(): Promise<void> {
    for (let i = 0; i < 8; i++) {
      await this.session.settled()
      for (const replica of this.session.replicas) if (replica.host.lacksSeed) this.#goBack(replica)
      this.session.resend()
      this.#throwErrors()
    }
    await this.session.settled()
    this.#throwErrors()
  }

  #publish(): void {
    if (this.session.sequencer.state === 'seeding') return
    this.session.publish(256, deskSchema.encode('Order', { id: this.#nextId, shares: 1 }))
    this.#published.push(this.#nextId++)
  }

  #come(): void {
    if (this.#port === undefined || this.#port.signal.aborted) return
    this.#port.send('Order', { id: this.#nextId, shares: 1 })
    this.#came.add(this.#nextId++)
  }

  #activate(which: number): void {
    const replica = this.session.replicas[which % Math.max(1, this.session.replicas.length)]
    if (replica !== undefined) this.#isPassive = false
    if (replica !== undefined) this.session.activate('desk', replica)
  }

  #passivate(): void {
    if (this.#isPassive) return
    this.#isPassive = true
    this.session.passivate('desk')
  }

  #kill(replica: TestReplica): void {
    this.session.removeReplica(replica)
  }

  /** Who has the end goes over; who lags, or died, has to come back for it. */
  #roll(): void {
    if (this.session.sequencer.state !== 'open') return
    const next = this.#rolled()
    if (next === undefined) return
    this.rolls++
    this.before = this.session
    this.session = next
    this.#port = undefined
  }

  /** Undefined where commands of the last session are still to come: those have to be there first. */
  #rolled(): TestSession | undefined {
    try {
      return this.session.roll()
    } catch (error) {
      if (error instanceof Error && /still to come/.test(error.message)) return undefined
      throw error
    }
  }

  /** A process that was not there when the session before ended: it reads that to its end, and comes back. */
  #goBack(replica: TestReplica): void {
    const { before } = this
    if (before === undefined) return
    this.wentBack++
    this.session.removeReplica(replica)
    const again = before.addReplica(this.component)
    before.deliver(again)
    if (again.host.lacksSeed) throw new Error('the session before was left without its seed')
    this.session.adopt(again)
  }

  #throwErrors(): void {
    for (const { errors } of this.session.replicas) if (errors[0] !== undefined) throw errors[0]
  }
}

test('over any chain of sessions nothing is lost and nothing is doubled', async (t) => {
  const met = { rolls: 0, wentBack: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const world = new World()
      for (const each of steps) await world.apply(each)
      await world.finish()
      const problem = world.check()
      if (problem !== '') throw new Error(problem)
      met.rolls += world.rolls
      met.wentBack += world.wentBack
    }),
    { numRuns: 100 },
  )
  t.ok(met.rolls > 20, `${met.rolls} sessions ended`)
  t.ok(met.wentBack > 3, `${met.wentBack} times a replica had to go back`)
})
