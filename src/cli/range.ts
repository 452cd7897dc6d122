/**
 * A part of a recorded session, as a user names it: by sequences, by times, or by one of each.
 */
import { SeqcastError } from '../core/errors.js'
import type { EventLogReader } from '../protocol/event-log.js'
import { readU16 } from '../wire/bytes.js'
import { eventTimeUs } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'

/** A recorded session: a log, or a reader of one. */
export interface Recorded extends EventLogReader {
  readonly session: string
  readonly kind: 'events' | 'opaque'
  readonly firstSequence: number
  readonly committedSequence: number
}

export interface RangeFlags {
  readonly fromSeq?: number | undefined
  readonly toSeq?: number | undefined
  readonly fromTime?: string | undefined
  readonly toTime?: string | undefined
}

/** Both ends included. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** @throws SeqcastError E_USAGE, E_CONFIG (a time that is none), E_SEQUENCE_PAST_END (nothing of it is recorded) */
export function rangeOf(log: Recorded, flags: RangeFlags): Range {
  const { fromSeq, toSeq, fromTime, toTime } = flags
  if ((fromSeq !== undefined && fromTime !== undefined) || (toSeq !== undefined && toTime !== undefined)) {
    throw new SeqcastError('E_USAGE', 'an end of the range is given by a sequence or by a time, not by both', {
      hint: 'leave out --from-time or --from-seq, --to-time or --to-seq',
    })
  }
  const from = fromTime === undefined ? (fromSeq ?? log.firstSequence) : firstAt(log, timeOf(fromTime))
  const to = toTime === undefined ? (toSeq ?? log.committedSequence) : firstAt(log, timeOf(toTime) + 1) - 1
  if (from <= to && from >= log.firstSequence && to <= log.committedSequence) return { from, to }
  throw outside(log, from, to)
}

function outside(log: Recorded, from: number, to: number): SeqcastError {
  const { session, firstSequence, committedSequence } = log
  const has =
    committedSequence < firstSequence
      ? `the recording of session ${session} is empty`
      : `the recording of session ${session} holds events ${firstSequence} to ${committedSequence}`
  const wanted = from > to ? 'nothing in the range that was given' : `not ${from} to ${to}`
  return new SeqcastError('E_SEQUENCE_PAST_END', `${has}: ${wanted}`, {
    hint: 'give a range that is recorded; `seqcast sessions` shows sequences and times',
    fields: { session, from, to, firstSequence, lastSequence: committedSequence },
  })
}

/** `2026-11-20T09:30:00.5Z`, or microseconds since the epoch as other commands print them. @throws SeqcastError E_CONFIG */
function timeOf(text: string): number {
  const timeUs = /^[0-9]{10,}$/.test(text) ? Number(text) : Date.parse(text) * 1000
  if (Number.isSafeInteger(timeUs)) return timeUs
  throw new SeqcastError('E_CONFIG', `'${text}' is no time`, {
    hint: 'write it as 2026-11-20T09:30:00Z, or as microseconds since 1970',
  })
}

/** The first sequence at or after a time; after the last one where there is none. */
function firstAt(log: Recorded, timeUs: number): number {
  let found = 0
  const start = Math.max(log.firstSequence, log.sequenceAtTime(timeUs))
  const end = log.read(start, Number.POSITIVE_INFINITY, (sequence, count, bytes, at, _end, receivedUs) => {
    found = firstInRun(log.kind, timeUs, sequence, count, bytes, at, receivedUs)
    return found === 0
  })
  return found === 0 ? end : found
}

/** @returns 0 where all of the run is earlier */
function firstInRun(
  kind: Recorded['kind'],
  timeUs: number,
  sequence: number,
  count: number,
  bytes: Uint8Array,
  start: number,
  receivedUs: number,
): number {
  if (kind === 'opaque') return receivedUs >= timeUs ? sequence : 0
  let at = start
  for (let i = 0; i < count; i++) {
    if (eventTimeUs(bytes, at + BLOCK_LENGTH_BYTES) >= timeUs) return sequence + i
    at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
  }
  return 0
}
