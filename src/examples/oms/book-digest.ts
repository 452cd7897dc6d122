/**
 * What a book comes to: its open orders, counted and hashed. No time, no sequence and no id of a message goes into the
 * hash, so that two runs which end in the same book agree, whatever happened on the network.
 */
import { createHash } from 'node:crypto'
import type { MatchingEngine, PriceLevel } from './matching-engine.js'

export interface OpenTotals {
  orders: number
  sharesBuy: number
  sharesSell: number
}

export function openTotals(engine: MatchingEngine): OpenTotals {
  const totals = { orders: 0, sharesBuy: 0, sharesSell: 0 }
  for (const { buy, shares } of engine.orders.values()) {
    totals.orders += 1
    if (buy) totals.sharesBuy += shares
    else totals.sharesSell += shares
  }
  return totals
}

/**
 * SHA-256, in hex, over one line for each open order, `SYMBOL B|S PRICE ORDER SHARES` and a line feed: symbols in ascending
 * order, of each first the buys and then the sells, best price first, and at one price the order that came first.
 */
export function bookDigest(engine: MatchingEngine): string {
  const hash = createHash('sha256')
  for (const symbol of [...engine.books.keys()].sort()) {
    const book = engine.books.get(symbol)
    if (book === undefined) continue
    for (const line of linesOf(engine, book.buys, `${symbol} B`)) hash.update(line)
    for (const line of linesOf(engine, book.sells, `${symbol} S`)) hash.update(line)
  }
  return hash.digest('hex')
}

function* linesOf(engine: MatchingEngine, levels: readonly PriceLevel[], prefix: string): Generator<string> {
  for (const { price, first } of levels.toReversed()) {
    let orderId = first
    while (orderId >= 0) {
      const order = engine.orders.get(orderId)
      if (order === undefined) throw new Error(`order ${orderId} is in a book and not among the live orders`)
      yield `${prefix} ${price} ${orderId} ${order.shares}\n`
      orderId = order.next
    }
  }
}
