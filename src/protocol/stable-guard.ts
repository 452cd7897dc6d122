/**
 * What a heartbeat may not say: a new reign goes on after all that was stable, always (G4). One that would take stable events back
 * is a lie, or comes from another system, or disks were lost on purpose; whoever followed it would lose what was acknowledged.
 */
import type { SequencerHeartbeat } from '../wire/control.js'

type Statement = Pick<
  SequencerHeartbeat,
  'epoch' | 'epochTable' | 'nextSequence' | 'stableSequence' | 'publishedIsStable'
>

export class StableGuard {
  /** Heartbeats that were turned away. */
  refused = 0
  #stable = 0
  /** The newest epoch whose sequencer was believed. */
  #epoch = 0

  /**
   * To be asked for each heartbeat of a sequencer that sequences.
   * @param knownThrough the last event that is delivered or recorded here: more can't be known to be stable
   * @returns false where it must not be believed
   */
  admits(heartbeat: Statement, knownThrough: number): boolean {
    // Whether a session has voters does not change: after a word of a session with voters the flag excuses nothing.
    if (heartbeat.publishedIsStable && this.#epoch === 0) return true
    const opening = heartbeat.epochTable.at(-1)?.sequence ?? 1
    const takesBack = heartbeat.epoch > this.#epoch && this.#epoch > 0 && opening <= this.#stable
    if (takesBack || opening > heartbeat.nextSequence) {
      this.refused += 1
      return false
    }
    this.#epoch = Math.max(this.#epoch, heartbeat.epoch)
    this.#stable = Math.max(this.#stable, Math.min(heartbeat.stableSequence, knownThrough))
    return true
  }
}
