/**
 * A matching engine with price-time priority: the best price first, and among equals the order that came first.
 *
 * It is pure: functions over a state of plain objects, arrays and Maps, which a replica can hash, and which the same requests
 * always bring to the same value. The caller gives each order an id that was never used before.
 *
 * Finding, adding and removing an order is a Map access: the orders of one price are a list linked by ids. The prices of a
 * side are a sorted array with the best price last, where almost all changes happen.
 */

const NONE = -1

export interface RestingOrder {
  readonly symbol: string
  readonly buy: boolean
  readonly price: number
  shares: number
  /** Neighbours at the same price, by id: the one that came before and the one that came after; -1 for none. */
  previous: number
  next: number
}

/** All orders of one price, in the order in which they came. */
export interface PriceLevel {
  readonly price: number
  first: number
  last: number
}

/** One symbol. The best price of each side is the last. */
export interface Book {
  readonly buys: PriceLevel[]
  readonly sells: PriceLevel[]
}

export interface MatchingEngine {
  readonly books: Map<string, Book>
  /** The live orders. Ids are safe integers from 0. */
  readonly orders: Map<number, RestingOrder>
}

export interface NewOrder {
  readonly orderId: number
  readonly symbol: string
  readonly buy: boolean
  readonly shares: number
  readonly price: number
}

/** A trade at the resting order's price. */
export interface Fill {
  readonly restingId: number
  readonly shares: number
  readonly price: number
}

export interface Outcome {
  readonly fills: readonly Fill[]
  /** What did not execute: it rests if the order is a limit order, and is gone if it is immediate-or-cancel. */
  readonly sharesLeft: number
}

export function createMatchingEngine(): MatchingEngine {
  return { books: new Map(), orders: new Map() }
}

/** Executes what it can at its price or better; the rest rests. */
export function enterLimit(engine: MatchingEngine, order: NewOrder): Outcome {
  const outcome = enterImmediateOrCancel(engine, order)
  if (outcome.sharesLeft > 0) rest(engine, order, outcome.sharesLeft)
  return outcome
}

/** Executes what it can at its price or better; nothing of it rests. */
export function enterImmediateOrCancel(engine: MatchingEngine, order: NewOrder): Outcome {
  const book = engine.books.get(order.symbol)
  const fills: Fill[] = []
  let sharesLeft = order.shares
  if (book === undefined) return { fills, sharesLeft }
  const levels = order.buy ? book.sells : book.buys
  while (sharesLeft > 0) {
    const best = levels.at(-1)
    if (best === undefined || !reaches(order, best.price)) break
    const restingId = best.first
    const resting = liveOrder(engine, restingId)
    const shares = Math.min(sharesLeft, resting.shares)
    fills.push({ restingId, shares, price: best.price })
    sharesLeft -= shares
    resting.shares -= shares
    if (resting.shares === 0) remove(engine, restingId, resting)
  }
  return { fills, sharesLeft }
}

/** @returns the shares that were open, or undefined where the order is not live */
export function cancel(engine: MatchingEngine, orderId: number): number | undefined {
  const order = engine.orders.get(orderId)
  if (order === undefined) return undefined
  remove(engine, orderId, order)
  return order.shares
}

/**
 * Takes shares away; the order keeps its priority. With nothing left it is cancelled.
 * @returns the shares that were taken (never more than were open) and those that are left, or undefined where the order is
 *   not live
 */
export function reduce(
  engine: MatchingEngine,
  orderId: number,
  shares: number,
): { readonly sharesTaken: number; readonly sharesLeft: number } | undefined {
  const order = engine.orders.get(orderId)
  if (order === undefined) return undefined
  const sharesTaken = Math.min(shares, order.shares)
  order.shares -= sharesTaken
  if (order.shares === 0) remove(engine, orderId, order)
  return { sharesTaken, sharesLeft: order.shares }
}

/**
 * Cancels an order and enters a new one of the same symbol and side, last in its price, or executed at once if it can be.
 * @returns undefined where the old order is not live; nothing is entered then
 */
export function replace(
  engine: MatchingEngine,
  orderId: number,
  newOrderId: number,
  shares: number,
  price: number,
): Outcome | undefined {
  const order = engine.orders.get(orderId)
  if (order === undefined) return undefined
  remove(engine, orderId, order)
  return enterLimit(engine, { orderId: newOrderId, symbol: order.symbol, buy: order.buy, shares, price })
}

function reaches(order: NewOrder, price: number): boolean {
  return order.buy ? price <= order.price : price >= order.price
}

function rest(engine: MatchingEngine, { orderId, symbol, buy, price }: NewOrder, shares: number): void {
  if (engine.orders.has(orderId)) throw new Error(`order ${orderId} is live already`)
  let book = engine.books.get(symbol)
  if (book === undefined) {
    book = { buys: [], sells: [] }
    engine.books.set(symbol, book)
  }
  const level = levelFor(buy ? book.buys : book.sells, buy, price)
  engine.orders.set(orderId, { symbol, buy, price, shares, previous: level.last, next: NONE })
  if (level.last === NONE) level.first = orderId
  else liveOrder(engine, level.last).next = orderId
  level.last = orderId
}

function remove(engine: MatchingEngine, orderId: number, order: RestingOrder): void {
  const { symbol, buy, price, previous, next } = order
  const book = engine.books.get(symbol)
  if (book === undefined) throw new Error(`order ${orderId} rests in no book`)
  const levels = buy ? book.buys : book.sells
  const level = levelFor(levels, buy, price)
  if (previous === NONE) level.first = next
  else liveOrder(engine, previous).next = next
  if (next === NONE) level.last = previous
  else liveOrder(engine, next).previous = previous
  engine.orders.delete(orderId)
  if (level.first === NONE) levels.splice(positionOf(levels, buy, price), 1)
}

/** The level of a price, made where there is none. */
function levelFor(levels: PriceLevel[], buy: boolean, price: number): PriceLevel {
  const at = positionOf(levels, buy, price)
  const found = levels[at]
  if (found !== undefined && found.price === price) return found
  const level = { price, first: NONE, last: NONE }
  levels.splice(at, 0, level)
  return level
}

/** Where a price stands, or would stand, in a side whose best price is last: buys ascend, sells descend. */
function positionOf(levels: readonly PriceLevel[], buy: boolean, price: number): number {
  let low = 0
  let high = levels.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = levels[middle]!.price
    if (buy ? other < price : other > price) low = middle + 1
    else high = middle
  }
  return low
}

function liveOrder(engine: MatchingEngine, orderId: number): RestingOrder {
  const order = engine.orders.get(orderId)
  if (order === undefined) throw new Error(`order ${orderId} is in a book and not among the live orders`)
  return order
}
