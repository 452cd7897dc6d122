/**
 * What must hold from event to event of one of our own sessions. Walks packets in order; a caller that had to leave some out
 * says so, and then nothing is concluded across the hole.
 */
import { readU16, readU32 } from '../wire/bytes.js'
import {
  EVENT_HEADER_BYTES,
  EVENT_TIMESTAMP_AT,
  eventEpoch,
  eventFlags,
  eventSource,
  eventSourceSequence,
  FIRST_FRAGMENT,
  LAST_FRAGMENT,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'

/** Why an event can't be what the sequencer sent. */
export type EventReason =
  | 'event-too-short'
  | 'unknown-flags'
  | 'epoch-zero'
  | 'epoch-decreases'
  | 'time-decreases'
  | 'source-sequence'
  | 'fragment-order'

export type EventProblem = (sequence: number, reason: EventReason, detail: string) => void

const SOURCES = 0x1_0000
const UNKNOWN = -1

export class EventChecker {
  readonly #problem: EventProblem
  readonly #lastOfSource = new Float64Array(SOURCES)
  /** 1 where a message of the source has begun and not ended, UNKNOWN after a hole. */
  readonly #open = new Int8Array(SOURCES)
  #timeHigh = 0
  #timeLow = 0
  #epoch = 0

  constructor(problem: EventProblem) {
    this.#problem = problem
  }

  /** Events are missing before the next packet: of the sources nothing is known any more. */
  hole(): void {
    this.#lastOfSource.fill(UNKNOWN)
    this.#open.fill(UNKNOWN)
  }

  /** Checks `count` whole blocks, which the caller knows to fit. */
  check(sequence: number, count: number, bytes: Uint8Array, start: number): void {
    let at = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      if (lengthBytes < EVENT_HEADER_BYTES) this.#problem(sequence + i, 'event-too-short', `${lengthBytes} bytes`)
      else this.#event(sequence + i, bytes, at)
      at += lengthBytes
    }
  }

  #event(sequence: number, bytes: Uint8Array, at: number): void {
    this.#time(sequence, bytes, at)
    const epoch = eventEpoch(bytes, at)
    if (epoch === 0) this.#problem(sequence, 'epoch-zero', 'it was never sequenced')
    else if (epoch < this.#epoch) this.#problem(sequence, 'epoch-decreases', `${epoch} after ${this.#epoch}`)
    else this.#epoch = epoch
    const source = eventSource(bytes, at)
    const sourceSequence = eventSourceSequence(bytes, at)
    const last = this.#lastOfSource[source]!
    if (last !== UNKNOWN && sourceSequence !== last + 1) {
      this.#problem(sequence, 'source-sequence', `source ${source}: ${sourceSequence} after ${last}`)
    }
    this.#lastOfSource[source] = sourceSequence
    this.#fragment(sequence, source, eventFlags(bytes, at))
  }

  #time(sequence: number, bytes: Uint8Array, at: number): void {
    const high = readU32(bytes, at + EVENT_TIMESTAMP_AT)
    const low = readU32(bytes, at + EVENT_TIMESTAMP_AT + 4)
    if (high < this.#timeHigh || (high === this.#timeHigh && low < this.#timeLow)) {
      this.#problem(sequence, 'time-decreases', 'it is earlier than the event before it')
      return
    }
    this.#timeHigh = high
    this.#timeLow = low
  }

  #fragment(sequence: number, source: number, flags: number): void {
    if ((flags & ~WHOLE_MESSAGE) !== 0) {
      this.#problem(sequence, 'unknown-flags', `0x${flags.toString(16)}`)
      return
    }
    const open = this.#open[source]!
    const first = (flags & FIRST_FRAGMENT) !== 0
    if (open !== UNKNOWN && first === (open === 1)) {
      this.#problem(sequence, 'fragment-order', first ? 'begins before the last message ended' : 'continues nothing')
    }
    this.#open[source] = (flags & LAST_FRAGMENT) !== 0 ? 0 : 1
  }
}
