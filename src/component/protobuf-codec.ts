/**
 * Compiles the protobuf codec of each message. The decoder of protobufjs leaves out what the wire left out and makes class
 * instances; a payload must be a plain object with every field, so that a handler may keep it in its state and take it
 * apart. So we use its Reader and Writer and compile the loop around them ourselves, once per message, as it does: one
 * function with a `switch` over the tags, which the engine optimizes for that message alone.
 *
 * Names in the text come from a checked descriptor (identifiers only), never from a peer.
 */
import {
  type FieldDescriptor,
  fieldsByNumber,
  isPackable,
  isScalar,
  type MessageDescriptor,
  type SchemaDescriptor,
} from './descriptor.js'
import {
  CHECKS,
  type PayloadCodec,
  partEnd,
  Reader,
  readUint64,
  refuse,
  safe,
  Writer,
  writeUint64,
} from './payload-checks.js'

/** Nested deeper than this a payload is refused: it would exhaust the stack. */
const MAX_DEPTH = 100

const VARINT = 0
const FIXED64 = 1
const DELIMITED = 2
const FIXED32 = 5

/** The wire type of each scalar, how it is read, and how it is written (`v` is the value). */
const WIRE: Readonly<Record<string, readonly [wireType: number, read: string, write: string, fallback: string]>> = {
  double: [FIXED64, 'r.double()', 'w.double(v)', '0'],
  float: [FIXED32, 'r.float()', 'w.float(v)', '0'],
  int32: [VARINT, 'r.int32()', 'w.int32(v)', '0'],
  uint32: [VARINT, 'r.uint32()', 'w.uint32(v)', '0'],
  sint32: [VARINT, 'r.sint32()', 'w.sint32(v)', '0'],
  fixed32: [FIXED32, 'r.fixed32()', 'w.fixed32(v)', '0'],
  sfixed32: [FIXED32, 'r.sfixed32()', 'w.sfixed32(v)', '0'],
  int64: [VARINT, 'safe(r.int64())', 'w.int64(v)', '0'],
  uint64: [VARINT, 'readUint64(r)', 'writeUint64(w, v)', '0'],
  sint64: [VARINT, 'safe(r.sint64())', 'w.sint64(v)', '0'],
  fixed64: [FIXED64, 'safe(r.fixed64())', 'w.fixed64(v)', '0'],
  sfixed64: [FIXED64, 'safe(r.sfixed64())', 'w.sfixed64(v)', '0'],
  bool: [VARINT, 'r.bool()', 'w.bool(v)', 'false'],
  string: [DELIMITED, 'r.stringVerify()', 'w.string(v)', "''"],
  bytes: [DELIMITED, 'new Uint8Array(r.bytes())', 'w.bytes(v)', 'new Uint8Array(0)'],
}

type Decode = (reader: Reader, end: number, depth: number) => unknown
type Encode = (writer: Writer, value: unknown, depth: number) => void

/** The functions of one schema; they call each other by name for nested messages. */
interface Functions {
  readonly decoders: Map<string, Decode>
  readonly encoders: Map<string, Encode>
}

/** Compiles the codecs of all messages that are events and not of a fixed layout. */
export function protobufCodecs(descriptor: SchemaDescriptor): (name: string) => PayloadCodec {
  const functions: Functions = { decoders: new Map(), encoders: new Map() }
  for (const [name, message] of Object.entries(descriptor.messages)) {
    functions.decoders.set(name, compileDecoder(descriptor, name, message, functions))
    functions.encoders.set(name, compileEncoder(descriptor, name, message, functions))
  }
  const reader = new Reader(new Uint8Array(0))
  let writer = new Writer()
  return (name) => {
    const decoder = functions.decoders.get(name)
    const encoder = functions.encoders.get(name)
    if (decoder === undefined || encoder === undefined) throw new Error(`${name} is no message of the schema`)
    return {
      decode(bytes, start, end) {
        reader.buf = bytes
        reader.pos = start
        reader.len = end
        return decoder(reader, end, 0)
      },
      encode(payload) {
        writer.reset()
        try {
          encoder(writer, payload, 0)
        } catch (error) {
          writer = new Writer() // It may stand inside a nested message.
          throw error
        }
        return writer.finish(true)
      },
    }
  }
}

/** An enum as the two lookups that the codec needs. */
function enumTables(values: Readonly<Record<string, number>>): {
  byNumber: Map<number, string>
  byName: Map<string, number>
} {
  const entries = Object.entries(values)
  return { byNumber: new Map(entries.map(([name, number]) => [number, name])), byName: new Map(entries) }
}

function readEnum(table: ReadonlyMap<number, string>, number: number): string {
  const name = table.get(number)
  if (name === undefined) throw new Error(`an enum value ${number} that the schema has not`)
  return name
}

function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH}`)
  return depth + 1
}

/** Collects what the compiled text refers to: constants by the name they have there. */
class Scope {
  readonly #names: string[] = []
  readonly #values: unknown[] = []

  add(name: string, value: unknown): string {
    if (!this.#names.includes(name)) {
      this.#names.push(name)
      this.#values.push(value)
    }
    return name
  }

  compile(text: string): unknown {
    return new Function(...this.#names, `'use strict'\n${text}`)(...this.#values)
  }
}

interface Shape {
  readonly wireType: number
  readonly read: string
  /** Writes `v` without its tag. */
  readonly write: string
  /** The value that the wire leaves out; undefined where a value is always written. */
  readonly fallback: string | undefined
  /** Throws where `v` is not of the type; `refuseAt` is the text of the call's first arguments. */
  readonly check: (refuseAt: string) => string
}

/** How one value of a type is read, checked and written, whatever the field's rule is. */
function shapeOf(descriptor: SchemaDescriptor, type: string, scope: Scope, functions: Functions): Shape {
  const id = type.replaceAll('.', '$')
  if (isScalar(type)) {
    const [wireType, read, write, fallback] = WIRE[type]!
    scope.add(`check$${id}`, CHECKS[type])
    const check = (at: string): string =>
      `{ const must = check$${id}(v); if (must !== undefined) refuse(${at}, v, must) }`
    return { wireType, read, write, fallback, check }
  }
  const values = descriptor.enums[type]
  if (values !== undefined) {
    const { byNumber, byName } = enumTables(values)
    scope.add(`numbers$${id}`, byName)
    scope.add(`names$${id}`, byNumber)
    const must = JSON.stringify(`one of ${Object.keys(values).join(', ')}`)
    return {
      wireType: VARINT,
      read: `readEnum(names$${id}, r.int32())`,
      write: `w.int32(numbers$${id}.get(v))`,
      fallback: JSON.stringify(byNumber.get(0)),
      check: (at) => `if (!numbers$${id}.has(v)) refuse(${at}, v, ${must})`,
    }
  }
  scope.add('decoders', functions.decoders)
  scope.add('encoders', functions.encoders)
  const key = JSON.stringify(type)
  return {
    wireType: DELIMITED,
    read: `decoders.get(${key})(r, partEnd(r), deeper(depth))`,
    write: `w.fork(), encoders.get(${key})(w, v, deeper(depth)), w.ldelim()`,
    fallback: undefined,
    check: () => '',
  }
}

function newScope(): Scope {
  const scope = new Scope()
  for (const [name, value] of Object.entries({ readUint64, writeUint64, safe, partEnd, readEnum, deeper, refuse })) {
    scope.add(name, value)
  }
  return scope
}

function compileDecoder(
  descriptor: SchemaDescriptor,
  name: string,
  message: MessageDescriptor,
  functions: Functions,
): Decode {
  const scope = newScope()
  const fields = fieldsByNumber(message)
  const initial = fields.map(([, field], i) => `let f${i} = ${initialValue(descriptor, field, scope, functions)}`)
  const cases = fields.map((_, i) => decodeCase(descriptor, fields, i, scope, functions))
  const compiled = scope.compile(`return function decode(r, end, depth) {
${initial.join('\n')}
while (r.pos < end) {
const tag = r.tag()
switch (tag) {
${cases.join('\n')}
default: r.skipType(tag & 7, 0, tag >>> 3)
}
}
if (r.pos !== end) throw new Error('cut off')
return { ${fields.map(([field], i) => `${JSON.stringify(field)}: f${i}`).join(', ')} }
}`)
  if (!isCompiled<Decode>(compiled)) throw new Error(`${name}: no decoder`)
  return compiled
}

function isCompiled<F>(value: unknown): value is F {
  return typeof value === 'function'
}

function initialValue(
  descriptor: SchemaDescriptor,
  field: FieldDescriptor,
  scope: Scope,
  functions: Functions,
): string {
  if (field.rule === 'repeated') return '[]'
  if (field.rule === 'map') return 'new Map()'
  if (field.rule === 'optional') return 'undefined'
  return shapeOf(descriptor, field.type, scope, functions).fallback ?? 'undefined'
}

function decodeCase(
  descriptor: SchemaDescriptor,
  fields: readonly [string, FieldDescriptor][],
  i: number,
  scope: Scope,
  functions: Functions,
): string {
  const field = fields[i]![1]
  const { wireType, read, fallback } = shapeOf(descriptor, field.type, scope, functions)
  const tag = (type: number): number => ((field.id << 3) | type) >>> 0
  if (field.rule === 'map') {
    const key = shapeOf(descriptor, field.key ?? '', scope, functions)
    const missing = fallback ?? `decoders.get(${JSON.stringify(field.type)})({ pos: 0 }, 0, depth)`
    return `case ${tag(DELIMITED)}: {
const stop = partEnd(r); let k = ${key.fallback}, v = undefined
while (r.pos < stop) { const t = r.tag()
if (t === ${8 | key.wireType}) k = ${key.read}
else if (t === ${16 | wireType}) v = ${read}
else r.skipType(t & 7, 0, t >>> 3) }
if (r.pos !== stop) throw new Error('cut off')
f${i}.set(k, v === undefined ? ${missing} : v); break }`
  }
  if (field.rule === 'repeated') {
    const single = `case ${tag(wireType)}: f${i}.push(${read}); break`
    if (!isPackable(descriptor, field.type)) return single
    return `${single}\ncase ${tag(DELIMITED)}: { const stop = partEnd(r); while (r.pos < stop) f${i}.push(${read})
if (r.pos !== stop) throw new Error('cut off'); break }`
  }
  const others = fields.flatMap(([, other], j) =>
    field.oneof !== undefined && j !== i && other.oneof === field.oneof ? [`f${j} = undefined;`] : [],
  )
  return `case ${tag(wireType)}: ${others.join(' ')} f${i} = ${read}; break`
}

function compileEncoder(
  descriptor: SchemaDescriptor,
  name: string,
  message: MessageDescriptor,
  functions: Functions,
): Encode {
  const scope = newScope()
  const lines = fieldsByNumber(message).map(([field, definition]) =>
    encodeLines(descriptor, name, field, definition, scope, functions),
  )
  const compiled = scope.compile(`return function encode(w, m, depth) {
if (typeof m !== 'object' || m === null) refuse(${JSON.stringify(name)}, '', m, 'an object')
let v
${lines.join('\n')}
}`)
  if (!isCompiled<Encode>(compiled)) throw new Error(`${name}: no encoder`)
  return compiled
}

function encodeLines(
  descriptor: SchemaDescriptor,
  name: string,
  field: string,
  definition: FieldDescriptor,
  scope: Scope,
  functions: Functions,
): string {
  const { wireType, write, fallback, check } = shapeOf(descriptor, definition.type, scope, functions)
  const at = `${JSON.stringify(name)}, ${JSON.stringify(field)}`
  const value = `m[${JSON.stringify(field)}]`
  const tag = (type: number): string => `w.uint32(${((definition.id << 3) | type) >>> 0})`
  switch (definition.rule) {
    case 'map': {
      const key = shapeOf(descriptor, definition.key ?? '', scope, functions)
      return `{ const all = ${value}; if (!(all instanceof Map)) refuse(${at}, all, 'a Map')
for (const [k, value] of all) { v = k; ${key.check(at)}
${tag(DELIMITED)}; w.fork(); w.uint32(${8 | key.wireType}); ${key.write}
v = value; ${check(at)}
w.uint32(${16 | wireType}); ${write}; w.ldelim() } }`
    }
    case 'repeated': {
      const isPacked = isPackable(descriptor, definition.type) && definition.packed !== false
      const body = isPacked
        ? `if (all.length > 0) { ${tag(DELIMITED)}; w.fork(); for (v of all) { ${check(at)}\n${write} } w.ldelim() }`
        : `for (v of all) { ${check(at)}\n${tag(wireType)}; ${write} }`
      return `{ const all = ${value}; if (!Array.isArray(all)) refuse(${at}, all, 'an array')\n${body} }`
    }
    case 'optional': {
      const one = definition.oneof === undefined ? '' : oneofCheck(name, definition.oneof, field)
      return `v = ${value}; if (v !== undefined) { ${one} ${check(at)}\n${tag(wireType)}; ${write} }`
    }
    default:
      return `v = ${value}; ${check(at)}\nif (${isWritten(definition.type, fallback)}) { ${tag(wireType)}; ${write} }`
  }
}

function oneofCheck(message: string, oneof: string, field: string): string {
  const of = `of$${oneof}`
  const must = JSON.stringify(`absent where another of oneof ${oneof} is present`)
  return `var ${of}; if (${of} !== undefined) refuse(${JSON.stringify(message)}, ${JSON.stringify(field)}, v, ${must}); ${of} = true;`
}

/** Whether a single value is written: proto3 leaves the default out. Minus zero is not the default. */
function isWritten(type: string, fallback: string | undefined): string {
  if (type === 'bytes') return 'v.length > 0'
  if (type === 'double' || type === 'float') return 'v !== 0 || Object.is(v, -0)'
  return fallback === undefined ? 'true' : `v !== ${fallback}`
}
