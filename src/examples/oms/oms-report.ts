/**
 * The numbers of a run, counted from the events of its stream and from nothing else: what came in, and what became of it.
 *
 * What came in and was sent must be equal to what was decided: `orders` and the requests = `accepted` + `rejected` + `cancels`
 * + `replaces`. `problems` says where the stream contradicts itself.
 */
import type { OmsMessages, OrderPending } from './generated/oms.js'

export interface OmsReport {
  /** Of the input file. */
  messages: number
  /** New orders that were sent; those that stand for an execution by the exchange (E and C) included. */
  orders: number
  /** Of the orders. */
  accepted: number
  /** Orders that the order manager rejected, and requests that it or the engine rejected. */
  rejected: number
  /** Fills. */
  executions: number
  executedShares: number
  /** Accepted cancels and reductions (D and X). */
  cancels: number
  /** Accepted replaces (U). */
  replaces: number
  /** Messages about an order that the file never added. */
  unknown: number
  openOrders: number
  openShares: { buy: number; sell: number }
  /** Executions by the exchange (E and C, those of unknown orders left out) of which the engine executed exactly that order and size … */
  exchangeAgrees: number
  /** … and those of which it did not. */
  exchangeDiffers: number
  /** Of the engine's final book; see `bookDigest`. */
  bookDigest: string
}

/** An order of the exchange's that the engine should execute; a fill of that order and size is the only one then. */
interface Expected {
  readonly restingId: number
  readonly shares: number
}

type Handlers = {
  readonly [N in keyof OmsMessages]?: (payload: OmsMessages[N], timeUs: number) => void
}

/** Feed it all events of a session, in order: `const name = schema.nameOf(type)`, `schema.decode(type, …)`. */
export class OmsAudit {
  readonly #onLatency: (latencyUs: number) => void
  readonly #pendingSinceUs = new Map<number, number>()
  readonly #expected = new Map<number, Expected>()
  readonly #counts = {
    orders: 0,
    requests: 0,
    accepted: 0,
    rejected: 0,
    executions: 0,
    executedShares: 0,
    cancels: 0,
    replaces: 0,
  }
  #input: OmsMessages['InputEnded'] | undefined
  #closed: OmsMessages['BookClosed'] | undefined
  #exchangeExecutions = 0
  #exchangeAgrees = 0
  #lastKey = 0

  /** @param onLatency gets the time from each aggressor's request to each of its executions, in microseconds of stream time */
  constructor(onLatency: (latencyUs: number) => void = () => {}) {
    this.#onLatency = onLatency
  }

  /** All that came in is done. */
  get isDone(): boolean {
    return this.#closed !== undefined
  }

  /** The number of the last message whose command was sequenced; for progress. */
  get lastKey(): number {
    return this.#lastKey
  }

  onEvent<N extends keyof OmsMessages>(name: N, payload: OmsMessages[N], timeUs: number): void {
    this.#on[name]?.(payload, timeUs)
  }

  /** @returns undefined until `isDone` */
  report(): OmsReport | undefined {
    const input = this.#input
    const closed = this.#closed
    if (input === undefined || closed === undefined) return undefined
    const { orders, accepted, rejected, executions, executedShares, cancels, replaces } = this.#counts
    return {
      messages: input.messages,
      orders,
      accepted,
      rejected,
      executions,
      executedShares,
      cancels,
      replaces,
      unknown: input.unknown,
      openOrders: closed.openOrders,
      openShares: { buy: closed.openSharesBuy, sell: closed.openSharesSell },
      exchangeAgrees: this.#exchangeAgrees,
      exchangeDiffers: this.#exchangeExecutions - this.#exchangeAgrees,
      bookDigest: closed.bookDigest,
    }
  }

  /** Contradictions, as sentences: none in a run that lost nothing and doubled nothing. */
  problems(): string[] {
    const input = this.#input
    if (input === undefined) return ['the input did not end']
    if (this.#closed === undefined) return ['the book was not closed']
    const problems: string[] = []
    const compare = (what: string, found: number, expected: number): void => {
      if (found !== expected) problems.push(`${what}: ${found}, and not ${expected}`)
    }
    const { orders, requests, accepted, rejected, cancels, replaces } = this.#counts
    compare('orders in the stream', orders, input.orders)
    compare('requests in the stream', requests, input.requests)
    compare('messages accounted for', input.orders + input.requests + input.unknown + input.skipped, input.messages)
    compare('orders and requests decided', accepted + rejected + cancels + replaces, orders + requests)
    return problems
  }

  readonly #on: Handlers = {
    OrderPending: (payload, timeUs) => {
      if (!this.#takeKey(payload)) return
      this.#counts.orders += 1
      this.#pendingSinceUs.set(payload.orderId, timeUs)
      if (payload.immediate) this.#expect(payload)
    },
    CancelRequested: (payload) => {
      if (this.#takeKey(payload)) this.#counts.requests += 1
    },
    ReduceRequested: (payload) => {
      if (this.#takeKey(payload)) this.#counts.requests += 1
    },
    ReplaceRequested: (payload, timeUs) => {
      if (!this.#takeKey(payload)) return
      this.#counts.requests += 1
      this.#pendingSinceUs.set(payload.newOrderId, timeUs)
    },
    InputEnded: (payload) => {
      if (this.#takeKey(payload)) this.#input = payload
    },
    OrderAccepted: () => {
      this.#counts.accepted += 1
    },
    OrderRejected: () => {
      this.#counts.rejected += 1
    },
    RequestRejected: () => {
      this.#counts.rejected += 1
    },
    OrderExecuted: (payload, timeUs) => this.#executed(payload, timeUs),
    OrderCancelled: ({ requested }) => {
      if (requested) this.#counts.cancels += 1
    },
    OrderReduced: () => {
      this.#counts.cancels += 1
    },
    OrderReplaced: () => {
      this.#counts.replaces += 1
    },
    BookClosed: (payload) => {
      this.#closed = payload
    },
  }

  /** @returns false for a key that was there before: a repeat around a change of proxies, which the order manager drops too */
  #takeKey({ key }: { readonly key: number }): boolean {
    if (key <= this.#lastKey) return false
    this.#lastKey = key
    return true
  }

  #expect({ orderId, exchangeOrderId, shares }: OrderPending): void {
    this.#exchangeExecutions += 1
    this.#expected.set(orderId, { restingId: exchangeOrderId, shares })
  }

  #executed({ aggressorId, restingId, shares }: OmsMessages['OrderExecuted'], timeUs: number): void {
    this.#counts.executions += 1
    this.#counts.executedShares += shares
    const sinceUs = this.#pendingSinceUs.get(aggressorId)
    if (sinceUs !== undefined) this.#onLatency(timeUs - sinceUs)
    const expected = this.#expected.get(aggressorId)
    if (restingId === expected?.restingId && shares === expected.shares) this.#exchangeAgrees += 1
  }
}
