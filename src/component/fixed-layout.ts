/**
 * The fixed layout of a payload: every field at a constant offset, by ascending field number, big-endian, without tags. It
 * is for messages that must be fastest: no varints, no branches on the wire's content, a length that is checked once.
 *
 * | type | bytes |
 * |---|---|
 * | bool, enum (values 0 to 255) | 1 |
 * | int32, uint32, sint32, fixed32, sfixed32, float | 4 |
 * | int64, uint64, sint64, fixed64, sfixed64, double | 8 |
 * | string with `(seqcast.length) = n` | n: ASCII, filled with spaces on the right, which are cut off when read |
 * | bytes with `(seqcast.length) = n` | exactly n |
 *
 * As for protobuf, one decoder and one encoder are compiled for each message, from a checked descriptor.
 */
import { readU32, readU64, writeU32, writeU64 } from '../wire/bytes.js'
import { type FieldDescriptor, fieldsByNumber, type MessageDescriptor, type SchemaDescriptor } from './descriptor.js'
import { CHECKS, type PayloadCodec, refuse } from './payload-checks.js'

/** The width, and the text that reads from `b` at `at` and writes `v` there. */
interface Shape {
  readonly widthBytes: number
  readonly read: (at: string) => string
  readonly write: (at: string) => string
  readonly check: (refuseAt: string) => string
}

type Decode = (bytes: Uint8Array, start: number) => unknown
type Encode = (bytes: Uint8Array, value: unknown) => void

/** The width of a message's payload, in bytes. */
export function fixedLayoutBytes(descriptor: SchemaDescriptor, message: MessageDescriptor): number {
  return fieldsByNumber(message).reduce((sum, [, field]) => sum + shapeOf(descriptor, field).widthBytes, 0)
}

/** Compiles the codec of a message that the descriptor marks as fixed. */
export function fixedLayoutCodec(descriptor: SchemaDescriptor, name: string, message: MessageDescriptor): PayloadCodec {
  const lengthBytes = fixedLayoutBytes(descriptor, message)
  const decode = compile<Decode>(decoderText(descriptor, message))
  const encode = compile<Encode>(encoderText(descriptor, name, message))
  const buffer = new Uint8Array(lengthBytes)
  return {
    decode(bytes, start, end) {
      if (end - start !== lengthBytes) throw new Error(`${end - start} bytes instead of ${lengthBytes}`)
      return decode(bytes, start)
    },
    encode(payload) {
      encode(buffer, payload)
      return buffer
    },
  }
}

function decoderText(descriptor: SchemaDescriptor, message: MessageDescriptor): string {
  const fields: string[] = []
  let offset = 0
  for (const [name, field] of fieldsByNumber(message)) {
    const { widthBytes, read } = shapeOf(descriptor, field)
    fields.push(`${JSON.stringify(name)}: ${read(`start + ${offset}`)}`)
    offset += widthBytes
  }
  return `return function decode(b, start) {\nreturn { ${fields.join(',\n')} }\n}`
}

function encoderText(descriptor: SchemaDescriptor, name: string, message: MessageDescriptor): string {
  const lines: string[] = []
  let offset = 0
  for (const [field, definition] of fieldsByNumber(message)) {
    const { widthBytes, write, check } = shapeOf(descriptor, definition)
    const at = `${JSON.stringify(name)}, ${JSON.stringify(field)}`
    lines.push(`v = m[${JSON.stringify(field)}]; ${check(at)}\n${write(String(offset))}`)
    offset += widthBytes
  }
  return `return function encode(b, m) {
if (typeof m !== 'object' || m === null) refuse(${JSON.stringify(name)}, '', m, 'an object')
let v
${lines.join('\n')}
}`
}

const HELPERS = {
  CHECKS,
  refuse,
  readU32,
  readSafeU64,
  readSafeI64,
  readText,
  readBool,
  readName,
  readFloat,
  readDouble,
  writeU32,
  writeU64,
  writeI64,
  writeText,
  writeFloat,
  writeDouble,
  isText,
}

function compile<F>(text: string): F {
  const compiled: unknown = new Function(...Object.keys(HELPERS), `'use strict'\n${text}`)(...Object.values(HELPERS))
  if (!isFunction<F>(compiled)) throw new Error('the compiled text returned no function')
  return compiled
}

function isFunction<F>(value: unknown): value is F {
  return typeof value === 'function'
}

const SCALAR_TEXT: Readonly<Record<string, readonly [widthBytes: number, read: string, write: string]>> = {
  bool: [1, 'readBool(b, AT)', 'b[AT] = v ? 1 : 0'],
  int32: [4, '(readU32(b, AT) | 0)', 'writeU32(b, AT, v)'],
  uint32: [4, 'readU32(b, AT)', 'writeU32(b, AT, v)'],
  float: [4, 'readFloat(b, AT)', 'writeFloat(b, AT, v)'],
  int64: [8, 'readSafeI64(b, AT)', 'writeI64(b, AT, v)'],
  uint64: [8, 'readSafeU64(b, AT)', 'writeU64(b, AT, v)'],
  double: [8, 'readDouble(b, AT)', 'writeDouble(b, AT, v)'],
}
/** Protobuf's other integer types differ in their varints only. */
const SAME_AS: Readonly<Record<string, string>> = {
  sint32: 'int32',
  sfixed32: 'int32',
  fixed32: 'uint32',
  sint64: 'int64',
  sfixed64: 'int64',
  fixed64: 'uint64',
}

function shapeOf(descriptor: SchemaDescriptor, field: FieldDescriptor): Shape {
  const room = field.lengthBytes ?? 0
  if (field.type === 'string') {
    const must = JSON.stringify(`ASCII text of at most ${room} characters that does not end in a space`)
    return {
      widthBytes: room,
      read: (at) => `readText(b, ${at}, ${room})`,
      write: (at) => `writeText(b, ${at}, ${room}, v)`,
      check: (at) => `if (!isText(v, ${room})) refuse(${at}, v, ${must})`,
    }
  }
  if (field.type === 'bytes') {
    return {
      widthBytes: room,
      read: (at) => `new Uint8Array(b.subarray(${at}, ${at} + ${room}))`,
      write: (at) => `b.set(v, ${at})`,
      check: (at) =>
        `if (!(v instanceof Uint8Array) || v.length !== ${room}) refuse(${at}, v, 'a Uint8Array of ${room} bytes')`,
    }
  }
  const values = descriptor.enums[field.type]
  return values === undefined ? scalarShape(field.type) : enumShape(values)
}

function scalarShape(type: string): Shape {
  const [widthBytes, read, write] = SCALAR_TEXT[SAME_AS[type] ?? type]!
  return {
    widthBytes,
    read: (at) => read.replaceAll('AT', at),
    write: (at) => write.replaceAll('AT', at),
    check: (at) => `{ const must = CHECKS.${type}(v); if (must !== undefined) refuse(${at}, v, must) }`,
  }
}

function enumShape(values: Readonly<Record<string, number>>): Shape {
  const names: string[] = []
  for (const [name, number] of Object.entries(values)) {
    while (names.length <= number) names.push('')
    names[number] = name
  }
  const table = JSON.stringify(names)
  const must = JSON.stringify(`one of ${Object.keys(values).join(', ')}`)
  return {
    widthBytes: 1,
    read: (at) => `readName(${table}, b[${at}])`,
    write: (at) => `b[${at}] = ${table}.indexOf(v)`,
    check: (at) => `if (v === '' || !${table}.includes(v)) refuse(${at}, v, ${must})`,
  }
}

function readBool(bytes: Uint8Array, at: number): boolean {
  if (bytes[at]! > 1) throw new Error('a bool that is neither 0 nor 1')
  return bytes[at] === 1
}

function readName(names: readonly string[], number: number): string {
  const name = names[number]
  if (name === undefined || name === '') throw new Error(`an enum value ${number} that the schema has not`)
  return name
}

function readSafeU64(bytes: Uint8Array, at: number): number {
  const value = readU64(bytes, at)
  if (Number.isNaN(value)) throw new Error('an integer beyond 2^53 - 1')
  return value
}

function readSafeI64(bytes: Uint8Array, at: number): number {
  const value = (readU32(bytes, at) | 0) * 0x1_0000_0000 + readU32(bytes, at + 4)
  if (!Number.isSafeInteger(value)) throw new Error('an integer beyond 2^53 - 1')
  return value
}

function writeI64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 0x1_0000_0000))
  writeU32(bytes, at + 4, value >>> 0)
}

const scratch = new DataView(new ArrayBuffer(8))

function readFloat(bytes: Uint8Array, at: number): number {
  scratch.setUint32(0, readU32(bytes, at))
  return scratch.getFloat32(0)
}

function writeFloat(bytes: Uint8Array, at: number, value: number): void {
  scratch.setFloat32(0, value)
  writeU32(bytes, at, scratch.getUint32(0))
}

function readDouble(bytes: Uint8Array, at: number): number {
  scratch.setUint32(0, readU32(bytes, at))
  scratch.setUint32(4, readU32(bytes, at + 4))
  return scratch.getFloat64(0)
}

function writeDouble(bytes: Uint8Array, at: number, value: number): void {
  scratch.setFloat64(0, value)
  writeU32(bytes, at, scratch.getUint32(0))
  writeU32(bytes, at + 4, scratch.getUint32(4))
}

function readText(bytes: Uint8Array, at: number, room: number): string {
  let end = at + room
  while (end > at && bytes[end - 1] === 0x20) end--
  let text = ''
  for (let i = at; i < end; i++) {
    const code = bytes[i]!
    if (code > 0x7f) throw new Error('text that is not ASCII')
    text += String.fromCharCode(code)
  }
  return text
}

function writeText(bytes: Uint8Array, at: number, room: number, text: string): void {
  const { length } = text
  for (let i = 0; i < room; i++) bytes[at + i] = i < length ? text.charCodeAt(i) : 0x20
}

function isText(value: unknown, room: number): boolean {
  if (typeof value !== 'string' || value.length > room || value.endsWith(' ')) return false
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false
  return true
}
