/**
 * One line an event: what a person or a machine reads of the stream. Fragments are lines too, and the last one carries the
 * whole message. A payload that can't be read is shown in base64 with the reason; nothing is left out.
 */
import { FragmentAssembler } from '../component/fragments.js'
import type { UntypedSchema } from '../component/schema.js'
import { messageOf } from '../core/errors.js'
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
import { decodeRuntimeEvent, RUNTIME_EVENT_NAMES } from '../wire/runtime-events.js'
import { withHexBytes } from './archive-files.js'
import { dim } from './output.js'

interface EventLine {
  readonly sequence: number
  readonly timeUs: number
  readonly source: number
  readonly sourceSequence: number
  readonly type: number
  readonly name?: string
  readonly payload?: unknown
  /** This event is part of a message, and not its last. */
  readonly fragmentBytes?: number
  /** Why the payload is not decoded. */
  readonly problem?: string
}

/** What could be said of a payload. */
type Reading = Pick<EventLine, 'name' | 'payload' | 'fragmentBytes' | 'problem'>

export class EventFormatter {
  readonly #schema: UntypedSchema | undefined
  readonly #json: boolean
  readonly #fragments = new FragmentAssembler()
  /** Events whose payload did not decode, and the first of them. */
  undecoded = 0
  firstUndecoded = 0
  firstProblem = ''

  constructor(schema: UntypedSchema | undefined, json: boolean) {
    this.#schema = schema
    this.#json = json
  }

  /** The line of an event that lies in `bytes[at, at + lengthBytes)`, with its end of line. */
  line(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): string {
    const type = eventType(bytes, at)
    const line: EventLine = {
      sequence,
      timeUs: eventTimeUs(bytes, at),
      source: eventSource(bytes, at),
      sourceSequence: eventSourceSequence(bytes, at),
      type,
      ...this.#read(type, bytes, at, at + lengthBytes),
    }
    if (line.problem !== undefined && this.undecoded++ === 0) {
      this.firstUndecoded = sequence
      this.firstProblem = line.problem
    }
    return this.#json ? `${JSON.stringify(line)}\n` : textOf(line)
  }

  #read(type: number, bytes: Uint8Array, at: number, end: number): Reading {
    const start = at + EVENT_HEADER_BYTES
    const flags = eventFlags(bytes, at)
    if (flags === WHOLE_MESSAGE) return this.#decode(type, bytes, start, end)
    const verdict = this.#fragments.add(eventSource(bytes, at), type, flags, bytes, start, end)
    if (verdict === 'complete') return this.#decode(type, this.#fragments.message, 0, this.#fragments.messageBytes)
    const name = this.#nameOf(type)
    const reading = { ...(name === undefined ? {} : { name }), fragmentBytes: end - start }
    // A train that began before the first event shown is no fault of the stream.
    return verdict === 'too-long' ? { ...reading, problem: 'the message exceeds the limit' } : reading
  }

  #decode(type: number, bytes: Uint8Array, start: number, end: number): Reading {
    const name = this.#nameOf(type)
    const raw = (): string => Buffer.from(bytes.subarray(start, end)).toString('base64')
    if (name === undefined) return { payload: raw() }
    try {
      return { name, payload: this.#payloadOf(type, name, bytes, start, end) }
    } catch (error) {
      return { name, payload: raw(), problem: messageOf(error) }
    }
  }

  #payloadOf(type: number, name: string, bytes: Uint8Array, start: number, end: number): unknown {
    if (type >= FIRST_APPLICATION_TYPE && this.#schema !== undefined) {
      return this.#schema.toJson(name, this.#schema.decode(type, bytes, start, end))
    }
    const decoded = decodeRuntimeEvent(type, bytes.subarray(start, end))
    if (decoded === undefined) throw new Error(`the payload is no ${name}`)
    return withHexBytes(decoded)
  }

  #nameOf(type: number): string | undefined {
    return type < FIRST_APPLICATION_TYPE ? RUNTIME_EVENT_NAMES[type] : this.#schema?.nameOf(type)
  }
}

function textOf(line: EventLine): string {
  const time = new Date(line.timeUs / 1000).toISOString().slice(11, 23) + String(line.timeUs % 1000).padStart(3, '0')
  const what = line.name ?? `type ${line.type}`
  const payload = line.fragmentBytes === undefined ? payloadText(line) : `fragment of ${line.fragmentBytes} bytes`
  const problem = line.problem === undefined ? '' : `  (not decoded: ${line.problem})`
  const from = `${line.source}/${line.sourceSequence}`
  return `${String(line.sequence).padStart(8)}  ${dim(time)}  ${from.padEnd(8)}  ${what}  ${payload}${problem}\n`
}

const payloadText = ({ payload }: EventLine): string =>
  typeof payload === 'string' ? payload : JSON.stringify(payload ?? {})
