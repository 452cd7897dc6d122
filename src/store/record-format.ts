/**
 * One recorded packet: the value under the key of its first sequence (u64, big-endian).
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 4 | CRC-32 (the polynomial of zlib) over everything that follows |
 * | 4 | 8 | receive time: microseconds since the Unix epoch in the lower 53 bits; in the 11 above them the nanoseconds beyond (0 to 999) |
 * | 12 | 2 | count of events |
 * | 14 | - | the run of message blocks, as it came: length u16 and bytes, each |
 *
 * Big-endian throughout.
 */
import { crc32 } from 'node:zlib'
import { readU16, readU32, writeU16, writeU32, writeU64 } from '../wire/bytes.js'
import { blocksEnd } from '../wire/moldudp64.js'

export const RECORD_HEADER_BYTES = 14
export const RECORD_TIME_AT = 4
export const RECORD_COUNT_AT = 12

/** Why a value is not the record that was written. */
export type RecordReason = 'short-record' | 'checksum' | 'no-events' | 'blocks-do-not-fit'

/** Fills `into`, which has exactly the room: header and blocks. */
export function writeRecord(
  into: Uint8Array,
  count: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  receivedUs: number,
  receivedNs = 0,
): void {
  writeU64(into, RECORD_TIME_AT, Math.floor(receivedUs))
  into[RECORD_TIME_AT] = receivedNs >>> 3
  into[RECORD_TIME_AT + 1] = into[RECORD_TIME_AT + 1]! | ((receivedNs & 7) << 5)
  writeU16(into, RECORD_COUNT_AT, count)
  into.set(bytes.subarray(start, end), RECORD_HEADER_BYTES)
  writeU32(into, 0, crc32(view(into, into.length)))
}

export const recordTimeUs = (record: Uint8Array): number =>
  (readU32(record, RECORD_TIME_AT) & 0x1f_ffff) * 0x1_0000_0000 + readU32(record, RECORD_TIME_AT + 4)
/** What the receive time has beyond its microseconds: 0 to 999, 0 where the clock had no more. */
export const recordTimeNs = (record: Uint8Array): number =>
  (record[RECORD_TIME_AT]! << 3) | (record[RECORD_TIME_AT + 1]! >>> 5)
export const recordCount = (record: Uint8Array): number => readU16(record, RECORD_COUNT_AT)

/** The cheap check of every read: undefined where the checksum is right. `lengthBytes` counts from the start. */
export function checkRecord(record: Uint8Array, lengthBytes: number): RecordReason | undefined {
  if (lengthBytes < RECORD_HEADER_BYTES) return 'short-record'
  const stored = ((record[0]! << 24) | (record[1]! << 16) | (record[2]! << 8) | record[3]!) >>> 0
  if (crc32(view(record, lengthBytes)) !== stored) return 'checksum'
  return recordCount(record) === 0 ? 'no-events' : undefined
}

/** A copy with only the first `count` events, fewer than the record has, which is whole. */
export function cutRecord(record: Uint8Array, count: number): Uint8Array {
  const end = blockAt(record, RECORD_HEADER_BYTES, record.length, count)
  if (end < 0) throw new RangeError(`a record of ${recordCount(record)} events can't be cut to ${count}`)
  const cut = new Uint8Array(end)
  writeRecord(cut, count, record, RECORD_HEADER_BYTES, end, recordTimeUs(record), recordTimeNs(record))
  return cut
}

/** What the checksum covers. A view made so is cheaper than `subarray` of a Buffer. */
function view(record: Uint8Array, lengthBytes: number): Uint8Array {
  return new Uint8Array(record.buffer, record.byteOffset + RECORD_TIME_AT, lengthBytes - RECORD_TIME_AT)
}

/** The whole check, block by block; for tools. */
export function checkBlocks(record: Uint8Array, lengthBytes: number): RecordReason | undefined {
  const end = blocksEnd(record.subarray(0, lengthBytes), RECORD_HEADER_BYTES, recordCount(record))
  return end === lengthBytes ? undefined : 'blocks-do-not-fit'
}

/** The offset of the block that is `blocks` after the one at `at`; -1 where that is outside. */
export function blockAt(bytes: Uint8Array, at: number, end: number, blocks: number): number {
  let offset = at
  for (let i = 0; i < blocks; i++) {
    if (offset + 2 > end) return -1
    offset += 2 + readU16(bytes, offset)
  }
  return offset < end ? offset : -1
}
