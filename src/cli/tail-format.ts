/**
 * One line an event: what a person or a machine reads of the stream. Fragments are lines too, and the last one carries the
 * whole message. A payload that can't be read is shown in base64 with the reason; nothing is left out.
 */
import { FragmentAssembler } from '../component/fragments.js'
import type { UntypedSchema } from '../component/schema.js'
import { messageOf, SeqcastError } from '../core/errors.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventSourceSequence,
  eventTimeSubNs,
  eventTimeUs,
  eventType,
  FIRST_APPLICATION_TYPE,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import {
  decodeRuntimeEvent,
  RUNTIME_EVENT_NAMES,
  SOURCE_REGISTERED,
  sourceRegisteredCodec,
  TICK,
} from '../wire/runtime-events.js'
import { withHexBytes } from './archive-files.js'
import { dim } from './output.js'
import { runtimeEventText } from './runtime-event-text.js'

/** Of the column; a longer name moves its own line only. */
const SOURCE_WIDTH = 18

/** Which events are shown. */
export interface EventFilter {
  /** Undefined: every type. */
  readonly type: number | undefined
  /** Name or number; undefined: every source. */
  readonly source: string | undefined
  /** Also the ticks, which say only that time goes on. */
  readonly all: boolean
}

interface EventLine {
  readonly sequence: number
  /** Nanoseconds since the epoch, in digits: more than a JSON number can hold. */
  readonly timeNs: string
  readonly source: number
  /** Where the events that were read say it. */
  readonly sourceName?: string
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

/** @throws SeqcastError E_USAGE where no event has that name or number */
export function typeNamed(name: string, schema: UntypedSchema | undefined): number {
  const number = Number(name)
  if (Number.isInteger(number) && number > 0 && number <= 0xffff) return number
  const runtime = Object.entries(RUNTIME_EVENT_NAMES).find(([, known]) => known === name)?.[0]
  const type = runtime === undefined ? schema?.typeOf(name) : Number(runtime)
  if (type !== undefined) return type
  const known = [...(schema?.names ?? []), ...Object.values(RUNTIME_EVENT_NAMES)]
  throw new SeqcastError('E_USAGE', `--type ${name} is no event${schema === undefined ? ' of the runtime' : ''}`, {
    hint: `${schema === undefined ? 'give --proto FILE for those of the application, or one of' : 'choose one of'} ${known.join(', ')}`,
  })
}

export class EventFormatter {
  readonly #schema: UntypedSchema | undefined
  readonly #json: boolean
  readonly #filter: EventFilter
  #fragments = new FragmentAssembler()
  #sources = new Map<number, string>([[0, 'sequencer']])
  /** Events whose payload did not decode, and the first of them. */
  undecoded = 0
  firstUndecoded = 0
  firstProblem = ''

  constructor(schema: UntypedSchema | undefined, json: boolean, filter: EventFilter) {
    this.#schema = schema
    this.#json = json
    this.#filter = filter
  }

  /** The line that says that the events from here on were taken back, and follow anew. */
  revoked(from: number): string {
    // What had begun on the lost branch begins again.
    this.#fragments = new FragmentAssembler()
    const text = `-- events from ${from} on were revoked by a failover; what is true follows --`
    return `${this.#json ? JSON.stringify({ revokedFrom: from }) : text}\n`
  }

  /** The line that says that the events which follow are of another session, numbered from 1. */
  began(session: string): string {
    this.#fragments = new FragmentAssembler()
    this.#sources = new Map([[0, 'sequencer']])
    return `${this.#json ? JSON.stringify({ session }) : `-- session ${session} goes on --`}\n`
  }

  /** The line of an event that lies in `bytes[at, at + lengthBytes)`, with its end of line; '' where it is not shown. */
  line(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): string {
    const type = eventType(bytes, at)
    const source = eventSource(bytes, at)
    if (type === SOURCE_REGISTERED) this.#learn(bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes))
    const sourceName = this.#sources.get(source)
    if (!this.#isShown(type, source, sourceName)) return ''
    const timeUs = eventTimeUs(bytes, at)
    const line: EventLine = {
      sequence,
      timeNs: `${timeUs}${String(eventTimeSubNs(bytes, at)).padStart(3, '0')}`,
      source,
      ...(sourceName === undefined ? {} : { sourceName }),
      sourceSequence: eventSourceSequence(bytes, at),
      type,
      ...this.#read(type, bytes, at, at + lengthBytes),
    }
    if (line.problem !== undefined && this.undecoded++ === 0) {
      this.firstUndecoded = sequence
      this.firstProblem = line.problem
    }
    return this.#json ? `${JSON.stringify(line)}\n` : textOf(line, timeUs)
  }

  #learn(payload: Uint8Array): void {
    const registered = sourceRegisteredCodec.decode(payload)
    if (registered !== undefined) this.#sources.set(registered.source, registered.name)
  }

  #isShown(type: number, source: number, sourceName: string | undefined): boolean {
    const { type: wantedType, source: wantedSource, all } = this.#filter
    if (wantedType !== undefined && type !== wantedType) return false
    if (wantedSource !== undefined && wantedSource !== sourceName && wantedSource !== String(source)) return false
    return all || type !== TICK || wantedType === TICK
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

function textOf(line: EventLine, timeUs: number): string {
  const time = new Date(timeUs / 1000).toISOString().slice(11, 23) + String(timeUs % 1000).padStart(3, '0')
  const what = line.name ?? `type ${line.type}`
  const payload = line.fragmentBytes === undefined ? payloadText(line) : `fragment of ${line.fragmentBytes} bytes`
  const problem = line.problem === undefined ? '' : `  (not decoded: ${line.problem})`
  const from = `${line.sourceName ?? line.source}#${line.sourceSequence}`
  return `${String(line.sequence).padStart(8)}  ${dim(time)}  ${from.padEnd(SOURCE_WIDTH)}  ${what}  ${payload}${problem}\n`
}

function payloadText({ type, payload, problem }: EventLine): string {
  if (typeof payload === 'string') return payload
  return (problem === undefined ? runtimeEventText(type, payload) : undefined) ?? JSON.stringify(payload ?? {})
}
