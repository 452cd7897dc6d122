/**
 * From runs of blocks to the events that a projection handles: what it has no handler for is passed over, fragments are put
 * together, and each run ends with the position that is stored with it. It begins at a position and needs nothing else, so every failure
 * is followed by the same steps as a start.
 */
import { FragmentAssembler } from '../component/fragments.js'
import { payloadError } from '../component/host-errors.js'
import { SeqcastError } from '../core/errors.js'
import { readU16 } from '../wire/bytes.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventTimeUs,
  eventType,
  FIRST_APPLICATION_TYPE,
  FIRST_FRAGMENT,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import {
  SEED_DONE,
  SESSION_ENDED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  seedComponentOf,
  sessionEndedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../wire/runtime-events.js'
import type { Projection, ProjectionEvent } from './definition.js'
import { markOf, type Position } from './position.js'

/** Events that are committed together, in whole runs, and the position after them. */
export interface Batch {
  readonly events: readonly ProjectionEvent[]
  readonly position: Position
}

export class EventDecoder {
  readonly #projection: Projection
  readonly #fragments = new FragmentAssembler()
  /** The first fragment of each source's message that is not complete. */
  readonly #begun = new Map<number, number>()
  readonly #seedSources: Set<number>
  readonly #deliverFrom: number
  #events: ProjectionEvent[] = []
  #position: Position
  #voters: readonly string[]
  #successor: string | undefined

  /** @param deliverFrom earlier events only move the position: they are not asked for */
  constructor(projection: Projection, position: Position, deliverFrom = 1) {
    this.#projection = projection
    this.#position = position
    this.#voters = position.voters
    this.#successor = position.successor
    this.#seedSources = new Set(position.seedSources)
    this.#deliverFrom = Math.max(deliverFrom, position.sequence + 1)
  }

  /** After the last run that was taken. */
  get position(): Position {
    return this.#position
  }

  /** The first event to give to `take`: the last one that is in the rows too, which is compared. */
  get readFrom(): number {
    const { resumeFrom, sequence } = this.#position
    return Math.max(1, Math.min(resumeFrom, sequence))
  }

  /**
   * Takes `count` events in order.
   * @throws SeqcastError E_PAYLOAD; E_PROJECTION where the event at the position is another than the one that was projected
   */
  take(sequence: number, count: number, bytes: Uint8Array, start: number): Batch {
    let at = start
    let last = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      last = at + BLOCK_LENGTH_BYTES
      this.#onBlock(sequence + i, bytes, last, lengthBytes)
      at = last + lengthBytes
    }
    const events = this.#events
    this.#events = []
    if (count > 0) this.#moveTo(sequence + count - 1, bytes, last)
    return { events, position: this.#position }
  }

  #moveTo(sequence: number, bytes: Uint8Array, at: number): void {
    if (sequence <= this.#position.sequence) return
    this.#position = {
      ...this.#position,
      sequence,
      timeUs: eventTimeUs(bytes, at),
      mark: markOf(bytes, at),
      resumeFrom: Math.min(sequence + 1, ...this.#begun.values()),
      voters: this.#voters,
      seedSources: [...this.#seedSources],
      successor: this.#successor,
    }
  }

  #onBlock(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): void {
    const { position } = this
    if (sequence === position.sequence && markOf(bytes, at) !== position.mark)
      throw otherStream(this.#projection, position)
    const type = eventType(bytes, at)
    if (type < FIRST_APPLICATION_TYPE) this.#onRuntimeEvent(type, bytes, at, lengthBytes)
    else if (this.#projection.handlers[type] !== undefined) this.#onEvent(sequence, type, bytes, at, lengthBytes)
  }

  #onEvent(sequence: number, type: number, bytes: Uint8Array, at: number, lengthBytes: number): void {
    const source = eventSource(bytes, at)
    const flags = eventFlags(bytes, at)
    const start = at + EVENT_HEADER_BYTES
    const end = at + lengthBytes
    if (flags === WHOLE_MESSAGE) {
      this.#deliver(sequence, type, source, bytes, at, bytes, start, end)
      return
    }
    if ((flags & FIRST_FRAGMENT) !== 0) this.#begun.set(source, sequence)
    const verdict = this.#fragments.add(source, type, flags, bytes, start, end)
    if (verdict === 'waiting') return
    this.#begun.delete(source)
    if (verdict === 'too-long') {
      throw this.#undecodable(sequence, type, new Error('its fragments exceed the bound of memory for them'))
    }
    if (verdict !== 'complete') return
    const { message, messageBytes } = this.#fragments
    this.#deliver(sequence, type, source, bytes, at, message, 0, messageBytes)
  }

  #deliver(
    sequence: number,
    type: number,
    source: number,
    bytes: Uint8Array,
    at: number,
    message: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (sequence < this.#deliverFrom) return
    const { schema } = this.#projection
    let payload: unknown
    try {
      payload = schema.decode(type, message, start, end)
    } catch (thrown) {
      throw this.#undecodable(sequence, type, thrown)
    }
    this.#events.push({
      session: this.#position.session,
      sequence,
      timeUs: eventTimeUs(bytes, at),
      source,
      name: schema.nameOf(type) ?? '',
      payload,
      carriedOver: source === 0 || this.#seedSources.has(source),
    })
  }

  #undecodable(sequence: number, type: number, cause: unknown): SeqcastError {
    return payloadError(sequence, type, this.#projection.schema.nameOf(type) ?? '', cause)
  }

  #onRuntimeEvent(type: number, bytes: Uint8Array, at: number, lengthBytes: number): void {
    // What a component sends under its seed's source afterwards are commands that the last session had under way: they are new.
    if (type === SEED_DONE) this.#seedSources.delete(eventSource(bytes, at))
    if (type !== SESSION_STARTED && type !== SOURCE_REGISTERED && type !== SESSION_ENDED) return
    const payload = bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes)
    if (type === SESSION_STARTED) this.#voters = sessionStartedCodec.decode(payload)?.voters ?? this.#voters
    else if (type === SESSION_ENDED) this.#successor = sessionEndedCodec.decode(payload)?.successor ?? ''
    else this.#onRegistered(payload)
  }

  #onRegistered(payload: Uint8Array): void {
    const event = sourceRegisteredCodec.decode(payload)
    if (event === undefined) return
    if (event.component !== '' && seedComponentOf(event.name) === event.component) this.#seedSources.add(event.source)
    if (event.closes === 0) return
    this.#fragments.drop(event.closes)
    this.#begun.delete(event.closes)
  }
}

function otherStream({ name }: Projection, { session, sequence }: Position): SeqcastError {
  return new SeqcastError(
    'E_PROJECTION',
    `event ${sequence} of session ${session} is not the one that projection ${name} has in its rows`,
    {
      hint: 'this is another recording of that name, or its end was lost; --reset loads it anew',
      fields: { projection: name, session, sequence },
    },
  )
}
