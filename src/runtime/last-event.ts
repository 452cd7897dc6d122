/**
 * Whether a run closes its session: the last event of a session is `SessionEnded`, and nothing follows it.
 */
import type { EventLog } from '../protocol/event-log.js'
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventType } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { SESSION_ENDED } from '../wire/runtime-events.js'

/** Walks the block lengths only; true where the last block of the run is `SessionEnded`. */
export function endOfRun(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  let last = start
  while (at + BLOCK_LENGTH_BYTES <= end) {
    last = at
    at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
  }
  const event = last + BLOCK_LENGTH_BYTES
  return event + EVENT_HEADER_BYTES <= end && eventType(bytes, event) === SESSION_ENDED
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
