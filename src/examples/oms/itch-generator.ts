/**
 * Makes a day of order flow from a seed, as the file that an exchange would have written: orders of several symbols come, are
 * executed, reduced, cancelled and replaced. A matching engine of the same rules decides what executes, so that the file is
 * consistent: as in the exchange's own, an order that executes at once is seen by its executions only, and what is left of it
 * is added. Some messages are about orders of before the file, which a reader cannot know.
 */
import { Prng, SeqcastError } from 'seqcast'
import { type ItchWriter, itchWriter } from './itch-writer.js'
import { cancel, createMatchingEngine, enterLimit, type Fill, reduce, replace } from './matching-engine.js'

export interface GeneratorOptions {
  /** Messages that become an order: orders added, and executions. */
  readonly orders: number
  /** Equal seeds give equal files. */
  readonly seed: number
  /** How many symbols; default 8, at most 676. */
  readonly symbols?: number
}

const DEFAULT_SYMBOLS = 8
const MAX_SYMBOLS = 26 * 26
const OPEN_NS = 34_200e9 // 09:30 New York, in nanoseconds since midnight
const TICK = 100 // one cent

/** How many of 100 steps are what; the others are new orders. */
const SHARE = { delete: 34, reduce: 3, replace: 8, unknown: 2, trade: 2 }
/** How many of 100 new orders would cross the spread. */
const AGGRESSIVE = 12

/** @returns a whole BinaryFILE, end marker included. @throws SeqcastError E_USAGE */
export function generateItchFile(options: GeneratorOptions): Uint8Array {
  check(options)
  return new Day(options).file()
}

function check({ orders, seed, symbols = DEFAULT_SYMBOLS }: GeneratorOptions): void {
  if (!Number.isSafeInteger(orders) || orders < 0) throw usage(`orders is ${orders}; it must be a whole number from 0`)
  if (!Number.isSafeInteger(seed)) throw usage(`seed is ${seed}; it must be a whole number`)
  if (!Number.isInteger(symbols) || symbols < 1 || symbols > MAX_SYMBOLS) {
    throw usage(`symbols is ${symbols}; it must be a whole number from 1 to ${MAX_SYMBOLS}`)
  }
}

function usage(message: string): SeqcastError {
  return new SeqcastError('E_USAGE', message)
}

interface Instrument {
  readonly symbol: string
  readonly locate: number
  /** Around which orders are placed; it wanders. */
  middle: number
}

/** What may be cancelled or replaced; `at` is its place in the list of all, so that picking and removing are cheap. */
interface Live {
  readonly instrument: Instrument
  readonly buy: boolean
  readonly at: number
}

class Day {
  readonly #random: Prng
  readonly #writer: ItchWriter
  readonly #engine = createMatchingEngine()
  readonly #instruments: readonly Instrument[]
  readonly #live = new Map<number, Live>()
  readonly #references: number[] = []
  readonly #target: number
  #orders = 0
  #lastReference = 100_000
  #lastMatch = 0
  #timeNs = OPEN_NS

  constructor({ orders, seed, symbols = DEFAULT_SYMBOLS }: GeneratorOptions) {
    this.#random = new Prng(seed)
    this.#writer = itchWriter()
    this.#target = orders
    this.#instruments = Array.from({ length: symbols }, (_, i) => ({
      symbol: `ZX${letter(Math.floor(i / 26))}${letter(i % 26)}`,
      locate: i + 1,
      middle: this.#random.integer(50, 3_000) * 100 * TICK,
    }))
  }

  file(): Uint8Array {
    this.#writer.system('O', this.#timeNs)
    for (const { symbol, locate } of this.#instruments) this.#writer.directory(locate, this.#timeNs, symbol)
    this.#writer.system('Q', this.#timeNs)
    while (this.#orders < this.#target) this.#step()
    this.#writer.system('M', this.#timeNs)
    return this.#writer.end()
  }

  #step(): void {
    this.#timeNs += this.#random.integer(200, 2_000_000)
    let dice = this.#random.integer(0, 99)
    const falls = (share: number): boolean => {
      dice -= share
      return dice < 0
    }
    if (falls(SHARE.unknown)) this.#unknown()
    else if (falls(SHARE.trade)) this.#hiddenTrade()
    else if (falls(SHARE.delete)) this.#delete()
    else if (falls(SHARE.reduce)) this.#reduce()
    else if (falls(SHARE.replace)) this.#replace()
    else this.#newOrder()
  }

  #newOrder(): void {
    const instrument = this.#pickInstrument()
    const buy = this.#random.chance(0.5)
    const terms = { shares: this.#size(), price: this.#price(instrument, buy) }
    const reference = this.#nextReference()
    const { fills, sharesLeft } = enterLimit(this.#engine, {
      orderId: reference,
      symbol: instrument.symbol,
      buy,
      ...terms,
    })
    this.#writeFills(instrument, fills)
    // The file ends with exactly as many orders as asked for, even in the middle of a series of executions.
    if (sharesLeft === 0 || this.#orders >= this.#target) return
    this.#writer.add(instrument.locate, this.#timeNs, {
      ...terms,
      reference,
      buy,
      shares: sharesLeft,
      symbol: instrument.symbol,
      participant: this.#random.chance(0.2) ? 'SQCT' : undefined,
    })
    this.#orders += 1
    this.#remember(reference, instrument, buy)
  }

  #writeFills({ locate }: Instrument, fills: readonly Fill[]): void {
    for (const { restingId, shares, price } of fills) {
      if (this.#orders >= this.#target) return
      this.#lastMatch += 1
      const execution = { reference: restingId, shares, match: this.#lastMatch }
      // Now and then an exchange executes at a better price than the one displayed.
      if (this.#random.chance(0.05)) this.#writer.executedAt(locate, this.#timeNs, execution, price + TICK / 2)
      else this.#writer.executed(locate, this.#timeNs, execution)
      this.#orders += 1
      if (!this.#engine.orders.has(restingId)) this.#forget(restingId)
    }
  }

  #delete(): void {
    const picked = this.#pickLive()
    if (picked === undefined) return
    cancel(this.#engine, picked.reference)
    this.#writer.deleted(picked.instrument.locate, this.#timeNs, picked.reference)
    this.#forget(picked.reference)
  }

  #reduce(): void {
    const picked = this.#pickLive()
    const open = picked === undefined ? 0 : (this.#engine.orders.get(picked.reference)?.shares ?? 0)
    if (picked === undefined || open < 2) return
    const shares = this.#random.integer(1, open - 1)
    reduce(this.#engine, picked.reference, shares)
    this.#writer.reduced(picked.instrument.locate, this.#timeNs, picked.reference, shares)
  }

  /** A replace here never crosses the spread: an exchange shows one that does as a delete and executions. */
  #replace(): void {
    const picked = this.#pickLive()
    if (picked === undefined) return
    const { instrument, buy, reference } = picked
    const price = this.#passivePrice(instrument, buy)
    const newReference = this.#nextReference()
    const shares = this.#size()
    replace(this.#engine, reference, newReference, shares, price)
    this.#writer.replaced(instrument.locate, this.#timeNs, { reference, newReference, shares, price })
    this.#forget(reference)
    this.#remember(newReference, instrument, buy)
  }

  /** About an order from before the file: references below 100,000. */
  #unknown(): void {
    const { locate } = this.#pickInstrument()
    const reference = this.#random.integer(1, 99_999)
    if (this.#random.chance(0.5)) this.#writer.deleted(locate, this.#timeNs, reference)
    else this.#writer.executed(locate, this.#timeNs, { reference, shares: this.#size(), match: ++this.#lastMatch })
  }

  #hiddenTrade(): void {
    const { locate, symbol, middle } = this.#pickInstrument()
    this.#lastMatch += 1
    this.#writer.trade(locate, this.#timeNs, { symbol, shares: this.#size(), price: middle, match: this.#lastMatch })
  }

  #price(instrument: Instrument, buy: boolean): number {
    if (this.#random.chance(0.02))
      instrument.middle = Math.max(500 * TICK, instrument.middle + this.#random.integer(-3, 3) * TICK)
    const isAggressive = this.#random.integer(0, 99) < AGGRESSIVE
    if (!isAggressive) return this.#passivePrice(instrument, buy)
    const reach = this.#random.integer(0, 5) * TICK
    return buy ? instrument.middle + reach : instrument.middle - reach
  }

  /** Near the middle more often than far from it, and short of the other side's best. */
  #passivePrice({ symbol, middle }: Instrument, buy: boolean): number {
    const distance = TICK * (1 + Math.floor(40 * this.#random.fraction() * this.#random.fraction()))
    const price = buy ? middle - distance : middle + distance
    const book = this.#engine.books.get(symbol)
    const other = (buy ? book?.sells : book?.buys)?.at(-1)?.price
    if (other === undefined) return price
    return buy ? Math.min(price, other - TICK) : Math.max(price, other + TICK)
  }

  #size(): number {
    return this.#random.chance(0.7) ? this.#random.integer(1, 5) * 100 : this.#random.integer(1, 999)
  }

  #pickInstrument(): Instrument {
    return this.#instruments[this.#random.integer(0, this.#instruments.length - 1)]!
  }

  #pickLive(): (Live & { readonly reference: number }) | undefined {
    if (this.#references.length === 0) return undefined
    const reference = this.#references[this.#random.integer(0, this.#references.length - 1)]!
    const live = this.#live.get(reference)
    return live === undefined ? undefined : { ...live, reference }
  }

  #nextReference(): number {
    this.#lastReference += this.#random.integer(1, 20)
    return this.#lastReference
  }

  #remember(reference: number, instrument: Instrument, buy: boolean): void {
    this.#live.set(reference, { instrument, buy, at: this.#references.length })
    this.#references.push(reference)
  }

  /** The last of the list takes the place of the one that goes. */
  #forget(reference: number): void {
    const live = this.#live.get(reference)
    const last = this.#references.pop()
    if (live === undefined || last === undefined) throw new Error(`order ${reference} is not live`)
    this.#live.delete(reference)
    if (last === reference) return
    this.#references[live.at] = last
    const moved = this.#live.get(last)
    if (moved !== undefined) this.#live.set(last, { ...moved, at: live.at })
  }
}

function letter(i: number): string {
  return String.fromCharCode(65 + i)
}
