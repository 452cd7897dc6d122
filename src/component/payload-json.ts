/**
 * Payloads as JSON values and back, for JSON Lines tools: bytes are base64, maps are objects, enums are names, numbers that
 * JSON lacks are the strings NaN, Infinity, -Infinity and -0, absent fields are left out. 64-bit integers stay numbers (they
 * are below 2^53); strings of digits are read, too, because protobuf's own JSON mapping writes them.
 */
import { SeqcastError } from '../core/errors.js'
import { type FieldDescriptor, isScalar, type MessageDescriptor, SCALARS, type SchemaDescriptor } from './descriptor.js'
import { closest, refuse } from './payload-checks.js'

const DEFAULTS = { number: 0, boolean: false, string: '' } as const

export function payloadToJson(descriptor: SchemaDescriptor, name: string, payload: unknown): Record<string, unknown> {
  const json: Record<string, unknown> = {}
  const values = recordOf(name, '', payload)
  for (const [field, definition] of fieldsOf(descriptor, name)) {
    const value = values[field]
    if (value === undefined) continue
    json[field] = fieldToJson(descriptor, definition, value)
  }
  return json
}

function fieldToJson(descriptor: SchemaDescriptor, field: FieldDescriptor, value: unknown): unknown {
  if (field.rule === 'repeated' && Array.isArray(value)) {
    return value.map((item: unknown) => valueToJson(descriptor, field.type, item))
  }
  if (field.rule === 'map' && value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [String(key), valueToJson(descriptor, field.type, item)]))
  }
  return valueToJson(descriptor, field.type, value)
}

function valueToJson(descriptor: SchemaDescriptor, type: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : numberText(value)
  return Object.hasOwn(descriptor.messages, type) ? payloadToJson(descriptor, type, value) : value
}

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))

/** @throws SeqcastError E_PAYLOAD where the shape is wrong; ranges are checked when the payload is encoded */
export function payloadFromJson(descriptor: SchemaDescriptor, name: string, json: unknown): Record<string, unknown> {
  const values = recordOf(name, '', json)
  const fields = fieldsOf(descriptor, name)
  for (const field of Object.keys(values)) {
    if (!fields.some(([known]) => known === field)) refuseUnknown(name, field, fields)
  }
  const payload: Record<string, unknown> = {}
  for (const [field, definition] of fields) {
    const value = values[field]
    payload[field] =
      value === undefined || value === null
        ? defaultOf(descriptor, definition)
        : fieldFromJson(descriptor, `${name}`, field, definition, value)
  }
  return payload
}

function refuseUnknown(message: string, field: string, fields: readonly (readonly [string, unknown])[]): never {
  const names = fields.map(([name]) => name)
  const similar = closest(field, names)
  throw new SeqcastError('E_PAYLOAD', `${message}.${field}: the message has no such field`, {
    hint: similar === undefined ? `its fields are ${names.join(', ')}` : `did you mean ${similar}?`,
    fields: { message, field },
  })
}

function defaultOf(descriptor: SchemaDescriptor, field: FieldDescriptor): unknown {
  if (field.rule === 'repeated') return []
  if (field.rule === 'map') return new Map()
  if (field.rule === 'optional') return undefined
  if (field.type === 'bytes') return new Uint8Array(0)
  if (!isScalar(field.type)) return Object.keys(descriptor.enums[field.type] ?? {})[0]
  const type = SCALARS[field.type]
  return type === 'Uint8Array' ? new Uint8Array(0) : DEFAULTS[type]
}

function fieldFromJson(
  descriptor: SchemaDescriptor,
  message: string,
  name: string,
  field: FieldDescriptor,
  json: unknown,
): unknown {
  const one = (type: string, value: unknown): unknown => valueFromJson(descriptor, message, name, type, value)
  if (field.rule === 'repeated') {
    if (!Array.isArray(json)) refuse(message, name, json, 'an array')
    return json.map((item: unknown) => one(field.type, item))
  }
  if (field.rule === 'map') {
    const entries = Object.entries(recordOf(message, name, json))
    return new Map(entries.map(([key, item]) => [keyFromJson(field.key ?? 'string', key), one(field.type, item)]))
  }
  return one(field.type, json)
}

function keyFromJson(type: string, key: string): unknown {
  if (type === 'string') return key
  return type === 'bool' ? (key === 'true' ? true : key === 'false' ? false : key) : numberFromJson(type, key)
}

function valueFromJson(
  descriptor: SchemaDescriptor,
  message: string,
  name: string,
  type: string,
  json: unknown,
): unknown {
  if (Object.hasOwn(descriptor.messages, type)) return payloadFromJson(descriptor, type, json)
  if (!isScalar(type)) return json
  if (type === 'bytes') {
    if (typeof json !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(json)) refuse(message, name, json, 'base64 text')
    return new Uint8Array(Buffer.from(json, 'base64'))
  }
  return SCALARS[type] === 'number' ? numberFromJson(type, json) : json
}

function numberFromJson(type: string, json: unknown): unknown {
  if (typeof json !== 'string') return json
  if (json === 'NaN' || json === 'Infinity' || json === '-Infinity') return Number(json)
  if (!/^-?[0-9]+$/.test(json)) return json
  // An integer that would be rounded stays text: it is refused as it was written.
  return type === 'double' || type === 'float' || Number.isSafeInteger(Number(json)) ? Number(json) : json
}

function fieldsOf(descriptor: SchemaDescriptor, name: string): [string, FieldDescriptor][] {
  const message: MessageDescriptor | undefined = descriptor.messages[name]
  if (message === undefined) throw new Error(`${name} is no message of the schema`)
  return Object.entries(message.fields)
}

function recordOf(message: string, field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(message, field, value, 'an object')
  return { ...value }
}
