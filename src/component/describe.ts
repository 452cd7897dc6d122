/**
 * Events and commands in the words of a user, for errors: name, source and decoded payload. Nothing here is on the hot
 * path, and nothing here throws: what does not decode is shown as hex.
 */
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventSourceSequence,
  eventType,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { decodeRuntimeEvent, RUNTIME_EVENT_NAMES } from '../wire/runtime-events.js'
import type { UntypedSchema } from './schema.js'

export interface EventDescription {
  readonly type: number
  readonly name: string
  readonly source: number
  readonly sourceSequence: number
  /** JSON values, or the bytes in hex. */
  readonly payload: unknown
}

/** Bytes of a payload that are shown where it does not decode. */
const SHOWN_BYTES = 256

export function describeEvent(
  schema: UntypedSchema,
  bytes: Uint8Array,
  at: number,
  lengthBytes: number,
): EventDescription {
  const type = eventType(bytes, at)
  const start = at + EVENT_HEADER_BYTES
  const end = at + lengthBytes
  const whole = eventFlags(bytes, at) === WHOLE_MESSAGE
  return {
    type,
    name: nameOfType(schema, type),
    source: eventSource(bytes, at),
    sourceSequence: eventSourceSequence(bytes, at),
    payload: whole ? describePayload(schema, type, bytes, start, end) : hexOf(bytes, start, end),
  }
}

export function nameOfType(schema: UntypedSchema, type: number): string {
  return RUNTIME_EVENT_NAMES[type] ?? schema.nameOf(type) ?? `type ${type}`
}

export function describePayload(
  schema: UntypedSchema,
  type: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): unknown {
  const name = schema.nameOf(type)
  if (name === undefined) {
    const event = decodeRuntimeEvent(type, bytes.subarray(start, end))
    return event === undefined ? hexOf(bytes, start, end) : withHex(event)
  }
  try {
    return schema.toJson(name, schema.decode(type, bytes, start, end))
  } catch {
    return hexOf(bytes, start, end) // It does not decode, which is what the reader of the error has to know.
  }
}

function withHex(event: object): object {
  const show = (value: unknown): unknown => (value instanceof Uint8Array ? hexOf(value) : value)
  return Object.fromEntries(Object.entries(event).map(([field, value]) => [field, show(value)]))
}

export function hexOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const shown = bytes.subarray(start, Math.min(end, start + SHOWN_BYTES))
  const hex = Array.from(shown, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return end - start > SHOWN_BYTES ? `${hex}... (${end - start} bytes)` : hex
}
