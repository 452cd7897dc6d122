/**
 * What a heartbeat may not say: a new reign goes on after all that was stable, always (G4). One that would take stable events back
 * is a lie, or comes from another system, or disks were lost on purpose; whoever followed it would lose what was acknowledged. And
 * one datagram alone makes no reign: see witness.ts.
 */
import type { ControlMessage, EpochTableEntry, SequencerHeartbeat } from '../wire/control.js'
import { FIRST_EPOCH } from './sequencer-types.js'
import { Witness } from './witness.js'

type Statement = Pick<
  SequencerHeartbeat,
  'epoch' | 'epochTable' | 'nextSequence' | 'stableSequence' | 'publishedIsStable'
>

export class StableGuard {
  /** Heartbeats that were turned away. */
  refused = 0
  #stable = 0
  /** The epoch of that event, as whoever called it stable told; undefined where that was left out. */
  #stableEpoch: number | undefined
  /** The newest epoch whose sequencer was believed. */
  #epoch = 0
  readonly #witness = new Witness()

  /** A voter has promised this epoch. */
  promised(epoch: number): void {
    this.#witness.promised(epoch)
  }

  /** To be told what is heard on the control stream, before the heartbeats are asked about. */
  onControl(message: ControlMessage): void {
    if (message.kind === 'store' && message.body.voter !== '') this.promised(message.body.promised)
    else if (message.kind === 'grant') this.promised(message.body.epoch)
  }

  /**
   * To be asked for each heartbeat of a sequencer that sequences.
   * @param knownThrough the last event that is delivered or recorded here: more can't be known to be stable
   * @returns false where it must not be believed, at least not yet
   */
  admits(heartbeat: Statement, knownThrough: number, sender: number, nowUs: number): boolean {
    // Whether a session has voters does not change: after a word of a session with voters the flag excuses nothing.
    if (heartbeat.publishedIsStable && this.#epoch === 0 && heartbeat.epoch <= FIRST_EPOCH) return true
    const opening = heartbeat.epochTable.at(-1)?.sequence ?? 1
    const isNewer = heartbeat.epoch > this.#epoch
    const takesBack = isNewer && this.#epoch > 0 && (opening <= this.#stable || this.#isOfAnotherBranch(heartbeat))
    const isUnwitnessed = isNewer && !this.#witness.believes(heartbeat.epoch, sender, nowUs)
    if (takesBack || isUnwitnessed || opening > heartbeat.nextSequence) {
      this.refused += 1
      return false
    }
    this.#epoch = Math.max(this.#epoch, heartbeat.epoch)
    const stable = Math.min(heartbeat.stableSequence, knownThrough)
    if (stable > this.#stable) {
      this.#stable = stable
      this.#stableEpoch = epochOf(stable, heartbeat.epochTable)
    }
    return true
  }

  /** Whether the last stable event is of another epoch in its table: then it takes that back, wherever its own epoch opens. */
  #isOfAnotherBranch({ epochTable }: Statement): boolean {
    const told = this.#stableEpoch
    const theirs = epochOf(this.#stable, epochTable)
    // A heartbeat tells the newest entries only: what lies before those may be as it was told.
    return told !== undefined && theirs !== undefined && told !== theirs
  }
}

function epochOf(sequence: number, table: readonly EpochTableEntry[]): number | undefined {
  return table.findLast((entry) => entry.sequence <= sequence)?.epoch
}
