/**
 * A schema: the messages of an application, their type numbers, and the way between objects and bytes. `seqcast generate`
 * makes the typed module from a .proto file; nothing else calls `defineSchema`.
 *
 * Only messages with an explicit type number (`option (seqcast.type) = 256;`) are events; a recording outlives the code,
 * so numbers are never given out by position. The hash over names, types and numbers goes into the stream.
 */
/** The name of an event of a schema. */
export type EventName<M extends object> = keyof M & string

/** A schema without its types: what hosts and tools use. */
export interface UntypedSchema {
  /** SHA-256, in hex, over names, types and numbers. Comments, order and the file's name don't change it. */
  readonly hash: string
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
   * The bytes of a payload. They lie in the schema's own buffer and are valid until the next `encode`.
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
