/**
 * Writes ITCH 5.0 messages one after another into a BinaryFILE in memory: the other direction of `itch.ts`, for the messages
 * that the generator makes.
 */

export interface ItchWriter {
  system(event: string, timeNs: number): void
  directory(locate: number, timeNs: number, symbol: string): void
  add(locate: number, timeNs: number, order: AddedOrder): void
  executed(locate: number, timeNs: number, execution: Execution): void
  executedAt(locate: number, timeNs: number, execution: Execution, price: number): void
  reduced(locate: number, timeNs: number, reference: number, shares: number): void
  deleted(locate: number, timeNs: number, reference: number): void
  replaced(locate: number, timeNs: number, replacement: Replacement): void
  trade(locate: number, timeNs: number, trade: Trade): void
  /** Writes the zero length and gives the file. */
  end(): Uint8Array
}

export interface AddedOrder {
  readonly reference: number
  readonly buy: boolean
  readonly shares: number
  readonly symbol: string
  readonly price: number
  /** Four characters: the message becomes an F. */
  readonly participant?: string | undefined
}

export interface Execution {
  readonly reference: number
  readonly shares: number
  readonly match: number
}

export interface Replacement {
  readonly reference: number
  readonly newReference: number
  readonly shares: number
  readonly price: number
}

export interface Trade {
  readonly symbol: string
  readonly shares: number
  readonly price: number
  readonly match: number
}

export function itchWriter(): ItchWriter {
  const file = new Growing()
  /** Length and the header that all messages share; returns where the message begins. */
  const begin = (type: string, lengthBytes: number, locate: number, timeNs: number): Fields => {
    const fields = file.record(lengthBytes)
    fields.text(0, 1, type)
    fields.u16(1, locate)
    fields.u48(5, timeNs)
    return fields
  }
  const execution = (fields: Fields, { reference, shares, match }: Execution): void => {
    fields.u64(11, reference)
    fields.u32(19, shares)
    fields.u64(23, match)
  }
  return {
    system: (event, timeNs) => begin('S', 12, 0, timeNs).text(11, 1, event),
    directory(locate, timeNs, symbol) {
      const fields = begin('R', 39, locate, timeNs)
      fields.text(11, 8, symbol)
      fields.text(19, 2, 'QN') // Global Select Market, normal
      fields.u32(21, 100) // round lot
      fields.text(25, 10, 'NCZ PNN1N') // not restricted to round lots, common stock, live
    },
    add(locate, timeNs, { reference, buy, shares, symbol, price, participant }) {
      const fields = participant === undefined ? begin('A', 36, locate, timeNs) : begin('F', 40, locate, timeNs)
      fields.u64(11, reference)
      fields.text(19, 1, buy ? 'B' : 'S')
      fields.u32(20, shares)
      fields.text(24, 8, symbol)
      fields.u32(32, price)
      if (participant !== undefined) fields.text(36, 4, participant)
    },
    executed: (locate, timeNs, what) => execution(begin('E', 31, locate, timeNs), what),
    executedAt(locate, timeNs, what, price) {
      const fields = begin('C', 36, locate, timeNs)
      execution(fields, what)
      fields.text(31, 1, 'Y')
      fields.u32(32, price)
    },
    reduced(locate, timeNs, reference, shares) {
      const fields = begin('X', 23, locate, timeNs)
      fields.u64(11, reference)
      fields.u32(19, shares)
    },
    deleted: (locate, timeNs, reference) => begin('D', 19, locate, timeNs).u64(11, reference),
    replaced(locate, timeNs, { reference, newReference, shares, price }) {
      const fields = begin('U', 35, locate, timeNs)
      fields.u64(11, reference)
      fields.u64(19, newReference)
      fields.u32(27, shares)
      fields.u32(31, price)
    },
    trade(locate, timeNs, { symbol, shares, price, match }) {
      const fields = begin('P', 44, locate, timeNs)
      fields.text(19, 1, 'B')
      fields.u32(20, shares)
      fields.text(24, 8, symbol)
      fields.u32(32, price)
      fields.u64(36, match)
    },
    end: () => file.end(),
  }
}

/** Fields of one message, at offsets from its beginning. Valid until the next message is begun. */
interface Fields {
  u16(at: number, value: number): void
  u32(at: number, value: number): void
  u48(at: number, value: number): void
  u64(at: number, value: number): void
  /** Padded with spaces on the right. */
  text(at: number, length: number, value: string): void
}

/** Bytes that grow as needed. */
class Growing implements Fields {
  #bytes = new Uint8Array(64 * 1024)
  #view = new DataView(this.#bytes.buffer)
  #start = 0
  #end = 0

  record(lengthBytes: number): Fields {
    this.#reserve(lengthBytes + 4)
    this.#view.setUint16(this.#end, lengthBytes)
    this.#start = this.#end + 2
    this.#end = this.#start + lengthBytes
    return this
  }

  end(): Uint8Array {
    return this.#bytes.slice(0, this.#end + 2)
  }

  u16(at: number, value: number): void {
    this.#view.setUint16(this.#start + at, value)
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(this.#start + at, value)
  }

  u48(at: number, value: number): void {
    this.u16(at, Math.floor(value / 2 ** 32))
    this.u32(at + 2, value >>> 0)
  }

  u64(at: number, value: number): void {
    this.u32(at, Math.floor(value / 2 ** 32))
    this.u32(at + 4, value >>> 0)
  }

  text(at: number, length: number, value: string): void {
    const padded = value.padEnd(length)
    for (let i = 0; i < length; i++) this.#bytes[this.#start + at + i] = padded.charCodeAt(i)
  }

  /** New bytes are zero, which is what a field that was not written holds. */
  #reserve(lengthBytes: number): void {
    if (this.#end + lengthBytes <= this.#bytes.length) return
    const larger = new Uint8Array(this.#bytes.length * 2)
    larger.set(this.#bytes)
    this.#bytes = larger
    this.#view = new DataView(larger.buffer)
  }
}
