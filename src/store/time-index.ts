/**
 * The time index: for each bucket of time in which a packet begins, the sequence of the first such packet. It is for finding a place
 * to start, so one entry per 100 ms is enough.
 *
 * The time of a packet is the timestamp of its first event, which a copy made later keeps; for foreign streams, whose
 * blocks are not looked into, it is the time at which the packet was received.
 */
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventTimeUs } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'

/** The width of a bucket. */
export const TIME_BUCKET_US = 100_000

/** How a session's blocks are to be read: `events` are ours, `opaque` ones are a foreign stream's. */
export type BlockKind = 'events' | 'opaque'

export function bucketOf(timeUs: number): number {
  return Math.max(0, Math.floor(timeUs / TIME_BUCKET_US))
}

/** The bucket in which a packet begins. */
export function packetBucket(
  kind: BlockKind,
  bytes: Uint8Array,
  start: number,
  end: number,
  receivedUs: number,
): number {
  return bucketOf(kind === 'events' ? blockTimeUs(bytes, start, end, receivedUs) : receivedUs)
}

/** The timestamp of the event in the block at `at`, or `otherwise` where there is none to be read. */
export function blockTimeUs(bytes: Uint8Array, at: number, end: number, otherwise: number): number {
  if (at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES > end) return otherwise
  if (readU16(bytes, at) < EVENT_HEADER_BYTES) return otherwise
  const timeUs = eventTimeUs(bytes, at + BLOCK_LENGTH_BYTES)
  return Number.isSafeInteger(timeUs) ? timeUs : otherwise
}

/**
 * Which of a packet's events is the first whose bucket is `bucket` or later: a packet may begin in one bucket and end in
 * the next.
 * @returns its index in the packet, or `count` where there is none
 */
export function firstInBucket(bytes: Uint8Array, start: number, end: number, count: number, bucket: number): number {
  let at = start
  for (let i = 0; i < count && at + BLOCK_LENGTH_BYTES <= end; i++) {
    if (bucketOf(blockTimeUs(bytes, at, end, 0)) >= bucket) return i
    at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
  }
  return count
}
