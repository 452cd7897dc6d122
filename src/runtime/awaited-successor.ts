/**
 * The session that goes on from the end of the present one: awaited from the event that names it until that event is known to be stable.
 * As long as it is not, the session may yet go on, or end in another way, which may name the same successor. With voters it is stable where
 * the sequencer that wrote it says so, or a store that has gone on and has the same events up to there. Without, where a store names the other
 * session, or where that one speaks: neither comes before.
 */
import { sessionBytes } from '../core/session.js'
import { agreeThrough } from '../protocol/epoch-table.js'
import { bytesEqualAt } from '../wire/bytes.js'
import type { EpochTableEntry, SequencerHeartbeat } from '../wire/control.js'
import { NOBODY_TELLS_US } from './last-words.js'

/** How far the stream of the session that ends is known here. */
export interface KnownEnd {
  readonly epochTable: readonly EpochTableEntry[]
  /** All of it was delivered, so nothing of it is looked at any more. */
  readonly isOver: boolean
  /** The heartbeat is of the sequencer whose stream this is. */
  readonly isFollowed: boolean
}

export class AwaitedSuccessor {
  readonly session: string
  /** Of the event that names it. */
  readonly sequence: number
  readonly #bytes: Uint8Array
  /** Since when it is only named; NaN where it is not, or somebody says how the session has ended. */
  #namedUs = Number.NaN

  constructor(session: string, sequence: number) {
    this.session = session
    this.sequence = sequence
    this.#bytes = sessionBytes(session)
  }

  /** True for a packet of the session. */
  speaksIn(packet: Uint8Array): boolean {
    return bytesEqualAt(packet, 0, this.#bytes)
  }

  /**
   * A store that has no record of how the session has ended names the other one. With voters that proves nothing by itself: it counts where
   * nobody says more for a while. @returns whether it counts
   */
  isNamed(hasVoters: boolean, nowUs: number): boolean {
    if (Number.isNaN(this.#namedUs)) this.#namedUs = nowUs
    return !hasVoters || nowUs - this.#namedUs >= NOBODY_TELLS_US
  }

  /** A store says how the session has ended. */
  onEndTold(): void {
    this.#namedUs = Number.NaN
  }

  /** What is said of the present session's end, by its sequencer or by a store that has gone on; undefined where that is nothing new. */
  verdict(
    heartbeat: SequencerHeartbeat,
    { epochTable: known, isOver, isFollowed }: KnownEnd,
  ): 'stable' | 'lost' | undefined {
    const { epoch, nextSequence, stableSequence, state, publishedIsStable, epochTable } = heartbeat
    const own = known.at(-1)?.epoch ?? epoch
    const isOpen = state !== 'ending'
    if (publishedIsStable) {
      // Without voters stable is what is published: that says nothing of what a restart finds.
      const hasRestarted = isOpen && isOver && nextSequence <= this.sequence && !isFollowed
      return hasRestarted ? 'lost' : undefined
    }
    if (epoch < own) {
      // A later reign has said the end again here, and nobody waited for that.
      const isAllStable = !isOpen && stableSequence === nextSequence - 1 && stableSequence <= this.sequence
      return isAllStable && agreeThrough(known, epochTable, stableSequence) ? 'stable' : undefined
    }
    const isHere = epoch === own || agreeThrough(known, epochTable, this.sequence)
    if (isHere) return !isOpen && stableSequence >= this.sequence ? 'stable' : undefined
    // While the stream is looked at, its receiver finds that out, as for any other event.
    return isOver ? 'lost' : undefined
  }
}
