/** What comes in is checked as `seqcast verify` checks what is recorded: a damaged file is refused where the damage is. */

import { readU16 } from '../../wire/bytes.js'
import { EVENT_HEADER_BYTES } from '../../wire/event.js'
import { skipBlocks } from '../../wire/moldudp64.js'
import { EventChecker } from '../event-checker.js'
import type { BlockKind } from '../time-index.js'

export class EventGuard {
  readonly #kind: BlockKind
  #checker: EventChecker
  #reason: string | undefined

  /** @param fromStart what comes begins with the first event of its session */
  constructor(kind: BlockKind, fromStart: boolean) {
    this.#kind = kind
    this.#checker = this.#begin(fromStart)
  }

  /** Events were taken back: what comes next goes on from earlier ones. */
  restart(): void {
    this.#checker = this.#begin(false)
  }

  /** @returns why the blocks can't be events of the session, or undefined; a foreign stream's may be anything */
  check(sequence: number, count: number, bytes: Uint8Array, start: number): string | undefined {
    if (this.#kind === 'opaque') return undefined
    for (let i = 0, at = start; i < count; i++, at = skipBlocks(bytes, at, 1)) {
      const lengthBytes = readU16(bytes, at)
      if (lengthBytes < EVENT_HEADER_BYTES) {
        return `a message of ${lengthBytes} bytes is not an event; import it into a session of a foreign stream`
      }
    }
    this.#checker.check(sequence, count, bytes, start)
    return this.#reason
  }

  #begin(fromStart: boolean): EventChecker {
    const checker = new EventChecker((sequence, reason, detail) => {
      this.#reason ??= `event ${sequence} can't follow what is before it: ${reason}, ${detail}`
    })
    if (!fromStart) checker.hole()
    return checker
  }
}
