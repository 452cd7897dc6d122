/**
 * One walk over the blocks of a run: lengths and, unless the stream is a foreign one, event headers and epochs. After it
 * every block can be read without a further check.
 */
import { readU16 } from '../wire/bytes.js'
import { EVENT_EPOCH_AT, EVENT_HEADER_BYTES } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import type { EpochTable } from './epoch-table.js'

/** Results of `checkRun` below zero. */
export const TRUNCATED_BLOCK = -1
export const SHORT_EVENT = -2
export const WRONG_EPOCH = -3
/** The epoch is newer than all that the table knows: the table comes with the next control heartbeat. */
export const UNKNOWN_EPOCH = -4

/** @returns where the blocks end, or one of the negative constants above */
export function checkRun(
  bytes: Uint8Array,
  start: number,
  end: number,
  sequence: number,
  count: number,
  epochs: EpochTable,
): number {
  let at = start
  let epoch = 0
  let spanEnd = 0
  for (const after = sequence + count; sequence < after; sequence++) {
    if (at + BLOCK_LENGTH_BYTES > end) return TRUNCATED_BLOCK
    const lengthBytes = readU16(bytes, at)
    const block = at + BLOCK_LENGTH_BYTES
    at = block + lengthBytes
    if (at > end) return TRUNCATED_BLOCK
    if (lengthBytes < EVENT_HEADER_BYTES) return SHORT_EVENT
    if (sequence >= spanEnd) {
      epoch = epochs.epochAt(sequence)
      spanEnd = epochs.spanEnd(sequence)
    }
    const born = readU16(bytes, block + EVENT_EPOCH_AT)
    if (born !== epoch) return born > epochs.newest ? UNKNOWN_EPOCH : WRONG_EPOCH
  }
  return at
}

/** The same for a stream whose blocks are opaque to us. */
export function checkOpaqueRun(bytes: Uint8Array, start: number, end: number, count: number): number {
  let at = start
  for (let i = 0; i < count; i++) {
    if (at + BLOCK_LENGTH_BYTES > end) return TRUNCATED_BLOCK
    at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
    if (at > end) return TRUNCATED_BLOCK
  }
  return at
}
