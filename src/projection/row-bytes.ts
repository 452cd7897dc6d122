/**
 * Rows as bytes, for databases that know nothing else: keys whose order as bytes is the order of their values, and rows as JSON, without
 * what JSON would lose.
 */
import type { Column, UntypedRow, Value } from './columns.js'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The values of the key's columns, one after the other. */
export function keyBytes(key: readonly Column[], row: UntypedRow): Uint8Array {
  return Buffer.concat(key.map(({ name }) => partOf(row[name])))
}

function partOf(value: Value): Uint8Array {
  if (typeof value === 'string') return terminated(encoder.encode(value))
  if (value instanceof Uint8Array) return terminated(value)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0)
  // Signed to unsigned, so that bytes sort as numbers do: safe integers fit a double's 53 bits, and so 64.
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Number(value)) + 0x8000_0000_0000_0000n)
  return bytes
}

/** Zero bytes are doubled up with 255, and two zeros end it: a value never is the beginning of another. */
function terminated(bytes: Uint8Array): Uint8Array {
  const parts: number[] = []
  for (const byte of bytes) {
    parts.push(byte)
    if (byte === 0) parts.push(255)
  }
  return Uint8Array.from([...parts, 0, 0])
}

export function rowBytes(columns: readonly Column[], row: UntypedRow): Uint8Array {
  return encoder.encode(JSON.stringify(columns.map((column) => toJson(column, row[column.name]))))
}

/** @returns undefined where the bytes are no such row */
export function rowOfBytes(columns: readonly Column[], bytes: Uint8Array): UntypedRow | undefined {
  const values: unknown = JSON.parse(decoder.decode(bytes))
  if (!Array.isArray(values) || values.length !== columns.length) return undefined
  const row: Record<string, Value> = {}
  columns.forEach((column, i) => {
    const value: unknown = values[i]
    if (value !== null) row[column.name] = fromJson(column, value)
  })
  return row
}

/** Null is a value that is missing; a value of a json column, which may be null itself, is in a list of one. */
function toJson({ type }: Column, value: Value): unknown {
  if (value === undefined) return null
  if (type === 'json') return [value]
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return Object.is(value, -0) ? '-0' : String(value)
  }
  return value
}

function fromJson({ type }: Column, value: unknown): Value {
  if (type === 'json') return Array.isArray(value) ? value[0] : undefined
  if (type === 'bytes') return Uint8Array.from(Buffer.from(String(value), 'base64'))
  return type === 'number' ? Number(value) : value
}
