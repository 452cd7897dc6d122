/** Checks a stream of numbered commands: each event is the next one of the session, each command the next one issued. */
import { readU16, readU32 } from '../../src/wire/bytes.js'
import { EVENT_HEADER_BYTES, eventType } from '../../src/wire/event.js'

/** The type of the commands; others are not counted. Their payload begins with their number, from 1. */
export const NUMBERED_TYPE = 256

export class NumberedEvents {
  checked = 0
  runs = 0
  nextSequence = 1

  /** @throws Error at the first event that is not the expected one */
  check(sequence: number, count: number, bytes: Uint8Array, start: number): void {
    if (sequence !== this.nextSequence) throw new Error(`event ${sequence} instead of ${this.nextSequence}`)
    this.nextSequence = sequence + count
    this.runs += 1
    for (let i = 0, at = start; i < count; i++, at += 2 + readU16(bytes, at)) {
      if (eventType(bytes, at + 2) !== NUMBERED_TYPE) continue
      this.checked += 1
      const number = readU32(bytes, at + 2 + EVENT_HEADER_BYTES)
      if (number !== this.checked >>> 0) throw new Error(`command ${number} instead of ${this.checked}`)
    }
  }
}
