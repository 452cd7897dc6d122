/**
 * How far a projection is: it is stored in the same transaction as the rows, so rows and position never part. All that is needed to
 * go on is in it: also where a message has begun whose end has not come, and what the session said at its beginning.
 */
import { readU32 } from '../wire/bytes.js'
import { EVENT_TIMESTAMP_AT, eventEpoch } from '../wire/event.js'

export interface Position {
  readonly session: string
  /** All to here is in the rows; 0 where nothing of the session is. */
  readonly sequence: number
  /** Stream time of that event. */
  readonly timeUs: number
  /** What tells that event from one of the same number on another recording of that name; '' for sequence 0. */
  readonly mark: string
  /** Where to read on: the next event, or the first fragment of the earliest message that is not complete. */
  readonly resumeFrom: number
  /** Of the session's first event: the ids of its voters. */
  readonly voters: readonly string[]
  /** Numbers of the sources whose events are carried over from the session before. */
  readonly seedSources: readonly number[]
  /** The session is over: what comes next, '' where nothing does. Undefined while it goes on. */
  readonly successor: string | undefined
  /** The sessions that were followed up to this one, the newest last. */
  readonly earlier: readonly string[]
  /** The first event that was asked for: of this session where `earlier` is empty, of the first one there else. */
  readonly from: number
}

/** As many sessions as years of working days: what lies before is forgotten. */
const MAX_EARLIER = 2_500

export function beginningOf(session: string, from = 1): Position {
  const none = { timeUs: 0, mark: '', resumeFrom: 1, voters: [], seedSources: [], successor: undefined }
  return { session, sequence: 0, ...none, earlier: [], from }
}

/** The beginning of the session that follows the one at whose end `position` is. */
export function successorOf(position: Position, session: string): Position {
  const earlier = [...position.earlier, position.session].slice(-MAX_EARLIER)
  return { ...beginningOf(session), earlier, from: position.from }
}

/** The time of an event to the nanosecond, and its epoch of birth. */
export function markOf(bytes: Uint8Array, at: number): string {
  const high = readU32(bytes, at + EVENT_TIMESTAMP_AT)
  const low = readU32(bytes, at + EVENT_TIMESTAMP_AT + 4)
  return `${high.toString(16)}.${low.toString(16)}.${eventEpoch(bytes, at)}`
}

/** Text for a database. */
export function positionText(position: Position): string {
  return JSON.stringify(position)
}

/** @returns undefined where the text is no position */
export function positionOf(text: string): Position | undefined {
  const value: unknown = JSON.parse(text)
  return isPosition(value) ? { ...value, successor: value.successor } : undefined
}

function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false
  if (!('session' in value && 'sequence' in value && 'timeUs' in value && 'mark' in value)) return false
  if (!('resumeFrom' in value && 'voters' in value && 'seedSources' in value && 'earlier' in value)) return false
  const { session, sequence, timeUs, mark, resumeFrom, voters, seedSources, earlier } = value
  const numbers = [sequence, timeUs, resumeFrom]
  if (!numbers.every(Number.isSafeInteger) || typeof session !== 'string' || typeof mark !== 'string') return false
  if (!isListOf(voters, 'string') || !isListOf(earlier, 'string') || !isListOf(seedSources, 'number')) return false
  return !('successor' in value) || typeof value.successor === 'string'
}

function isListOf(value: unknown, type: 'string' | 'number'): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === type)
}
