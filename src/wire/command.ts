/**
 * A command packet: what a source multicasts to the sequencer. It has the layout of the event packet that it becomes, so
 * that the sequencer can stamp it where it lies and send the same buffer on.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 10 | session, ASCII |
 * | 10 | 2 | source |
 * | 12 | 2 | epoch that the sender's stream is in; 0: not said |
 * | 14 | 4 | source sequence of the first block |
 * | 18 | 2 | count, from 1 |
 * | 20 | - | blocks of length u16 and event bytes, all of that source, numbered without hole |
 */
import { readU16, readU32, writeU16, writeU32 } from './bytes.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventSourceSequence,
  FIRST_FRAGMENT,
  LAST_FRAGMENT,
} from './event.js'
import { BLOCK_LENGTH_BYTES, MOLD_END_OF_SESSION } from './moldudp64.js'

export const COMMAND_HEADER_BYTES = 20
export const COMMAND_SOURCE_AT = 10
export const COMMAND_EPOCH_AT = 12
export const COMMAND_FIRST_AT = 14
export const COMMAND_COUNT_AT = 18

/** Why a command packet was not accepted; each is also the name of a counter. */
export const COMMAND_REASONS = [
  'short-header',
  'bad-count',
  'truncated-block',
  'trailing-bytes',
  'short-event',
  'foreign-source',
  'broken-numbering',
  'already-stamped',
  'bad-flags',
] as const
export type CommandReason = (typeof COMMAND_REASONS)[number]

export const commandSource = (packet: Uint8Array): number => readU16(packet, COMMAND_SOURCE_AT)
/**
 * The reign in which the sender has sent it, or 0. Another reign drops the packet: the sender may have computed its commands from
 * events that are revoked, or under a source number that is somebody else's by now.
 */
export const commandEpoch = (packet: Uint8Array): number => readU16(packet, COMMAND_EPOCH_AT)
export const commandFirst = (packet: Uint8Array): number => readU32(packet, COMMAND_FIRST_AT)
export const commandCount = (packet: Uint8Array): number => readU16(packet, COMMAND_COUNT_AT)

/** Writes the header of a command packet, its epoch not said; `session` holds ten bytes. */
export function writeCommandPacketHeader(
  packet: Uint8Array,
  session: Uint8Array,
  source: number,
  first: number,
  count: number,
): void {
  for (let i = 0; i < COMMAND_SOURCE_AT; i++) packet[i] = session[i]!
  writeU16(packet, COMMAND_SOURCE_AT, source)
  writeU16(packet, COMMAND_EPOCH_AT, 0)
  writeU32(packet, COMMAND_FIRST_AT, first)
  writeU16(packet, COMMAND_COUNT_AT, count)
}

/**
 * Checks everything about a command packet that needs no knowledge of the session: after undefined each block is a
 * well-formed command of the packet's source with the expected number. The session is compared by the receiver of the
 * packet. Trailing bytes are refused because the same buffer is sent on.
 */
export function checkCommandPacket(packet: Uint8Array): CommandReason | undefined {
  if (packet.length < COMMAND_HEADER_BYTES) return 'short-header'
  const count = commandCount(packet)
  if (count === 0 || count === MOLD_END_OF_SESSION) return 'bad-count'
  const source = commandSource(packet)
  let sourceSequence = commandFirst(packet)
  if (sourceSequence === 0) return 'broken-numbering'
  let at = COMMAND_HEADER_BYTES
  for (let i = 0; i < count; i++, sourceSequence++) {
    if (at + BLOCK_LENGTH_BYTES > packet.length) return 'truncated-block'
    const lengthBytes = readU16(packet, at)
    at += BLOCK_LENGTH_BYTES
    if (at + lengthBytes > packet.length) return 'truncated-block'
    const reason = checkCommand(packet, at, lengthBytes, source, sourceSequence)
    if (reason !== undefined) return reason
    at += lengthBytes
  }
  return at === packet.length ? undefined : 'trailing-bytes'
}

function checkCommand(
  packet: Uint8Array,
  at: number,
  lengthBytes: number,
  source: number,
  sourceSequence: number,
): CommandReason | undefined {
  if (lengthBytes < EVENT_HEADER_BYTES) return 'short-event'
  if (eventSource(packet, at) !== source) return 'foreign-source'
  if (eventSourceSequence(packet, at) !== sourceSequence) return 'broken-numbering'
  if ((readU32(packet, at + 8) | readU32(packet, at + 12) | readU16(packet, at + 16)) !== 0) return 'already-stamped'
  return (eventFlags(packet, at) & ~(FIRST_FRAGMENT | LAST_FRAGMENT)) === 0 ? undefined : 'bad-flags'
}
