/**
 * The exchange gateway: hands orders and requests to the matching engine, which is part of its state, and tells what became of
 * them. It is the authority on which orders are live.
 */
import { type Context, defineComponent } from 'seqcast'
import { bookDigest, openTotals } from './book-digest.js'
import { type OmsMessages, schema } from './generated/oms.js'
import {
  cancel,
  createMatchingEngine,
  enterImmediateOrCancel,
  enterLimit,
  type Fill,
  type MatchingEngine,
  reduce,
  replace,
} from './matching-engine.js'

interface State {
  engine: MatchingEngine
}

type GatewayContext = Context<OmsMessages, never>

export const component = defineComponent({
  name: 'exchange-gateway',
  schema,
  state: (): State => ({ engine: createMatchingEngine() }),
  on: {
    OrderRouted({ engine }, { payload }, ctx) {
      const { key, orderId, immediate } = payload
      const { fills, sharesLeft } = immediate ? enterImmediateOrCancel(engine, payload) : enterLimit(engine, payload)
      sendFills(ctx, key, orderId, fills)
      if (sharesLeft === 0) return
      if (immediate) ctx.send('OrderCancelled', { key, orderId, shares: sharesLeft, requested: false })
      else ctx.send('OrderOpened', { key, orderId, shares: sharesLeft })
    },
    CancelRouted({ engine }, { payload: { key, orderId } }, ctx) {
      const shares = cancel(engine, orderId)
      if (shares === undefined) rejectNotLive(ctx, key, orderId)
      else ctx.send('OrderCancelled', { key, orderId, shares, requested: true })
    },
    ReduceRouted({ engine }, { payload: { key, orderId, shares } }, ctx) {
      const reduced = reduce(engine, orderId, shares)
      if (reduced === undefined) rejectNotLive(ctx, key, orderId)
      else if (reduced.sharesLeft === 0) {
        ctx.send('OrderCancelled', { key, orderId, shares: reduced.sharesTaken, requested: true })
      } else ctx.send('OrderReduced', { key, orderId, shares, sharesLeft: reduced.sharesLeft })
    },
    ReplaceRouted({ engine }, { payload: { key, orderId, newOrderId, shares, price } }, ctx) {
      const outcome = replace(engine, orderId, newOrderId, shares, price)
      if (outcome === undefined) {
        rejectNotLive(ctx, key, orderId)
        return
      }
      ctx.send('OrderReplaced', { key, orderId, newOrderId, shares })
      sendFills(ctx, key, newOrderId, outcome.fills)
    },
    RoutingEnded({ engine }, { payload: { key } }, ctx) {
      const { orders, sharesBuy, sharesSell } = openTotals(engine)
      ctx.send('BookClosed', {
        key,
        openOrders: orders,
        openSharesBuy: sharesBuy,
        openSharesSell: sharesSell,
        bookDigest: bookDigest(engine),
      })
    },
  },
  digestEvery: 50_000,
})

function sendFills(ctx: GatewayContext, key: number, aggressorId: number, fills: readonly Fill[]): void {
  for (const { restingId, shares, price } of fills) {
    ctx.send('OrderExecuted', { key, aggressorId, restingId, shares, price })
  }
}

function rejectNotLive(ctx: GatewayContext, key: number, orderId: number): void {
  ctx.send('RequestRejected', { key, orderId, reason: 'not live' })
}
