/**
 * The bytes of one event: a MoldUDP64 message block. The same layout, with timestamp and epoch still zero, is a command.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 2 | type: below 256 the runtime's own, from 256 the application's |
 * | 2 | 2 | source |
 * | 4 | 4 | source sequence |
 * | 8 | 8 | timestamp: nanoseconds since the Unix epoch, never decreasing |
 * | 16 | 2 | epoch of birth |
 * | 18 | 2 | flags: bit 0 first fragment, bit 1 last fragment; the rest zero |
 * | 20 | - | payload |
 *
 * Offsets are relative to the block's data (after its length). Readers take the array and the offset, so that no object
 * stands between a packet and its fields.
 */
import { readU16, readU32, writeU16, writeU32 } from './bytes.js'
import { BLOCK_LENGTH_BYTES } from './moldudp64.js'

export const EVENT_HEADER_BYTES = 20
export const EVENT_TYPE_AT = 0
export const EVENT_SOURCE_AT = 2
export const EVENT_SOURCE_SEQUENCE_AT = 4
export const EVENT_TIMESTAMP_AT = 8
export const EVENT_EPOCH_AT = 16
export const EVENT_FLAGS_AT = 18

export const FIRST_FRAGMENT = 1
export const LAST_FRAGMENT = 2
/** The flags of a message that fits one block. */
export const WHOLE_MESSAGE = FIRST_FRAGMENT | LAST_FRAGMENT
/** Application types start here. */
export const FIRST_APPLICATION_TYPE = 256

export const eventType = (b: Uint8Array, at: number): number => readU16(b, at + EVENT_TYPE_AT)
export const eventSource = (b: Uint8Array, at: number): number => readU16(b, at + EVENT_SOURCE_AT)
export const eventSourceSequence = (b: Uint8Array, at: number): number => readU32(b, at + EVENT_SOURCE_SEQUENCE_AT)
export const eventEpoch = (b: Uint8Array, at: number): number => readU16(b, at + EVENT_EPOCH_AT)
export const eventFlags = (b: Uint8Array, at: number): number => readU16(b, at + EVENT_FLAGS_AT)

/** Whole microseconds since the Unix epoch: a safe integer until the year 2255. */
export function eventTimeUs(b: Uint8Array, at: number): number {
  const high = readU32(b, at + EVENT_TIMESTAMP_AT)
  const low = readU32(b, at + EVENT_TIMESTAMP_AT + 4)
  // high * 2^32 / 1000, in two exact steps: 2^32 = 4,294,967 * 1000 + 296.
  return high * 4_294_967 + Math.floor((high * 296 + low) / 1000)
}

/** The part of the timestamp below a microsecond, in nanoseconds (0 to 999). */
export function eventTimeSubNs(b: Uint8Array, at: number): number {
  const high = readU32(b, at + EVENT_TIMESTAMP_AT)
  const low = readU32(b, at + EVENT_TIMESTAMP_AT + 4)
  return (high * 296 + low) % 1000
}

/** A timestamp as the two halves that are written; made once a turn, stamped many times. */
export interface Timestamp {
  high: number
  low: number
}

/** Sets `into` to `timeUs` (microseconds, may have a fraction; nanoseconds are kept). */
export function setTimestamp(into: Timestamp, timeUs: number): void {
  const wholeUs = Math.floor(timeUs)
  const usHigh = Math.floor(wholeUs / 0x1_0000_0000)
  const low = (wholeUs >>> 0) * 1000 + Math.floor((timeUs - wholeUs) * 1000)
  into.high = usHigh * 1000 + Math.floor(low / 0x1_0000_0000)
  into.low = low >>> 0
}

/** Stamps time and epoch into a command where it lies, which makes it an event. */
export function stampEvent(b: Uint8Array, at: number, time: Timestamp, epoch: number): void {
  writeU32(b, at + EVENT_TIMESTAMP_AT, time.high)
  writeU32(b, at + EVENT_TIMESTAMP_AT + 4, time.low)
  writeU16(b, at + EVENT_EPOCH_AT, epoch)
}

/** Writes the header of a command; timestamp and epoch stay zero until the sequencer stamps them. */
export function writeCommandHeader(
  b: Uint8Array,
  at: number,
  type: number,
  source: number,
  sourceSequence: number,
  flags: number,
): void {
  writeU16(b, at + EVENT_TYPE_AT, type)
  writeU16(b, at + EVENT_SOURCE_AT, source)
  writeU32(b, at + EVENT_SOURCE_SEQUENCE_AT, sourceSequence)
  writeU32(b, at + EVENT_TIMESTAMP_AT, 0)
  writeU32(b, at + EVENT_TIMESTAMP_AT + 4, 0)
  writeU16(b, at + EVENT_EPOCH_AT, 0)
  writeU16(b, at + EVENT_FLAGS_AT, flags)
}

/** The same through a view, for less where many are written. */
export function setCommandHeader(
  view: DataView,
  at: number,
  type: number,
  source: number,
  sourceSequence: number,
  flags: number,
): void {
  view.setUint16(at + EVENT_TYPE_AT, type)
  view.setUint16(at + EVENT_SOURCE_AT, source)
  view.setUint32(at + EVENT_SOURCE_SEQUENCE_AT, sourceSequence)
  view.setInt32(at + EVENT_TIMESTAMP_AT, 0)
  view.setInt32(at + EVENT_TIMESTAMP_AT + 4, 0)
  view.setUint16(at + EVENT_EPOCH_AT, 0)
  view.setUint16(at + EVENT_FLAGS_AT, flags)
}

/** The largest payload of one block, for a session's datagram size: a longer message travels as fragments. */
export function fragmentBytes(datagramBytes: number, headerBytes: number, tagBytes: number): number {
  return datagramBytes - headerBytes - BLOCK_LENGTH_BYTES - EVENT_HEADER_BYTES - tagBytes
}
