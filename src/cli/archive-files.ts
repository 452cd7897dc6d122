/**
 * What export and import have in common: formats by name, payloads by schema, and whether bytes are events of ours.
 */
import { extname } from 'node:path'
import type { UntypedSchema } from '../component/schema.js'
import { SeqcastError } from '../core/errors.js'
import type { PayloadDecoder, PayloadEncoder } from '../store/archive/json-lines.js'
import {
  EVENT_HEADER_BYTES,
  eventEpoch,
  eventFlags,
  eventSourceSequence,
  eventTimeUs,
  FIRST_APPLICATION_TYPE,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { decodeRuntimeEvent, RUNTIME_EVENT_NAMES } from '../wire/runtime-events.js'

export const FORMATS = ['binaryfile', 'jsonl', 'pcap'] as const
export type Format = (typeof FORMATS)[number]

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  '.bin': 'binaryfile',
  '.binaryfile': 'binaryfile',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.pcap': 'pcap',
  '.pcapng': 'pcap',
  '.cap': 'pcap',
}

/** The format that was named, or else that of the file's name. @throws SeqcastError E_USAGE */
export function formatOf(format: Format | undefined, path: string | undefined): Format {
  const found = format ?? (path === undefined ? undefined : formatByName(path.toLowerCase().replace(/\.gz$/, '')))
  if (found !== undefined) return found
  throw new SeqcastError('E_USAGE', `the format is not clear from ${path ?? 'standard output'}`, {
    hint: `give --format ${FORMATS.join('|')}`,
  })
}

/** Exchanges name their BinaryFILEs after the protocol: `12302019.NASDAQ_ITCH50.gz`. */
function formatByName(name: string): Format | undefined {
  return BY_EXTENSION[extname(name)] ?? (/itch[0-9]*$/.test(name) ? 'binaryfile' : undefined)
}

/** The runtime's own events are always decoded, the application's by the schema. */
export function decoderOf(schema: UntypedSchema | undefined): PayloadDecoder {
  return (type, payload) => {
    if (type < FIRST_APPLICATION_TYPE) {
      const data = decodeRuntimeEvent(type, payload)
      const name = RUNTIME_EVENT_NAMES[type]
      return data === undefined || name === undefined ? undefined : { name, data: withHexBytes(data) }
    }
    const name = schema?.nameOf(type)
    if (schema === undefined || name === undefined) return undefined
    try {
      return { name, data: schema.toJson(name, schema.decode(type, payload, 0, payload.length)) }
    } catch (error) {
      // The bytes are in the line all the same.
      if (error instanceof SeqcastError && error.code === 'E_PAYLOAD') return undefined
      throw error
    }
  }
}

export function encoderOf(schema: UntypedSchema): PayloadEncoder {
  return (type, data) => {
    const name = schema.nameOf(type)
    return name === undefined ? undefined : schema.encode(name, schema.fromJson(name, data)).slice()
  }
}

/** Digests are read in hex everywhere else. */
export function withHexBytes(payload: object): object {
  return Object.fromEntries(
    Object.entries(payload).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ]),
  )
}

/** Our first release, and a time that no clock is set to. */
const EARLIEST_US = Date.UTC(2020, 0) * 1000
const LATEST_US = Date.UTC(2120, 0) * 1000

/** Whether a message is an event of ours: time, epoch, number and flags all have to make sense. */
export function looksLikeEvent(message: Uint8Array): boolean {
  if (message.length < EVENT_HEADER_BYTES) return false
  const timeUs = eventTimeUs(message, 0)
  const hasTime = timeUs >= EARLIEST_US && timeUs < LATEST_US
  return (
    hasTime &&
    eventEpoch(message, 0) >= 1 &&
    eventSourceSequence(message, 0) >= 1 &&
    eventFlags(message, 0) <= WHOLE_MESSAGE
  )
}
