/**
 * An outbox against a lossy, duplicating, reordering way to the sequencer, and against failovers that revoke what is not stable:
 * every command once, in order, whatever happens.
 */
import fc from 'fast-check'
import { test } from 'tap'
import { createOutbox, FRAGMENT_BYTES, type Sent, SequencerStub } from './outbox-stub.js'

type Step =
  | { readonly kind: 'append'; readonly lengthBytes: number; readonly times: number }
  | { readonly kind: 'carry' | 'drop' | 'duplicate'; readonly which: number }
  | { readonly kind: 'events' | 'stable'; readonly count: number }
  | { readonly kind: 'wait'; readonly us: number }
  | { readonly kind: 'held'; readonly held: boolean }
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'failover'; readonly revoked: number }

/** Mostly the oldest packet: only that can be the next one of its source. */
const which = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(50) })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      lengthBytes: fc.nat(3 * FRAGMENT_BYTES),
      times: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('carry' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('drop' as const, 'duplicate' as const), which }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('events' as const), count: fc.integer({ min: 1, max: 80 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('stable' as const), count: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), us: fc.integer({ min: 1, max: 50_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('held' as const), held: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reconnect' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('failover' as const), revoked: fc.nat(60) }) },
)

/** The network, the sequencer and what was issued, beside the outbox. */
class World {
  readonly sent: Sent = createOutbox({ capacityCommands: 1_000, inFlightCommands: 200 })
  readonly sequencer = new SequencerStub()
  readonly issued: { type: number; payload: Buffer }[] = []
  nowUs = 0
  /** Commands that had come back, and had not, once their events were revoked. */
  revoked = 0
  readonly #releasesAt: 'stability' | 'publication'
  #stable = 0
  /** From here on events were revoked, and the outbox does not know yet. */
  #revokedFrom = Number.POSITIVE_INFINITY
  /** Events and their release, as plainly as possible. */
  #releasedCommands = 0

  constructor(releasesAt: 'stability' | 'publication' = 'stability') {
    this.#releasesAt = releasesAt
  }

  apply(step: Step): void {
    const { outbox, packets } = this.sent
    if (step.kind === 'append') this.#append(step.lengthBytes, step.times)
    else if (step.kind === 'carry')
      for (const packet of packets.splice(step.which % (packets.length + 1), 1)) this.sequencer.onPacket(packet)
    else if (step.kind === 'drop') packets.splice(step.which % (packets.length + 1), 1)
    else if (step.kind === 'duplicate') packets.push(...packets.slice(step.which % (packets.length + 1)).slice(0, 1))
    else if (step.kind === 'events') this.deliver(step.count)
    else if (step.kind === 'stable') this.stabilise(step.count)
    else if (step.kind === 'wait') this.nowUs += step.us
    else if (step.kind === 'held') outbox.onHeld(step.held)
    else if (step.kind === 'failover') this.#failOver(step.revoked)
    else {
      outbox.disconnect()
      outbox.connect(this.nowUs)
    }
    outbox.flush(this.nowUs)
    const deadlineUs = outbox.tick(this.nowUs)
    if (deadlineUs <= this.nowUs) throw new Error(`deadline ${deadlineUs} is not after ${this.nowUs}`)
    this.#check()
  }

  deliver(count: number): void {
    this.#learnOfFailover()
    for (const verdict of this.sequencer.deliver(this.sent.outbox, count, this.nowUs)) {
      if (verdict !== 'expected') throw new Error(`verdict ${verdict}`)
    }
    if (this.#releasesAt === 'publication') this.sent.outbox.onStable(this.sequencer.delivered)
  }

  stabilise(count: number): void {
    this.#stable = Math.min(this.#stable + count, this.sequencer.events.length)
    const whole = this.#wholeMessages(Math.min(this.#stable, this.sequencer.delivered))
    this.#releasedCommands = Math.max(this.#releasedCommands, whole)
    this.sent.outbox.onStable(this.#stable)
  }

  #failOver(revoked: number): void {
    const from = Math.max(this.#stable, this.sequencer.events.length - revoked) + 1
    this.#revokedFrom = Math.min(this.#revokedFrom, from)
    this.sequencer.revoke(from)
  }

  #learnOfFailover(): void {
    if (this.#revokedFrom === Number.POSITIVE_INFINITY) return
    const { outbox } = this.sent
    const outstanding = outbox.outstanding
    const isWhole = outbox.revoke(this.#revokedFrom)
    if (!isWhole) throw new Error('a command that was let go is revoked')
    this.revoked += outbox.outstanding - outstanding
    this.#revokedFrom = Number.POSITIVE_INFINITY
    outbox.setEpoch(this.sequencer.epoch, this.nowUs)
  }

  #append(lengthBytes: number, times: number): void {
    for (let i = 0; i < times && !this.sent.outbox.isFull; i++) {
      const type = 256 + (this.issued.length % 60_000)
      const payload = Buffer.alloc(lengthBytes, this.issued.length % 251)
      this.issued.push({ type, payload })
      this.sent.outbox.append(type, payload, this.nowUs)
    }
  }

  /** So many of the first `commands` make whole messages. */
  #wholeMessages(commands: number): number {
    let whole = 0
    for (const { payload } of this.issued) {
      const blocks = Math.max(1, Math.ceil(payload.length / FRAGMENT_BYTES))
      if (whole + blocks > commands) break
      whole += blocks
    }
    return whole
  }

  #check(): void {
    const blocks = this.#blocksOf(this.issued.length)
    const { outbox } = this.sent
    if (outbox.nextSourceSequence !== blocks + 1) throw new Error('numbering')
    const knows = this.#revokedFrom === Number.POSITIVE_INFINITY
    if (knows && outbox.outstanding !== blocks - this.sequencer.delivered) throw new Error('outstanding')
    if (this.#releasesAt === 'publication') return
    if (knows) this.#checkUnsequenced()
    if (outbox.commands !== blocks - this.#releasedCommands) throw new Error('commands held')
  }

  /** What is left when the session ends now is every message that is not an event as a whole. */
  #checkUnsequenced(): void {
    const left = this.sent.outbox.unsequenced()
    const whole = this.#wholeMessages(this.sequencer.delivered)
    const first = this.issued.length - left.length
    if (this.#blocksOf(first) !== whole) throw new Error('unsequenced')
    for (const [i, { type, payload }] of left.entries()) {
      const issued = this.issued[first + i]
      if (issued?.type !== type || !issued.payload.equals(payload)) throw new Error('unsequenced differs')
    }
  }

  #blocksOf(messages: number): number {
    return this.issued
      .slice(0, messages)
      .reduce((sum, { payload }) => sum + Math.max(1, Math.ceil(payload.length / FRAGMENT_BYTES)), 0)
  }

  /** Without further loss everything arrives within a few waits. */
  drain(): void {
    this.apply({ kind: 'held', held: false })
    this.#learnOfFailover()
    for (let turn = 0; this.sent.outbox.outstanding > 0; turn++) {
      if (turn > 200) throw new Error('it does not come to an end')
      for (const packet of this.sent.packets.splice(0)) this.sequencer.onPacket(packet)
      this.deliver(10_000)
      this.apply({ kind: 'wait', us: 200_000 })
    }
    this.stabilise(1_000_000)
  }

  /** Every message issued came back once, in order, unchanged. */
  compare(): void {
    const got = this.messages()
    if (got.length !== this.issued.length) throw new Error(`${got.length} messages of ${this.issued.length}`)
    for (const [i, { type, payload }] of this.issued.entries()) {
      if (got[i]!.type !== type || !got[i]!.payload.equals(payload)) throw new Error(`message ${i} differs`)
    }
  }

  messages(): { type: number; payload: Buffer }[] {
    const messages: { type: number; payload: Buffer }[] = []
    for (const event of this.sequencer.events.map((each) => Buffer.from(each))) {
      const flags = event.readUInt16BE(18)
      const part = { type: event.readUInt16BE(0), payload: event.subarray(20) }
      const open = messages.at(-1)
      if ((flags & 1) === 1 || open === undefined) messages.push(part)
      else open.payload = Buffer.concat([open.payload, part.payload])
    }
    return messages
  }
}

function runToTheEnd(steps: readonly Step[], world: World): void {
  world.sent.outbox.setEpoch(1, 0)
  world.sent.outbox.connect(0)
  for (const each of steps) world.apply(each)
  world.drain()
  world.compare()
}

test('every command becomes one event, in order', (t) => {
  let revoked = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const world = new World()
      runToTheEnd(steps, world)
      t.strictSame(world.sequencer.refused, [])
      t.equal(world.sent.outbox.commands, 0)
      revoked += world.revoked
    }),
    { numRuns: 300 },
  )
  t.ok(revoked > 100, `${revoked} commands had come back and were revoked`)
  t.end()
})

test('an outbox that lets go of commands at their publication would lose them', (t) => {
  const property = fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
    runToTheEnd(steps, new World('publication'))
  })
  const { failed, errorInstance } = fc.check(property, { numRuns: 300 })
  t.ok(failed)
  t.match(errorInstance, /let go|messages of|does not come to an end|differs/)
  t.end()
})

test('the ring keeps its bytes through wrapping and growing', (t) => {
  const world = new World()
  world.sent.outbox.connect(0)
  for (let i = 0; i < 400; i++) {
    world.apply({ kind: 'append', lengthBytes: (i * 37) % 120, times: (i * 7) % 50 })
    while (world.sent.packets.length > 0) world.apply({ kind: 'carry', which: 0 })
    world.apply({ kind: 'events', count: 10_000 })
    world.apply({ kind: 'stable', count: 60 })
  }
  world.drain()
  t.ok(world.issued.length > 3_000)
  world.compare()
  t.end()
})
