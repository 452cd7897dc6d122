/**
 * The event that handlers see: one object for a whole host, set anew for each event, so that delivering allocates nothing
 * beyond what decoding makes. The payload is decoded when it is first read.
 */
import type { SeqcastError } from '../core/errors.js'
import type { ComponentEvent } from './definition.js'
import { payloadError } from './host-errors.js'
import type { UntypedSchema } from './schema.js'

const NOTHING = new Uint8Array(0)

export class EventView implements ComponentEvent {
  readonly #schema: UntypedSchema
  sequence = 0
  /** To be set before `set`. */
  timeUs = 0
  source = 0
  type = 0
  #bytes: Uint8Array = NOTHING
  #start = 0
  #end = 0
  #decoded = false
  #payload: unknown
  #failure: SeqcastError | undefined

  constructor(schema: UntypedSchema) {
    this.#schema = schema
  }

  /** The payload lies in `bytes[start, end)` until `release`. */
  set(sequence: number, source: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    this.sequence = sequence
    this.source = source
    this.type = type
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#decoded = false
    this.#failure = undefined
  }

  /** After the handler: the bytes are the caller's again, and a late read is an error instead of another event's payload. */
  release(): void {
    this.#bytes = NOTHING
    this.#start = -1
    this.#payload = undefined
    this.#decoded = false
  }

  /** What reading the payload threw, also where the handler swallowed it. */
  get failure(): SeqcastError | undefined {
    return this.#failure
  }

  get name(): string {
    return this.#schema.nameOf(this.type) ?? ''
  }

  get payload(): unknown {
    if (!this.#decoded) {
      this.#payload = this.#decode()
      this.#decoded = true
    }
    return this.#payload
  }

  /** A copy of the payload's bytes. */
  copyPayload(): Uint8Array {
    return this.#bytes.slice(this.#start, this.#end)
  }

  #decode(): unknown {
    if (this.#start < 0) throw new Error('an event was read after its handler had returned: keep its payload instead')
    try {
      return this.#schema.decode(this.type, this.#bytes, this.#start, this.#end)
    } catch (thrown) {
      this.#failure = payloadError(this.sequence, this.type, this.name, thrown)
      throw this.#failure
    }
  }
}
