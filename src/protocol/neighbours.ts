/**
 * Whether a sequencer may go on, judged by what others say, and what the stores have of its events. Two sequencers may run; a
 * fork is worse than a stop, so that whoever is not the newest, or has sent less than another one or a store has, stops at
 * once.
 */
import type { Counters } from '../core/counters.js'
import type { ClaimRefused, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import type { Publication } from './publication.js'
import { isSequencing } from './sequencer-states.js'
import type { SequencerCounterName } from './sequencer-types.js'

/**
 * A newer epoch that a heartbeat speaks of may be a lie, as anybody can send one; a voter's promise is the proof. So on such a heartbeat the
 * sequencer takes no more commands and listens to the voters, whose statuses come all the time: the first one that has promised
 * more ends it, a majority that has not proves that nobody reigns there.
 */
interface Doubt {
  readonly epoch: number
  /** Voters that have since said that they promised nothing newer. */
  readonly loyal: Set<string>
}

/** Why a sequencer stops for good. */
export type StopReason = 'second-sequencer' | 'behind-store' | 'newer-epoch'

export interface NeighboursOutput {
  /** This sequencer must not go on. */
  stop(reason: StopReason, fields: Readonly<Record<string, unknown>>): void
  /** Another one must hear of us soon, so that it stops. */
  answer(): void
  /** Somebody may reign in a newer epoch: no more commands until that is settled. */
  doubted(fields: Readonly<Record<string, unknown>>): void
  /** Nobody does. */
  doubtSettled(): void
  /** More is stable than before. */
  stabilityAdvanced(): void
}

export class Neighbours {
  readonly #incarnation: number
  readonly #publication: Publication
  readonly #counters: Counters<SequencerCounterName>
  readonly #output: NeighboursOutput
  /** Our reign; 0 while we only read. */
  #epoch = 0
  #heardStable = 0
  #doubt: Doubt | undefined
  /** The greatest epoch that was doubted and turned out to be nobody's. */
  #refuted = 0

  /** @param incarnation of this process: its own words are nobody else's */
  constructor(
    incarnation: number,
    publication: Publication,
    counters: Counters<SequencerCounterName>,
    output: NeighboursOutput,
  ) {
    this.#incarnation = incarnation
    this.#publication = publication
    this.#counters = counters
    this.#output = output
  }

  get isInDoubt(): boolean {
    return this.#doubt !== undefined
  }

  /** Our reign begins. @returns what an earlier one was heard to report stable */
  begin(epoch: number): number {
    this.#epoch = epoch
    return this.#heardStable
  }

  /** A store's status, which is an acknowledgement where it has a vote. Only after `begin`. */
  onStore(status: StoreStatus): void {
    const { name, voter, epoch, durableSequence, promised } = status
    const { stability, firstUnsent } = this.#publication
    if (stability.isVoter(voter) && promised <= this.#epoch) this.#settle(voter)
    if (stability.isVoter(voter) && promised > this.#epoch) {
      this.#output.stop('newer-epoch', { store: name, promised })
    } else if (epoch === this.#epoch && durableSequence >= firstUnsent) {
      this.#output.stop('behind-store', { store: name, durableSequence, nextSequence: firstUnsent })
    } else if (voter !== '' && stability.hasVoters) {
      if (this.#publication.acknowledge(status)) this.#output.stabilityAdvanced()
    }
  }

  /** A voter says that it has promised another reign. */
  onRefused({ candidate, voter, promised }: ClaimRefused): void {
    if (this.#epoch === 0 || candidate !== this.#incarnation || promised <= this.#epoch) return
    if (this.#publication.stability.isVoter(voter)) this.#output.stop('newer-epoch', { voter, promised })
  }

  onSequencer({ state, epoch, nextSequence, stableSequence, epochTable }: SequencerHeartbeat, sender: number): void {
    if (sender === this.#incarnation || !isSequencing(state)) return
    const { stability, firstUnsent } = this.#publication
    if (this.#epoch === 0) {
      this.#heardStable = Math.max(this.#heardStable, stableSequence)
      // With voters, who only reads is a standby: it does not mind that somebody reigns.
      if (stability.hasVoters) return
    }
    this.#counters['second-sequencer']++
    if (epoch < this.#epoch) this.#output.answer()
    else if (epoch > this.#epoch && stability.hasVoters) {
      // A reign goes on after all that is stable: another one is a lie.
      if ((epochTable.at(-1)?.sequence ?? 0) > stability.stableSequence) this.#onNewer(epoch, sender)
    } else if (this.#isBehind(this.#epoch === 0 ? 0 : firstUnsent, nextSequence, sender)) {
      this.#output.stop('second-sequencer', { sender, nextSequence })
    } else this.#output.answer()
  }

  #onNewer(epoch: number, sender: number): void {
    if (epoch <= Math.max(this.#refuted, this.#doubt?.epoch ?? 0)) return
    this.#doubt = { epoch, loyal: new Set() }
    this.#output.doubted({ sender, epoch })
  }

  #settle(voter: string): void {
    const doubt = this.#doubt
    if (doubt === undefined) return
    doubt.loyal.add(voter)
    if (doubt.loyal.size < this.#publication.stability.majority) return
    this.#doubt = undefined
    this.#refuted = doubt.epoch
    this.#output.doubtSettled()
  }

  #isBehind(own: number, other: number, sender: number): boolean {
    return own < other || (own === other && this.#incarnation > sender)
  }
}
