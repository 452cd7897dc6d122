/**
 * Compares what came back with what was issued: type, flags and payload. Source and number are known to be the same by then;
 * time and epoch are the sequencer's. A long run is compared through a view of it, which is three times as fast.
 */
import { readU16, viewsEqual } from '../wire/bytes.js'
import { EVENT_FLAGS_AT, EVENT_TYPE_AT } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import type { CommandRing } from './command-ring.js'

/** From so many events on a view is worth its making. */
const WORTH_A_VIEW = 4

export class CommandMatcher {
  readonly #ring: CommandRing
  /** The memory of the last long run, and the view of it. */
  #viewed: Uint8Array | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  constructor(ring: CommandRing) {
    this.#ring = ring
  }

  /** So many events that lie in `bytes` will be compared. */
  begin(bytes: Uint8Array, count: number): void {
    if (count < WORTH_A_VIEW || bytes === this.#viewed) return
    this.#viewed = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** True where the `lengthBytes` event bytes at `at` are those of the command. */
  matches(sourceSequence: number, bytes: Uint8Array, at: number, lengthBytes: number): boolean {
    const own = this.#ring.bytes
    const ownAt = this.#ring.offset(sourceSequence) + BLOCK_LENGTH_BYTES
    if (readU16(own, ownAt - BLOCK_LENGTH_BYTES) !== lengthBytes) return false
    if (readU16(own, ownAt + EVENT_TYPE_AT) !== readU16(bytes, at + EVENT_TYPE_AT)) return false
    const ownFrom = ownAt + EVENT_FLAGS_AT
    const from = at + EVENT_FLAGS_AT
    const restBytes = lengthBytes - EVENT_FLAGS_AT
    if (bytes === this.#viewed) return viewsEqual(this.#ring.view, ownFrom, this.#view, from, restBytes)
    for (let i = 0; i < restBytes; i++) if (own[ownFrom + i] !== bytes[from + i]) return false
    return true
  }
}
