/**
 * Recorded events in the words of a user: where they come from, what they are called, what they say. Payloads are decoded when somebody
 * asks, by the first of the schemas that knows the type; what does not decode is hexadecimal text.
 */
import { hexOf, nameOfType } from '../component/describe.js'
import { FragmentAssembler } from '../component/fragments.js'
import type { UntypedSchema } from '../component/schema.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventSourceSequence,
  eventTimeUs,
  eventType,
  FIRST_APPLICATION_TYPE,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { decodeRuntimeEvent } from '../wire/runtime-events.js'

export interface RecordedEvent {
  readonly sequence: number
  /** Microseconds since the Unix epoch. */
  readonly timeUs: number
  /** The number of its source. */
  readonly source: number
  readonly sourceName: string
  readonly sourceSequence: number
  readonly type: number
  readonly name: string
  /** Part of a message, and not its last: what it says comes with the last one. */
  readonly isFragment: boolean
  /** Decoded; text where it is of no schema or does not decode. To be read while the event is at hand. */
  readonly payload: unknown
}

/** An event that stays: its payload is decoded now, while the bytes are there. */
export function keepEvent(event: RecordedEvent): RecordedEvent {
  const { sequence, timeUs, source, sourceName, sourceSequence, type, name, isFragment, payload } = event
  return { sequence, timeUs, source, sourceName, sourceSequence, type, name, isFragment, payload }
}

export class EventReader {
  readonly #schemas: readonly UntypedSchema[]
  readonly #nameOfSource: (source: number) => string | undefined
  readonly #fragments = new FragmentAssembler()

  /** @param nameOfSource as far as the session has registered it */
  constructor(schemas: readonly UntypedSchema[], nameOfSource: (source: number) => string | undefined) {
    this.#schemas = schemas
    this.#nameOfSource = nameOfSource
  }

  /** To be given every event, in order; the bytes are read while the event is at hand. */
  read(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): RecordedEvent {
    if (lengthBytes < EVENT_HEADER_BYTES) return malformed(sequence, bytes, at, lengthBytes)
    const type = eventType(bytes, at)
    const source = eventSource(bytes, at)
    const [start, end] = [at + EVENT_HEADER_BYTES, at + lengthBytes]
    const flags = eventFlags(bytes, at)
    const schema = this.#schemas.find((known) => known.has(type))
    const head = {
      sequence,
      timeUs: eventTimeUs(bytes, at),
      source,
      sourceName: source === 0 ? 'sequencer' : (this.#nameOfSource(source) ?? `source ${source}`),
      sourceSequence: eventSourceSequence(bytes, at),
      type,
      name: schema === undefined ? nameOfRuntimeType(type, this.#schemas) : (schema.nameOf(type) ?? `type ${type}`),
    }
    if (flags === WHOLE_MESSAGE) return new LazyEvent(head, schema, bytes, start, end)
    const verdict = this.#fragments.add(source, type, flags, bytes, start, end)
    if (verdict !== 'complete') return new LazyEvent({ ...head, isFragment: true }, undefined, bytes, start, end)
    return new LazyEvent(head, schema, this.#fragments.message, 0, this.#fragments.messageBytes)
  }
}

type Head = Omit<RecordedEvent, 'payload' | 'isFragment'> & { readonly isFragment?: boolean }

class LazyEvent implements RecordedEvent {
  readonly sequence: number
  readonly timeUs: number
  readonly source: number
  readonly sourceName: string
  readonly sourceSequence: number
  readonly type: number
  readonly name: string
  readonly isFragment: boolean
  readonly #schema: UntypedSchema | undefined
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #end: number
  #payload: unknown
  #isDecoded = false

  constructor(head: Head, schema: UntypedSchema | undefined, bytes: Uint8Array, start: number, end: number) {
    this.sequence = head.sequence
    this.timeUs = head.timeUs
    this.source = head.source
    this.sourceName = head.sourceName
    this.sourceSequence = head.sourceSequence
    this.type = head.type
    this.name = head.name
    this.isFragment = head.isFragment ?? false
    this.#schema = schema
    this.#bytes = bytes
    this.#start = start
    this.#end = end
  }

  get payload(): unknown {
    if (!this.#isDecoded) {
      this.#isDecoded = true
      this.#payload = this.#decode()
    }
    return this.#payload
  }

  #decode(): unknown {
    const [bytes, start, end] = [this.#bytes, this.#start, this.#end]
    if (this.isFragment) return hexOf(bytes, start, end)
    if (this.type < FIRST_APPLICATION_TYPE) return decodeRuntimeEvent(this.type, bytes.slice(start, end)) ?? {}
    try {
      return this.#schema?.decode(this.type, bytes, start, end) ?? hexOf(bytes, start, end)
    } catch {
      return hexOf(bytes, start, end) // The schema is not the one that it was written with.
    }
  }
}

function nameOfRuntimeType(type: number, schemas: readonly UntypedSchema[]): string {
  const [schema] = schemas
  return schema === undefined ? `type ${type}` : nameOfType(schema, type)
}

function malformed(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): RecordedEvent {
  const head = { sequence, timeUs: 0, source: 0, sourceName: '?', sourceSequence: 0, type: 0, name: 'no event' }
  return new LazyEvent({ ...head, isFragment: true }, undefined, bytes, at, at + lengthBytes)
}
