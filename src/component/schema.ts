/**
 * A schema: the messages of an application, their type numbers, and the way between objects and bytes. `seqcast generate`
 * makes the typed module from a .proto file; nothing else calls `defineSchema`.
 *
 * Only messages with an explicit type number (`option (seqcast.type) = 256;`) are events; a recording outlives the code,
 * so numbers are never given out by position. The hash over names, types and numbers goes into the stream.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import { checkDescriptor, hashOf, type SchemaDescriptor } from './descriptor.js'
import { fixedLayoutCodec } from './fixed-layout.js'
import type { PayloadCodec } from './payload-checks.js'
import { payloadFromJson, payloadToJson } from './payload-json.js'
import { protobufCodecs } from './protobuf-codec.js'

/** The name of an event of a schema. */
export type EventName<M extends object> = keyof M & string

/** A schema without its types: what hosts and tools use. */
export interface UntypedSchema {
  /** SHA-256, in hex, over names, types and numbers. Comments, order and the file's name don't change it. */
  readonly hash: string
  /** What it consists of. */
  readonly descriptor: SchemaDescriptor
  /** The names of all events, by ascending type number. */
  readonly names: readonly string[]
  /** True where an event has this type number. */
  has(type: number): boolean
  nameOf(type: number): string | undefined
  typeOf(name: string): number | undefined
  /**
   * The payload of an event that lies in `bytes` from `start` to `end`. Every field is present: proto3 defaults fill in
   * what the wire left out; `optional` and message fields are undefined. The object and all in it may be kept.
   * @throws SeqcastError E_PAYLOAD where the bytes are not that message, or hold an integer beyond 2^53 - 1
   * @throws Error where no event has this type: a programmer's error; ask `has` first
   */
  decode(type: number, bytes: Uint8Array, start: number, end: number): unknown
  /**
   * The bytes of a payload. They lie in the schema's own buffer and are valid until the next `encode`: copy them to keep them.
   * @throws SeqcastError E_PAYLOAD naming message and field where the payload does not fit
   */
  encode(name: string, payload: unknown): Uint8Array
  /** The payload as JSON values, as protobuf's JSON mapping has them, but for 64-bit integers, which stay numbers; bytes are base64. */
  toJson(name: string, payload: unknown): unknown
  /** The payload from JSON values; fields left out take their default. @throws SeqcastError E_PAYLOAD */
  fromJson(name: string, json: unknown): unknown
}

/** A schema whose messages are `M`: an interface that gives each event's name the type of its payload. */
export interface Schema<M extends object> extends UntypedSchema {
  nameOf(type: number): EventName<M> | undefined
  decode(type: number, bytes: Uint8Array, start: number, end: number): M[EventName<M>]
  encode<N extends EventName<M>>(name: N, payload: M[N]): Uint8Array
  toJson<N extends EventName<M>>(name: N, payload: M[N]): unknown
  fromJson<N extends EventName<M>>(name: N, json: unknown): M[N]
}

/**
 * Makes a schema from its descriptor. The generated module calls it and vouches for `M`; so does a tool that knows no types.
 * @throws SeqcastError E_SCHEMA where a type number is missing, out of range or given twice, or a type is unknown
 */
export function defineSchema<M extends object>(descriptor: SchemaDescriptor): Schema<M> {
  return new MessageSchema(descriptor) as UntypedSchema as Schema<M>
}

interface EventCodec {
  readonly name: string
  readonly type: number
  readonly codec: PayloadCodec
}

class MessageSchema implements UntypedSchema {
  readonly hash: string
  readonly names: readonly string[]
  readonly descriptor: SchemaDescriptor
  readonly #byType: (EventCodec | undefined)[] = []
  readonly #byName = new Map<string, EventCodec>()

  constructor(descriptor: SchemaDescriptor) {
    checkDescriptor(descriptor)
    this.descriptor = descriptor
    this.hash = hashOf(descriptor)
    const protobufCodec = protobufCodecs(descriptor)
    for (const [name, message] of Object.entries(descriptor.messages)) {
      const { type } = message
      if (type === undefined) continue
      const codec = message.fixed ? fixedLayoutCodec(descriptor, name, message) : protobufCodec(name)
      const entry: EventCodec = { name, type, codec }
      while (this.#byType.length <= type) this.#byType.push(undefined)
      this.#byType[type] = entry
      this.#byName.set(name, entry)
    }
    this.names = this.#byType.flatMap((entry) => (entry === undefined ? [] : [entry.name]))
  }

  has(type: number): boolean {
    return this.#byType[type] !== undefined
  }

  nameOf(type: number): string | undefined {
    return this.#byType[type]?.name
  }

  typeOf(name: string): number | undefined {
    return this.#byName.get(name)?.type
  }

  decode(type: number, bytes: Uint8Array, start: number, end: number): unknown {
    const entry = this.#byType[type]
    if (entry === undefined) throw new Error(`event type ${type} is not in the schema`)
    try {
      return entry.codec.decode(bytes, start, end)
    } catch (error) {
      const { name } = entry
      throw new SeqcastError('E_PAYLOAD', `the payload is no ${name} (type ${type}): ${messageOf(error)}`, {
        hint: 'the stream was written under another schema, or by something that is no seqcast component',
        fields: { name, type, lengthBytes: end - start },
        cause: error,
      })
    }
  }

  encode(name: string, payload: unknown): Uint8Array {
    return this.#entry(name).codec.encode(payload)
  }

  toJson(name: string, payload: unknown): unknown {
    return payloadToJson(this.descriptor, this.#entry(name).name, payload)
  }

  fromJson(name: string, json: unknown): unknown {
    return payloadFromJson(this.descriptor, this.#entry(name).name, json)
  }

  #entry(name: string): EventCodec {
    const entry = this.#byName.get(name)
    if (entry !== undefined) return entry
    throw new SeqcastError('E_PAYLOAD', `'${name}' is no event of the schema`, {
      hint: `its events are ${this.names.join(', ')}`,
      fields: { name },
    })
  }
}
