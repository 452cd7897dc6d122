/**
 * Random sessions against the simplest model of all: whatever the network does, exactly the events 1 to n are delivered, each
 * once and unchanged. The rig checks order and bytes of every delivery.
 */
import fc from 'fast-check'
import { test } from 'tap'
import { Prng } from '../../src/core/prng.js'
import { FaultFilter } from '../../src/protocol/fault-filter.js'
import { endOfSessionPacket, eventPacket, heartbeatPacket } from '../fixtures/event-packets.js'
import { type Asked, ReceiverRig } from '../fixtures/receiver-rig.js'

const probability = (max: number): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: 100 }).map((percent) => (percent / 100) * max)

const plan = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  events: fc.integer({ min: 1, max: 400 }),
  packetEvents: fc.integer({ min: 1, max: 9 }),
  gapUs: fc.constantFrom(5, 100, 3_000),
  loss: probability(0.6),
  duplicate: probability(0.3),
  reorder: probability(0.5),
  answerLoss: probability(0.8),
  answerLatencyUs: fc.constantFrom(10, 400, 15_000, 120_000),
  servers: fc.integer({ min: 0, max: 3 }),
  joinsAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 80 })),
  startRewinding: fc.boolean(),
  reorderPackets: fc.constantFrom(1, 8, 1_000, 1_000),
  gapRewindEvents: fc.constantFrom(1, 10, 1_000, 1_000),
  rewindStepUs: fc.constantFrom(50, 2_000, 30_000),
  rewindBreaks: probability(0.3),
  ends: fc.boolean(),
})

type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never

/** What the runs must have met, or they prove nothing. */
const EXERCISED = [
  'reordered',
  'partly-repeated',
  'duplicate',
  'overflow',
  'gaps',
  'requests',
  'request-timeouts',
  'rewinds',
  'rewind-failures',
] as const

/** Publisher, network, request servers and rewind server around one receiver. */
class World {
  readonly rig: ReceiverRig
  readonly #plan: Plan
  readonly #prng: Prng
  readonly #filter: FaultFilter
  #published = 0
  #rewind = 0

  constructor(plan: Plan) {
    this.#plan = plan
    this.#prng = new Prng(plan.seed)
    this.#filter = new FaultFilter(plan, new Prng(plan.seed + 1))
    const { servers, reorderPackets, gapRewindEvents, seed, startRewinding } = plan
    this.rig = new ReceiverRig({ servers, reorderPackets, gapRewindEvents, seed, startRewinding })
    this.rig.onAsked = (asked) => this.#answer(asked)
    this.rig.onStartRewind = (from) => this.#startRewind(from)
    this.rig.onStopRewind = () => {
      this.#rewind++
    }
  }

  run(): void {
    for (let at = 0; this.#published < this.#plan.events; at++) {
      this.#publish(at)
      this.rig.advance(this.#prng.integer(1, this.#plan.gapUs))
    }
    for (let beats = 0; beats < 600 && !this.isDone; beats++) {
      this.#sayNext()
      this.rig.advance(100_000)
    }
  }

  get isDone(): boolean {
    const { receiver, delivered } = this.rig
    return delivered === this.#plan.events && receiver.state === (this.#plan.ends ? 'ended' : 'live')
  }

  #publish(at: number): void {
    const first = this.#published + 1
    const count = Math.min(this.#prng.integer(1, this.#plan.packetEvents), this.#plan.events - this.#published)
    this.#published += count
    if (at >= this.#plan.joinsAt) this.#send(eventPacket(first, count))
  }

  #sayNext(): void {
    const next = this.#published + 1
    if (this.#plan.ends) this.#send(endOfSessionPacket(next))
    else if (this.#prng.chance(0.5)) this.#send(heartbeatPacket(next))
    else this.rig.heartbeat(next)
  }

  #send(packet: Uint8Array): void {
    const emit = (passed: Uint8Array): void => this.rig.packet(passed)
    const nowUs = this.rig.clock.nowUs
    this.#filter.push(packet, nowUs, emit)
    this.rig.clock.after(2_000, () => this.#filter.tick(this.rig.clock.nowUs, emit))
  }

  /** Answers start where they were asked for, are cut otherwise than the stream was, may be late, lost, or too long. */
  #answer({ from, count }: Asked): void {
    const after = Math.min(from + count + this.#prng.integer(0, 2), this.#published + 1)
    for (let first = from; first < after; ) {
      const size = Math.min(this.#prng.integer(1, 12), after - first)
      const start = first
      const latencyUs = this.#prng.integer(1, this.#plan.answerLatencyUs)
      if (!this.#prng.chance(this.#plan.answerLoss)) this.rig.clock.after(latencyUs, () => this.rig.events(start, size))
      first += size
    }
  }

  /** Rewinds begin at or before what was asked for, overlap themselves never, and break now and then. */
  #startRewind(from: number): void {
    const rewind = ++this.#rewind
    let next = Math.max(1, from - this.#prng.integer(0, 3))
    const step = (): void => {
      if (rewind !== this.#rewind) return
      const nowUs = this.rig.clock.nowUs
      if (this.#prng.chance(this.#plan.rewindBreaks)) {
        this.#rewind++
        this.rig.receiver.onRewindEnd('broken', nowUs)
        return
      }
      const count = Math.min(this.#prng.integer(1, 15), this.#published + 1 - next)
      if (count > 0) {
        next += count
        this.rig.rewound(next - count, count)
      }
      this.rig.clock.after(this.#prng.integer(1, this.#plan.rewindStepUs), step)
    }
    this.rig.receiver.onRewindStart(next, this.rig.clock.nowUs)
    this.rig.clock.after(200, step)
  }
}

test('whatever the network does, the events are delivered, in order and once', (t) => {
  const exercised = new Map<string, number>()
  fc.assert(
    fc.property(plan, (chosen) => {
      const world = new World(chosen)
      world.run()
      for (const [name, count] of Object.entries(world.rig.receiver.counters)) {
        if (count > 0) exercised.set(name, (exercised.get(name) ?? 0) + 1)
      }
      if (!world.isDone) {
        const { receiver, delivered, said } = world.rig
        throw new Error(`${receiver.state} after ${delivered} of ${chosen.events}: ${said.slice(-10).join(', ')}`)
      }
    }),
    { numRuns: 400 },
  )
  for (const name of EXERCISED) t.ok((exercised.get(name) ?? 0) > 20, `${name} in ${exercised.get(name)} runs`)
  t.end()
})
