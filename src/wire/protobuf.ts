/**
 * The one door to protobufjs. It makes 64-bit fields plain numbers (Long is switched off before any type is set up) and
 * turns the exceptions of its decoder into reasons, because bytes from the network must never throw.
 *
 * protobufjs wraps integers that do not fit their field, and rounds 64-bit ones from 2^53 on, both without a word: `encode`
 * throws and `decode` refuses instead.
 */
import protobuf from 'protobufjs/light.js'

protobuf.util.Long = undefined as never
protobuf.configure()

export type { INamespace, IType, Type } from 'protobufjs/light.js'

/** A message type, both ways. */
export interface Codec<T extends object> {
  /** @throws Error where a field has the wrong type or does not fit: a programmer's error */
  encode(message: T): Uint8Array
  /** @returns the message with every field present, or undefined where the bytes are not one */
  decode(bytes: Uint8Array): T | undefined
}

/** The root of a schema given as protobufjs's JSON. */
export function schemaRoot(json: protobuf.INamespace): protobuf.Root {
  return protobuf.Root.fromJSON(json)
}

const TO_OBJECT: protobuf.IConversionOptions = {
  longs: Number,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
  oneofs: true,
}

/** The codec of one type of a root. `T` is what the schema says, as the caller declares it. */
export function codecOf<T extends object>(root: protobuf.Root, name: string): Codec<T> {
  const type = root.lookupType(name)
  return {
    encode(message) {
      const problem = type.verify(message) ?? misfit(type, message)
      if (problem !== undefined) throw new Error(`${name}: ${problem}`)
      return type.encode(type.fromObject(message)).finish()
    },
    decode(bytes) {
      try {
        const object: unknown = type.toObject(type.decode(bytes), TO_OBJECT)
        return misfit(type, object) === undefined ? (object as T) : undefined
      } catch {
        return undefined // The reason is always the same, 'not a message of this type': the caller counts and drops it.
      }
    },
  }
}

const U32: readonly [number, number] = [0, 0xffff_ffff]
const I32: readonly [number, number] = [-0x8000_0000, 0x7fff_ffff]
const U64: readonly [number, number] = [0, Number.MAX_SAFE_INTEGER]
const I64: readonly [number, number] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]

const RANGES: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['uint32', U32],
  ['fixed32', U32],
  ['int32', I32],
  ['sint32', I32],
  ['sfixed32', I32],
  ['uint64', U64],
  ['fixed64', U64],
  ['int64', I64],
  ['sint64', I64],
  ['sfixed64', I64],
])

/** What is to be looked at of a field: nothing where it is not listed. */
interface FieldCheck {
  readonly name: string
  readonly type: string
  readonly range: readonly [number, number] | undefined
  readonly nested: protobuf.Type | undefined
  readonly isMany: boolean
}

/** By type, made when one is first met: each datagram of the control stream is looked at by everybody. */
const checks = new WeakMap<protobuf.Type, readonly FieldCheck[]>()

function checksOf(type: protobuf.Type): readonly FieldCheck[] {
  const known = checks.get(type)
  if (known !== undefined) return known
  const made: FieldCheck[] = []
  for (const field of type.fieldsArray) {
    const { name, type: of, resolvedType, repeated, map } = field.resolve()
    const range = RANGES.get(of)
    const nested = resolvedType instanceof protobuf.Type ? resolvedType : undefined
    if (range !== undefined || nested !== undefined)
      made.push({ name, type: of, range, nested, isMany: repeated || map })
  }
  checks.set(type, made)
  return made
}

/** The first integer field, at any depth, whose value does not fit: which, and why. Floats may hold anything. */
function misfit(type: protobuf.Type, object: unknown): string | undefined {
  if (typeof object !== 'object' || object === null) return undefined
  for (const check of checksOf(type)) {
    const value: unknown = Reflect.get(object, check.name)
    if (value === undefined || value === null) continue
    const problem = misfitOfField(check, value)
    if (problem !== undefined) return `${check.name}: ${problem}`
  }
  return undefined
}

function misfitOfField(check: FieldCheck, value: unknown): string | undefined {
  if (!check.isMany || typeof value !== 'object' || value === null) return misfitOfValue(check, value)
  for (const one of Object.values(value)) {
    const problem = misfitOfValue(check, one)
    if (problem !== undefined) return problem
  }
  return undefined
}

function misfitOfValue({ nested, range, type }: FieldCheck, value: unknown): string | undefined {
  if (nested !== undefined) return misfit(nested, value)
  if (range === undefined || typeof value !== 'number' || (value >= range[0] && value <= range[1])) return undefined
  return `${value} does not fit ${type}`
}
