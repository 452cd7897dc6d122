/**
 * The messages of Nasdaq TotalView-ITCH 5.0 that say something about an order: bytes to fields. All of its other messages
 * are known by type and length, so that a damaged file is noticed and a healthy one is not refused.
 *
 * Numbers are big-endian. Prices are in 1/10000 dollar.
 */

/** Length in bytes of each message type, the type byte included. */
const LENGTH_BYTES: Readonly<Record<string, number>> = {
  S: 12, // system event
  R: 39, // stock directory
  H: 25, // trading action
  Y: 20, // short sale restriction
  L: 26, // market participant position
  V: 35, // circuit breaker: levels
  W: 12, // circuit breaker: breached
  K: 28, // quoting period of an initial offering
  J: 35, // auction collar
  h: 21, // operational halt
  A: 36, // add order
  F: 40, // add order, with its market participant
  E: 31, // order executed
  C: 36, // order executed with a price of its own
  X: 23, // order cancelled in part
  D: 19, // order deleted
  U: 35, // order replaced
  P: 44, // trade of an order that was not displayed
  Q: 40, // cross trade
  B: 19, // broken trade
  I: 50, // order imbalance
  N: 20, // retail interest
  O: 48, // direct listing
}

/** No message is longer. */
export const MAX_ITCH_BYTES = 50

/** References from here on are kept for orders of our own: see `ownOrderId`. */
const FIRST_OWN_ORDER_ID = 2 ** 52

/**
 * The id of the order that stands for message `index` where that message names the executed order only. It can't collide with
 * a reference, because references from 2^52 on are refused; and being made from the index, it is the same at each reading.
 */
export function ownOrderId(index: number): number {
  return FIRST_OWN_ORDER_ID + index
}

export type ItchMessage =
  | { kind: 'add'; reference: number; symbol: string; buy: boolean; shares: number; price: number }
  | { kind: 'execute'; reference: number; shares: number }
  | { kind: 'reduce'; reference: number; shares: number }
  | { kind: 'delete'; reference: number }
  | { kind: 'replace'; reference: number; newReference: number; shares: number; price: number }
  /** The stock directory: static data. */
  | { kind: 'directory'; symbol: string }
  /** Known, and of no use here. */
  | { kind: 'other' }

/** Parses one message. @returns what it says, or why it is not one, as a sentence */
export function parseItch(bytes: Uint8Array): ItchMessage | string {
  const type = String.fromCharCode(bytes[0] ?? 0)
  const lengthBytes = Object.hasOwn(LENGTH_BYTES, type) ? LENGTH_BYTES[type] : undefined
  if (lengthBytes === undefined) return `unknown message type ${printable(bytes[0] ?? 0)}`
  if (lengthBytes !== bytes.length) {
    return `a message of type '${type}' has ${lengthBytes} bytes, and this one has ${bytes.length}`
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  switch (type) {
    case 'A':
    case 'F':
      return parseAdd(view)
    case 'E':
    case 'C':
      return checked({ kind: 'execute', reference: readReference(view, 11), shares: view.getUint32(19) })
    case 'X':
      return checked({ kind: 'reduce', reference: readReference(view, 11), shares: view.getUint32(19) })
    case 'D':
      return checked({ kind: 'delete', reference: readReference(view, 11) })
    case 'U':
      return parseReplace(view)
    case 'R':
      return parseDirectory(view)
    default:
      return { kind: 'other' }
  }
}

function parseDirectory(view: DataView): ItchMessage | string {
  const symbol = readSymbol(view, 11)
  return symbol === '' ? 'a directory entry without a stock' : { kind: 'directory', symbol }
}

function parseAdd(view: DataView): ItchMessage | string {
  const side = view.getUint8(19)
  if (side !== 0x42 && side !== 0x53) return `the side of an order is 'B' or 'S', and this one is ${printable(side)}`
  const symbol = readSymbol(view, 24)
  if (symbol === '') return 'an order without a stock'
  const [shares, price] = [view.getUint32(20), view.getUint32(32)]
  return checked({ kind: 'add', reference: readReference(view, 11), symbol, buy: side === 0x42, shares, price })
}

function parseReplace(view: DataView): ItchMessage | string {
  const newReference = readReference(view, 19)
  if (newReference >= FIRST_OWN_ORDER_ID) return referenceTooLarge
  const [shares, price] = [view.getUint32(27), view.getUint32(31)]
  return checked({ kind: 'replace', reference: readReference(view, 11), newReference, shares, price })
}

const referenceTooLarge = 'an order reference of 2^52 or more, which this program keeps for orders of its own'

function checked(message: ItchMessage & { reference: number }): ItchMessage | string {
  return message.reference < FIRST_OWN_ORDER_ID ? message : referenceTooLarge
}

function readReference(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4) // above 2^53 inexact, and refused all the same
}

function readSymbol(view: DataView, at: number): string {
  let symbol = ''
  for (let i = at; i < at + 8; i++) symbol += String.fromCharCode(view.getUint8(i))
  return symbol.trimEnd()
}

function printable(code: number): string {
  return code > 0x20 && code < 0x7f ? `'${String.fromCharCode(code)}'` : `0x${code.toString(16).padStart(2, '0')}`
}
