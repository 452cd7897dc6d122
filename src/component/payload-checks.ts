/**
 * The checks at the edge of a payload, and the reading of 64-bit integers, shared by the codecs. Integers beyond 2^53 - 1
 * would round without a word: they are refused both ways.
 */
import protobuf from 'protobufjs/minimal.js'
import { SeqcastError } from '../core/errors.js'

// 64-bit integers are plain numbers here; wire/protobuf.ts, which also switches Long off, need not have been loaded.
protobuf.util.Long = undefined as never
protobuf.configure()

export type Reader = protobuf.Reader
export type Writer = protobuf.Writer
export const { Reader, Writer } = protobuf

/** How the wire's bytes of one event type become its payload, and back. */
export interface PayloadCodec {
  /** @throws Error where the bytes are not the message */
  decode(bytes: Uint8Array, start: number, end: number): unknown
  /** The bytes are valid until the codec's next call. @throws SeqcastError E_PAYLOAD */
  encode(payload: unknown): Uint8Array
}

/** What is wrong with a value of a scalar type, as the end of a sentence that begins with 'must be'. */
type Check = (value: unknown) => string | undefined

const MAX_FLOAT = 3.4028234663852886e38

function integer(low: number, high: number, what: string): Check {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high ? undefined : what
}

const int32 = integer(-0x8000_0000, 0x7fff_ffff, 'a whole number from -2^31 to 2^31 - 1')
const uint32 = integer(0, 0xffff_ffff, 'a whole number from 0 to 2^32 - 1')
const int64 = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'a whole number beyond -2^53 and below 2^53')
const uint64 = integer(0, Number.MAX_SAFE_INTEGER, 'a whole number from 0 to 2^53 - 1')

export const CHECKS: Readonly<Record<string, Check>> = {
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64,
  sint64: int64,
  sfixed64: int64,
  uint64,
  fixed64: uint64,
  double: (value) => (typeof value === 'number' ? undefined : 'a number'),
  float: (value) => {
    if (typeof value !== 'number') return 'a number'
    return Number.isFinite(value) && Math.abs(value) > MAX_FLOAT ? 'a number in the range of a float' : undefined
  },
  bool: (value) => (typeof value === 'boolean' ? undefined : 'true or false'),
  string: (value) => {
    if (typeof value !== 'string') return 'a string'
    return isWellFormed(value) ? undefined : 'a string without half of a surrogate pair'
  },
  bytes: (value) => (value instanceof Uint8Array ? undefined : 'a Uint8Array'),
}

function isWellFormed(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0xd800 || code > 0xdfff) continue
    if (code > 0xdbff) return false
    const next = text.charCodeAt(++i)
    if (!(next >= 0xdc00 && next <= 0xdfff)) return false
  }
  return true
}

/** @throws SeqcastError E_PAYLOAD naming message and field */
export function refuse(message: string, field: string, value: unknown, must: string): never {
  const where = field === '' ? `message ${message}` : `${message}.${field}`
  throw new SeqcastError('E_PAYLOAD', `${where} must be ${must}, not ${show(value)}`, { fields: { message, field } })
}

/** What somebody may have meant by a name that is not among `names`: other case, underscores, or up to two letters off. */
export function closest(name: string, names: readonly string[]): string | undefined {
  const flat = (text: string): string => text.replaceAll('_', '').toLowerCase()
  const wanted = flat(name)
  const ranked = names.map((known) => ({ known, edits: editsBetween(wanted, flat(known)) }))
  const best = ranked.sort((a, b) => a.edits - b.edits)[0]
  return best !== undefined && best.edits <= Math.min(2, wanted.length / 2) ? best.known : undefined
}

/** How many letters have to be added, taken away or changed. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}

/** Reads an unsigned varint. @throws Error where it is beyond 2^53 - 1 or cut off */
export function readUint64(reader: Reader): number {
  const { buf, len } = reader
  let value = 0
  let scale = 1
  for (let i = 0; i < 10; i++) {
    if (reader.pos >= len) throw new Error('cut off')
    const byte = buf[reader.pos++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return safe(value)
    scale *= 128
  }
  throw new Error('an integer of more than ten bytes')
}

/** Writes an unsigned varint. */
export function writeUint64(writer: Writer, value: number): void {
  if (value <= 0xffff_ffff) writer.uint32(value)
  else writer.uint64(value)
}

/** @throws Error where an integer is not exact */
export function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new Error('an integer beyond 2^53 - 1')
  return value
}

/** The end of the length-prefixed part that begins here. @throws Error where it lies outside of the payload */
export function partEnd(reader: Reader): number {
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw new Error('a part reaches past the end')
  return end
}
