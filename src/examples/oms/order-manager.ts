/**
 * The order manager: decides what is a valid order or request, and knows what is open. It judges by what it can know for
 * sure: instrument, size, price, and whether an id is new. Whether an order is still live only the engine knows, so requests
 * for orders that may be gone are passed on.
 *
 * Each key is handled once: a repeat from a change of proxies is dropped here, and nothing behind sees it.
 */
import { defineComponent } from 'seqcast'
import { type OrderPending, schema } from './generated/oms.js'

interface State {
  instruments: Set<string>
  /** Every id that was ever accepted, to find duplicates. A system that runs for long would forget them with the trading day. */
  ids: Set<number>
  /** Open shares by order id; finished orders are dropped. */
  open: Map<number, number>
  /** The last key that was handled: they only grow. */
  lastKey: number
  repeats: number
}

export const component = defineComponent({
  name: 'order-manager',
  schema,
  state: (): State => ({ instruments: new Set(), ids: new Set(), open: new Map(), lastKey: 0, repeats: 0 }),
  on: {
    InstrumentAdded(state, { payload }) {
      state.instruments.add(payload.symbol)
    },
    OrderPending(state, { payload }, ctx) {
      if (isRepeat(state, payload.key)) return
      const { key, orderId, symbol, buy, shares, price, immediate } = payload
      const reason = problemOf(state, payload)
      if (reason !== undefined) {
        ctx.send('OrderRejected', { key, orderId, reason })
        return
      }
      state.ids.add(orderId)
      state.open.set(orderId, shares)
      ctx.send('OrderAccepted', { key, orderId, symbol, buy, shares, price, immediate })
    },
    CancelRequested(state, { payload }, ctx) {
      if (isRepeat(state, payload.key)) return
      ctx.send('CancelAccepted', payload)
    },
    ReduceRequested(state, { payload }, ctx) {
      if (isRepeat(state, payload.key)) return
      const { key, orderId, shares } = payload
      if (shares === 0) ctx.send('RequestRejected', { key, orderId, reason: 'bad size' })
      else ctx.send('ReduceAccepted', payload)
    },
    ReplaceRequested(state, { payload }, ctx) {
      if (isRepeat(state, payload.key)) return
      const { key, orderId, newOrderId } = payload
      const reason = problemOfTerms(state, newOrderId, payload)
      if (reason !== undefined) {
        ctx.send('RequestRejected', { key, orderId, reason })
        return
      }
      state.ids.add(newOrderId)
      ctx.send('ReplaceAccepted', payload)
    },
    InputEnded(state, { payload }, ctx) {
      if (!isRepeat(state, payload.key)) ctx.send('OrdersEnded', { key: payload.key })
    },
    OrderExecuted(state, { payload: { aggressorId, restingId, shares } }) {
      takeAway(state, aggressorId, shares)
      takeAway(state, restingId, shares)
    },
    OrderCancelled(state, { payload }) {
      state.open.delete(payload.orderId)
    },
    OrderReduced(state, { payload }) {
      state.open.set(payload.orderId, payload.sharesLeft)
    },
    OrderReplaced(state, { payload }) {
      state.open.delete(payload.orderId)
      state.open.set(payload.newOrderId, payload.shares)
    },
  },
  digestEvery: 50_000,
  // Equal at the end of any two runs of one file. Answers of the gateway come between requests at other places in each run, so
  // the order of insertion of `open` differs; nothing loops over it, so it is not part of what the order manager knows.
  // `repeats` counts changes of proxies, not orders.
  digestOf: ({ instruments, ids, open, lastKey }) => ({
    instruments,
    ids,
    open: [...open].sort(([a], [b]) => a - b),
    lastKey,
  }),
})

function isRepeat(state: State, key: number): boolean {
  if (key > state.lastKey) {
    state.lastKey = key
    return false
  }
  state.repeats += 1
  return true
}

function problemOf(state: State, order: OrderPending): string | undefined {
  if (!state.instruments.has(order.symbol)) return 'unknown instrument'
  return problemOfTerms(state, order.orderId, order)
}

function problemOfTerms(
  state: State,
  orderId: number,
  terms: { readonly shares: number; readonly price: number },
): string | undefined {
  if (terms.shares === 0) return 'bad size'
  if (terms.price === 0) return 'bad price'
  return state.ids.has(orderId) ? 'duplicate id' : undefined
}

function takeAway(state: State, orderId: number, shares: number): void {
  const left = (state.open.get(orderId) ?? 0) - shares
  if (left > 0) state.open.set(orderId, left)
  else state.open.delete(orderId)
}
