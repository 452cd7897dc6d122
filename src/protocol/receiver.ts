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
import { MOLD_HEADER_BYTES, writeMoldHeader } from '../wire/moldudp64.js'
import { EpochTable } from './epoch-table.js'
import { ReceiverInlet } from './receiver-inlet.js'
import {
  RECEIVER_COUNTERS,
  type ReceiverOptions,
  type ReceiverOutput,
  type ReceiverState,
  withDefaults,
} from './receiver-options.js'
import { ReorderBuffer } from './reorder-buffer.js'
import { RequestSchedule } from './request-schedule.js'
import { RewindSchedule } from './rewind-schedule.js'
import { skipBlocks } from './run-check.js'
import { SequencerWatch } from './sequencer-watch.js'

export type { ReceiverOptions, ReceiverOutput, ReceiverState } from './receiver-options.js'

/** One request asks for at most so many events: its count is a u16, of which the highest value means something else. */
const MAX_REQUEST_EVENTS = 0xfffe
/** Holes that are asked for at once; the answers of a lossy stream would else come one round trip after the other. */
const HOLES_PER_ROUND = 16

export class Receiver {
  readonly counters = createCounters(RECEIVER_COUNTERS)
  readonly #options: Required<ReceiverOptions>
  readonly #output: ReceiverOutput
  readonly #inlet: ReceiverInlet
  readonly #buffer: ReorderBuffer
  readonly #epochs = new EpochTable()
  readonly #watch = new SequencerWatch()
  readonly #requests: RequestSchedule
  readonly #rewind: RewindSchedule
  #state: ReceiverState
  #next: number
  /** Each is a next sequence that somebody named; 0 where nobody did. Heartbeats are hints: the newest one counts. */
  #seenNext = 0
  #hintedNext = 0
  #announcedNext = 0
  #endNext = 0
  #isBehind = false
  #hasOverflowed = false
  #progressAtUs = 0
  #rewoundNext = 0

  constructor(options: ReceiverOptions, output: ReceiverOutput) {
    const all = withDefaults(options)
    this.#options = all
    this.#output = output
    this.#inlet = new ReceiverInlet(all.session, all.opaque, this.#epochs, this.counters)
    this.#buffer = new ReorderBuffer(all.reorderPackets, all.reorderBytes)
    this.#requests = new RequestSchedule(
      all.servers,
      {
        delayMinUs: all.requestDelayMinUs,
        delayMaxUs: all.requestDelayMaxUs,
        timeoutUs: all.requestTimeoutUs,
        timeoutMaxUs: all.requestTimeoutMaxUs,
        settleUs: all.requestSettleUs,
        rounds: all.requestRounds,
      },
      new Prng(all.seed),
    )
    this.#rewind = new RewindSchedule(all.rewindRetryMinUs, all.rewindRetryMaxUs)
    this.#state = all.startRewinding ? 'rewinding' : 'live'
    this.#next = all.nextSequence
  }

  get state(): ReceiverState {
    return this.#state
  }

  /** The next sequence to deliver. */
  get nextSequence(): number {
    return this.#next
  }

  /** How far the stream is known to reach: the sequence after the last event that exists; 0 while nothing was heard. */
  get knownNextSequence(): number {
    return Math.max(this.#seenNext, this.#hintedNext, this.#announcedNext, this.#endNext)
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
    const blocksEnd = this.#inlet.check(bytes, start, end, sequence, count)
    if (blocksEnd < 0 || sequence > this.#next) {
      this.#breakRewind(blocksEnd < 0 ? 'bad run' : 'hole', nowUs)
      return
    }
    this.#rewoundNext = sequence + count
    if (sequence + count <= this.#next) {
      this.counters.duplicate++
      return
    }
    this.#deliver(sequence, count, bytes, start, blocksEnd, nowUs)
    this.#proceed(nowUs)
  }

  /** The rewind was accepted and will begin at this sequence; what lies before and was not delivered is lost. */
  onRewindStart(sequence: number, _nowUs: number): void {
    if (!this.#isRewindRunning()) return
    if (sequence > this.#next) this.#lose(sequence, `the rewind begins at ${sequence} only`)
    else this.#rewoundNext = sequence
  }

  /** The rewind's connection ended or failed; it is tried again later through `startRewind`. */
  onRewindEnd(reason: string, nowUs: number): void {
    if (!this.#isRewindRunning()) return
    this.counters['rewind-failures']++
    this.#options.logger.warn({ reason, nextSequence: this.#next }, 'rewind ended early')
    const isBarren = this.#rewind.fail(this.#next, nowUs)
    if (isBarren && this.#isBehind && this.#options.servers > 0) this.#leaveRewinding('gap', 'rewind-failed', nowUs)
  }

  /** A bounded rewind (a local log) has no more for now: a small rest is asked for. */
  onRewindCaughtUp(nowUs: number): void {
    if (!this.#isRewindRunning()) return
    this.#proceed(nowUs)
    if (this.#state === 'rewinding' && this.#isBehind && this.#canAsk()) {
      this.#leaveRewinding('gap', 'rewind-caught-up', nowUs)
    }
  }

  /** The rewind server says that the session ended with the last event that it delivered. */
  onRewindSessionEnd(nowUs: number): void {
    if (!this.#isRewindRunning()) return
    this.#onEndOfSession(this.#rewoundNext, nowUs)
  }

  /**
   * A control heartbeat of an active sequencer: how far the stream reaches, and the epoch table.
   * @param sender the sequencer's incarnation
   */
  onSequencerHeartbeat(
    sender: number,
    _epoch: number,
    nextSequence: number,
    epochTable: readonly EpochTableEntry[],
    nowUs: number,
  ): void {
    if (this.#isOver()) return
    if (!(Number.isSafeInteger(nextSequence) && nextSequence >= 1)) {
      this.counters['bad-heartbeat']++
      return
    }
    if (!this.#adoptEpochs(epochTable)) return
    const verdict = this.#watch.onHeartbeat(sender, nextSequence, this.#next, nowUs)
    if (verdict === 'stale') {
      this.counters['stale-heartbeat']++
    } else if (verdict === 'behind') {
      this.#revoke(nextSequence, 'the sequencer restarted behind what was delivered')
    } else {
      this.counters.heartbeats++
      this.#announcedNext = nextSequence
      this.#proceed(nowUs)
    }
  }

  /** Does what is due. @returns the next deadline in microseconds; infinity where there is none */
  tick(nowUs: number): number {
    if (this.#isOver()) return Number.POSITIVE_INFINITY
    if (this.#isBehind && nowUs - this.#progressAtUs >= this.#options.lossTimeoutUs) {
      this.#lose(this.#holeEnd(), `nobody had it within ${this.#options.lossTimeoutUs} us`)
      return Number.POSITIVE_INFINITY
    }
    if (this.#state === 'rewinding') {
      if (nowUs >= this.#rewind.dueAtUs) this.#startRewind()
    } else if (nowUs >= this.#requests.dueAtUs) {
      this.#onRequestDue(nowUs)
    }
    return this.#deadlineUs()
  }

  #deadlineUs(): number {
    if (this.#isOver()) return Number.POSITIVE_INFINITY
    const dueAtUs = this.#state === 'rewinding' ? this.#rewind.dueAtUs : this.#requests.dueAtUs
    return this.#isBehind ? Math.min(dueAtUs, this.#progressAtUs + this.#options.lossTimeoutUs) : dueAtUs
  }

  #onHeartbeat(sequence: number, nowUs: number): void {
    this.counters.heartbeats++
    this.#hintedNext = sequence
    this.#proceed(nowUs)
  }

  #onEndOfSession(sequence: number, nowUs: number): void {
    if (sequence < this.#next) {
      this.counters['bad-end']++
      return
    }
    this.#endNext = sequence
    this.#proceed(nowUs)
  }

  #onEvents(packet: Uint8Array, sequence: number, after: number, end: number, nowUs: number): void {
    this.#watch.onEvents(this.#next, nowUs)
    if (after <= this.#next) {
      this.counters.duplicate++
      return
    }
    if (sequence <= this.#next) this.#deliver(sequence, after - sequence, packet, MOLD_HEADER_BYTES, end, nowUs)
    else if (!this.#keep(sequence, after, packet, end)) return
    if (sequence < this.#requests.askedTo) this.#requests.onAnswer(nowUs)
    if (after > this.#seenNext) this.#seenNext = after
    this.#proceed(nowUs)
  }

  #deliver(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void {
    const repeated = this.#next - sequence
    if (repeated > 0) {
      this.counters['partly-repeated']++
      start = skipBlocks(bytes, start, repeated)
    }
    const first = this.#next
    this.#next = sequence + count
    this.#progressAtUs = nowUs
    this.counters['delivered-packets']++
    this.counters['delivered-events'] += this.#next - first
    this.#output.deliver(first, this.#next - first, bytes, start, end, nowUs)
  }

  /**
   * Puts a packet aside. When the buffer is full, a gap keeps the oldest (they are delivered next) and a rewind the newest
   * (the rewind meets them later). @returns false where the packet is a repeat
   */
  #keep(sequence: number, after: number, packet: Uint8Array, end: number): boolean {
    const buffer = this.#buffer
    let verdict = buffer.insert(sequence, after, packet, end)
    while (verdict === 'full') {
      this.counters.overflow++
      this.#hasOverflowed = true
      const keepsNewest = this.#state === 'rewinding'
      const isWorse = keepsNewest ? sequence <= buffer.sequenceAt(0) : sequence >= buffer.sequenceAt(buffer.size - 1)
      if (isWorse) return true
      if (keepsNewest) buffer.dropFirst()
      else buffer.dropLast()
      verdict = buffer.insert(sequence, after, packet, end)
    }
    if (verdict === 'duplicate') this.counters.duplicate++
    else this.counters.reordered++
    return verdict === 'kept'
  }

  /** To be called after all that may have closed or opened a hole. */
  #proceed(nowUs: number): void {
    const isJoined = this.#buffer.size > 0 && this.#drain(nowUs)
    const known = this.knownNextSequence
    if (this.#next >= known) {
      this.#onComplete(known, nowUs)
      return
    }
    if (!this.#isBehind) {
      this.#isBehind = true
      this.#progressAtUs = nowUs
    }
    if (this.#state === 'rewinding') {
      if (!isJoined || !this.#canAsk()) return
      this.#leaveRewinding('live', 'joined', nowUs)
    }
    this.#onHole(nowUs)
  }

  #drain(nowUs: number): boolean {
    let isDrained = false
    while (this.#buffer.size > 0 && this.#buffer.sequenceAt(0) <= this.#next) {
      const sequence = this.#buffer.sequenceAt(0)
      const after = this.#buffer.afterAt(0)
      const packet = this.#buffer.packetAt(0)
      const end = this.#buffer.blockEndAt(0)
      this.#buffer.dropFirst()
      if (after <= this.#next) continue
      this.#deliver(sequence, after - sequence, packet, MOLD_HEADER_BYTES, end, nowUs)
      isDrained = true
    }
    return isDrained
  }

  /** Nothing is known to be missing. */
  #onComplete(known: number, nowUs: number): void {
    if (this.#endNext === this.#next) {
      this.#finish('ended', 'end-of-session')
      return
    }
    if (this.#endNext !== 0) {
      this.#endNext = 0
      this.counters['bad-end']++
    }
    this.#isBehind = false
    if (this.#state === 'live') {
      if (this.#requests.isOpen) this.#requests.close()
    } else if (this.#state === 'gap') {
      this.#requests.close()
      this.#transition('live', 'gap-filled')
    } else if (known > 0) {
      this.#leaveRewinding('live', 'caught-up', nowUs)
    }
  }

  /** Live or in a gap, and something is missing. */
  #onHole(nowUs: number): void {
    const canRewind = nowUs >= this.#rewind.dueAtUs
    if (canRewind && this.#holeEnd() - this.#next > this.#options.gapRewindEvents) {
      this.#startRewinding('wide-gap', nowUs)
    } else if (canRewind && this.#hasOverflowed) {
      this.#startRewinding('overflow', nowUs)
    } else if (!this.#requests.isOpen) {
      this.#requests.open(nowUs)
    } else if (this.#requests.askedTo !== 0 && this.#next >= this.#requests.askedTo) {
      this.#sendRequests(nowUs)
    }
  }

  #onRequestDue(nowUs: number): void {
    if (this.#options.servers === 0) {
      this.#startRewinding('no-request-server', nowUs)
      return
    }
    if (this.#requests.expire()) this.counters['request-timeouts']++
    if (this.#requests.isExhausted && nowUs >= this.#rewind.dueAtUs) {
      this.#startRewinding('requests-unanswered', nowUs)
      return
    }
    if (this.#state === 'live') {
      this.counters.gaps++
      this.#transition('gap', 'missing-events')
    }
    this.#sendRequests(nowUs)
  }

  #sendRequests(nowUs: number): void {
    let from = this.#next
    let askedTo = from
    let holes = 0
    for (let i = 0; i <= this.#buffer.size && holes < HOLES_PER_ROUND; i++) {
      const isTail = i === this.#buffer.size
      const to = isTail ? this.knownNextSequence : this.#buffer.sequenceAt(i)
      if (to > from) {
        askedTo = this.#request(from, to)
        holes++
      }
      if (!isTail) from = Math.max(from, this.#buffer.afterAt(i))
    }
    this.#requests.sent(askedTo, nowUs)
  }

  /** @returns the sequence after the last one that was asked for */
  #request(from: number, to: number): number {
    const count = Math.min(to - from, MAX_REQUEST_EVENTS)
    const packet = new Uint8Array(MOLD_HEADER_BYTES)
    writeMoldHeader(packet, 0, this.#inlet.session, from, count)
    this.counters.requests++
    this.#output.request(packet, this.#requests.server)
    return from + count
  }

  /** The sequence after the first hole. */
  #holeEnd(): number {
    return this.#buffer.size > 0 ? this.#buffer.sequenceAt(0) : this.knownNextSequence
  }

  #canAsk(): boolean {
    return this.#options.servers > 0 && this.#holeEnd() - this.#next <= this.#options.gapRewindEvents
  }

  #startRewinding(reason: string, nowUs: number): void {
    this.#requests.close()
    this.#hasOverflowed = false
    this.#transition('rewinding', reason)
    if (nowUs >= this.#rewind.dueAtUs) this.#startRewind()
  }

  /** The last thing that a call does: the output may call back at once. */
  #startRewind(): void {
    this.counters.rewinds++
    this.#rewind.start(this.#next)
    this.#rewoundNext = this.#next
    this.#output.startRewind(this.#next)
  }

  #leaveRewinding(state: 'live' | 'gap', reason: string, nowUs: number): void {
    this.#transition(state, reason)
    if (state === 'gap') this.#requests.open(nowUs)
    this.#stopRewind()
  }

  #stopRewind(): void {
    if (!this.#rewind.isRunning) return
    this.#rewind.stop()
    this.#output.stopRewind()
  }

  /** The rewind contradicts itself or the epoch table: close it, try again later. */
  #breakRewind(reason: string, nowUs: number): void {
    this.counters['broken-rewind']++
    this.#output.stopRewind()
    this.onRewindEnd(reason, nowUs)
  }

  /** @returns false where the new table takes back what was delivered */
  #adoptEpochs(table: readonly EpochTableEntry[]): boolean {
    const changedFrom = this.#epochs.adopt(table)
    if (changedFrom < 0) this.counters['bad-epoch-table']++
    if (changedFrom <= 0) return true
    this.counters['wrong-epoch'] += this.#buffer.size
    this.#buffer.clear()
    this.#seenNext = this.#next
    if (changedFrom >= this.#next) return true
    this.#revoke(changedFrom, 'the epoch table names another branch')
    return false
  }

  #lose(to: number, reason: string): void {
    const from = this.#next
    this.counters['lost-events'] += to - from
    this.#finish('lost', reason)
    this.#output.lost(from, to - 1, reason)
  }

  #revoke(nextSequence: number, reason: string): void {
    this.counters.revocations++
    this.#finish('lost', reason)
    if (this.#output.revoked !== undefined) this.#output.revoked(nextSequence, reason)
    else this.#output.lost(nextSequence, this.#next - 1, reason)
  }

  #finish(state: 'ended' | 'lost', reason: string): void {
    this.#isBehind = false
    this.#buffer.clear()
    this.#requests.close()
    this.#transition(state, reason)
    this.#stopRewind()
  }

  #transition(next: ReceiverState, reason: string): void {
    const fields = { from: this.#state, to: next, reason, nextSequence: this.#next }
    this.#state = next
    if (next === 'lost') this.#options.logger.error(fields, 'receiver state')
    else this.#options.logger.info(fields, 'receiver state')
    this.#output.stateChanged(next, reason)
  }

  #isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'lost'
  }

  #isRewindRunning(): boolean {
    return this.#state === 'rewinding' && this.#rewind.isRunning
  }
}
