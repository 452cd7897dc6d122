/**
 * The one door to protobufjs. It makes 64-bit fields plain numbers (Long is switched off before any type is set up) and
 * turns the exceptions of its decoder into reasons, because bytes from the network must never throw.
 *
 * Values from 2^53 on would round without a word, so `decode` refuses them.
 */
import protobuf from 'protobufjs/light.js'

protobuf.util.Long = undefined as never
protobuf.configure()

export type { INamespace, IType, Type } from 'protobufjs/light.js'

/** A message type, both ways. */
export interface Codec<T extends object> {
  /** @throws Error where a field has the wrong type: a programmer's error */
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
      const problem = type.verify(message)
      if (problem !== null) throw new Error(`${name}: ${problem}`)
      return type.encode(type.fromObject(message)).finish()
    },
    decode(bytes) {
      try {
        const object: unknown = type.toObject(type.decode(bytes), TO_OBJECT)
        return hasUnsafeNumber(object) ? undefined : (object as T)
      } catch {
        return undefined // The reason is always the same, 'not a message of this type': the caller counts and drops it.
      }
    },
  }
}

function hasUnsafeNumber(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return false
  return Object.values(value).some(hasUnsafeNumber)
}
