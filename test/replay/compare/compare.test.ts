/** Two versions over one session: the very event, whatever differs there, and nothing where nothing does. */
import { equal } from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { canonicalBytes } from '../../../src/component/canonical.js'
import { type Component, defineComponent } from '../../../src/component/definition.js'
import { type LargeMap, largeMap } from '../../../src/component/large/large-map.js'
import { defineSchema } from '../../../src/component/schema.js'
import { TestSession } from '../../../src/component/test-session.js'
import { type Comparison, compareSides } from '../../../src/replay/compare/compare.js'
import { ComparePlayer } from '../../../src/replay/compare/compare-player.js'
import { LocalSide } from '../../../src/replay/compare/local-side.js'
import type { PlayEnd, PlayRequest, Stretch } from '../../../src/replay/compare/side.js'
import { pathText } from '../../../src/replay/state-path.js'
import {
  type DeskMessages,
  type DeskState,
  desk,
  deskDefinition,
  deskDescriptor,
  deskSchema,
} from '../../component/desk.js'

const { on } = deskDefinition()
type Handler = NonNullable<(typeof on)['Order']>

/** Orders, expiries and long messages; with the commands of a desk that was active. */
function record(orders = 40): TestSession {
  const session = new TestSession({ datagramBytes: 300 })
  const replica = session.addReplica(desk)
  session.settle()
  session.activate('desk', replica)
  for (let id = 1; id <= orders; id++) {
    session.publish(256, deskSchema.encode('Order', { id, shares: id }))
    if (id % 10 === 0) session.publish(259, deskSchema.encode('Blob', { data: new Uint8Array(1_000).fill(id) }))
    session.advance(50_000)
    session.settle()
  }
  return session
}

const recorded = record()
const toSequence = recorded.sequencer.nextSequence - 1

interface Compared extends Comparison {
  /** How often they were played with all of the state read after each event. */
  readonly again: number
}

async function compare(
  old: Component,
  fresh: Component,
  ignore: string[] = [],
  session = recorded,
  guard = true,
): Promise<Compared> {
  let again = 0
  const common = { session: 'TEST', log: session.log, toSequence: session.sequencer.nextSequence - 1, ignore, guard }
  const comparison = await compareSides({
    old: new LocalSide({ ...common, component: old }),
    fresh: new LocalSide({ ...common, component: fresh }),
    ignore,
    again: () => again++,
  })
  return { ...comparison, again }
}

/** A desk that handles orders otherwise. */
const withOrder = (Order: Handler): Component => defineComponent(deskDefinition({ on: { ...on, Order } }))
const orderEvent = (id: number): number => eventOf(256, id)

function eventOf(type: number, id: number): number {
  let found = 0
  const finder = defineComponent<object, DeskMessages>({
    name: 'finder',
    schema: deskSchema,
    state: () => ({}),
    on: {
      Order: (_, { sequence, payload }) => {
        if (type === 256 && payload.id === id) found = sequence
      },
      Accepted: (_, { sequence, payload }) => {
        if (type === 257 && payload.id === id) found = sequence
      },
    },
  })
  play(finder, () => {})
  return found
}

/** Event by event, without anything clever. */
function play(component: Component, after: (player: ComparePlayer) => void, session = recorded): ComparePlayer {
  const player = new ComparePlayer({ component, session: 'TEST', mode: 'plain', byName: false, guard: true })
  after(player)
  session.log.read(1, Number.POSITIVE_INFINITY, (sequence, count, bytes, start) => {
    player.onRun(sequence, count, bytes, start, () => after(player))
    return player.failure === undefined
  })
  return player
}

test('equal versions', async (t) => {
  const same = await compare(desk, defineComponent(deskDefinition()))
  t.match(same, { outcome: 'same', equalThrough: toSequence, again: 0, versions: [], component: 'desk' })
  t.ok(same.commands > 40)
  t.end()
})

test('a command that differs while the states agree', async (t) => {
  const changed = withOrder((state, event, ctx) => {
    if (event.payload.id !== 23) return on.Order?.(state, event, ctx)
    state.lastKey = 23
    state.open.set(23, 23)
    ctx.send('Accepted', { id: 23, draw: 7 })
    ctx.startTimer('expire', '23', 1_000)
    return undefined
  })
  const { outcome, difference, equalThrough } = await compare(desk, changed)
  t.equal(outcome, 'different')
  t.match(difference, { sequence: orderEvent(23), commandsDiffer: true, timersDiffer: false, state: { total: 0 } })
  t.equal(equalThrough, orderEvent(23) - 1)
  t.match(difference?.fresh.commands, [{ name: 'Accepted', payload: { id: 23, draw: 7 } }])
  t.equal(difference?.old.commands.length, 1)
  t.match(difference?.fresh.event, { name: 'Order', payload: { id: 23, shares: 23 } })
  t.end()
})

test('states that differ after one event and meet again after the next', async (t) => {
  const changed = defineComponent(
    deskDefinition({
      on: {
        ...on,
        Order(state, event, ctx) {
          on.Order?.(state, event, ctx)
          if (event.payload.id === 31) state.lastKey = 0
        },
        Accepted(state, event, ctx) {
          on.Accepted?.(state, event, ctx)
          state.lastKey = event.payload.id
        },
      },
    }),
  )
  const { difference } = await compare(desk, changed)
  t.equal(difference?.sequence, orderEvent(31))
  t.strictSame(
    difference?.state.changes.map(({ path }) => pathText(path)),
    ['lastKey'],
  )
  t.match(difference, { commandsDiffer: false, old: { changes: { total: 2 } } })
  const [oldEnd, freshEnd] = [play(desk, () => {}), play(changed, () => {})]
  t.equal(oldEnd.finalHash(), freshEnd.finalHash(), 'at the end nothing is to be seen of it')
  t.end()
})

test('a timer that will fire at another time differs when it is started', async (t) => {
  const changed = withOrder((state, event, ctx) => {
    on.Order?.(state, event, ctx)
    if (event.payload.id === 12) ctx.startTimer('expire', '12', 999)
  })
  const { difference } = await compare(desk, changed)
  t.match(difference, { sequence: orderEvent(12), timersDiffer: true, commandsDiffer: false, state: { total: 0 } })
  t.end()
})

test('the initial states differ; and what is ignored does not', async (t) => {
  const state = (): DeskState & { stats?: { orders: number } } => ({ ...desk.state(), stats: { orders: 0 } })
  const counting = defineComponent(
    deskDefinition({
      state,
      on: {
        ...on,
        Order(counted: ReturnType<typeof state>, event, ctx) {
          if (counted.stats !== undefined) counted.stats.orders++
          on.Order?.(counted, event, ctx)
        },
      },
    }),
  )
  t.match((await compare(desk, counting)).difference, { sequence: 0, state: { total: 1 } })
  t.match(await compare(desk, counting, ['stats']), { outcome: 'same', again: 0 })
  t.match((await compare(desk, counting, ['stats.orders'])).difference, { sequence: 0 })
  t.end()
})

test('a version that fails, and two that do', async (t) => {
  const fails = (id: number): Component =>
    withOrder((state, event, ctx) => {
      if (event.payload.id === id) throw new Error('too much')
      on.Order?.(state, event, ctx)
    })
  const { difference } = await compare(desk, fails(9))
  t.equal(difference?.sequence, orderEvent(9))
  t.match(difference?.fresh.failure, { code: 'E_HANDLER', message: /too much/ })
  t.equal(difference?.old.failure, undefined)
  const both = await compare(fails(9), fails(9))
  t.match(both, { outcome: 'both-failed', equalThrough: orderEvent(9) - 1, failure: { message: /too much/ } })
  t.equal(both.difference, undefined)
  t.end()
})

test('different schemas: commands are compared by the names of their fields', async (t) => {
  const { Accepted } = deskDescriptor.messages
  const schema = defineSchema<DeskMessages>({
    ...deskDescriptor,
    messages: {
      ...deskDescriptor.messages,
      Accepted: { type: 257, fields: { ...Accepted?.fields, note: { id: 3, type: 'string' } } },
      Expired: { type: 258, fields: { id: { id: 2, type: 'uint64' } } },
    },
  })
  // What comes back in the stream was written under the old schema, so these do not look at it.
  const Order =
    (note: (id: number) => string): Handler =>
    (state, { payload: { id, shares } }, ctx) => {
      state.open.set(id, shares)
      const draw = ctx.random()
      const accepted = { id, draw, note: note(id) }
      ctx.send('Accepted', accepted)
      ctx.send('Expired', { id })
    }
  const noted = (note: (id: number) => string): Component =>
    defineComponent(deskDefinition({ schema, on: { Order: Order(note) }, timers: { expire: () => {} } }))
  const old = defineComponent(deskDefinition({ on: { Order: Order(() => '') }, timers: { expire: () => {} } }))
  const same = await compare(
    old,
    noted(() => ''),
  )
  t.match(same, { outcome: 'same', again: 0 })
  t.strictSame(same.versions, [
    'schema: field Accepted.note: only in NEW',
    'schema: field Expired.id: uint32 = 1, then uint64 = 2',
  ])
  const { difference } = await compare(
    old,
    noted((id) => (id === 5 ? 'late' : '')),
  )
  t.match(difference, { sequence: orderEvent(5), commandsDiffer: true, state: { total: 0 } })
  t.match(difference?.fresh.commands[0]?.payload, { id: 5, note: 'late' })
  t.end()
})

test('what the versions handle is told', async (t) => {
  const { Blob: _, ...fewer } = on
  const changed = defineComponent(
    deskDefinition({ name: 'table', on: fewer, effects: { Order: { after: 'stable', run: () => {} } } }),
  )
  t.strictSame((await compare(desk, changed)).versions, [
    'the component is called desk, then table',
    'handler of Blob: only in OLD',
    'effect of Order: only in NEW',
  ])
  t.end()
})

test('a state that can not be watched is read as a whole, and the event is the same', async (t) => {
  interface Keyed {
    byObject: Map<object, number>
  }
  const keyed = (shares: number): Component =>
    defineComponent<Keyed, DeskMessages>({
      name: 'keyed',
      schema: deskSchema,
      state: () => ({ byObject: new Map() }),
      on: {
        Order(state, { payload }) {
          for (const key of state.byObject.keys()) Reflect.set(key, 'seen', payload.id)
          state.byObject.set({ id: payload.id }, payload.id === 17 ? shares : 0)
        },
      },
    })
  t.match(await compare(keyed(0), keyed(0)), { outcome: 'same', again: 1 })
  t.match(await compare(keyed(0), keyed(1)), { again: 1, difference: { sequence: orderEvent(17) } })
  t.end()
})

test('handlers that are not the same under a watched state do not decide', async (t) => {
  const cloning = (shares: number): Component =>
    withOrder((state, event, ctx) => {
      const copy = structuredClone(state.open) // It throws where `open` is a stand-in.
      state.lastKey = copy.size + (event.payload.id === 17 ? shares : 0)
      on.Order?.(state, event, ctx)
      state.lastKey = copy.size + (event.payload.id === 17 ? shares : 0)
    })
  t.match(await compare(cloning(0), cloning(0)), { outcome: 'same', again: 1 })
  t.match(await compare(cloning(0), cloning(1)), { again: 1, difference: { sequence: orderEvent(17) } })
  t.end()
})

test('a version that is another one each time says so', async (t) => {
  let beside = 0
  const unstable = withOrder((state, event, ctx) => {
    on.Order?.(state, event, ctx)
    state.lastKey += beside++ % 10_007
  })
  t.equal((await compare(unstable, unstable)).outcome, 'unstable')
  t.end()
})

test('what the versions carry over into the next session', async (t) => {
  const session = record(5)
  session.roll()
  const carrying = (least: number): Component =>
    defineComponent(
      deskDefinition({
        seed: (state, seed) => {
          for (const [id, shares] of state.open) if (shares >= least) seed.send('Order', { id, shares })
        },
      }),
    )
  t.match(await compare(carrying(0), carrying(1), [], session), { outcome: 'same' })
  const { difference } = await compare(carrying(0), carrying(5), [], session)
  t.match(difference, { commandsDiffer: true, state: { total: 0 }, fresh: { event: { name: 'SessionEnded' } } })
  t.match(difference?.fresh.commands, [{ name: 'Order', payload: { id: 5 } }])
  t.equal(difference?.old.commands.length, 5)
  t.end()
})

test('large maps', async (t) => {
  interface Large {
    orders: LargeMap<number, { shares: number }>
    nested: Map<string, { book: LargeMap<number, number> }>
  }
  const large = (change: (state: Large, id: number) => void): Component =>
    defineComponent<Large, DeskMessages>({
      name: 'large',
      schema: deskSchema,
      state: () => ({ orders: largeMap('orders'), nested: new Map([['a', { book: largeMap('book') }]]) }),
      on: {
        Order(state, { payload: { id, shares } }) {
          state.orders.set(id, { shares })
          state.nested.get('a')?.book.set(-id, shares)
          change(state, id)
        },
      },
    })
  const plain = large(() => {})
  t.match(
    await compare(
      plain,
      large(() => {}),
    ),
    { outcome: 'same', again: 0 },
  )
  const once = large((state, id) => {
    if (id === 21) state.orders.update(7, (order) => void order.shares++)
    if (id === 22) state.orders.update(7, (order) => void order.shares--)
  })
  const { difference, again } = await compare(plain, once)
  t.match(difference, { sequence: orderEvent(21), state: { total: 1 } })
  t.equal(again, 0)
  t.strictSame(
    difference?.state.changes.map(({ path }) => pathText(path)),
    ['orders[7].shares'],
  )
  const nested = large((state, id) => {
    if (id === 8) state.nested.get('a')?.book.delete(-5)
  })
  const removed = await compare(plain, nested)
  t.match(removed, { again: 0, difference: { sequence: orderEvent(8), state: { total: 1 } } })
  t.match(removed.difference?.state.changes, [{ kind: 'removed', before: 5 }], 'with what only the other one has')
  const looked = removed.difference?.old.state as Large | undefined
  t.strictSame([...(looked?.orders.keys() ?? [])], [8], 'the rest is not looked at')
  t.end()
})

test('a large message, in fragments', async (t) => {
  const changed = defineComponent(
    deskDefinition({ on: { ...on, Blob: (state, { payload }) => state.blobs.push(payload.data.length) } }),
  )
  const { difference } = await compare(desk, changed)
  t.equal(difference?.fresh.event?.name, 'Blob')
  t.strictSame(
    difference?.state.changes.map(({ path }) => pathText(path)),
    ['blobs[0]'],
  )
  t.end()
})

test('a state that holds itself is refused as a digest refuses it', async (t) => {
  const circular = (isWatched: boolean): Component =>
    withOrder((state, event, ctx) => {
      on.Order?.(state, event, ctx)
      const self: { self?: unknown; map?: unknown } = isWatched ? { map: state.open } : {}
      self.self = self
      if (event.payload.id === 4) Reflect.set(state, 'last', self)
    })
  for (const isWatched of [false, true]) {
    const { difference } = await compare(desk, circular(isWatched))
    t.match(difference, { sequence: orderEvent(4), fresh: { failure: { code: 'E_NONDETERMINISM' } } })
  }
  t.end()
})

test('what differs and is ignored is not told with what differs and is not', async (t) => {
  const changed = withOrder((state, event, ctx) => {
    on.Order?.(state, event, ctx)
    if (event.payload.id >= 7) state.lastKey = -1
    if (event.payload.id === 9) state.blobs.push(1)
  })
  const { difference } = await compare(desk, changed, ['lastKey'])
  t.match(difference, { sequence: orderEvent(9), state: { total: 1 } })
  t.strictSame(
    difference?.state.changes.map(({ path }) => pathText(path)),
    ['blobs[0]'],
  )
  t.end()
})

test('where the fast way finds what a look does not confirm, the slow way decides', async (t) => {
  const common = { session: 'TEST', log: recorded.log, toSequence }
  const changed = withOrder((state, event, ctx) => {
    on.Order?.(state, event, ctx)
    if (event.payload.id === 20) state.lastKey = -1
  })
  /** Another hash from event `from` on, or the same up to event `to`, as a fault of the watching would be. */
  class Faulty extends LocalSide {
    override play(request: PlayRequest, onStretch: (stretch: Stretch) => boolean): Promise<PlayEnd> {
      return super.play(request, (stretch) => {
        const chain = stretch.chain.slice()
        if (request.mode === 'watched') for (let i = 2 * 10; i < chain.length; i++) chain[i] = chain[i]! ^ 1
        return onStretch({ ...stretch, chain })
      })
    }
  }
  const early = await compareSides({
    old: new LocalSide({ ...common, component: desk }),
    fresh: new Faulty({ ...common, component: changed }),
  })
  t.equal(early.difference?.sequence, orderEvent(20), 'a difference that is none')
  class Blind extends LocalSide {
    override play(request: PlayRequest, onStretch: (stretch: Stretch) => boolean): Promise<PlayEnd> {
      const hidden = orderEvent(20)
      return super.play(request, (stretch) => {
        const chain = stretch.chain.slice()
        if (request.mode === 'watched') chain.fill(7, 2 * hidden, 2 * hidden + 2)
        if (request.mode === 'watched') chain.fill(7 + this.offset, 2 * hidden + 2)
        return onStretch({ ...stretch, chain })
      })
    }
    offset = 0
  }
  const fresh = new Blind({ ...common, component: changed })
  fresh.offset = 1
  const late = await compareSides({ old: new Blind({ ...common, component: desk }), fresh })
  t.equal(late.difference?.sequence, orderEvent(20), 'one that began before')
  t.end()
})

/** Small changes of behaviour that come into force at one order, and mostly leave no trace. */
const CHANGES: readonly ((state: DeskState, id: number, ctx: Parameters<Handler>[2]) => void)[] = [
  (state) => {
    state.lastKey += 1
  },
  (state, id) => void (state.open.delete(id - 1) && state.open.set(id - 1, id - 1)),
  (state) => void state.accepted.reverse(),
  (state) => void state.expired.push(0),
  (state) => void state.blobs.pop(),
  (state, id) => void state.open.set(id, -1),
  (state, id) => void (state.open.has(id) && state.open.set(id, id)), // Nothing.
  (_, id, ctx) => ctx.startTimer('expire', String(id - 1), 700),
  (_, id, ctx) => ctx.startTimer('expire', String(id), 1_000), // Nothing.
  (_, id, ctx) => void ctx.cancelTimer('expire', String(id - 2)),
  (state) => void Object.assign(state, { accepted: [...state.accepted] }), // Nothing.
]

test('whatever is changed at whatever event, it is the one that a look at each state finds', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(CHANGES.length - 1), fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (changes, doesReturn) => {
        const changed = withOrder((state, event, ctx) => {
          on.Order?.(state, event, ctx)
          for (const [change, at] of changes) if (event.payload.id === at) CHANGES[change]?.(state, at, ctx)
          if (doesReturn && event.payload.id === 40) state.lastKey = 40
        })
        const states: string[] = []
        const look = (player: ComparePlayer): number => {
          const pending = player.timers().map(({ key, dueUs }) => `${key} ${dueUs}`)
          return states.push(`${Buffer.from(canonicalBytes(player.state)).toString('latin1')} ${pending.sort()}`)
        }
        play(desk, look)
        const expected = [...states]
        states.length = 0
        play(changed, look)
        const first = expected.findIndex((state, sequence) => state !== states[sequence])
        const { outcome, difference, again } = await compare(desk, changed)
        equal(again, 0)
        if (first === -1) equal(outcome, 'same')
        else equal(difference?.sequence, first)
      },
    ),
    { numRuns: 60 },
  )
  t.end()
})
