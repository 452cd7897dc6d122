/** The component of the checkpoint bench: as many live orders as it is told, each filled again and again. A module for `seqcast run`. */
import { type Component, defineComponent } from '../../../component/definition.js'
import { type BenchMessages, type Fill, fillSchema } from '../messages.js'

interface LiveOrder {
  readonly orderId: number
  readonly account: string
  price: number
  shares: number
  fills: number
  lastUs: number
}

interface DeskState {
  readonly orders: Map<number, LiveOrder>
  fills: number
}

export const CHECKPOINT_COMPONENT = 'bench-orders'

export function liveOrders(): Component<DeskState, BenchMessages> {
  return defineComponent<DeskState, BenchMessages>({
    name: CHECKPOINT_COMPONENT,
    schema: fillSchema,
    state: () => ({ orders: new Map(), fills: 0 }),
    on: {
      FixedFill: (state, { payload, timeUs }) => fill(state, payload, timeUs),
    },
  })
}

function fill(state: DeskState, { orderId, account, price, shares }: Fill, timeUs: number): void {
  state.fills += 1
  const order = state.orders.get(orderId)
  if (order === undefined) {
    state.orders.set(orderId, { orderId, account: `account ${account}`, price, shares, fills: 1, lastUs: timeUs })
    return
  }
  order.price = price
  order.shares += shares
  order.fills += 1
  order.lastUs = timeUs
}

export function configure(): Component {
  return liveOrders()
}
