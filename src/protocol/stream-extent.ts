/**
 * How far the stream is known to reach: by packets that were seen, by heartbeats, by the end of the session. Without a key
 * anybody may have sent any of them, and a damaged one is enough: so what one datagram said counts at once, and is given up
 * when the sequencer still says otherwise a little later. One wrong number must not stop a receiver for ever.
 */

/** A sequencer announces what it sends much sooner than this. */
export const DOUBT_US = 250_000

/** A next sequence that somebody named, and since when; 0 where nobody did. */
interface Claim {
  next: number
  atUs: number
}

export class StreamExtent {
  readonly #seen: Claim = { next: 0, atUs: 0 }
  readonly #hinted: Claim = { next: 0, atUs: 0 }
  readonly #announced: Claim = { next: 0, atUs: 0 }
  readonly #end: Claim = { next: 0, atUs: 0 }
  /** When a sequencer was last heard that takes commands. */
  #openAtUs = Number.NEGATIVE_INFINITY

  /** The sequence after the last event that exists; 0 while nothing was heard. */
  get next(): number {
    return Math.max(this.#seen.next, this.#hinted.next, this.#announced.next, this.#end.next)
  }

  /** A packet of events up to `after - 1` came. */
  seen(after: number, nowUs: number): void {
    if (after > this.#seen.next) claim(this.#seen, after, nowUs)
  }

  /** A MoldUDP64 heartbeat. @returns true where packets from `next` on are not of this stream */
  hinted(next: number, nowUs: number): boolean {
    claim(this.#hinted, next, nowUs)
    return this.#settle(next, nowUs)
  }

  /** A control heartbeat of the sequencer. @returns as `hinted` does */
  announced(next: number, isOpen: boolean, nowUs: number): boolean {
    this.#openAtUs = isOpen ? nowUs : Number.NEGATIVE_INFINITY
    claim(this.#announced, next, nowUs)
    if (isRefuted(this.#hinted, next, nowUs)) this.#hinted.next = next
    return this.#settle(next, nowUs)
  }

  /** An end of session packet. */
  ended(next: number, nowUs: number): void {
    if (next !== this.#end.next) claim(this.#end, next, nowUs)
    claim(this.#hinted, next, nowUs)
  }

  /**
   * True where the session has ended at `next`. Not while a sequencer says that it takes commands: then somebody else has
   * announced the end.
   */
  isEndAt(next: number, nowUs: number): boolean {
    return this.#end.next === next && nowUs - this.#openAtUs >= DOUBT_US
  }

  /** The session goes on. @returns true where somebody had said that it ended */
  forgetEnd(): boolean {
    const wasSaid = this.#end.next !== 0
    this.#end.next = 0
    return wasSaid
  }

  /** What was seen from `next` on is void. */
  forgetSeen(next: number): void {
    this.#seen.next = next
  }

  #settle(next: number, nowUs: number): boolean {
    if (isRefuted(this.#end, next, nowUs)) this.#end.next = 0
    if (!isRefuted(this.#seen, next, nowUs)) return false
    this.#seen.next = next
    return true
  }
}

function claim(what: Claim, next: number, nowUs: number): void {
  what.next = next
  what.atUs = nowUs
}

function isRefuted(what: Claim, next: number, nowUs: number): boolean {
  return what.next > next && nowUs - what.atUs >= DOUBT_US
}
