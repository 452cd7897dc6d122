/**
 * Which branch of the stream a receiver is on: the sequencer that it believes, its epoch, and the epoch table. A greater epoch is
 * believed at once, a smaller one never; within one epoch the watch decides.
 */
import type { Counters } from '../core/counters.js'
import { readU16 } from '../wire/bytes.js'
import type { EpochTableEntry } from '../wire/control.js'
import { isEpochTable } from '../wire/epoch-entries.js'
import { EVENT_HEADER_BYTES, eventEpoch, eventType } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { EPOCH_OPENED, SESSION_STARTED } from '../wire/runtime-events.js'
import { EpochTable } from './epoch-table.js'
import type { ReceiverCounter, RevocationCause } from './receiver-options.js'
import { SequencerWatch } from './sequencer-watch.js'

/**
 * `ignored`: it is not the sequencer's word. `same`: nothing has changed. `successor`: what waits may be of another branch.
 * `other-branch`, `restarted-behind`: what was delivered from `revokedFrom` on was taken back.
 */
export type BranchVerdict = 'ignored' | 'same' | 'successor' | RevocationCause

export class StreamBranch {
  readonly epochs: EpochTable
  readonly #watch = new SequencerWatch()
  readonly #counters: Counters<ReceiverCounter>
  /** What lies before is not held here: nobody can take it back. */
  readonly #holdsFrom: number
  /** After a verdict that takes something back. */
  revokedFrom = 0
  #hasVoters: boolean

  /** @param first the first sequence that is delivered here; what lies before is held where the table of it is known */
  constructor(
    known: readonly EpochTableEntry[],
    first: number,
    hasVoters: boolean,
    counters: Counters<ReceiverCounter>,
  ) {
    this.#hasVoters = hasVoters
    this.#holdsFrom = known.length === 0 ? first : 1
    this.epochs = new EpochTable(known)
    this.#counters = counters
  }

  /** The sequencer that is believed. */
  get sender(): number | undefined {
    return this.#watch.sender
  }

  /**
   * The sequencer has said that voters decide: then what nobody gives is not lost. What is stable lies with a majority, which may be
   * out of reach for a while; what is not is for the next reign to keep or to drop.
   */
  get hasVoters(): boolean {
    return this.#hasVoters
  }

  /** As `SequencerWatch.onEvents`. */
  onEvents(deliveredNext: number, nowUs: number): boolean {
    return this.#watch.onEvents(deliveredNext, nowUs)
  }

  /** A heartbeat of an active sequencer. @param deliveredNext the next sequence to deliver here @param canRestart as in `Receiver` */
  onHeartbeat(
    sender: number,
    epoch: number,
    nextSequence: number,
    table: readonly EpochTableEntry[],
    deliveredNext: number,
    nowUs: number,
    canRestart: boolean,
  ): BranchVerdict {
    const known = this.epochs.newest
    if (epoch < known) return this.#ignore('stale-heartbeat')
    // A reign that can't say where it began is none: nothing could be admitted in it.
    const isNewer = epoch > known
    if (isNewer && !(isEpochTable(table) && table.at(-1)?.epoch === epoch)) return this.#ignore('bad-heartbeat')
    const verdict = this.#watch.onHeartbeat(sender, epoch, nextSequence, deliveredNext, nowUs)
    if (verdict === 'bad' || verdict === 'stale' || verdict === 'rival') return this.#ignore(`${verdict}-heartbeat`)
    this.#hasVoters ||= !canRestart
    const changedFrom = this.epochs.adopt(table)
    if (changedFrom < 0) this.#counters['bad-epoch-table']++
    const takenFrom = Math.max(changedFrom, this.#holdsFrom)
    if (changedFrom > 0 && takenFrom < deliveredNext) return this.#revoke(takenFrom, 'other-branch')
    if (verdict === 'behind' && canRestart) return this.#revoke(nextSequence, 'restarted-behind')
    return changedFrom > 0 || verdict === 'successor' ? 'successor' : 'same'
  }

  /**
   * A rewound run that is not admitted as the table is: where it holds the opening of an epoch above all that are known, that is
   * learnt. So history can be read while no sequencer speaks.
   * @param deliveredNext what opens before was delivered otherwise, and is for a sequencer to decide
   */
  learn(
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    deliveredNext: number,
  ): boolean {
    let isLearnt = false
    let at = start
    for (let i = 0; i < count && at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES <= end; i++) {
      const event = at + BLOCK_LENGTH_BYTES
      const epoch = eventEpoch(bytes, event)
      if (epoch > this.epochs.newest) {
        if (!opensEpoch(eventType(bytes, event), sequence + i) || sequence + i < deliveredNext) return false
        this.epochs.open(epoch, sequence + i)
        isLearnt = true
      }
      at = event + readU16(bytes, at)
    }
    return isLearnt
  }

  #ignore(counter: ReceiverCounter): 'ignored' {
    this.#counters[counter]++
    return 'ignored'
  }

  #revoke(from: number, cause: RevocationCause): RevocationCause {
    this.revokedFrom = from
    return cause
  }
}

function opensEpoch(type: number, sequence: number): boolean {
  return type === EPOCH_OPENED || (type === SESSION_STARTED && sequence === 1)
}
