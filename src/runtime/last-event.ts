/**
 * The last event of a session is `SessionEnded`, and nothing follows it: whether a run or a log ends with it, and what it says.
 */
import type { EventLog } from '../protocol/event-log.js'
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventType } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import {
  SESSION_ENDED,
  type SessionEnded,
  type SessionStarted,
  sessionEndedCodec,
  sessionStartedCodec,
} from '../wire/runtime-events.js'

/** Walks the block lengths only; true where the last block of the run is `SessionEnded`. */
export function endOfRun(bytes: Uint8Array, start: number, end: number): boolean {
  const event = lastBlock(bytes, start, end) + BLOCK_LENGTH_BYTES
  return event + EVENT_HEADER_BYTES <= end && eventType(bytes, event) === SESSION_ENDED
}

/** What the last event of the run says, where that is `SessionEnded`. */
export function readEnd(bytes: Uint8Array, start: number, end: number): SessionEnded | undefined {
  if (!endOfRun(bytes, start, end)) return undefined
  const payloadAt = lastBlock(bytes, start, end) + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES
  return sessionEndedCodec.decode(bytes.subarray(payloadAt, end))
}

/** What the last event that can be read from the log says, where that is `SessionEnded`. */
export function endOfLog(log: Pick<EventLog, 'read' | 'committedSequence'>): SessionEnded | undefined {
  let found: SessionEnded | undefined
  log.read(log.committedSequence, 1, (_sequence, _count, bytes, start, end) => {
    found = readEnd(bytes, start, end)
    return false
  })
  return found
}

/** What the first event of the session says; undefined where the log does not have it. */
export function startOfLog(log: Pick<EventLog, 'read'>): SessionStarted | undefined {
  let found: SessionStarted | undefined
  log.read(1, 1, (sequence, _count, bytes, start) => {
    const at = start + BLOCK_LENGTH_BYTES
    const end = at + readU16(bytes, start)
    if (sequence === 1) found = sessionStartedCodec.decode(bytes.subarray(at + EVENT_HEADER_BYTES, end))
    return false
  })
  return found
}

/** True where the last event that can be read from the log is `SessionEnded`. */
export function endsSession(log: Pick<EventLog, 'read' | 'committedSequence'>): boolean {
  let isEnd = false
  log.read(log.committedSequence, 1, (_sequence, _count, bytes, start, end) => {
    isEnd = endOfRun(bytes, start, end)
    return false
  })
  return isEnd
}

function lastBlock(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  let last = start
  while (at + BLOCK_LENGTH_BYTES <= end) {
    last = at
    at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
  }
  return last
}
