/**
 * What the order management system must come to, as a plain sequential program: one loop over the file, arrays instead of
 * books, every search a scan. It shares no code with the example, not even the parser, so that an error would have to be
 * made twice. Slow on purpose.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export interface ReferenceReport {
  messages: number
  orders: number
  accepted: number
  rejected: number
  executions: number
  executedShares: number
  cancels: number
  replaces: number
  unknown: number
  skipped: number
  openOrders: number
  openShares: { buy: number; sell: number }
  exchangeAgrees: number
  exchangeDiffers: number
  bookDigest: string
}

interface Reference {
  symbol: string
  buy: boolean
  price: number
}

interface Resting extends Reference {
  id: bigint
  shares: number
}

interface Fill {
  id: bigint
  shares: number
}

const OWN_IDS_FROM = 2n ** 52n

export class NaiveMarket {
  /** In the order of arrival, so that the first of the best price has priority. */
  resting: Resting[] = []
  executions = 0
  executedShares = 0

  execute(order: Resting): Fill[] {
    const fills: Fill[] = []
    while (order.shares > 0) {
      const best = this.#best(order)
      if (best === undefined) break
      const shares = Math.min(best.shares, order.shares)
      best.shares -= shares
      order.shares -= shares
      this.executions += 1
      this.executedShares += shares
      fills.push({ id: best.id, shares })
      this.resting = this.resting.filter((r) => r.shares > 0)
    }
    return fills
  }

  #best(order: Resting): Resting | undefined {
    let best: Resting | undefined
    for (const r of this.resting) {
      if (r.symbol !== order.symbol || r.buy === order.buy) continue
      if (order.buy ? r.price > order.price : r.price < order.price) continue
      if (best === undefined || (order.buy ? r.price < best.price : r.price > best.price)) best = r
    }
    return best
  }

  digest(): string {
    const hash = createHash('sha256')
    const symbols = [...new Set(this.resting.map((r) => r.symbol))].sort()
    for (const symbol of symbols) {
      for (const buy of [true, false]) {
        const side = this.resting.filter((r) => r.symbol === symbol && r.buy === buy)
        side.sort((a, b) => (buy ? b.price - a.price : a.price - b.price)) // stable: arrival decides among equals
        for (const r of side) hash.update(`${symbol} ${buy ? 'B' : 'S'} ${r.price} ${r.id} ${r.shares}\n`)
      }
    }
    return hash.digest('hex')
  }
}

/** Runs a whole BinaryFILE of ITCH 5.0 through the rules of the issue. */
export function referenceRun(file: Buffer): ReferenceReport {
  const market = new NaiveMarket()
  const references = new Map<bigint, Reference>()
  const used = new Set<bigint>()
  const n = { messages: 0, orders: 0, accepted: 0, rejected: 0, cancels: 0, replaces: 0, unknown: 0, skipped: 0 }
  let exchangeAgrees = 0
  let exchangeDiffers = 0

  const enter = (order: Resting, rest: boolean): Fill[] => {
    n.orders += 1
    if (used.has(order.id) || order.shares === 0 || order.price === 0) {
      n.rejected += 1
      return []
    }
    used.add(order.id)
    n.accepted += 1
    const fills = market.execute(order)
    if (rest && order.shares > 0) market.resting.push(order)
    return fills
  }

  for (let at = 0; at < file.length; ) {
    const length = file.readUInt16BE(at)
    if (length === 0) break
    const m = file.subarray(at + 2, at + 2 + length)
    at += 2 + length
    n.messages += 1
    const type = String.fromCharCode(m.readUInt8(0))
    if (!'AFECXDU'.includes(type)) {
      n.skipped += 1
      continue
    }
    const id = m.readBigUInt64BE(11)
    if (type === 'A' || type === 'F') {
      const what = { symbol: m.toString('latin1', 24, 32).trim(), buy: m[19] === 0x42, price: m.readUInt32BE(32) }
      if (!references.has(id)) references.set(id, { ...what })
      enter({ id, shares: m.readUInt32BE(20), ...what }, true)
      continue
    }
    const reference = references.get(id)
    if (reference === undefined) {
      n.unknown += 1
      continue
    }
    const live = market.resting.find((r) => r.id === id)
    if (type === 'E' || type === 'C') {
      const shares = m.readUInt32BE(19)
      const order = { ...reference, buy: !reference.buy, id: OWN_IDS_FROM + BigInt(n.messages), shares }
      const fills = enter(order, false)
      if (fills.length === 1 && fills[0]?.id === id && fills[0].shares === shares) exchangeAgrees += 1
      else exchangeDiffers += 1
    } else if (type === 'D') {
      if (live === undefined) n.rejected += 1
      else {
        n.cancels += 1
        market.resting = market.resting.filter((r) => r !== live)
      }
    } else if (type === 'X') {
      const shares = m.readUInt32BE(19)
      if (live === undefined || shares === 0) n.rejected += 1
      else {
        n.cancels += 1
        live.shares = Math.max(0, live.shares - shares)
        market.resting = market.resting.filter((r) => r.shares > 0)
      }
    } else {
      const newId = m.readBigUInt64BE(19)
      const next = { ...reference, id: newId, shares: m.readUInt32BE(27), price: m.readUInt32BE(31) }
      if (!references.has(newId)) references.set(newId, { symbol: next.symbol, buy: next.buy, price: next.price })
      const valid = !used.has(newId) && next.shares > 0 && next.price > 0
      if (valid) used.add(newId)
      if (live === undefined || !valid) n.rejected += 1
      else {
        n.replaces += 1
        market.resting = market.resting.filter((r) => r !== live)
        const order = { ...next, symbol: live.symbol, buy: live.buy }
        market.execute(order)
        if (order.shares > 0) market.resting.push(order)
      }
    }
  }

  const open = (buy: boolean): number => market.resting.reduce((sum, r) => sum + (r.buy === buy ? r.shares : 0), 0)
  return {
    ...n,
    executions: market.executions,
    executedShares: market.executedShares,
    openOrders: market.resting.length,
    openShares: { buy: open(true), sell: open(false) },
    exchangeAgrees,
    exchangeDiffers,
    bookDigest: market.digest(),
  }
}

/** What the report on a run over the file must say: the reference without what the report leaves out. */
export function expectedReport(path: string): Omit<ReferenceReport, 'skipped'> {
  const { skipped: _, ...report } = referenceRun(readFileSync(path))
  return report
}
