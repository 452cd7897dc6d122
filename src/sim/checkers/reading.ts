/**
 * The checkers' own reading of bytes, written from the published layouts and from nothing else: a mistake in the code under
 * test must not be repeated by who checks it. Slow and plain; nothing here is on a hot path.
 */

export function u16(b: Uint8Array, at: number): number {
  return (b[at] ?? 0) * 0x100 + (b[at + 1] ?? 0)
}

export function u32(b: Uint8Array, at: number): number {
  return u16(b, at) * 0x1_0000 + u16(b, at + 2)
}

/** Exact below 2^53. */
export function u64(b: Uint8Array, at: number): number {
  return u32(b, at) * 0x1_0000_0000 + u32(b, at + 4)
}

export function ascii(b: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...b.subarray(from, to))
}

/** 32 bits over a stretch of bytes (FNV-1a): tells two events of one number apart. */
export function hashBytes(b: Uint8Array, from = 0, to = b.length, seed = 0x811c_9dc5): number {
  let hash = seed
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (b[at] ?? 0), 0x0100_0193)
  return hash >>> 0
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

/** The session that a packet of the event or of the command stream names. */
export function sessionOf(b: Uint8Array): string {
  return ascii(b, 0, Math.min(10, b.length)).trimEnd()
}

/** A MoldUDP64 packet: session (10), sequence u64, count u16; count 0 and 0xffff carry no messages. */
export interface MoldPacket {
  readonly session: string
  readonly sequence: number
  readonly count: number
}

export const MOLD_BLOCKS_AT = 20

/** @returns undefined where there are no messages in it */
export function readMold(b: Uint8Array): MoldPacket | undefined {
  if (b.length < MOLD_BLOCKS_AT) return undefined
  const count = u16(b, 18)
  return count === 0 || count === 0xffff ? undefined : { session: ascii(b, 0, 10), sequence: u64(b, 10), count }
}

/** A command packet: session (10), source u16, epoch u16, first source sequence u32, count u16. */
export interface CommandPacket {
  readonly source: number
  readonly first: number
  readonly count: number
}

export const COMMAND_BLOCKS_AT = 20

export function readCommandPacket(b: Uint8Array): CommandPacket {
  return { source: u16(b, 10), first: u32(b, 14), count: u16(b, 18) }
}

/** Calls with each of `count` length-prefixed blocks: where its bytes begin and end. */
export function eachBlock(
  b: Uint8Array,
  start: number,
  count: number,
  visit: (from: number, to: number) => void,
): void {
  let at = start
  for (let i = 0; i < count && at + 2 <= b.length; i++) {
    const from = at + 2
    at = from + u16(b, at)
    if (at > b.length) return
    visit(from, at)
  }
}

/** The fields of an event's 20-byte header, and its payload. */
export interface EventFields {
  readonly type: number
  readonly source: number
  readonly sourceSequence: number
  readonly timeUs: number
  readonly epoch: number
  readonly isFirst: boolean
  readonly isLast: boolean
  readonly payload: Uint8Array
}

export const HEADER_BYTES = 20

export function epochOf(b: Uint8Array, at: number): number {
  return u16(b, at + 16)
}

/** @param b exactly one event */
export function readEvent(b: Uint8Array): EventFields {
  return {
    type: u16(b, 0),
    source: u16(b, 2),
    sourceSequence: u32(b, 4),
    timeUs: Math.floor((u32(b, 8) * 0x1_0000_0000) / 1000 + u32(b, 12) / 1000),
    epoch: epochOf(b, 0),
    isFirst: (u16(b, 18) & 1) !== 0,
    isLast: (u16(b, 18) & 2) !== 0,
    payload: b.subarray(HEADER_BYTES),
  }
}

/** One field of a protobuf message: a number, or bytes. */
export type FieldValue = number | Uint8Array

/** All fields of a protobuf message by number, in order; what can't be read ends the list. */
export class Fields {
  readonly #values = new Map<number, FieldValue[]>()

  constructor(b: Uint8Array) {
    let at = 0
    const varint = (): number => {
      let value = 0
      for (let scale = 1; at < b.length; scale *= 128) {
        const byte = b[at++] ?? 0
        value += (byte & 0x7f) * scale
        if (byte < 0x80) break
      }
      return value
    }
    while (at < b.length) {
      const tag = varint()
      const wire = tag % 8
      if (wire === 0) this.#add(Math.floor(tag / 8), varint())
      else if (wire === 2) {
        const length = varint()
        this.#add(Math.floor(tag / 8), b.subarray(at, at + length))
        at += length
      } else if (wire === 1) at += 8
      else if (wire === 5) at += 4
      else return
    }
  }

  number(id: number): number {
    const value = this.#values.get(id)?.at(-1)
    return typeof value === 'number' ? value : 0
  }

  bytes(id: number): Uint8Array {
    const value = this.#values.get(id)?.at(-1)
    return value instanceof Uint8Array ? value : new Uint8Array(0)
  }

  text(id: number): string {
    return ascii(this.bytes(id), 0, this.bytes(id).length)
  }

  has(id: number): boolean {
    return this.#values.has(id)
  }

  /** Of a repeated message field. */
  messages(id: number): Fields[] {
    return (this.#values.get(id) ?? []).flatMap((value) => (value instanceof Uint8Array ? [new Fields(value)] : []))
  }

  /** Of a repeated string field. */
  texts(id: number): string[] {
    return (this.#values.get(id) ?? []).flatMap((v) => (v instanceof Uint8Array ? [ascii(v, 0, v.length)] : []))
  }

  #add(id: number, value: FieldValue): void {
    const values = this.#values.get(id)
    if (values === undefined) this.#values.set(id, [value])
    else values.push(value)
  }
}
