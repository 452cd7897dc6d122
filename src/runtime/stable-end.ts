/**
 * Whether a store may go on to the session that its own one has named: the end is on its disk, and known to be stable. Without voters
 * that is the same. With voters the sequencer of the very reign that wrote the end has to say so, or another store that has gone on
 * already: as long as the end may be lost, the session may yet go on, or end in another way. Two ends may name the same session, and the one
 * that is here may be the lost one: what others say of the end is compared with it. Who speaks for the session that it names proves it only
 * where nobody says how this one has ended.
 */
import type { EventLog } from '../protocol/event-log.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import type { ControlMessage, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import { endOfLog, startOfLog } from './last-event.js'
import { NOBODY_TELLS_US } from './last-words.js'

export class StableEnd {
  readonly #log: EventLog
  /** The last event of the log when that was looked at. */
  #lookedAt = 0
  #successor = ''
  #hasVoters = true
  #stableSequence = 0
  #toldSuccessor = ''
  /** When another store said how the session has ended, and when it was first heard that the next one has begun; NaN for never. */
  #toldUs = Number.NaN
  #begunUs = Number.NaN

  constructor(log: EventLog) {
    this.#log = log
  }

  /** To be called with each heartbeat that is believed. */
  onSequencer({ state, epoch, stableSequence }: SequencerHeartbeat): void {
    if (state === 'ending' && epoch === this.#log.lastEpoch) this.#stableSequence = stableSequence
  }

  /** A store that has no record of how the session has ended names the next one: that a name is right proves nothing by itself. */
  onStore({ successor = '' }: StoreStatus, nowUs: number): void {
    if (successor !== '' && successor === this.named()) this.#onBegun(nowUs)
  }

  /** A store that has gone on says how the session has ended, and is believed. */
  onEndTold({ epochTable, stableSequence }: SequencerHeartbeat, nowUs: number): void {
    this.#toldUs = nowUs
    const { durableSequence } = this.#log
    if (durableSequence < stableSequence || this.#log.partsFrom(epochTable) <= stableSequence) return
    // All of that is here, and a later reign at most has said the end again.
    this.#toldSuccessor = this.named()
  }

  /** Something was said of the session that the end names: nobody has any of it, or says that it takes part in it, before this end is stable. */
  onSuccessor({ kind, body }: ControlMessage, nowUs: number): void {
    const hasBegun =
      kind === 'store'
        ? body.committedSequence > 0 || body.promised > 0
        : kind === 'sequencer' && isSequencing(body.state)
    if (hasBegun) this.#onBegun(nowUs)
  }

  #onBegun(nowUs: number): void {
    if (Number.isNaN(this.#begunUs)) this.#begunUs = nowUs
    const saidUs = Number.isNaN(this.#toldUs) ? this.#begunUs : Math.max(this.#begunUs, this.#toldUs)
    if (!this.#hasVoters || nowUs - saidUs >= NOBODY_TELLS_US) this.#toldSuccessor = this.named()
  }

  /** The session that the end names, whether or not that is stable; '' where the session has no end here. */
  named(): string {
    const { durableSequence, nextSequence } = this.#log
    if (durableSequence < 1 || durableSequence !== nextSequence - 1) return ''
    if (durableSequence !== this.#lookedAt) this.#look()
    return this.#successor
  }

  /** The session that goes on, or '' while that is not to be said. */
  successor(): string {
    const named = this.named()
    const isStable = !this.#hasVoters || this.#stableSequence >= this.#log.durableSequence
    return isStable || this.#toldSuccessor === named ? named : ''
  }

  #look(): void {
    this.#lookedAt = this.#log.durableSequence
    this.#successor = endOfLog(this.#log)?.successor ?? ''
    if (this.#successor !== '') this.#hasVoters = startOfLog(this.#log)?.voters.length !== 0
  }
}
