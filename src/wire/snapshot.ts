/**
 * A checkpoint over SoupBinTCP, in the way of Nasdaq's GLIMPSE: after the login, sequenced messages that are the snapshot, then one that
 * says with which sequence of the event stream to go on, then the end of the session. The first byte of a message is its type:
 *
 * | type | payload |
 * |---|---|
 * | `H` | a piece of the header (wire/checkpoint.ts); all of them come first |
 * | `D` | a piece of the body |
 * | `G` | end of snapshot: the sequence to go on from, 20 decimal digits, padded on the left |
 */
import { readAscii, writeAscii } from './bytes.js'
import { SOUP_SEQUENCED, soupPacket } from './soupbintcp.js'

export const SNAPSHOT_HEADER = 0x48 // H
export const SNAPSHOT_DATA = 0x44 // D
export const SNAPSHOT_END = 0x47 // G
/** Payload of a message, at most. */
export const SNAPSHOT_PIECE_BYTES = 32 * 1024
const SEQUENCE_DIGITS = 20

/** A packet with a piece of the header or of the body. */
export function snapshotPacket(type: number, piece: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + piece.length)
  message[0] = type
  message.set(piece, 1)
  return soupPacket(SOUP_SEQUENCED, message)
}

export function endOfSnapshotPacket(nextSequence: number): Uint8Array {
  const digits = new Uint8Array(SEQUENCE_DIGITS)
  writeAscii(digits, 0, SEQUENCE_DIGITS, String(nextSequence), 'left')
  return snapshotPacket(SNAPSHOT_END, digits)
}

/** @returns the sequence to go on from, or undefined where the payload is none */
export function parseEndOfSnapshot(payload: Uint8Array): number | undefined {
  if (payload.length !== SEQUENCE_DIGITS) return undefined
  const text = readAscii(payload, 0, SEQUENCE_DIGITS).trim()
  const sequence = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(sequence) && sequence > 1 ? sequence : undefined
}
