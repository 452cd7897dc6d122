/**
 * What a column may hold, in words that every database has: each target translates them. A row is checked where it is put, so
 * that a wrong value is an error of its handler, with the column's name, and not one of a database some events later.
 */

/** `integer` is a safe integer, `number` a double, `time` microseconds since 1970. `json` takes what JSON can say. */
export type ColumnType = 'text' | 'integer' | 'number' | 'boolean' | 'bytes' | 'json' | 'time'
/** With `?` the column may be undefined, which databases call null. */
export type ColumnSpec = ColumnType | `${ColumnType}?`

interface TypesOfColumns {
  text: string
  integer: number
  number: number
  boolean: boolean
  bytes: Uint8Array
  json: unknown
  time: number
}

/** What a column of this type holds. */
export type ValueOf<C> = C extends `${infer T extends ColumnType}?`
  ? TypesOfColumns[T] | undefined
  : C extends ColumnType
    ? TypesOfColumns[C]
    : never

export type Value = unknown
/** A row as the targets handle it; the definition's types have vouched for it. */
export type UntypedRow = Readonly<Record<string, Value>>

export interface Column {
  /** As handlers write it. */
  readonly name: string
  /** As databases write it: `orderId` is `order_id`. */
  readonly sqlName: string
  readonly type: ColumnType
  readonly isOptional: boolean
}

const TYPES: readonly string[] = ['text', 'integer', 'number', 'boolean', 'bytes', 'json', 'time']
/** Of these a key may be made: they have one order, and one text for one value. */
export const KEY_TYPES: ReadonlySet<ColumnType> = new Set(['text', 'integer', 'boolean', 'bytes', 'time'])
const MAX_IDENTIFIER = 40

/** @throws Error a programmer's error, named */
export function columnOf(where: string, name: string, spec: string): Column {
  const isOptional = spec.endsWith('?')
  const type = isOptional ? spec.slice(0, -1) : spec
  if (!isColumnType(type)) {
    throw new Error(
      `${where}.${name} is of type '${spec}'; the types are ${TYPES.join(', ')}, each with a '?' if optional`,
    )
  }
  return { name, sqlName: sqlNameOf(where, name), type, isOptional }
}

const isColumnType = (type: string): type is ColumnType => TYPES.includes(type)

/** `orderId` is `order_id` in a database: then nobody has to quote it. @throws Error a programmer's error, named */
export function sqlNameOf(where: string, name: string): string {
  const sqlName = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  if (/^[a-z][a-z0-9_]*$/.test(sqlName) && sqlName.length <= MAX_IDENTIFIER) return sqlName
  throw new Error(
    `${where}: '${name}' must be 1 to ${MAX_IDENTIFIER} letters, digits and underscores, and begin with a small letter`,
  )
}

/** @returns what is wrong with a value, as the end of a sentence that begins with 'must be'; undefined where nothing is */
export function problemOf({ type, isOptional }: Column, value: Value): string | undefined {
  if (value === undefined) return isOptional ? undefined : `${WORDS[type]}, and is missing`
  return FITS[type](value) ? undefined : WORDS[type]
}

const isInteger = (value: Value): boolean => Number.isSafeInteger(value) && !Object.is(value, -0)

const FITS: Readonly<Record<ColumnType, (value: Value) => boolean>> = {
  text: (value) => typeof value === 'string' && !value.includes('\u0000') && isWellFormed(value),
  integer: isInteger,
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  bytes: (value) => value instanceof Uint8Array,
  json: isJson,
  time: isInteger,
}

const WORDS: Readonly<Record<ColumnType, string>> = {
  text: 'a string, without NUL and half surrogate pairs',
  integer: 'a whole number beyond -2^53 and below 2^53',
  number: 'a number',
  boolean: 'true or false',
  bytes: 'a Uint8Array',
  json: 'what JSON can say: plain objects, arrays, strings without NUL, finite numbers, booleans and null',
  time: 'whole microseconds since 1970',
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text)
}

function isJson(value: Value): boolean {
  if (value === null || typeof value === 'boolean') return true
  if (typeof value === 'string') return FITS.text(value)
  if (typeof value === 'number') return Number.isFinite(value)
  if (Array.isArray(value)) return value.every(isJson)
  if (typeof value !== 'object' || value instanceof Uint8Array) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  return Object.entries(value).every(([key, each]) => FITS.text(key) && isJson(each))
}

/** A copy that shares nothing with what a handler holds. */
export function copyOf(columns: readonly Column[], row: UntypedRow): Record<string, Value> {
  const copy: Record<string, Value> = {}
  for (const { name, type } of columns) {
    const value = row[name]
    if (value === undefined) continue
    if (type === 'json') copy[name] = structuredClone(value)
    else copy[name] = type === 'bytes' && value instanceof Uint8Array ? Uint8Array.from(value) : value
  }
  return copy
}
