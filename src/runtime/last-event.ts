/**
 * Whether a run closes its session: the last event of a session is `SessionEnded`, and nothing follows it.
 */
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
