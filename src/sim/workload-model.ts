/**
 * The workload's own idea of what the stable stream must hold, from what was asked and from nothing of the code under test: each
 * request once and in order, one answer to each with the right sum, every note whole, every expiry once and not before its
 * time; all of that over all sessions of the chain, as if they were one; each begins with what was true at the end of the one before; and of each life of the outside source the first so many commands, at least as many as it was told.
 */
import type { Reader } from './checkers/chronicle.js'
import { type EventFields, readEvent, u32 } from './checkers/reading.js'
import { Violation } from './violation.js'
import {
  amountOf,
  ENGINE_CARRIED,
  EXPIRED,
  EXPIRY_MS,
  FED,
  GATEWAY_CARRIED,
  NOTE,
  NOTE_BYTES,
  NOTE_EVERY,
  noteOf,
  OPEN_CARRIED,
  REPLY,
  REQUEST,
  sumOf,
  TALLY,
  TALLY_CARRIED,
  TALLY_EVERY,
} from './workload-schema.js'

export class WorkloadModel implements Reader {
  /** The last key of each, which is also how many there were. */
  requests = 0
  replies = 0
  notes = 0
  tallies = 0
  #total = 0
  /** The sum up to each request, by key. */
  readonly #totals: number[] = [0]
  readonly #requestedUs: number[] = [0]
  readonly #expired = new Set<number>()
  /** By life: the last key. */
  readonly #fed = new Map<number, number>()
  #note: Uint8Array[] = []
  #answersSum = 0
  #lots = 0
  #session = ''
  /** What the present session was said to begin with: names, and keys of open requests. */
  readonly #carried = new Set<string>()

  get expired(): number {
    return this.#expired.size
  }

  /** How many commands of this life of the outside source are stable. */
  fed(life: number): number {
    return this.#fed.get(life) ?? 0
  }

  stableEvent(sequence: number, bytes: Uint8Array, session: string): void {
    const event = readEvent(bytes)
    if (session !== this.#session) this.#enter(session)
    if (event.type === REQUEST) this.#onRequest(sequence, event)
    else if (event.type === REPLY) this.#onReply(sequence, event)
    else if (event.type === NOTE) this.#onNote(sequence, event)
    else if (event.type === EXPIRED) this.#onExpired(sequence, event)
    else if (event.type === TALLY) this.#onTally(sequence, event)
    else if (event.type === FED) this.#onFed(sequence, event)
    else if (event.type === GATEWAY_CARRIED) {
      this.#onCarried(sequence, 'gateway', event, [this.requests, this.replies, this.#answersSum])
    } else if (event.type === ENGINE_CARRIED) {
      this.#onCarried(sequence, 'engine', event, [this.requests, this.#total])
    } else if (event.type === TALLY_CARRIED) this.#onCarried(sequence, 'tally', event, [this.replies, this.#lots])
    else if (event.type === OPEN_CARRIED) this.#onOpenCarried(sequence, event)
  }

  /** What of a note was sequenced before comes again, whole. */
  #enter(session: string): void {
    this.#session = session
    this.#note = []
    this.#carried.clear()
  }

  #onCarried(sequence: number, what: string, { payload }: EventFields, expected: readonly number[]): void {
    this.#requireOnce(sequence, what)
    const said = expected.map((_, at) => u32(payload, 4 * at))
    if (said.some((value, at) => value !== expected[at])) {
      const text = `${what} begins ${this.#session} with ${said.join(' ')}, and ended the session before with ${expected.join(' ')}`
      throw new Violation('G4', `state is lost: event ${sequence}: ${text}`)
    }
  }

  #onOpenCarried(sequence: number, { payload }: EventFields): void {
    const key = u32(payload, 0)
    this.#requireOnce(sequence, `open ${key}`)
    if (key === 0 || key > this.requests || this.#expired.has(key) || u32(payload, 4) !== amountOf(key)) {
      throw new Violation('G4', `state is lost: event ${sequence}: request ${key} is carried over as open, and is not`)
    }
  }

  #requireOnce(sequence: number, what: string): void {
    if (this.#carried.has(what)) {
      throw new Violation('G3', `a command became two events: ${what} is carried over again at event ${sequence}`)
    }
    this.#carried.add(what)
  }

  #onRequest(sequence: number, { payload, timeUs }: EventFields): void {
    const key = this.#next(sequence, 'request', u32(payload, 0), this.requests)
    if (u32(payload, 4) !== amountOf(key)) throw wrong(sequence, `request ${key} has another amount than was asked`)
    this.requests = key
    this.#total = (this.#total + amountOf(key)) >>> 0
    this.#totals.push(this.#total)
    this.#requestedUs.push(timeUs)
  }

  #onReply(sequence: number, { payload }: EventFields): void {
    const key = this.#next(sequence, 'reply', u32(payload, 0), this.replies)
    if (key > this.requests) throw wrong(sequence, `reply ${key} comes before its request`)
    if (u32(payload, 4) !== this.#totals[key] || u32(payload, 8) !== key) {
      throw wrong(sequence, `reply ${key} has a wrong sum: it was computed from other requests`)
    }
    this.replies = key
    this.#answersSum = sumOf(this.#answersSum, u32(payload, 4))
    this.#lots = (this.#lots + u32(payload, 12)) >>> 0
  }

  #onNote(sequence: number, { payload, isFirst, isLast }: EventFields): void {
    if (isFirst !== (this.#note.length === 0)) throw wrong(sequence, 'a fragment of a note is missing')
    this.#note.push(payload)
    if (!isLast) return
    const note = joined(this.#note)
    this.#note = []
    const key = this.#next(sequence, 'note', u32(note, 0) / NOTE_EVERY, this.notes) * NOTE_EVERY
    const isWhole = note.length === 4 + NOTE_BYTES && noteOf(key).every((byte, at) => note[4 + at] === byte)
    if (!isWhole) throw wrong(sequence, `note ${key} is not whole`)
    this.notes++
  }

  #onExpired(sequence: number, { payload, timeUs }: EventFields): void {
    const key = u32(payload, 0)
    if (this.#expired.has(key))
      throw new Violation('G3', `a command became two events: expiry ${key} again at ${sequence}`)
    const requestedUs = this.#requestedUs[key]
    if (key === 0 || requestedUs === undefined) throw wrong(sequence, `expiry ${key} of no request`)
    // Whole microseconds of both: one may be lost in the cutting.
    if (timeUs - requestedUs < EXPIRY_MS * 1_000 - 1) throw wrong(sequence, `expiry ${key} comes too early`)
    this.#expired.add(key)
  }

  #onTally(sequence: number, { payload }: EventFields): void {
    const replies = u32(payload, 4)
    this.tallies = this.#next(sequence, 'tally', replies / TALLY_EVERY, this.tallies)
    if (u32(payload, 0) !== replies || replies > this.replies)
      throw wrong(sequence, `tally ${replies} counts other replies`)
  }

  #onFed(sequence: number, { payload }: EventFields): void {
    const life = u32(payload, 0)
    this.#fed.set(life, this.#next(sequence, `command of life ${life}`, u32(payload, 4), this.fed(life)))
  }

  #next(sequence: number, what: string, key: number, last: number): number {
    if (key === last + 1) return key
    if (key <= last) throw new Violation('G3', `a command became two events: ${what} ${key} again at event ${sequence}`)
    throw new Violation('G2', `out of order: ${what} ${key} at event ${sequence} where ${last + 1} is next`)
  }
}

function wrong(sequence: number, what: string): Violation {
  return new Violation('G1', `not what was asked: event ${sequence}: ${what}`)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
