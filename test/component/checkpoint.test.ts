/** Restored after any event, a host is what it would have been: it does, owes, says and keeps the same from there on. */
import { deepStrictEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { isOfStream } from '../../src/component/checkpoint.js'
import { type Component, defineComponent, type Port } from '../../src/component/definition.js'
import { ComponentHost } from '../../src/component/host.js'
import type { HostMode } from '../../src/component/host-options.js'
import type { TestReplica } from '../../src/component/test-replica.js'
import { TestSession } from '../../src/component/test-session.js'
import { SeqcastError } from '../../src/core/errors.js'
import type { Checkpoint, CheckpointHeader } from '../../src/wire/checkpoint.js'
import { skipBlocks } from '../../src/wire/moldudp64.js'
import { type DeskMessages, type DeskState, deskDefinition, deskSchema } from './desk.js'

/** Something of everything: commands, fragments, timers, effects, input, digests. */
function deskWith(ports: Port<DeskMessages>[]): Component {
  const { on, ...rest } = deskDefinition()
  return defineComponent(
    deskDefinition({
      ...rest,
      on: {
        ...on,
        // A command of several fragments.
        Expired(state, { payload: { id } }, ctx) {
          state.expired.push(id)
          ctx.send('Blob', { data: new Uint8Array(600).fill(id) })
        },
      },
      digestEvery: 7,
      effects: {
        Order: { after: 'stable', run: () => new Promise(() => {}) },
        Expired: { after: 'published', run: () => {} },
      },
      input: async (port) => void ports.push(port),
    }),
  )
}

const STEPS = [
  'order',
  'order',
  'order',
  'blob',
  'input',
  'inputBlob',
  'deliver',
  'sequence',
  'settle',
  'time',
] as const
const TURNS = ['activateA', 'activateB', 'passivate', 'digest', 'stable', 'failOver', 'resend'] as const
type Step = (typeof STEPS)[number] | (typeof TURNS)[number]

/** Plays a history that nobody planned, and returns its events one by one. */
async function historyOf(steps: readonly Step[]): Promise<{ session: TestSession; events: Uint8Array[] }> {
  const ports: Port<DeskMessages>[] = []
  const session = new TestSession({ manualStability: true, datagramBytes: 256 })
  const [a, b] = [session.addReplica(deskWith(ports)), session.addReplica(deskWith(ports))]
  let id = 1
  const last = (): number => session.sequencer.nextSequence - 1
  const blob = (): Uint8Array => new Uint8Array(700).fill(id++)
  const port = (): Port<DeskMessages> | undefined => ports.findLast(({ signal }) => !signal.aborted)
  let isActive = false
  const activate = (replica: TestReplica): void => {
    session.activate('desk', replica)
    isActive = true
  }
  const acts: Record<Step, () => void> = {
    order: () => session.publish(256, deskSchema.encode('Order', { id: id++, shares: 5 })),
    blob: () => session.publish(259, deskSchema.encode('Blob', { data: blob() })),
    input: () => port()?.send('Order', { id: id++, shares: 1 }),
    inputBlob: () => port()?.send('Blob', { data: blob() }),
    deliver: () => void session.deliver(a, 1),
    sequence: () => void session.sequence(),
    settle: () => session.settle(),
    time: () => {
      session.advance(400_000)
      session.tick()
    },
    activateA: () => activate(a),
    activateB: () => activate(b),
    passivate: () => {
      if (isActive) session.passivate('desk')
      isActive = false
    },
    digest: () => session.requestDigest('desk'),
    stable: () => session.stable(Math.max(1, last() - 3)),
    failOver: () => {
      // What it takes back may be who was active.
      if (isActive) session.passivate('desk')
      isActive = false
      session.stable(last())
      session.publish(256, deskSchema.encode('Order', { id: id++, shares: 2 }))
      session.failOver(last() - 1)
    },
    resend: () => session.resend(),
  }
  for (const step of steps) {
    acts[step]()
    if (step === 'settle' || step === 'sequence') await session.settled()
  }
  deepStrictEqual([...a.errors, ...b.errors], [])
  return { session, events: eventsOf(session) }
}

function eventsOf(session: TestSession): Uint8Array[] {
  const events: Uint8Array[] = []
  session.log.read(1, Number.MAX_SAFE_INTEGER, (_sequence, count, bytes, start) => {
    for (let i = 0, at = start; i < count; i++) {
      const end = skipBlocks(bytes, at, 1)
      events.push(bytes.slice(at + 2, end))
      at = end
    }
    return true
  })
  return events
}

/** A host that is given one event after the other, and writes down what it does. */
class Reader {
  readonly done: unknown[] = []
  readonly host: ComponentHost

  constructor(session: string, mode: HostMode, checkpoint?: Checkpoint, component = deskWith([])) {
    this.host = new ComponentHost(
      component,
      {
        ...{ session, mode, instance: 'reader', incarnation: 99 },
        ...(checkpoint === undefined ? {} : { checkpoint }),
        observer: {
          command: (sequence, type, payload) => this.done.push(['command', sequence, type, [...payload]]),
          digestTaken: (sequence, digest) => this.done.push(['digest', sequence, [...digest]]),
          digestVerified: (sequence) => this.done.push(['verified', sequence]),
        },
      },
      {
        sendCommands: () => this.done.push('sent'),
        stateChanged: (state) => this.done.push(state),
        failed: (error) => this.done.push(error.message),
      },
    )
  }

  read(event: Uint8Array): void {
    const block = new Uint8Array(2 + event.length)
    new DataView(block.buffer).setUint16(0, event.length)
    block.set(event, 2)
    this.host.onRun(this.host.nextSequence, 1, block, 0, block.length, 0)
  }
}

const steps = fc.array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...STEPS) }, fc.constantFrom(...TURNS)), {
  minLength: 10,
  maxLength: 60,
})

test('for any history and any event: restored there, and the rest of the stream, is the whole stream', async (t) => {
  let restored = 0
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom<HostMode>('replica', 'replay'), async (history, mode) => {
      const { session, events } = await historyOf(history)
      const untouched = new Reader(session.session, mode)
      const whole = new Reader(session.session, mode)
      const checkpoints: Checkpoint[] = []
      const doneBefore: number[] = []
      for (const event of events) {
        untouched.read(event)
        whole.read(event)
        checkpoints.push(whole.host.checkpoint(event))
        doneBefore.push(whole.done.length)
        for (const kind of kindsIn(whole.host)) seen.add(kind)
      }
      const last = events.at(-1)!
      const end = checkpoints.at(-1)!
      deepStrictEqual(untouched.host.checkpoint(last), end, 'to be captured changes nothing')
      for (const [i, checkpoint] of checkpoints.entries()) {
        const { header } = checkpoint
        equal(header.sequence, i + 1)
        equal(isOfStream(header, events[i]!), true)
        equal(isOfStream(header, events[i === 0 ? 1 : i - 1]!), false)
        const reader = new Reader(session.session, mode, checkpoint)
        deepStrictEqual(reader.host.checkpoint(events[i]!), checkpoint, 'it holds itself')
        for (const event of events.slice(i + 1)) reader.read(event)
        deepStrictEqual(reader.host.checkpoint(last), end)
        deepStrictEqual(reader.done, whole.done.slice(doneBefore[i]))
        deepStrictEqual(reader.host.timers(), whole.host.timers())
        deepStrictEqual(reader.host.effects().map(keyOf), whole.host.effects().map(keyOf))
        equal(reader.host.digest(), whole.host.digest())
        restored++
      }
    }),
    { numRuns: 60 },
  )
  t.ok(restored > 1_000, `${restored} hosts were restored`)
  const met = ['active', 'command', 'effect', 'epoch 2', 'outside', 'partial', 'timer']
  t.strictSame([...seen].sort(), met, 'with something of everything under way')
})

const keyOf = ({ sequence, epoch, name }: { sequence: number; epoch: number; name: string }): string =>
  `${sequence}/${epoch}/${name}`

function kindsIn(host: ComponentHost): string[] {
  const { counters, outboxCommands } = host.status()
  const has: [string, boolean][] = [
    ['command', outboxCommands > 0],
    ['effect', host.effects().length > 0],
    ['timer', host.timers().length > 0],
    ['partial', (counters.partialMessages ?? 0) > 0],
    ['outside', host.sources.named('desk/outside') !== undefined],
    ['active', host.standing.active !== undefined],
    ['epoch 2', host.standing.term > 0 && hasEpochs(host)],
  ]
  return has.filter(([, is]) => is).map(([kind]) => kind)
}

function hasEpochs(host: ComponentHost): boolean {
  return host.checkpoint(new Uint8Array(20)).header.epochTable.length > 1
}

/** A session with one order that is accepted, and a checkpoint at its end. */
function simple(): { session: TestSession; events: Uint8Array[]; checkpoint: Checkpoint } {
  const session = new TestSession()
  const replica = session.addReplica(deskWith([]))
  session.activate('desk', replica)
  session.publish(256, deskSchema.encode('Order', { id: 1, shares: 5 }))
  session.settle()
  const events = eventsOf(session)
  return { session, events, checkpoint: replica.host.checkpoint(events.at(-1)!) }
}

test('what is not as it was written, or of something else, is refused', (t) => {
  const { session, checkpoint } = simple()
  const { header, body } = checkpoint
  const open = (changed: Checkpoint, component?: Component): ComponentHost =>
    new Reader(session.session, 'replica', changed, component).host
  t.equal(open(checkpoint).digest(), Buffer.from(header.digest).toString('hex'))
  const damaged = body.slice()
  damaged[body.length >> 1]! ^= 1
  const changedHeader = (change: Partial<CheckpointHeader>): Checkpoint => ({ header: { ...header, ...change }, body })
  const cases: [Checkpoint, RegExp, Component?][] = [
    [{ header, body: damaged }, /it is damaged/],
    [{ header, body: body.subarray(1) }, /it has \d+ bytes of \d+/],
    [changedHeader({ session: 'OTHER' }), /it is of session OTHER/],
    [changedHeader({ component: 'other' }), /it is of component other/],
    [changedHeader({ schemaHash: 'x' }), /with another schema/],
    [changedHeader({ digest: new Uint8Array(32) }), /its state has the digest [0-9a-f]{64}, and had 0{64}/],
    [checkpoint, /another version of the component/, defineComponent(deskDefinition())],
    [checkpoint, /another version of the component/, versioned(2)],
  ]
  for (const [changed, pattern, component] of cases) {
    try {
      open(changed, component)
      t.fail(`${pattern} was taken`)
    } catch (error) {
      t.match(error instanceof SeqcastError && [error.code, error.message], ['E_CHECKPOINT', pattern])
    }
  }
  t.end()
})

function versioned(version: number): Component {
  const { input = async () => {}, effects = {} } = deskDefinition()
  return defineComponent(deskDefinition({ digestEvery: 7, input, effects, checkpoint: { version } }))
}

test('a state that is no plain data says how it is saved and loaded', (t) => {
  class Book {
    readonly open: Map<number, number>
    constructor(open = new Map<number, number>()) {
      this.open = open
    }
  }
  const book = (checkpoint: object): Component =>
    defineComponent({
      name: 'desk',
      schema: deskSchema,
      state: () => ({ book: new Book() }),
      on: { Order: ({ book }, { payload }) => void book.open.set(payload.id, payload.shares) },
      digestOf: ({ book }) => book.open,
      ...checkpoint,
    })
  const { session, events } = simple()
  const saved = book({
    checkpoint: {
      save: (state: { book: Book }) => state.book.open,
      load: (open: Map<number, number>) => ({ book: new Book(open) }),
    },
  })
  const feed = (component: Component): Reader => {
    const reader = new Reader(session.session, 'replay', undefined, component)
    // Without the commands of the other component, which this one would have to issue, too.
    for (const event of events.slice(0, 2)) reader.read(event)
    return reader
  }
  const plain = feed(book({}))
  t.throws(() => plain.host.checkpoint(events[1]!), {
    code: 'E_NONDETERMINISM',
    message: /state.* is an instance of Book/,
  })
  const checkpoint = feed(saved).host.checkpoint(events[1]!)
  const state = new Reader(session.session, 'replay', checkpoint, saved).host.applicationState as { book: unknown }
  t.ok(state.book instanceof Book)
  t.end()
})

test('a session that needs larger packets than this process can send', (t) => {
  const { session, checkpoint } = simple()
  const options = {
    session: session.session,
    instance: 'x',
    incarnation: 1,
    mode: 'replica',
    datagramBytes: 300,
  } as const
  const output = { sendCommands: () => {}, stateChanged: () => {}, failed: () => {} }
  t.throws(() => new ComponentHost(deskWith([]), { ...options, checkpoint }, output), {
    code: 'E_CHECKPOINT',
    message: /300/,
  })
  t.end()
})

test('state of a desk, for the reader', (t) => {
  const { session, checkpoint } = simple()
  const { open, accepted } = new Reader(session.session, 'replica', checkpoint).host.applicationState as DeskState
  t.strictSame([[...open], accepted], [[[1, 5]], [1]])
  t.end()
})
