/**
 * Asks the request servers for holes: MoldUDP64 requests for the first few of them, when the schedule says so.
 */
import type { Counters } from '../core/counters.js'
import type { Prng } from '../core/prng.js'
import { MOLD_HEADER_BYTES, writeMoldHeader } from '../wire/moldudp64.js'
import type { ReceiverCounter } from './receiver-options.js'
import type { ReorderBuffer } from './reorder-buffer.js'
import { RequestSchedule, type RequestTimes } from './request-schedule.js'

/** One request asks for at most so many events: its count is a u16, of which the highest value means something else. */
const MAX_REQUEST_EVENTS = 0xfffe
/** Holes that are asked for at once: one round trip after the other would be too slow for a lossy stream. */
const HOLES_PER_ROUND = 16

export interface RequestOutput {
  request(packet: Uint8Array, server: number): void
}

export class GapRequester {
  readonly schedule: RequestSchedule
  readonly #session: Uint8Array
  readonly #output: RequestOutput
  readonly #counters: Counters<ReceiverCounter>

  constructor(
    session: Uint8Array,
    servers: number,
    times: RequestTimes,
    prng: Prng,
    output: RequestOutput,
    counters: Counters<ReceiverCounter>,
  ) {
    this.schedule = new RequestSchedule(servers, times, prng)
    this.#session = session
    this.#output = output
    this.#counters = counters
  }

  /** Asks for what is missing from `next` to `known` between the packets of the buffer. */
  ask(next: number, known: number, buffer: ReorderBuffer, nowUs: number): void {
    let from = next
    let askedTo = next
    let holes = 0
    for (let i = 0; i <= buffer.size && holes < HOLES_PER_ROUND; i++) {
      const isTail = i === buffer.size
      const to = isTail ? known : buffer.sequenceAt(i)
      if (to > from) {
        askedTo = this.#request(from, to)
        holes++
      }
      if (!isTail) from = Math.max(from, buffer.afterAt(i))
    }
    this.schedule.sent(askedTo, nowUs)
  }

  /** @returns the sequence after the last one that was asked for */
  #request(from: number, to: number): number {
    const count = Math.min(to - from, MAX_REQUEST_EVENTS)
    const packet = new Uint8Array(MOLD_HEADER_BYTES)
    writeMoldHeader(packet, 0, this.#session, from, count)
    this.#counters.requests++
    this.#output.request(packet, this.schedule.server)
    return from + count
  }
}
