/**
 * The sequencer's side of the event stream: what is packed and sent, what is kept of it, how far it is stable, and the answers
 * to requests for it. Before a reign begins it only keeps what is read.
 */
import type { Counters } from '../core/counters.js'
import { type MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, type MOLD_HEARTBEAT, writeMoldHeader } from '../wire/moldudp64.js'
import { EventBatch } from './event-batch.js'
import type { EventWindow } from './event-window.js'
import type { LifeEntries } from './lives.js'
import type { Peer } from './peer.js'
import { Retransmitter, type RetransmitterOutput } from './retransmitter.js'
import type { SequencerCounterName, SequencerOptions } from './sequencer-types.js'
import { createWindow, hasRoomForCommands, protectAdopted } from './sequencer-window.js'
import { type Acknowledgement, Stability } from './stability.js'

export interface PublicationOutput extends RetransmitterOutput {
  /** Multicasts a packet on the event stream; it is valid during the call. */
  sendEvents(packet: Uint8Array): void
  /** A packet of events was sent and is kept. */
  published(): void
}

export class Publication {
  /** What is added here is sent when it fills a packet, or by its `flush`. */
  readonly batch: EventBatch
  readonly stability: Stability
  readonly retransmitter: Retransmitter
  readonly #session: Uint8Array
  readonly #packetBytes: number
  readonly #counters: Counters<SequencerCounterName>
  readonly #output: PublicationOutput
  readonly #window: EventWindow
  readonly #mark = new Uint8Array(MOLD_HEADER_BYTES)
  #isReading = true

  /** @param packetBytes the longest packet that is sent */
  constructor(
    options: SequencerOptions,
    session: Uint8Array,
    packetBytes: number,
    counters: Counters<SequencerCounterName>,
    output: PublicationOutput,
  ) {
    this.#session = session
    this.#packetBytes = packetBytes
    this.#counters = counters
    this.#output = output
    this.#window = createWindow(options, packetBytes)
    this.batch = new EventBatch(session, packetBytes, this.#emit)
    this.stability = new Stability(options.voters)
    this.retransmitter = new Retransmitter(options, this.#window, output)
  }

  /** The sequence of the first event that was not sent. */
  get firstUnsent(): number {
    return this.batch.firstUnsent
  }

  get hasRoomForCommands(): boolean {
    return hasRoomForCommands(this.#window, this.#packetBytes)
  }

  /** Keeps what was read; the oldest makes room. Only before `begin`. */
  keep(count: number, bytes: Uint8Array, start: number, end: number): void {
    this.batch.addBlocks(bytes, start, end, count)
  }

  /**
   * From now on what is added is sent. What was read and is not known to be stable is kept until it is.
   * @param stableSequence what an earlier reign is known to have made stable
   * @param lives of the voters, as far as they are known
   */
  begin(epoch: number, stableSequence: number, lives: LifeEntries): void {
    this.batch.flush()
    this.#isReading = false
    const opening = this.firstUnsent
    this.stability.open(epoch, opening, Math.min(stableSequence, opening - 1), lives)
    this.stability.published(opening - 1)
    protectAdopted(this.#window, this.stability.stableSequence, this.#packetBytes)
  }

  /** A voter says how far its log is durable. @returns true where more is stable now */
  acknowledge(acknowledgement: Acknowledgement): boolean {
    const { stability } = this
    const before = stability.stableSequence
    const reason = stability.acknowledge(acknowledgement)
    if (reason !== undefined) this.#counters[reason]++
    if (stability.stableSequence === before) return false
    this.#window.stable(stability.stableSequence)
    return true
  }

  onRequest(packet: Uint8Array, peer: Peer, nowUs: number): void {
    this.retransmitter.onRequest(packet, peer, nowUs)
  }

  /** A packet without blocks: heartbeat or end of session. */
  sendMark(count: typeof MOLD_HEARTBEAT | typeof MOLD_END_OF_SESSION): void {
    writeMoldHeader(this.#mark, 0, this.#session, this.firstUnsent, count)
    this.#output.sendEvents(this.#mark)
  }

  readonly #emit = (packet: Uint8Array, sequence: number, count: number, isGathered: boolean): void => {
    const last = sequence + count - 1
    this.#window.add(packet, sequence, count)
    if (this.#isReading) {
      this.#window.stable(last)
      return
    }
    this.#counters[isGathered ? 'gathered-packets' : 'passed-through-packets']++
    this.#output.sendEvents(packet)
    this.stability.published(last)
    if (!this.stability.hasVoters) this.#window.stable(last)
    this.#output.published()
  }
}
