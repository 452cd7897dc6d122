import { test } from 'tap'
import { defineComponent } from '../../src/component/definition.js'
import { auditTrail, type Trail } from '../../src/replay/audit-trail.js'
import { parseEntity } from '../../src/replay/entity.js'
import { pathText } from '../../src/replay/state-path.js'
import { deskSchema } from '../component/desk.js'
import { lastOf, playerOf, recordDesk } from './recorded-desk.js'

/** Holds what it hears in every way that a state may hold it. */
const book = defineComponent({
  name: 'book',
  schema: deskSchema,
  state: () => ({
    byName: new Map<string, { orderId: number; shares: number }>(),
    queue: [] as { orderId: number }[],
    last: undefined as { orderId: number } | undefined,
    totals: { orders: 0 },
    ids: new Set<string>(),
  }),
  on: {
    Order(state, { payload: { id, shares } }) {
      state.byName.set(`order-${id}`, { orderId: id, shares })
      state.queue.push({ orderId: id })
      state.totals.orders++
      state.ids.add(String(id))
      state.last = { orderId: id }
    },
    Blob(state) {
      // Names nobody, and changes an order: it halves the oldest one.
      const [oldest] = state.byName.values()
      if (oldest !== undefined) oldest.shares /= 2
      state.queue.shift()
    },
  },
})

/** Each entry as `event [component: changes | -> commands]`. */
function told(trail: Trail): string[] {
  return trail.entries.map(({ event, parts }) =>
    [
      event.name,
      ...parts.flatMap(({ component, changes, commands, timersFired }) => [
        ...(timersFired > 0 ? [`${timersFired} timer`] : []),
        ...changes.map(({ kind, path }) => `${component}: ${kind} ${pathText(path)}`),
        ...commands.map(({ name }) => `-> ${name}`),
      ]),
    ].join(', '),
  )
}

test('the trail of an order: what named it, what changed it, what it caused', async (t) => {
  const session = recordDesk()
  const trail = (...why: string[]) =>
    auditTrail({
      entities: why.map(parseEntity),
      createPlayer: (onCommand) => playerOf(session, onCommand, book),
      fromSequence: 1,
      toSequence: lastOf(session),
      maxEntries: 100,
    })
  const of7 = await trail('id=7', 'orderId=7')
  t.strictSame(told(of7), [
    'Order, desk: added open[7], -> Accepted, book: added byName["order-7"], book: added queue[6], ' +
      'book: added last, book: added ids["7"]',
    'Accepted, desk: added accepted[6]',
    'Order, book: removed last',
    // What a timer did is told with the event before which it fired.
    'Accepted, 1 timer, desk: removed open[7], -> Expired',
    'Expired, desk: added expired[6]',
  ])
  t.equal(of7.sequence, lastOf(session))
  t.equal(of7.total, of7.entries.length)
  const first = await trail('orderId=1')
  t.match(
    told(first).join('\n'),
    /Blob, book: changed byName\["order-1"\]\.shares, book: removed queue\[0\]/,
    'an event that does not name it',
  )
  const state = first.states.find(({ component }) => component === 'book')
  t.strictSame(
    state?.found.map(({ path, value }) => [pathText(path), value]),
    [
      ['byName["order-1"]', { orderId: 1, shares: 100 / 2 ** 4 }],
      ['ids["1"]', '1'],
    ],
    'what is left of it',
  )
  const none = await trail('nobody')
  t.strictSame([none.entries, none.total, none.states.flatMap(({ found }) => found)], [[], 0, []])
  t.end()
})

test('part of a trail', async (t) => {
  const session = recordDesk()
  const trail = (options: { fromSequence?: number; toSequence?: number; maxEntries?: number }) =>
    auditTrail({
      entities: [parseEntity('7')],
      createPlayer: (onCommand) => playerOf(session, onCommand),
      fromSequence: 1,
      toSequence: lastOf(session),
      maxEntries: 100,
      below: 'open',
      ...options,
    })
  const all = await trail({})
  const order = all.entries.find(({ event }) => event.name === 'Order')?.event.sequence ?? 0
  t.match(told(all)[0], /Order, desk: added open\[7\], -> Accepted/)
  t.notMatch(told(all).join(), /accepted\[/, 'only what lies below the path')
  t.equal((await trail({ fromSequence: order + 1 })).total, all.total - 1)
  t.equal((await trail({ toSequence: order })).total, 1)
  t.strictSame(
    (await trail({ toSequence: order })).states[0]?.timers.map(({ name, key }) => [name, key]),
    [['expire', '7']],
  )
  const two = await trail({ maxEntries: 2 })
  t.strictSame([two.entries.length, two.total], [2, all.total])
  t.end()
})

test('an entity that is nearly everywhere is watched where it is the key, and in the first of its records', async (t) => {
  const session = recordDesk(undefined, 250)
  const everywhere = defineComponent({
    name: 'everywhere',
    schema: deskSchema,
    state: () => ({ records: new Map<number, { symbol: string }>(), totals: new Map<string, number>() }),
    on: {
      Order(state, { payload: { id } }) {
        state.records.set(id, { symbol: 'AAPL' })
        state.totals.set('AAPL', id)
      },
    },
  })
  const trail = await auditTrail({
    entities: [parseEntity('AAPL')],
    createPlayer: (onCommand) => playerOf(session, onCommand, everywhere),
    fromSequence: 1,
    toSequence: lastOf(session),
    maxEntries: 1_000,
  })
  t.equal(trail.states[1]?.placesLeft, 51)
  t.equal(trail.total, 250, 'each order changes the total')
  t.strictSame(
    trail.entries.at(-1)?.parts[0]?.changes.map(({ path }) => pathText(path)),
    ['totals["AAPL"]'],
  )
  t.end()
})

test('an entity', (t) => {
  t.strictSame(parseEntity('42'), { field: undefined, key: '42' })
  t.strictSame(parseEntity('orderId=42'), { field: 'orderId', key: '42' })
  t.strictSame(parseEntity('a=b=c'), { field: 'a', key: 'b=c' })
  t.throws(() => parseEntity('orderId='), { code: 'E_USAGE' })
  t.end()
})
