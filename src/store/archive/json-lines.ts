/**
 * JSON Lines: one event per line, for people and scripts. The bytes are in it as base64 (`payload` of our events, the whole `message` of
 * a foreign one), so that an import gives back exactly what was exported; `data` is the decoded payload, for reading only, unless
 * the bytes are absent and the caller can encode it.
 *
 * Nanoseconds exceed what a JSON number can hold, so `timeNs` is a string. `receivedNs` is what the receive time has beyond its
 * microseconds, and absent where that is nothing.
 */
import { messageOf } from '../../core/errors.js'
import { readU16, readU32, writeU16, writeU32 } from '../../wire/bytes.js'
import {
  EVENT_EPOCH_AT,
  EVENT_HEADER_BYTES,
  EVENT_TIMESTAMP_AT,
  eventEpoch,
  eventFlags,
  eventSource,
  eventSourceSequence,
  eventType,
  WHOLE_MESSAGE,
  writeCommandHeader,
} from '../../wire/event.js'
import {
  type ArchiveResult,
  type ArchiveSource,
  type ByteSink,
  type ExportOptions,
  exportRuns,
} from './archive-source.js'
import {
  type ArchiveTarget,
  type ByteSource,
  badFile,
  chunksOf,
  type ImportOptions,
  PacketGatherer,
} from './archive-target.js'

/** What a payload means; undefined where the type is not known or the bytes are not one. */
export type PayloadDecoder = (type: number, payload: Uint8Array) => { name: string; data: unknown } | undefined
/** The bytes of a payload that was written by hand; undefined where the type is not known. */
export type PayloadEncoder = (type: number, data: unknown) => Uint8Array | undefined

export interface JsonLinesExportOptions extends ExportOptions {
  readonly decode?: PayloadDecoder
}

export interface JsonLinesImportOptions extends ImportOptions {
  readonly encode?: PayloadEncoder
  /** Receive time of lines that have none, microseconds since the epoch; default 0. */
  readonly receivedUs?: number
}

const NOTHING = new Uint8Array(0)
/** A message of 64 KiB as base64 and decoded fits; a file that is not lines does not fill the memory. */
export const MAX_LINE_BYTES = 1024 * 1024

/** @throws SeqcastError E_SEQUENCE_PAST_END, E_STORE_CORRUPT */
export async function exportJsonLines(
  source: ArchiveSource,
  sink: ByteSink,
  options: JsonLinesExportOptions = {},
): Promise<ArchiveResult> {
  const describe = source.kind === 'events' ? describeEvent : describeOpaque
  const encode = (
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    _end: number,
    receivedUs: number,
    receivedNs = 0,
  ) => {
    const received = receivedNs === 0 ? { receivedUs } : { receivedUs, receivedNs }
    let text = ''
    let at = start
    for (let i = 0; i < count; i++) {
      const end = at + 2 + readU16(bytes, at)
      const fields = describe(bytes.subarray(at + 2, end), options.decode)
      text += `${JSON.stringify({ sequence: sequence + i, ...received, ...fields })}\n`
      at = end
    }
    return Buffer.from(text)
  }
  return exportRuns(source, sink, options, encode, NOTHING, NOTHING)
}

/** @throws SeqcastError E_FILE_FORMAT with the offset of the line and the reason; what came before it is imported */
export async function importJsonLines(
  source: ByteSource,
  target: ArchiveTarget,
  options: JsonLinesImportOptions = {},
): Promise<ArchiveResult> {
  const name = options.name ?? 'the JSON Lines'
  const gatherer = new PacketGatherer(target, options)
  let offsetBytes = 0
  const take = (line: Uint8Array): void => {
    const reason = takeLine(line, gatherer, target, options)
    if (reason === undefined) return
    gatherer.flush()
    throw badFile(name, offsetBytes, reason)
  }
  let rest: Uint8Array = NOTHING
  for await (const chunk of chunksOf(source, name)) {
    const bytes = Buffer.concat([rest, chunk])
    let at = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
      take(bytes.subarray(at, end))
      offsetBytes += end + 1 - at
      at = end + 1
    }
    rest = bytes.subarray(at)
    if (rest.length > MAX_LINE_BYTES) {
      gatherer.flush()
      throw badFile(name, offsetBytes, `a line longer than ${MAX_LINE_BYTES} bytes`)
    }
    await gatherer.breathe(offsetBytes)
  }
  take(rest)
  gatherer.flush()
  gatherer.report(offsetBytes + rest.length)
  return { events: gatherer.events, bytes: offsetBytes + rest.length }
}

function describeEvent(event: Uint8Array, decode: PayloadDecoder | undefined): object {
  if (event.length < EVENT_HEADER_BYTES) return describeOpaque(event)
  const type = eventType(event, 0)
  const payload = event.subarray(EVENT_HEADER_BYTES)
  // A fragment's bytes are part of a payload, and may pass for another one.
  const decoded = eventFlags(event, 0) === WHOLE_MESSAGE ? decode?.(type, payload) : undefined
  const timeHigh = BigInt(readU32(event, EVENT_TIMESTAMP_AT))
  return {
    timeNs: String((timeHigh << 32n) | BigInt(readU32(event, EVENT_TIMESTAMP_AT + 4))),
    type,
    ...(decoded === undefined ? {} : { name: decoded.name, data: decoded.data }),
    source: eventSource(event, 0),
    sourceSequence: eventSourceSequence(event, 0),
    epoch: eventEpoch(event, 0),
    flags: eventFlags(event, 0),
    payload: Buffer.from(payload).toString('base64'),
  }
}

function describeOpaque(message: Uint8Array): object {
  return { message: Buffer.from(message).toString('base64') }
}

/** @returns what is wrong with the line, or undefined */
function takeLine(
  line: Uint8Array,
  gatherer: PacketGatherer,
  target: ArchiveTarget,
  options: JsonLinesImportOptions,
): string | undefined {
  const text = Buffer.from(line).toString('utf8').trim()
  if (text === '') return undefined
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch (error) {
    return `not JSON (${messageOf(error)})`
  }
  if (typeof fields !== 'object' || fields === null) return 'not an object'
  const sequence: unknown = Reflect.get(fields, 'sequence')
  if (sequence !== undefined && sequence !== gatherer.nextSequence) {
    return `event ${String(sequence)} where ${gatherer.nextSequence} is next`
  }
  const message = 'message' in fields || target.kind === 'opaque' ? opaqueOf(fields) : eventOf(fields, options.encode)
  if (typeof message === 'string') return message
  const receivedUs = numberOf(fields, 'receivedUs', Number.MAX_SAFE_INTEGER, options.receivedUs ?? 0)
  const receivedNs = numberOf(fields, 'receivedNs', 999, 0)
  if (receivedUs === undefined || receivedNs === undefined) {
    return "'receivedUs' or 'receivedNs' is not a number in its range"
  }
  return gatherer.add(message, receivedUs, receivedNs)
}

function opaqueOf(fields: object): Uint8Array | string {
  return base64Of(fields, 'message') ?? "no 'message' in base64"
}

function eventOf(fields: object, encode: PayloadEncoder | undefined): Uint8Array | string {
  const type = numberOf(fields, 'type', 0xffff)
  const source = numberOf(fields, 'source', 0xffff)
  const sourceSequence = numberOf(fields, 'sourceSequence', 0xffff_ffff)
  const epoch = numberOf(fields, 'epoch', 0xffff, 1)
  const flags = numberOf(fields, 'flags', 0xffff, WHOLE_MESSAGE)
  const time = 'timeNs' in fields ? fields.timeNs : undefined
  if (type === undefined || source === undefined || sourceSequence === undefined) {
    return "no 'type', 'source' or 'sourceSequence' that is a number in its range"
  }
  if (epoch === undefined || flags === undefined) return "'epoch' or 'flags' is not a number in its range"
  if (typeof time !== 'string' || !/^\d{1,20}$/.test(time) || BigInt(time) >= 1n << 64n) return "no 'timeNs' in digits"
  let payload = base64Of(fields, 'payload')
  if (payload === undefined && 'payload' in fields) return "'payload' is not base64"
  if (payload === undefined && 'data' in fields) {
    try {
      payload = encode?.(type, fields.data)
    } catch (error) {
      return `the payload can't be encoded: ${messageOf(error)}`
    }
  }
  if (payload === undefined) return "no 'payload' in base64, and no 'data' of a type that can be encoded"
  const event = new Uint8Array(EVENT_HEADER_BYTES + payload.length)
  writeCommandHeader(event, 0, type, source, sourceSequence, flags)
  writeU32(event, EVENT_TIMESTAMP_AT, Number(BigInt(time) >> 32n))
  writeU32(event, EVENT_TIMESTAMP_AT + 4, Number(BigInt(time) & 0xffff_ffffn))
  writeU16(event, EVENT_EPOCH_AT, epoch)
  event.set(payload, EVENT_HEADER_BYTES)
  return event
}

/** @param absent what a field that is not there counts for. @returns undefined where it is not a number in its range */
function numberOf(fields: object, name: string, max: number, absent?: number): number | undefined {
  const value: unknown = name in fields ? Reflect.get(fields, name) : absent
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max ? value : undefined
}

function base64Of(fields: object, name: string): Uint8Array | undefined {
  const value: unknown = Reflect.get(fields, name)
  if (typeof value !== 'string') return undefined
  const bytes = Buffer.from(value, 'base64')
  // What was decoded must be all that is there: the decoder passes over what it does not know.
  return bytes.toString('base64') === value ? bytes : undefined
}
