/**
 * What a schema consists of, as plain data: the generated module holds it, the loader makes it from a .proto file, and the
 * codecs are compiled from it. Everything that can be wrong with a schema is found here, when the program starts.
 */
import { createHash } from 'node:crypto'
import { SeqcastError } from '../core/errors.js'
import { FIRST_APPLICATION_TYPE } from '../wire/event.js'

/** Protobuf's scalar types, with the TypeScript type of each. */
export const SCALARS = {
  double: 'number',
  float: 'number',
  int32: 'number',
  uint32: 'number',
  sint32: 'number',
  fixed32: 'number',
  sfixed32: 'number',
  int64: 'number',
  uint64: 'number',
  sint64: 'number',
  fixed64: 'number',
  sfixed64: 'number',
  bool: 'boolean',
  string: 'string',
  bytes: 'Uint8Array',
} as const

export type Scalar = keyof typeof SCALARS

export interface FieldDescriptor {
  readonly id: number
  /** A scalar, or the name of a message or an enum of the schema. */
  readonly type: string
  /** Absent: one value, with the default where the wire has none. */
  readonly rule?: 'optional' | 'repeated' | 'map'
  /** `map`: the scalar type of the keys. */
  readonly key?: string
  /** `optional`: the group of which at most one is present. */
  readonly oneof?: string
  /** False where the schema asks for a repeated number to be written unpacked. Both are read. */
  readonly packed?: boolean
  /** Fixed layouts: the room of a string or bytes field. */
  readonly lengthBytes?: number
}

export interface MessageDescriptor {
  /** Present where the message is an event. */
  readonly type?: number
  /** The payload has a fixed layout instead of protobuf's. */
  readonly fixed?: boolean
  readonly fields: Readonly<Record<string, FieldDescriptor>>
}

export interface SchemaDescriptor {
  readonly package: string
  readonly messages: Readonly<Record<string, MessageDescriptor>>
  /** The numbers by name; the first is the default, and is 0. */
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>
}

export const MAX_APPLICATION_TYPE = 0xffff
const MAX_FIELD_NUMBER = 0x1fff_ffff
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const DOTTED_NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/

export function isScalar(type: string): type is Scalar {
  return Object.hasOwn(SCALARS, type)
}

/** True for types whose repeated form is packed. */
export function isPackable(descriptor: SchemaDescriptor, type: string): boolean {
  return isScalar(type) ? type !== 'string' && type !== 'bytes' : Object.hasOwn(descriptor.enums, type)
}

/** The fields of a message by ascending number: the order of every encoding. */
export function fieldsByNumber(message: MessageDescriptor): [string, FieldDescriptor][] {
  return Object.entries(message.fields).sort(([, a], [, b]) => a.id - b.id)
}

/**
 * Says what is wrong with a schema, if anything: `where` is the message or enum, or `message.field`.
 */
export function problemOf(descriptor: SchemaDescriptor): { where: string; problem: string } | undefined {
  for (const [name, values] of Object.entries(descriptor.enums)) {
    const problem = enumProblem(name, values)
    if (problem !== undefined) return { where: name, problem }
  }
  const ownerOfType = new Map<number, string>()
  for (const [name, message] of Object.entries(descriptor.messages)) {
    const problem = messageProblem(name, message, ownerOfType)
    if (problem !== undefined) return { where: name, problem }
    const numbers = new Map<number, string>()
    for (const [field, definition] of Object.entries(message.fields)) {
      const fieldProblem =
        numberProblem(definition, field, numbers) ?? typeProblem(descriptor, message, field, definition)
      if (fieldProblem !== undefined) return { where: `${name}.${field}`, problem: fieldProblem }
    }
  }
  return ownerOfType.size === 0 ? { where: descriptor.package, problem: NO_EVENT } : undefined
}

export const NO_EVENT =
  'no message has a type number: add `option (seqcast.type) = 256;` to each message that is an event'

function enumProblem(name: string, values: Readonly<Record<string, number>>): string | undefined {
  if (!DOTTED_NAME.test(name)) return 'the name is not one'
  const numbers = Object.values(values)
  if (numbers[0] !== 0) return 'the first value of an enum must be 0: it is the default'
  if (new Set(numbers).size !== numbers.length) return 'two values have the same number'
  if (!Object.keys(values).every((value) => NAME.test(value))) return 'the name of a value is not one'
  return numbers.every((number) => Number.isInteger(number) && number === (number | 0))
    ? undefined
    : 'a value is no int32'
}

function messageProblem(name: string, message: MessageDescriptor, owners: Map<number, string>): string | undefined {
  if (!DOTTED_NAME.test(name)) return 'the name is not one'
  const { type } = message
  if (type === undefined) return message.fixed ? 'a fixed layout needs a type number: it is for events' : undefined
  if (name.includes('.')) return "an event must be declared at the top level of the package that is the file's"
  if (!Number.isInteger(type) || type < FIRST_APPLICATION_TYPE || type > MAX_APPLICATION_TYPE) {
    return `type number ${type} is not from ${FIRST_APPLICATION_TYPE} to ${MAX_APPLICATION_TYPE}`
  }
  const owner = owners.get(type)
  if (owner !== undefined) return `type number ${type} is already ${owner}'s`
  owners.set(type, name)
  return undefined
}

function numberProblem(field: FieldDescriptor, name: string, numbers: Map<number, string>): string | undefined {
  if (!NAME.test(name) || name === '__proto__') return 'the name is not one'
  if (!Number.isInteger(field.id) || field.id < 1 || field.id > MAX_FIELD_NUMBER) return `number ${field.id} is not one`
  const owner = numbers.get(field.id)
  if (owner !== undefined) return `number ${field.id} is already ${owner}'s`
  numbers.set(field.id, name)
  return undefined
}

function typeProblem(
  descriptor: SchemaDescriptor,
  message: MessageDescriptor,
  name: string,
  field: FieldDescriptor,
): string | undefined {
  const known =
    isScalar(field.type) ||
    Object.hasOwn(descriptor.messages, field.type) ||
    Object.hasOwn(descriptor.enums, field.type)
  if (!known) return `type ${field.type} is not in the schema`
  if (field.rule === 'map' && !(field.key !== undefined && isScalar(field.key))) return 'a map needs a key type'
  const isMessage = Object.hasOwn(descriptor.messages, field.type)
  if (isMessage && field.rule === undefined) return 'a single message is always optional' // Made so by the loader.
  return message.fixed ? fixedProblem(descriptor, name, field) : undefined
}

function fixedProblem(descriptor: SchemaDescriptor, name: string, field: FieldDescriptor): string | undefined {
  if (field.rule !== undefined)
    return 'a fixed layout has single values only: no optional, repeated, map, oneof or message'
  if (field.type === 'string' || field.type === 'bytes') {
    const length = field.lengthBytes
    if (length !== undefined && Number.isInteger(length) && length > 0 && length <= 0xffff) return undefined
    return `a fixed layout needs the room of '${name}': [(seqcast.length) = 8]`
  }
  const values = Object.hasOwn(descriptor.enums, field.type) ? Object.values(descriptor.enums[field.type] ?? {}) : []
  return values.every((value) => value >= 0 && value <= 255)
    ? undefined
    : 'a fixed layout takes enum values from 0 to 255'
}

/** @throws SeqcastError E_SCHEMA where a schema is not sound */
export function checkDescriptor(descriptor: SchemaDescriptor): void {
  const found = problemOf(descriptor)
  if (found === undefined) return
  throw new SeqcastError('E_SCHEMA', `schema ${descriptor.package}: ${found.where}: ${found.problem}`, {
    hint: 'correct the .proto file and run `seqcast generate` again',
    fields: { where: found.where },
  })
}

/** SHA-256, in hex, over names, types and numbers. The order of declarations does not count. */
export function hashOf(descriptor: SchemaDescriptor): string {
  const byName = <T>(record: Readonly<Record<string, T>>): [string, T][] =>
    Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
  const canonical = [
    'seqcast schema 1',
    descriptor.package,
    byName(descriptor.messages).map(([name, { type, fixed, ...message }]) => [
      name,
      type ?? null,
      fixed ?? false,
      fieldsByNumber(message).map(([field, f]) => [
        f.id,
        field,
        f.type,
        f.rule ?? null,
        f.key ?? null,
        f.oneof ?? null,
        f.packed ?? true,
        f.lengthBytes ?? null,
      ]),
    ]),
    byName(descriptor.enums).map(([name, values]) => [name, Object.entries(values).sort(([, a], [, b]) => a - b)]),
  ]
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex')
}
