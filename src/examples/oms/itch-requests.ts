/**
 * From the exchange's messages to requests. ITCH tells what an exchange did with its orders; here it serves as order flow:
 *
 * | message | request |
 * |---|---|
 * | A, F: order added | a limit order |
 * | E, C: order executed | an immediate-or-cancel order of the other side, of that size, at the executed order's price |
 * | X: order cancelled in part | a reduction |
 * | D: order deleted | a cancel |
 * | U: order replaced | a replace; symbol and side are the old order's |
 *
 * So an engine with the exchange's rules executes at an E or C the very order that the exchange executed.
 *
 * A reference is known once the file has added it, and stays known: whether its order is still live is for the engine to
 * say. What is about any other reference is counted as unknown and not sent; so is a replace of an unknown order, and its new
 * reference stays unknown, since nobody knows its symbol.
 *
 * All of it is a function of the file alone. A proxy that takes over reads the file again from the start, without a sink up to
 * where it resumes, and has the same references and counts.
 */
import type { InputEnded, OmsMessages } from './generated/oms.js'
import { type ItchMessage, ownOrderId } from './itch.js'

/** Takes commands: a component's port, or a list in a test. */
export interface CommandSink {
  send<N extends keyof OmsMessages>(name: N, payload: OmsMessages[N]): void
}

interface Reference {
  readonly symbol: string
  readonly buy: boolean
  readonly price: number
}

type Of<K extends ItchMessage['kind']> = Extract<ItchMessage, { kind: K }>

export class ItchRequests {
  readonly #references = new Map<number, Reference>()
  #messages = 0
  #orders = 0
  #requests = 0
  #unknown = 0
  #skipped = 0

  /** Takes the next message of the file; sends what it asks for to `sink`, or nowhere where there is none. */
  next(message: ItchMessage, sink: CommandSink | undefined): void {
    this.#messages += 1
    if (message.kind === 'other' || message.kind === 'directory') {
      this.#skipped += 1
      return
    }
    if (message.kind === 'add') {
      this.#add(message, sink)
      return
    }
    const reference = this.#references.get(message.reference)
    if (reference === undefined) this.#unknown += 1
    else if (message.kind === 'execute') this.#execute(message, reference, sink)
    else this.#request(message, reference, sink)
  }

  /** What the file held, once all of it was taken. */
  ended(instruments: number): InputEnded {
    return {
      key: this.#messages + 1,
      messages: this.#messages,
      orders: this.#orders,
      requests: this.#requests,
      unknown: this.#unknown,
      skipped: this.#skipped,
      instruments,
    }
  }

  #add({ reference, symbol, buy, shares, price }: Of<'add'>, sink: CommandSink | undefined): void {
    this.#orders += 1
    this.#learn(reference, { symbol, buy, price })
    const order = { orderId: reference, symbol, buy, shares, price, immediate: false, exchangeOrderId: 0 }
    sink?.send('OrderPending', { key: this.#messages, ...order })
  }

  #execute({ reference, shares }: Of<'execute'>, executed: Reference, sink: CommandSink | undefined): void {
    this.#orders += 1
    const { symbol, buy, price } = executed
    const order = { orderId: ownOrderId(this.#messages), symbol, buy: !buy, shares, price }
    sink?.send('OrderPending', { key: this.#messages, ...order, immediate: true, exchangeOrderId: reference })
  }

  #request(
    message: Of<'delete'> | Of<'reduce'> | Of<'replace'>,
    { symbol, buy }: Reference,
    sink: CommandSink | undefined,
  ): void {
    this.#requests += 1
    const about = { key: this.#messages, orderId: message.reference }
    switch (message.kind) {
      case 'delete':
        sink?.send('CancelRequested', about)
        break
      case 'reduce':
        sink?.send('ReduceRequested', { ...about, shares: message.shares })
        break
      case 'replace': {
        const { newReference, shares, price } = message
        this.#learn(newReference, { symbol, buy, price })
        sink?.send('ReplaceRequested', { ...about, newOrderId: newReference, shares, price })
      }
    }
  }

  /** A reference that comes twice keeps its first meaning: the second order is a duplicate, which is rejected. */
  #learn(reference: number, what: Reference): void {
    if (!this.#references.has(reference)) this.#references.set(reference, what)
  }
}
