/**
 * MoldUDP64 1.00, as published by Nasdaq: the packets of the event stream and of retransmission.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 10 | session, ASCII |
 * | 10 | 8 | sequence number of the first message |
 * | 18 | 2 | message count; 0 heartbeat (the sequence is the next one), 0xFFFF end of session |
 * | 20 | - | downstream only: blocks of length u16 and data |
 *
 * A request has the same twenty bytes: first sequence and number of messages wanted. Bytes after the last block are not
 * ours to judge (standard readers do not look there; an authentication tag may stand there).
 */
import { MAX_SEQUENCE } from '../core/limits.js'
import { readU16, readU64, writeU16, writeU64 } from './bytes.js'

export const MOLD_HEADER_BYTES = 20
export const MOLD_SEQUENCE_AT = 10
export const MOLD_COUNT_AT = 18
export const MOLD_HEARTBEAT = 0
export const MOLD_END_OF_SESSION = 0xffff
export const BLOCK_LENGTH_BYTES = 2

/** Why a packet was not accepted; each is also the name of a counter. */
export const MOLD_REASONS = ['short-header', 'bad-sequence', 'truncated-block'] as const
export type MoldReason = (typeof MOLD_REASONS)[number]

export function moldSequence(packet: Uint8Array): number {
  return readU64(packet, MOLD_SEQUENCE_AT)
}

export function moldCount(packet: Uint8Array): number {
  return readU16(packet, MOLD_COUNT_AT)
}

/** Writes a header; `session` holds ten bytes. */
export function writeMoldHeader(
  packet: Uint8Array,
  at: number,
  session: Uint8Array,
  sequence: number,
  count: number,
): void {
  for (let i = 0; i < MOLD_SEQUENCE_AT; i++) packet[at + i] = session[i]!
  writeU64(packet, at + MOLD_SEQUENCE_AT, sequence)
  writeU16(packet, at + MOLD_COUNT_AT, count)
}

/** Checks header and blocks of a downstream packet of any kind. After undefined every block can be read safely. */
export function checkDownstream(packet: Uint8Array): MoldReason | undefined {
  const headerReason = checkHeader(packet)
  if (headerReason !== undefined) return headerReason
  const count = moldCount(packet)
  if (count === MOLD_HEARTBEAT || count === MOLD_END_OF_SESSION) return undefined
  const rangeReason = checkRange(moldSequence(packet), count)
  if (rangeReason !== undefined) return rangeReason
  return blocksEnd(packet, MOLD_HEADER_BYTES, count) < 0 ? 'truncated-block' : undefined
}

/**
 * Checks the twenty bytes of a request. An answer is limited by the server, so any count is valid whose range can be
 * numbered.
 */
export function checkRequest(packet: Uint8Array): MoldReason | undefined {
  return checkHeader(packet) ?? checkRange(moldSequence(packet), moldCount(packet))
}

function checkHeader(packet: Uint8Array): MoldReason | undefined {
  if (packet.length < MOLD_HEADER_BYTES) return 'short-header'
  return moldSequence(packet) >= 1 ? undefined : 'bad-sequence'
}

/** The sequence after the last must be safe too: beyond, adding one changes nothing, and a loop over a range would not end. */
function checkRange(sequence: number, count: number): MoldReason | undefined {
  return sequence + count > MAX_SEQUENCE ? 'bad-sequence' : undefined
}

/** Where `count` blocks that start at `offset` end, or -1 where they do not fit the packet. */
export function blocksEnd(packet: Uint8Array, offset: number, count: number): number {
  let at = offset
  const end = packet.length
  for (let i = 0; i < count; i++) {
    if (at + BLOCK_LENGTH_BYTES > end) return -1
    at += BLOCK_LENGTH_BYTES + readU16(packet, at)
    if (at > end) return -1
  }
  return at
}

/** Where the block after the first `count` ones from `start` on begins; the blocks were checked before. */
export function skipBlocks(bytes: Uint8Array, start: number, count: number): number {
  let at = start
  for (let i = 0; i < count; i++) at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
  return at
}
