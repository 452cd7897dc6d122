// Made by `seqcast generate oms.proto`: change oms.proto, not this file.

import { defineSchema, type Schema } from 'seqcast'

/** Static data: sent for each symbol of the file before any order. */
export interface InstrumentAdded {
  /** from 1, without holes */
  index: number
  symbol: string
}

export interface OrderPending {
  key: number
  orderId: number
  symbol: string
  buy: boolean
  shares: number
  price: number
  /** immediate-or-cancel: what does not execute at once is cancelled */
  immediate: boolean
  /** of an immediate order: the one that the exchange executed, and the engine should */
  exchangeOrderId: number
}

export interface CancelRequested {
  key: number
  orderId: number
}

export interface ReduceRequested {
  key: number
  orderId: number
  /** to take away */
  shares: number
}

export interface ReplaceRequested {
  key: number
  orderId: number
  newOrderId: number
  shares: number
  price: number
}

/** The file is at its end, and what was in it. */
export interface InputEnded {
  /** messages + 1 */
  key: number
  /** all of the file: orders + requests + unknown + skipped */
  messages: number
  /** OrderPending */
  orders: number
  /** CancelRequested, ReduceRequested, ReplaceRequested */
  requests: number
  /** messages about an order that the file never added; not sent */
  unknown: number
  /** messages that are neither an order nor about one */
  skipped: number
  instruments: number
}

export interface OrderAccepted {
  key: number
  orderId: number
  symbol: string
  buy: boolean
  shares: number
  price: number
  immediate: boolean
}

export interface OrderRejected {
  key: number
  orderId: number
  reason: string
}

export interface CancelAccepted {
  key: number
  orderId: number
}

export interface ReduceAccepted {
  key: number
  orderId: number
  shares: number
}

export interface ReplaceAccepted {
  key: number
  orderId: number
  newOrderId: number
  shares: number
  price: number
}

/** Of a cancel, a reduce or a replace; by the order manager, or by the gateway where the order is not live any more. */
export interface RequestRejected {
  key: number
  orderId: number
  reason: string
}

export interface OrdersEnded {
  key: number
}

export interface OrderRouted {
  key: number
  orderId: number
  symbol: string
  buy: boolean
  shares: number
  price: number
  immediate: boolean
  venue: string
}

export interface CancelRouted {
  key: number
  orderId: number
  venue: string
}

export interface ReduceRouted {
  key: number
  orderId: number
  shares: number
  venue: string
}

export interface ReplaceRouted {
  key: number
  orderId: number
  newOrderId: number
  shares: number
  price: number
  venue: string
}

export interface RoutingEnded {
  key: number
}

/** The rest of a limit order is in the book. */
export interface OrderOpened {
  key: number
  orderId: number
  shares: number
}

/** One fill. Two orders are executed by it, at the price of the one that was there first. */
export interface OrderExecuted {
  /** of the aggressor */
  key: number
  aggressorId: number
  restingId: number
  shares: number
  price: number
}

export interface OrderCancelled {
  key: number
  orderId: number
  /** that were open */
  shares: number
  /** by a cancel or a reduce; false: the rest of an immediate-or-cancel order */
  requested: boolean
}

export interface OrderReduced {
  key: number
  orderId: number
  /** taken away */
  shares: number
  sharesLeft: number
}

/** The old order is gone, the new one is entered; its executions follow as events of their own. */
export interface OrderReplaced {
  key: number
  orderId: number
  newOrderId: number
  shares: number
}

/** All that came in is done. */
export interface BookClosed {
  key: number
  openOrders: number
  openSharesBuy: number
  openSharesSell: number
  bookDigest: string
}

/** The events of oms.proto: the payload of each by its name. */
export interface OmsMessages {
  InstrumentAdded: InstrumentAdded
  OrderPending: OrderPending
  CancelRequested: CancelRequested
  ReduceRequested: ReduceRequested
  ReplaceRequested: ReplaceRequested
  InputEnded: InputEnded
  OrderAccepted: OrderAccepted
  OrderRejected: OrderRejected
  CancelAccepted: CancelAccepted
  ReduceAccepted: ReduceAccepted
  ReplaceAccepted: ReplaceAccepted
  RequestRejected: RequestRejected
  OrdersEnded: OrdersEnded
  OrderRouted: OrderRouted
  CancelRouted: CancelRouted
  ReduceRouted: ReduceRouted
  ReplaceRouted: ReplaceRouted
  RoutingEnded: RoutingEnded
  OrderOpened: OrderOpened
  OrderExecuted: OrderExecuted
  OrderCancelled: OrderCancelled
  OrderReduced: OrderReduced
  OrderReplaced: OrderReplaced
  BookClosed: BookClosed
}

export const schema: Schema<OmsMessages> = defineSchema<OmsMessages>({
  package: 'oms',
  messages: {
    InstrumentAdded: { type: 256, fields: { index: { id: 1, type: 'uint32' }, symbol: { id: 2, type: 'string' } } },
    OrderPending: {
      type: 257,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        symbol: { id: 3, type: 'string' },
        buy: { id: 4, type: 'bool' },
        shares: { id: 5, type: 'uint32' },
        price: { id: 6, type: 'uint32' },
        immediate: { id: 7, type: 'bool' },
        exchangeOrderId: { id: 8, type: 'uint64' },
      },
    },
    CancelRequested: { type: 258, fields: { key: { id: 1, type: 'uint64' }, orderId: { id: 2, type: 'uint64' } } },
    ReduceRequested: {
      type: 259,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        shares: { id: 3, type: 'uint32' },
      },
    },
    ReplaceRequested: {
      type: 260,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        newOrderId: { id: 3, type: 'uint64' },
        shares: { id: 4, type: 'uint32' },
        price: { id: 5, type: 'uint32' },
      },
    },
    InputEnded: {
      type: 261,
      fields: {
        key: { id: 1, type: 'uint64' },
        messages: { id: 2, type: 'uint64' },
        orders: { id: 3, type: 'uint64' },
        requests: { id: 4, type: 'uint64' },
        unknown: { id: 5, type: 'uint64' },
        skipped: { id: 6, type: 'uint64' },
        instruments: { id: 7, type: 'uint32' },
      },
    },
    OrderAccepted: {
      type: 272,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        symbol: { id: 3, type: 'string' },
        buy: { id: 4, type: 'bool' },
        shares: { id: 5, type: 'uint32' },
        price: { id: 6, type: 'uint32' },
        immediate: { id: 7, type: 'bool' },
      },
    },
    OrderRejected: {
      type: 273,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        reason: { id: 3, type: 'string' },
      },
    },
    CancelAccepted: { type: 274, fields: { key: { id: 1, type: 'uint64' }, orderId: { id: 2, type: 'uint64' } } },
    ReduceAccepted: {
      type: 275,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        shares: { id: 3, type: 'uint32' },
      },
    },
    ReplaceAccepted: {
      type: 276,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        newOrderId: { id: 3, type: 'uint64' },
        shares: { id: 4, type: 'uint32' },
        price: { id: 5, type: 'uint32' },
      },
    },
    RequestRejected: {
      type: 277,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        reason: { id: 3, type: 'string' },
      },
    },
    OrdersEnded: { type: 278, fields: { key: { id: 1, type: 'uint64' } } },
    OrderRouted: {
      type: 288,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        symbol: { id: 3, type: 'string' },
        buy: { id: 4, type: 'bool' },
        shares: { id: 5, type: 'uint32' },
        price: { id: 6, type: 'uint32' },
        immediate: { id: 7, type: 'bool' },
        venue: { id: 8, type: 'string' },
      },
    },
    CancelRouted: {
      type: 289,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        venue: { id: 3, type: 'string' },
      },
    },
    ReduceRouted: {
      type: 290,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        shares: { id: 3, type: 'uint32' },
        venue: { id: 4, type: 'string' },
      },
    },
    ReplaceRouted: {
      type: 291,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        newOrderId: { id: 3, type: 'uint64' },
        shares: { id: 4, type: 'uint32' },
        price: { id: 5, type: 'uint32' },
        venue: { id: 6, type: 'string' },
      },
    },
    RoutingEnded: { type: 292, fields: { key: { id: 1, type: 'uint64' } } },
    OrderOpened: {
      type: 304,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        shares: { id: 3, type: 'uint32' },
      },
    },
    OrderExecuted: {
      type: 305,
      fields: {
        key: { id: 1, type: 'uint64' },
        aggressorId: { id: 2, type: 'uint64' },
        restingId: { id: 3, type: 'uint64' },
        shares: { id: 4, type: 'uint32' },
        price: { id: 5, type: 'uint32' },
      },
    },
    OrderCancelled: {
      type: 306,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        shares: { id: 3, type: 'uint32' },
        requested: { id: 4, type: 'bool' },
      },
    },
    OrderReduced: {
      type: 307,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        shares: { id: 3, type: 'uint32' },
        sharesLeft: { id: 4, type: 'uint32' },
      },
    },
    OrderReplaced: {
      type: 308,
      fields: {
        key: { id: 1, type: 'uint64' },
        orderId: { id: 2, type: 'uint64' },
        newOrderId: { id: 3, type: 'uint64' },
        shares: { id: 4, type: 'uint32' },
      },
    },
    BookClosed: {
      type: 309,
      fields: {
        key: { id: 1, type: 'uint64' },
        openOrders: { id: 2, type: 'uint32' },
        openSharesBuy: { id: 3, type: 'uint64' },
        openSharesSell: { id: 4, type: 'uint64' },
        bookDigest: { id: 5, type: 'string' },
      },
    },
  },
  enums: {},
})
