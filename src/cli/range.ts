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

/** Both ends included; no event where `to` is `from - 1`. */
export interface Range {
  readonly from: number
  readonly to: number
}

/**
 * The events from the first to the last that the flags name, both included. By time: those with `from <= time <= to`, where
 * the time of an event is taken in whole microseconds; there may be none. By sequence: the events must be recorded.
 * @throws SeqcastError E_USAGE, E_CONFIG (a time that is none), E_SEQUENCE_PAST_END (a sequence that is not recorded)
 */
export function rangeOf(log: Recorded, flags: RangeFlags): Range {
  const { fromSeq, toSeq, fromTime, toTime } = flags
  if ((fromSeq !== undefined && fromTime !== undefined) || (toSeq !== undefined && toTime !== undefined)) {
    throw new SeqcastError('E_USAGE', 'an end of the range is given by a sequence or by a time, not by both', {
      hint: 'leave out --from-time or --from-seq, --to-time or --to-seq',
    })
  }
  const { firstSequence, committedSequence } = log
  for (const sequence of [fromSeq, toSeq]) {
    if (sequence !== undefined && (sequence < firstSequence || sequence > committedSequence)) throw outside(log, flags)
  }
  if (committedSequence < firstSequence) throw outside(log, flags)
  const fromUs = fromTime === undefined ? undefined : timeIn(log, fromTime, '--from-time')
  const toUs = toTime === undefined ? undefined : timeIn(log, toTime, '--to-time')
  if (ahead(fromSeq, toSeq) || ahead(fromUs, toUs)) {
    throw new SeqcastError('E_USAGE', 'the range ends before it begins', {
      hint: 'both ends belong to it: the first must not be after the last',
    })
  }
  const from = fromUs === undefined ? (fromSeq ?? firstSequence) : firstAt(log, fromUs)
  const to = toUs === undefined ? (toSeq ?? committedSequence) : firstAt(log, toUs + 1) - 1
  return { from, to: Math.max(to, from - 1) }
}

/**
 * A moment of a session: by its sequence, or the last event at or before a time; 0 where the time is before the first.
 * @param flag where it was given, for the error
 */
export function momentOf(log: Recorded, text: string, flag: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) return firstAt(log, timeIn(log, text, flag) + 1) - 1
  const sequence = Number(text)
  if (sequence <= log.committedSequence) return sequence
  throw outside(log, { fromSeq: sequence, toSeq: sequence })
}

const ahead = (first: number | undefined, last: number | undefined): boolean =>
  first !== undefined && last !== undefined && first > last

function outside(log: Recorded, { fromSeq, toSeq }: RangeFlags): SeqcastError {
  const { session, firstSequence, committedSequence } = log
  const has =
    committedSequence < firstSequence
      ? `the recording of session ${session} is empty`
      : `the recording of session ${session} holds events ${firstSequence} to ${committedSequence}`
  const [from, to] = [fromSeq ?? firstSequence, toSeq ?? committedSequence]
  return new SeqcastError('E_SEQUENCE_PAST_END', `${has}: ${from === to ? `not ${from}` : `not ${from} to ${to}`}`, {
    hint: 'give a range that is recorded; `seqcast sessions` shows sequences and times',
    fields: { session, from, to, firstSequence, lastSequence: committedSequence },
  })
}

/** As `timeOf`, where a time of day is one of the day on which the session began. */
function timeIn(log: Recorded, text: string, flag: string): number {
  return timeOf(text, flag, startOfDay(firstTimeUs(log)))
}

/** In groups: day, hours, minutes, seconds, fraction, zone. */
const TIME = /^(?:(\d{4}-\d\d-\d\d)(?:[T ]|$))?(?:(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?$/

/**
 * A time as a user writes it, in UTC where it names no zone: `2026-11-20T09:30:00.123456Z`, `2026-11-20`, or microseconds since 1970, as other
 * commands print them; and `09:30:00.5` where it is known of which day.
 * @param flag where it was given, for the error
 * @returns microseconds since the epoch
 * @throws SeqcastError E_CONFIG
 */
export function timeOf(text: string, flag: string, dayUs?: number): number {
  if (/^[0-9]{14,16}$/.test(text)) return Number(text)
  if (/^[0-9]{10,13}$/.test(text)) {
    const unit = text.length === 13 ? 'milliseconds' : 'seconds'
    throw noTime(flag, text, dayUs, `is in microseconds where it is a number, and it looks like ${unit}`)
  }
  const parts = TIME.exec(text)
  if (parts === null || text === '') throw noTime(flag, text, dayUs)
  const [, day, hours = '00', minutes = '00', seconds = '00', fraction = '', zone = 'Z'] = parts
  const date = day ?? (dayUs === undefined ? '' : new Date(dayUs / 1000).toISOString().slice(0, 10))
  const wholeMs = Date.parse(`${date}T${hours.padStart(2, '0')}:${minutes}:${seconds}${zone}`)
  const timeUs = wholeMs * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6))
  if (Number.isSafeInteger(timeUs)) return timeUs
  throw noTime(flag, text, dayUs)
}

function noTime(flag: string, text: string, dayUs: number | undefined, what = 'is no time'): SeqcastError {
  const ofDay = dayUs === undefined ? '' : ', as 09:30:00 (UTC, on the day on which the session began)'
  return new SeqcastError('E_CONFIG', `${flag}: '${text}' ${what}`, {
    hint: `write it as 2026-11-20T09:30:00Z${ofDay}, or as microseconds since 1970 (16 digits)`,
    fields: { flag, text },
  })
}

const US_PER_DAY = 86_400_000_000
const startOfDay = (timeUs: number): number => timeUs - (timeUs % US_PER_DAY)

function firstTimeUs(log: Recorded): number {
  let timeUs = 0
  log.read(log.firstSequence, 1, (_sequence, _count, bytes, at, _end, receivedUs) => {
    timeUs = log.kind === 'opaque' ? receivedUs : eventTimeUs(bytes, at + BLOCK_LENGTH_BYTES)
    return false
  })
  return timeUs
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
