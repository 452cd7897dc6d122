/**
 * The session that goes on from the end of the present one: awaited from the event that names it until that event is known to be stable.
 * As long as it is not, the session may yet go on, or end in another way. It is stable where the sequencer that wrote it says so, where
 * a store of the session names the other one, or where the other one speaks: none of these comes before.
 */
import { sessionBytes } from '../core/session.js'
import { bytesEqualAt } from '../wire/bytes.js'
import type { SequencerHeartbeat } from '../wire/control.js'

/** How far the stream of the session that ends is known here. */
export interface KnownEnd {
  /** The newest epoch. */
  readonly epoch: number | undefined
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

  constructor(session: string, sequence: number) {
    this.session = session
    this.sequence = sequence
    this.#bytes = sessionBytes(session)
  }

  /** True for a packet of the session. */
  speaksIn(packet: Uint8Array): boolean {
    return bytesEqualAt(packet, 0, this.#bytes)
  }

  /** What a sequencer of the present session says of its end; undefined where that is nothing new. */
  verdict(
    heartbeat: SequencerHeartbeat,
    { epoch: known, isOver, isFollowed }: KnownEnd,
  ): 'stable' | 'lost' | undefined {
    const { epoch, nextSequence, stableSequence, state, publishedIsStable } = heartbeat
    const own = known ?? epoch
    const isOpen = state !== 'ending'
    // Without voters stable is what is published: that says nothing of what a restart finds.
    if (!publishedIsStable && epoch === own && !isOpen && stableSequence >= this.sequence) return 'stable'
    // While the stream is looked at, its receiver finds that out, as for any other event.
    if (!isOver || !isOpen) return undefined
    const opening = heartbeat.epochTable.at(-1)?.sequence ?? Number.POSITIVE_INFINITY
    const isOfNewerReign = epoch > own && opening <= this.sequence
    const hasRestarted = publishedIsStable && nextSequence <= this.sequence && !isFollowed
    return isOfNewerReign || hasRestarted ? 'lost' : undefined
  }
}
