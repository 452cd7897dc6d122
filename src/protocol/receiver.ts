/**
 * The receiver: packets in any order in, events in order out. It asks for what is missing, rewinds when that is too much,
 * joins the rewind with the multicast, and says what can't be had. Sans-io: packets and `nowUs` are arguments.
 *
 * It knows two things: the next sequence to deliver, and how far the stream is known to reach (packets seen, heartbeats,
 * the end of the session). Where they differ there is a hole, and one of two schedules is at work on it.
 */
import { createCounters } from '../core/counters.js'
import { Prng } from '../core/prng.js'
import type { EpochTableEntry } from '../wire/control.js'
import { MOLD_HEADER_BYTES } from '../wire/moldudp64.js'
import { DeliveryLine } from './delivery-line.js'
import { GapRequester } from './gap-requester.js'
import { Hole } from './hole.js'
import { ReceiverInlet } from './receiver-inlet.js'
import {
  levelOf,
  RECEIVER_COUNTERS,
  REVOCATION_REASONS,
  type ReceiverOptions,
  type ReceiverOutput,
  type ReceiverState,
  type RevocationCause,
  withDefaults,
} from './receiver-options.js'
import { ReorderBuffer } from './reorder-buffer.js'
import type { RequestSchedule } from './request-schedule.js'
import { RewindIntake } from './rewind-intake.js'
import { Rewinding } from './rewinding.js'
import { StreamBranch } from './stream-branch.js'
import { StreamExtent } from './stream-extent.js'

export class Receiver {
  readonly counters = createCounters(RECEIVER_COUNTERS)
  readonly #options: Required<ReceiverOptions>
  readonly #output: ReceiverOutput
  readonly #inlet: ReceiverInlet
  readonly #line: DeliveryLine
  readonly #buffer: ReorderBuffer
  readonly #branch: StreamBranch
  readonly #extent = new StreamExtent()
  readonly #requester: GapRequester
  readonly #requests: RequestSchedule
  readonly #rewind: Rewinding
  readonly #hole: Hole
  #state: ReceiverState

  constructor(options: ReceiverOptions, output: ReceiverOutput) {
    const all = withDefaults(options)
    this.#options = all
    this.#output = output
    this.#branch = new StreamBranch(all.epochTable, all.nextSequence, all.hasVoters, this.counters)
    this.#inlet = new ReceiverInlet(all.session, all.opaque, this.#branch.epochs, this.counters)
    this.#buffer = new ReorderBuffer(all.reorderPackets, all.reorderBytes)
    this.#line = new DeliveryLine(all.nextSequence, this.#buffer, output, this.counters)
    this.#hole = new Hole(this.#line, this.#extent, all)
    this.#requester = new GapRequester(this.#inlet.session, all.servers, all, new Prng(all.seed), output, this.counters)
    this.#requests = this.#requester.schedule
    const intake = new RewindIntake(this.#inlet, this.#line, this.#branch, this.counters)
    this.#rewind = new Rewinding(all, this.#line, intake, output, this.counters)
    this.#state = all.startRewinding ? 'rewinding' : 'live'
  }

  get state(): ReceiverState {
    return this.#state
  }

  /** The next sequence to deliver. */
  get nextSequence(): number {
    return this.#line.next
  }

  /** The sequence after the last event that is known to exist, or 0. */
  get knownNextSequence(): number {
    return this.#extent.next
  }

  /** True for the sequencer whose stream this is; others may only claim to be it. */
  follows(sender: number): boolean {
    return this.#branch.sender === sender
  }

  /** What is known of the stream's epochs; the last entry's is the reign. */
  get epochTable(): readonly EpochTableEntry[] {
    return this.#branch.epochs.entries
  }

  /** Whether voters decide what is stable, as far as it is known. Then nothing is ever `lost` for want of an answer. */
  get hasVoters(): boolean {
    return this.#branch.hasVoters
  }

  /** Packets that wait for their turn. */
  get bufferedPackets(): number {
    return this.#buffer.size
  }

  /** A downstream packet, multicast or retransmitted, of any kind. Handed over. */
  onPacket(packet: Uint8Array, nowUs: number): void {
    if (this.#isOver()) {
      this.counters['after-end']++
      return
    }
    const inlet = this.#inlet
    const kind = inlet.read(packet)
    if (kind === 'events') this.#onEvents(packet, inlet.sequence, inlet.sequence + inlet.count, inlet.end, nowUs)
    else if (kind === 'heartbeat') this.#onHeartbeat(inlet.sequence, nowUs)
    else if (kind === 'end-of-session') this.#onEndOfSession(inlet.sequence, nowUs)
  }

  /** What the rewind delivers. The bytes are valid during the call only. */
  onRewindRun(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void {
    if (!this.#isRewindRunning()) {
      this.counters['late-rewind']++
      return
    }
    const verdict = this.#rewind.take(sequence, count, bytes, start, end, nowUs)
    if (verdict === 'bad run' || verdict === 'hole') {
      this.#breakRewind(verdict, nowUs)
      return
    }
    this.#rewind.progress(nowUs)
    if (verdict === 'delivered') this.#proceed(nowUs)
  }

  /** The rewind was accepted and will begin at this sequence; what lies before and was not delivered is lost. */
  onRewindStart(sequence: number, nowUs: number): void {
    if (!this.#isRewindRunning()) return
    this.#rewind.progress(nowUs)
    const reason = `the rewind begins at ${sequence} only`
    if (sequence <= this.#line.next) this.#rewind.begins(sequence)
    else if (this.#branch.hasVoters) this.#breakRewind(reason, nowUs)
    else this.#lose(sequence, reason)
  }

  /** The rewind has more, and waits until it can be taken: that is no stall. */
  onRewindWaits(nowUs: number): void {
    if (this.#isRewindRunning()) this.#rewind.progress(nowUs)
  }

  /** The rewind's connection ended or failed; it is tried again later through `startRewind`. */
  onRewindEnd(reason: string, nowUs: number): void {
    if (!this.#isRewindRunning()) return
    const isBarren = this.#rewind.fail(reason, nowUs)
    if (isBarren && this.#hole.isOpen && this.#options.servers > 0) this.#leaveRewinding('gap', 'rewind-failed', nowUs)
  }

  /** A bounded rewind (a local log) has no more for now: a small rest is asked for. */
  onRewindCaughtUp(nowUs: number): void {
    if (!this.#isRewindRunning()) return
    this.#proceed(nowUs)
    if (this.#state === 'rewinding' && this.#hole.isOpen && this.#hole.canBeAsked) {
      this.#leaveRewinding('gap', 'rewind-caught-up', nowUs)
    }
  }

  /** The rewind server says that the session ended with the last event that it delivered. */
  onRewindSessionEnd(nowUs: number): void {
    if (!this.#isRewindRunning()) return
    // One that has its stream only up to an end which a newer reign has gone beyond, to make it stable.
    if (this.#branch.hasVoters && this.#rewind.next < this.knownNextSequence) {
      this.#breakRewind('ended too early', nowUs)
      return
    }
    this.#extent.ended(this.#rewind.next, nowUs)
    if (this.#line.next === this.#rewind.next) this.#finish('ended', 'end-of-session')
    else this.#proceed(nowUs)
  }

  /**
   * A control heartbeat of an active sequencer: how far the stream reaches, and the epoch table.
   * @param isOpen false where it has ended the session
   * @param canRestart false in a session with voters: there a new start is a new epoch, and whoever says less than was delivered in
   *   the same one is only read late
   */
  onSequencerHeartbeat(
    sender: number,
    epoch: number,
    nextSequence: number,
    epochTable: readonly EpochTableEntry[],
    nowUs: number,
    isOpen = true,
    canRestart = true,
  ): void {
    if (this.#isOver()) return
    const verdict = this.#branch.onHeartbeat(
      sender,
      epoch,
      nextSequence,
      epochTable,
      this.#line.next,
      nowUs,
      canRestart,
    )
    if (verdict === 'ignored') return
    if (verdict === 'other-branch' || verdict === 'restarted-behind') {
      this.#revoke(this.#branch.revokedFrom, verdict)
      return
    }
    this.counters.heartbeats++
    // What waits may be of the branch that the successor does not continue: the same numbers will be other events.
    if (verdict === 'successor') this.#discardFrom(this.#line.next)
    if (this.#extent.announced(nextSequence, isOpen, nowUs)) this.#discardFrom(nextSequence)
    this.#proceed(nowUs)
  }

  /** Does what is due. @returns the next deadline in microseconds, or infinity */
  tick(nowUs: number): number {
    if (this.#isOver()) return Number.POSITIVE_INFINITY
    if (nowUs >= this.#hole.lostAtUs) {
      this.#onUnanswered(nowUs)
    } else if (this.#state === 'rewinding') {
      if (this.#rewind.canStart(nowUs)) this.#rewind.start(nowUs)
      else if (this.#rewind.hasStalled(this.#hole.sinceUs, nowUs)) this.#breakRewind('stalled', nowUs)
    } else if (nowUs >= this.#requests.dueAtUs) {
      this.#onRequestDue(nowUs)
    }
    return this.#deadlineUs()
  }

  #deadlineUs(): number {
    if (this.#isOver()) return Number.POSITIVE_INFINITY
    if (this.#state !== 'rewinding') return Math.min(this.#requests.dueAtUs, this.#hole.lostAtUs)
    return Math.min(this.#rewind.dueAtUs(this.#hole.sinceUs), this.#hole.lostAtUs)
  }

  #onHeartbeat(sequence: number, nowUs: number): void {
    this.counters.heartbeats++
    if (this.#extent.hinted(sequence, nowUs)) this.#discardFrom(sequence)
    this.#proceed(nowUs)
  }

  #onEndOfSession(sequence: number, nowUs: number): void {
    if (sequence < this.#line.next) {
      this.counters['bad-end']++
      return
    }
    this.#extent.ended(sequence, nowUs)
    this.#proceed(nowUs)
  }

  #onEvents(packet: Uint8Array, sequence: number, after: number, end: number, nowUs: number): void {
    if (this.#branch.onEvents(this.#line.next, nowUs)) this.#line.discard('disowned')
    if (after <= this.#line.next) {
      this.counters.duplicate++
      return
    }
    if (sequence <= this.#line.next) this.#line.deliver(sequence, after, packet, MOLD_HEADER_BYTES, end, nowUs)
    else if (!this.#line.keep(sequence, after, packet, end, this.#state === 'rewinding' ? 'newest' : 'oldest')) return
    if (sequence < this.#requests.askedTo) this.#requests.onAnswer(nowUs)
    this.#extent.seen(after, nowUs)
    this.#proceed(nowUs)
  }

  /** To be called after all that may have closed or opened a hole. */
  #proceed(nowUs: number): void {
    const isJoined = this.#buffer.size > 0 && this.#line.drain(nowUs)
    const known = this.knownNextSequence
    if (this.#line.next >= known) {
      this.#onComplete(known, nowUs)
      return
    }
    this.#hole.open(nowUs)
    if (this.#state === 'rewinding') {
      if (!isJoined || !this.#hole.canBeAsked) return
      this.#leaveRewinding('live', 'joined', nowUs)
    }
    this.#onHole(nowUs)
  }

  #onComplete(known: number, nowUs: number): void {
    if (this.#extent.isEndAt(this.#line.next, nowUs)) {
      this.#finish('ended', 'end-of-session')
      return
    }
    if (this.#extent.forgetEnd()) this.counters['bad-end']++
    this.#hole.close()
    if (this.#state === 'live') {
      if (this.#requests.isOpen) this.#requests.close()
    } else if (this.#state === 'gap') {
      this.#requests.close()
      this.#hole.forgiveOverflows()
      this.#transition('live', 'gap-filled')
    } else if (known > 0) {
      this.#leaveRewinding('live', 'caught-up', nowUs)
    }
  }

  #onHole(nowUs: number): void {
    const canRewind = this.#rewind.canStart(nowUs)
    if (canRewind && this.#hole.isWide) {
      this.#startRewinding('wide-gap', nowUs)
    } else if (canRewind && this.#hole.hasOverflowed) {
      this.#startRewinding('overflow', nowUs)
    } else if (!this.#requests.isOpen) {
      this.#requests.open(nowUs)
    } else if (this.#requests.askedTo !== 0 && this.#line.next >= this.#requests.askedTo) {
      this.#requester.ask(this.#line.next, this.knownNextSequence, this.#buffer, nowUs)
    }
  }

  #onRequestDue(nowUs: number): void {
    const isTail = this.#state === 'live' && this.#buffer.size === 0
    if (isTail && this.#requests.postpone(this.#line.deliveredAtUs, nowUs)) return
    const hasServers = this.#options.servers > 0
    if (hasServers && this.#requests.expire()) this.counters['request-timeouts']++
    if (!hasServers || (this.#requests.isExhausted && this.#rewind.canStart(nowUs))) {
      this.#startRewinding(hasServers ? 'requests-unanswered' : 'no-request-server', nowUs)
      return
    }
    if (this.#state === 'live') {
      this.counters.gaps++
      this.#transition('gap', 'missing-events')
    }
    this.#requester.ask(this.#line.next, this.knownNextSequence, this.#buffer, nowUs)
  }

  #startRewinding(reason: string, nowUs: number): void {
    this.#requests.close()
    this.#transition('rewinding', reason)
    if (this.#rewind.canStart(nowUs)) this.#rewind.start(nowUs)
  }

  #leaveRewinding(state: 'live' | 'gap', reason: string, nowUs: number): void {
    this.#hole.forgiveOverflows()
    this.#transition(state, reason)
    if (state === 'gap') this.#requests.open(nowUs)
    this.#rewind.stop()
  }

  /** The rewind contradicts itself or the epoch table, or its server waits as we do: close it, try again later. */
  #breakRewind(reason: string, nowUs: number): void {
    this.#rewind.abandon()
    this.onRewindEnd(reason, nowUs)
  }

  /** Packets that wait and reach beyond `next` are not of this stream, or may not be. */
  #discardFrom(next: number): void {
    this.#line.discard('disowned', next)
    this.#extent.forgetSeen(next)
  }

  #onUnanswered(nowUs: number): void {
    const { lossTimeoutUs, logger } = this.#options
    if (!this.#branch.hasVoters) {
      this.#lose(this.#hole.end, `nobody had it within ${lossTimeoutUs / 1000} ms`)
      return
    }
    this.counters['unanswered-holes']++
    const fields = { from: this.#line.next, to: this.#hole.end - 1, waitedMs: lossTimeoutUs / 1000 }
    logger.warn(fields, 'nobody gives these events: waiting for a store that has them, or for the next sequencer')
    this.#hole.postpone(nowUs)
  }

  #lose(to: number, reason: string): void {
    const from = this.#line.next
    this.counters['lost-events'] += to - from
    this.#finish('lost', reason)
    this.#output.lost(from, to - 1, reason)
  }

  #revoke(nextSequence: number, cause: RevocationCause): void {
    this.counters.revocations++
    const reason = REVOCATION_REASONS[cause]
    this.#finish('lost', reason)
    if (this.#output.revoked !== undefined) this.#output.revoked(nextSequence, reason, cause)
    else this.#output.lost(nextSequence, this.#line.next - 1, reason)
  }

  #finish(state: 'ended' | 'lost', reason: string): void {
    this.#hole.close()
    this.#buffer.clear()
    this.#requests.close()
    this.#transition(state, reason)
    this.#rewind.stop()
  }

  #transition(next: ReceiverState, reason: string): void {
    const fields = { from: this.#state, to: next, reason, nextSequence: this.#line.next }
    this.#state = next
    this.#options.logger[levelOf(next, reason)](fields, 'receiver state')
    this.#output.stateChanged(next, reason)
  }

  #isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'lost'
  }

  #isRewindRunning(): boolean {
    return this.#state === 'rewinding' && this.#rewind.isRunning
  }
}
