/**
 * The order router: sends each order, and each request about one, to a venue. There is one venue here. A system with more
 * would choose by instrument, and remember where each open order went.
 */
import { defineComponent } from 'seqcast'
import { schema } from './generated/oms.js'

/** The only venue: the matching engine behind the exchange gateway. */
const VENUE = 'SIM'

interface State {
  /** How much was sent to each venue: orders and requests. */
  routed: Map<string, number>
}

export const component = defineComponent({
  name: 'order-router',
  schema,
  state: (): State => ({ routed: new Map() }),
  on: {
    OrderAccepted(state, { payload }, ctx) {
      ctx.send('OrderRouted', { ...payload, venue: route(state) })
    },
    CancelAccepted(state, { payload }, ctx) {
      ctx.send('CancelRouted', { ...payload, venue: route(state) })
    },
    ReduceAccepted(state, { payload }, ctx) {
      ctx.send('ReduceRouted', { ...payload, venue: route(state) })
    },
    ReplaceAccepted(state, { payload }, ctx) {
      ctx.send('ReplaceRouted', { ...payload, venue: route(state) })
    },
    OrdersEnded(_state, { payload }, ctx) {
      ctx.send('RoutingEnded', payload)
    },
  },
  digestEvery: 50_000,
})

function route(state: State): string {
  state.routed.set(VENUE, (state.routed.get(VENUE) ?? 0) + 1)
  return VENUE
}
