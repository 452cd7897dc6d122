/**
 * What a store does with its stream: records it, and takes back what a lost branch left in the log. Where the epoch table of
 * the reign names another branch than the log has, the log is truncated there and the stream is taken again from that point.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import { STORE_PENDING_PACKETS, STORE_REWIND_PENDING_PACKETS } from '../core/limits.js'
import type { Logger } from '../core/log.js'
import type { EventLog } from '../protocol/event-log.js'
import type { RevocationCause } from '../protocol/receiver-options.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import type { EpochTableEntry, SequencerHeartbeat } from '../wire/control.js'
import { isEpochTable } from '../wire/epoch-entries.js'
import { eventEpoch } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import type { DutyCycle } from './duty-cycle.js'
import type { EventListener } from './event-link.js'
import { endOfRun, endsSession } from './last-event.js'

/** What the recorder needs of its event link. */
export interface RecorderLink {
  readonly receiver: {
    readonly state: string
    readonly nextSequence: number
    readonly epochTable: readonly EpochTableEntry[]
  }
  reopen(nextSequence: number, startRewinding: boolean, reason: string): void
}

export interface StoreRecorderOptions {
  readonly session: string
  readonly log: EventLog
  readonly cycle: Pick<DutyCycle, 'enter' | 'wallUs'>
  readonly logger: Logger
}

export interface StoreRecorderOutput {
  failed(error: SeqcastError): void
  /** The session's last event is accepted for recording. */
  sessionEnded(lastSequence: number): void
  /** The events from here on are no longer in the log. */
  truncated(fromSequence: number): void
  /** The greatest epoch that was promised: what older reigns say is not followed. 0 for a copy. */
  promised(): number
}

export class StoreRecorder implements EventListener {
  readonly counters = { overflow: 0, truncations: 0, truncatedEvents: 0 }
  readonly #session: string
  readonly #log: EventLog
  readonly #cycle: StoreRecorderOptions['cycle']
  readonly #logger: Logger
  readonly #output: StoreRecorderOutput
  #link: RecorderLink | undefined
  #state = 'starting'
  /** The newest reign that was followed, or whose events are recorded. */
  #epoch: number
  /** True once the log was compared with the epoch table of that reign. */
  #isCompared = false
  /** That table. */
  #table: readonly EpochTableEntry[] = []
  /** The epoch that the latest heartbeat named. */
  #heardEpoch = 0
  /** The epoch of the end that was recorded; 0 for none. Only a newer reign adds to it, which says the end again. */
  #endedEpoch: number
  #saidAfterEnd = false
  /** Events up to here are known to be stable. */
  #stable = 0
  /** The reign under which the receiver was once told what the log has; a second time would be no help. */
  #toldEpoch = 0

  constructor(options: StoreRecorderOptions, output: StoreRecorderOutput) {
    this.#session = options.session
    this.#log = options.log
    this.#cycle = options.cycle
    this.#logger = options.logger
    this.#output = output
    this.#epoch = options.log.lastEpoch
    this.#endedEpoch = endsSession(options.log) ? this.#epoch : 0
  }

  /** The stream's state. */
  get state(): string {
    return this.#state
  }

  /** To be called with the link that this recorder listens to. */
  attach(link: RecorderLink): void {
    this.#link = link
    this.#state = link.receiver.state
    if (link.receiver.nextSequence !== this.#log.nextSequence) this.#reopen('truncated')
  }

  deliver(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    // Until the link is attached, a truncation can't move its receiver.
    if (sequence !== this.#log.nextSequence && this.#link === undefined) return
    const epoch = eventEpoch(bytes, start + BLOCK_LENGTH_BYTES)
    if (epoch <= this.#endedEpoch) {
      this.#refuseAfterEnd(sequence)
      return
    }
    if (this.#log.pendingPackets >= STORE_PENDING_PACKETS) {
      this.counters.overflow += 1
      this.#output.failed(diskTooSlow(this.#session, sequence, this.#log.pendingPackets))
      return
    }
    try {
      this.#log.append(sequence, count, bytes, start, end, this.#cycle.wallUs)
    } catch (error) {
      this.#output.failed(
        error instanceof SeqcastError
          ? error
          : new SeqcastError('E_STORE_IO', `recording event ${sequence} failed: ${messageOf(error)}`, { cause: error }),
      )
      return
    }
    if (!endOfRun(bytes, start, end)) return
    const lastSequence = sequence + count - 1
    this.#endedEpoch = epoch
    this.#output.sessionEnded(lastSequence)
    this.#logger.info(
      { session: this.#session, lastSequence },
      'store: the session has ended, nothing more will come; this store stays and serves it',
    )
  }

  /** Somebody sequences a session that has ended, without having read it. */
  #refuseAfterEnd(sequence: number): void {
    if (this.#saidAfterEnd) return
    this.#saidAfterEnd = true
    this.#logger.error(
      { session: this.#session, sequence },
      'store: a sequencer goes on with a session that has ended: nothing of that is recorded; stop it',
    )
  }

  mustWait(): boolean {
    return this.#log.pendingPackets >= STORE_REWIND_PENDING_PACKETS
  }

  stateChanged(state: string, reason: string): void {
    this.#state = state
    this.#logger.debug({ state, reason }, 'store: stream')
  }

  /** To be called with each sequencer heartbeat, before the link has it. */
  onSequencer(heartbeat: SequencerHeartbeat): void {
    const { epoch, epochTable, state } = heartbeat
    if (!isSequencing(state)) return
    this.#heardEpoch = epoch
    // A receiver that has parted with the log for a newer reign would add that one's events to it: the older reign is over here.
    const known = Math.max(this.#epoch, this.#log.lastEpoch, this.#output.promised(), this.#receiverEpoch)
    if (epoch < known || !isEpochTable(epochTable) || epochTable.at(-1)?.epoch !== epoch) return
    if (epoch > this.#epoch || !this.#isCompared) {
      this.#epoch = epoch
      this.#isCompared = true
      this.#table = epochTable
      const partsFrom = this.#log.partsFrom(epochTable)
      if (partsFrom < this.#log.nextSequence) this.truncate(partsFrom, epoch)
      // Also after an end that was not stable: the new reign says it again.
      else if (this.#state === 'lost' || this.#state === 'ended') this.#reopen('new-reign')
    }
    this.#stable = Math.max(this.#stable, heartbeat.stableSequence)
  }

  /** Takes back the log's tail from this event on, and takes the stream again from there. Repeating it does nothing. */
  truncate(fromSequence: number, epoch: number): void {
    const { nextSequence, firstSequence } = this.#log
    if (fromSequence >= nextSequence) return
    if (fromSequence <= this.#stable) {
      this.#output.failed(forked(this.#session, fromSequence, this.#stable, epoch))
      return
    }
    const from = Math.max(fromSequence, firstSequence)
    this.counters.truncations += 1
    this.counters.truncatedEvents += nextSequence - from
    this.#logger.warn(
      { session: this.#session, fromSequence: from, throughSequence: nextSequence - 1, epoch },
      'store: truncated; these events are of a lost branch, none of them was stable',
    )
    void this.#log.truncate(from)
    this.#endedEpoch = 0
    this.#output.truncated(from)
    this.#reopen('truncated')
  }

  /** Only without voters: with them the receiver waits. */
  lost(from: number, to: number, reason: string): void {
    this.#fail(from, to, reason)
  }

  revoked(nextSequence: number, reason: string, cause: RevocationCause): void {
    // An older reign than the promised one: whose events these are is for the next reign to say.
    if (this.#heardEpoch < this.#output.promised()) return
    // The receiver believes a reign that is not yet believed here: its table is compared when it is.
    if (cause === 'other-branch' && this.#receiverEpoch > this.#epoch) return
    if (cause === 'other-branch' && this.#isCompared && this.#epoch > this.#toldEpoch) {
      this.#toldEpoch = this.#epoch
      // The old reign may have been recorded after the comparison, for as long as the receiver followed it.
      const partsFrom = this.#log.partsFrom(this.#table)
      if (partsFrom < this.#log.nextSequence) this.truncate(partsFrom, this.#epoch)
      else this.#reopen('compared')
      return
    }
    this.#fail(nextSequence, this.#log.nextSequence - 1, `the sequencer was restarted without them (${reason})`)
  }

  get #receiverEpoch(): number {
    return this.#link?.receiver.epochTable.at(-1)?.epoch ?? 0
  }

  #reopen(reason: string): void {
    this.#link?.reopen(this.#log.nextSequence, false, reason)
  }

  #fail(from: number, to: number, reason: string): void {
    this.#output.failed(
      new SeqcastError('E_LOST', `events ${from} to ${to} of session ${this.#session} can't be recovered: ${reason}`, {
        hint: 'start a store that has them, or import the session from an export, then start this one again',
        fields: { session: this.#session, from, to },
      }),
    )
  }
}

function diskTooSlow(session: string, sequence: number, pendingPackets: number): SeqcastError {
  return new SeqcastError('E_STORE_IO', `the disk does not keep up: ${pendingPackets} packets wait to be synced`, {
    hint: 'use a faster disk, or raise the datagram size so that packets hold more events',
    fields: { session, sequence },
  })
}

function forked(session: string, fromSequence: number, stableSequence: number, epoch: number): SeqcastError {
  return new SeqcastError(
    'E_LOST',
    `the sequencer of epoch ${epoch} goes on from event ${fromSequence} of session ${session}, and events up to ${stableSequence} were stable`,
    {
      hint: 'keep the directories of all stores as they are: a voter has lost its data, or two systems share a session',
      fields: { session, fromSequence, stableSequence, epoch },
    },
  )
}
