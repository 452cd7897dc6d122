/**
 * The sequencer: takes the commands of all sources, puts them in one order, and sends them as numbered events. A sans-io
 * machine: packets and the time in, packets out.
 *
 * Each turn of the event loop: any number of `onCommandPacket`, `onRequest` and `onControl`, then `flush`, then `tick`.
 */
import { createCounters, nonZero } from '../core/counters.js'
import { SeqcastError } from '../core/errors.js'
import { AUTH_TAG_BYTES, MIN_DATAGRAM_BYTES, WINDOW_BYTES, WINDOW_PACKETS } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { sessionBytes } from '../core/session.js'
import { commandSource } from '../wire/command.js'
import type { AdminRequest, ControlMessage, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import { fragmentBytes } from '../wire/event.js'
import { MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, MOLD_HEARTBEAT, writeMoldHeader } from '../wire/moldudp64.js'
import {
  SESSION_ENDED,
  SESSION_STARTED,
  type SessionStarted,
  SOURCE_REGISTERED,
  sessionEndedCodec,
  sessionStartedCodec,
  TICK,
} from '../wire/runtime-events.js'
import { ActivationTable } from './activation-table.js'
import { AdminDesk, encodeWithReason } from './admin-desk.js'
import { Announcer, END_FOR_US, STABLE_NOTICE_US } from './announcer.js'
import { CommandIntake } from './command-intake.js'
import { EventBatch } from './event-batch.js'
import { EventWindow } from './event-window.js'
import { OwnEvents } from './own-events.js'
import type { Peer } from './peer.js'
import { Registrar } from './registrar.js'
import { Retransmitter } from './retransmitter.js'
import {
  FIRST_EPOCH,
  SEQUENCER_COUNTERS,
  type SequencerOptions,
  type SequencerOutput,
  type SequencerState,
} from './sequencer-types.js'
import { firstEvent, SessionRebuild } from './session-rebuild.js'
import { OWN_SOURCE, SourceTable } from './source-table.js'
import { Stability } from './stability.js'
import { Timestamper } from './timestamper.js'

/** Packets that one command packet can become, the open one included: less room than this holds commands back. */
const RESERVED_PACKETS = 3
/** The end of a session waits so long for stability, at most. */
const END_UNSTABLE_FOR_US = 10_000_000
const NO_PAYLOAD = new Uint8Array(0)

export class Sequencer {
  readonly counters = createCounters(SEQUENCER_COUNTERS)
  readonly #options: SequencerOptions
  readonly #output: SequencerOutput
  readonly #logger: Logger
  readonly #session: Uint8Array
  readonly #started: SessionStarted
  readonly #packetBytes: number
  readonly #payloadBytes: number
  readonly #sources = new SourceTable()
  readonly #activations = new ActivationTable()
  readonly #rebuild: SessionRebuild
  readonly #admin: AdminDesk
  readonly #intake: CommandIntake
  readonly #registrar: Registrar
  readonly #own: OwnEvents
  readonly #batch: EventBatch
  readonly #window: EventWindow
  readonly #stability: Stability
  readonly #retransmitter: Retransmitter
  readonly #announcer: Announcer
  readonly #tickUs: number
  readonly #heartbeatPacket = new Uint8Array(MOLD_HEADER_BYTES)
  #state: SequencerState = 'rebuilding'
  #nextSequence = 1
  #sequencedAtUs = 0
  #nowUs = 0

  /** @throws SeqcastError E_CONFIG where the voters do not fit one datagram */
  constructor(options: SequencerOptions, output: SequencerOutput) {
    const windowPackets = options.windowPackets ?? WINDOW_PACKETS
    const windowBytes = options.windowBytes ?? WINDOW_BYTES
    if (options.datagramBytes < MIN_DATAGRAM_BYTES) throw new Error(`datagramBytes below ${MIN_DATAGRAM_BYTES}`)
    this.#packetBytes = options.datagramBytes - (options.tagBytes ?? AUTH_TAG_BYTES)
    if (windowPackets <= RESERVED_PACKETS || windowBytes <= RESERVED_PACKETS * this.#packetBytes) {
      throw new Error('the window is too small for one command packet')
    }
    this.#options = options
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#session = sessionBytes(options.session)
    this.#payloadBytes = fragmentBytes(options.datagramBytes, MOLD_HEADER_BYTES, AUTH_TAG_BYTES)
    this.#tickUs = options.tickUs ?? 100_000
    this.#started = firstEvent(options, this.#payloadBytes)
    const time = new Timestamper(this.counters, this.#logger)
    this.#rebuild = new SessionRebuild(this.#started, this.#sources, this.#activations, time)
    // One slot beyond the bound: the end of the session can always be said.
    const heldBytes = Math.min(windowBytes, windowPackets * this.#packetBytes)
    this.#window = new EventWindow(windowPackets + 1, heldBytes + this.#packetBytes)
    this.#batch = new EventBatch(this.#session, this.#packetBytes, this.#emit)
    const limits = { datagramBytes: options.datagramBytes, payloadBytes: this.#payloadBytes }
    this.#intake = new CommandIntake(
      { session: this.#session, ...limits },
      this.counters,
      this.#sources,
      time,
      this.#batch,
    )
    this.#registrar = new Registrar(this.#sources, this.counters, this.#payloadBytes)
    this.#own = new OwnEvents(this.#sources, time, this.#batch, this.#payloadBytes)
    this.#stability = new Stability(options.voters, FIRST_EPOCH)
    this.#retransmitter = new Retransmitter(options, this.#window, output)
    this.#admin = new AdminDesk(this.#activations, this.#payloadBytes, {
      sequence: (type, payload, nowUs, wallUs) => this.#sequenceOwn(type, payload, nowUs, wallUs),
      endSession: (reason, nowUs, wallUs) => this.#end(reason, nowUs, wallUs),
    })
    this.#announcer = new Announcer(options, {
      heartbeat: () => this.#sendMark(MOLD_HEARTBEAT),
      endOfSession: () => this.#sendMark(MOLD_END_OF_SESSION),
      control: (isFull) => this.#output.sendControl('sequencer', this.#heartbeat(isFull)),
    })
  }

  get state(): SequencerState {
    return this.#state
  }

  /** The sequence of the next event; what is batched is numbered already. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Everything up to here is stable. */
  get stableSequence(): number {
    return this.#stability.stableSequence
  }

  /** What became of requests for retransmission. */
  get requestCounters(): Readonly<Record<string, number>> {
    return this.#retransmitter.counters
  }

  /**
   * Reads what the session has already, in order, before `open`.
   * @throws SeqcastError where that is damaged, or was written under another configuration
   */
  rebuild(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#state !== 'rebuilding') throw new Error(`a sequencer that is ${this.#state} cannot be rebuilt`)
    this.#rebuild.read(sequence, count, bytes, start, end)
    this.#nextSequence = this.#rebuild.nextSequence
  }

  /**
   * Begins the session, or continues the one that was rebuilt, and accepts commands.
   * @throws SeqcastError E_SESSION_EXISTS where the session has ended, E_SECOND_SEQUENCER where another one runs it
   */
  open(nowUs: number, wallUs: number): void {
    if (this.#state === 'stopped') {
      const { session } = this.#options
      throw new SeqcastError('E_SECOND_SEQUENCER', `session ${session} has a sequencer that runs`, {
        hint: 'stop it first, or choose another session id',
        fields: { session },
      })
    }
    if (this.#state !== 'rebuilding') throw new Error(`a sequencer that is ${this.#state} cannot be opened`)
    this.#rebuild.requireOpen()
    this.#nowUs = nowUs
    this.#sequencedAtUs = nowUs
    this.#batch.startAt(this.#nextSequence)
    this.#window.startAt(this.#nextSequence)
    this.#stability.published(this.#nextSequence - 1)
    this.#announcer.start(nowUs)
    if (this.#nextSequence === 1) {
      this.#transition('open', 'new session')
      this.#sequenceOwn(SESSION_STARTED, sessionStartedCodec.encode(this.#started), nowUs, wallUs)
    } else {
      this.#announcer.settle(nowUs + (this.#options.settleUs ?? 0))
      this.#transition(this.#announcer.isSettled(nowUs) ? 'open' : 'held', `continued at ${this.#nextSequence}`)
    }
    this.flush(nowUs, wallUs)
  }

  /** Sequences what is new in a command packet, which is handed over. */
  onCommandPacket(packet: Uint8Array, nowUs: number, wallUs: number): void {
    const { counters } = this
    this.#nowUs = nowUs
    counters['command-packets']++
    if (this.#state !== 'open') {
      counters[this.#state === 'held' ? 'held-packets' : 'not-open-packets']++
      return
    }
    if (!this.#intake.admits(packet)) return
    if (commandSource(packet) === OWN_SOURCE) this.#onRegistration(packet, nowUs, wallUs)
    else this.#sequenced(this.#intake.take(packet, nowUs, wallUs), nowUs)
  }

  /** Answers a request for what was sent in this run and is still held. */
  onRequest(packet: Uint8Array, peer: Peer, nowUs: number): void {
    this.#retransmitter.onRequest(packet, peer, nowUs)
  }

  /** Takes what stores, components, operators and other sequencers say. */
  onControl(message: ControlMessage, nowUs: number, wallUs: number): void {
    this.#nowUs = nowUs
    if (message.session !== this.#options.session) {
      this.counters['foreign-control']++
      return
    }
    switch (message.kind) {
      case 'store':
        this.#onStore(message.body)
        break
      case 'component':
        this.#activations.heard(message.body, message.sender, nowUs)
        break
      case 'adminRequest':
        this.#onAdmin(message.body, nowUs, wallUs)
        break
      case 'sequencer':
        this.#onSequencer(message.body, message.sender)
        break
    }
  }

  /** The end of a turn of the event loop: sends what was batched. */
  flush(nowUs: number, _wallUs: number): void {
    this.#nowUs = nowUs
    if (!this.#isRunning()) return
    this.#batch.flush()
    this.#announcer.control(nowUs)
  }

  /** Does what is due. @returns when to be called next, in the terms of `nowUs`; Infinity for never */
  tick(nowUs: number, wallUs: number): number {
    if (!this.#isRunning()) return Number.POSITIVE_INFINITY
    if (this.#tickUs > 0 && this.#state === 'open' && nowUs - this.#sequencedAtUs >= this.#tickUs) {
      const isAlone = this.#batch.firstUnsent === this.#nextSequence
      this.#sequenceOwn(TICK, NO_PAYLOAD, nowUs, wallUs)
      this.flush(nowUs, wallUs)
      if (isAlone) this.#announcer.ticked(nowUs)
    }
    this.flush(nowUs, wallUs)
    this.#release('the continued session has settled')
    const announceAtUs = this.#announcer.tick(nowUs)
    if (this.#state === 'ending') this.#finish(nowUs)
    const tickAtUs = this.#tickUs > 0 && this.#state === 'open' ? this.#sequencedAtUs + this.#tickUs : announceAtUs
    return this.#isRunning() ? Math.min(announceAtUs, tickAtUs) : Number.POSITIVE_INFINITY
  }

  /** Ends the session: an event that says so, then end of session packets until everybody can know. */
  end(reason: string, nowUs: number, wallUs: number): void {
    if (this.#state === 'rebuilding') throw new Error('a session that is not open cannot be ended')
    if (this.#state === 'open' || this.#state === 'held') this.#end(reason, nowUs, wallUs)
  }

  #onRegistration(packet: Uint8Array, nowUs: number, wallUs: number): void {
    const outcome = this.#registrar.handle(packet)
    if (outcome === undefined) return
    if ('refused' in outcome) this.#output.sendControl('refused', outcome.refused)
    else this.#sequenceOwn(SOURCE_REGISTERED, outcome.payload, nowUs, wallUs)
  }

  #onStore({ name, voter, epoch, durableSequence }: StoreStatus): void {
    if (!this.#isRunning()) return
    if (epoch === FIRST_EPOCH && durableSequence >= this.#batch.firstUnsent) {
      this.#stop('behind-store', { store: name, durableSequence, nextSequence: this.#batch.firstUnsent })
      return
    }
    if (voter === '' || !this.#stability.hasVoters) return
    const stable = this.#stability.stableSequence
    const reason = this.#stability.acknowledge(voter, epoch, durableSequence)
    if (reason !== undefined) this.counters[reason]++
    else if (this.#stability.stableSequence > stable) this.#stabilityAdvanced()
  }

  #onAdmin(request: AdminRequest, nowUs: number, wallUs: number): void {
    this.counters['admin-requests']++
    if (request.nonce < 1) {
      this.counters['admin-without-nonce']++
      return
    }
    const decided = this.#admin.earlier(request.nonce)
    if (decided !== undefined) this.#output.sendControl('adminReply', decided)
    else if (this.#state !== 'open') this.counters['admin-not-open']++
    else this.#output.sendControl('adminReply', this.#admin.decide(request, nowUs, wallUs))
  }

  #onSequencer(other: SequencerHeartbeat, sender: number): void {
    const { incarnation } = this.#options
    if (sender === incarnation || this.#state === 'ended' || this.#state === 'stopped') return
    this.counters['second-sequencer']++
    const ours = this.#state === 'rebuilding' ? 0 : this.#batch.firstUnsent
    const isBehind = ours < other.nextSequence || (ours === other.nextSequence && incarnation > sender)
    if (isBehind) this.#stop('second-sequencer', { sender, nextSequence: other.nextSequence })
    else this.#announcer.controlSoon(STABLE_NOTICE_US)
  }

  /** Appends an event of the sequencer's own to the batch. @returns its sequence */
  #sequenceOwn(type: number, payload: Uint8Array, nowUs: number, wallUs: number): number {
    const sequence = this.#nextSequence
    this.#nowUs = nowUs
    this.#own.add(type, payload, nowUs, wallUs)
    this.#sequenced(1, nowUs)
    return sequence
  }

  #sequenced(count: number, nowUs: number): void {
    if (count === 0) return
    this.#nextSequence += count
    this.counters.events += count
    this.#sequencedAtUs = nowUs
  }

  readonly #emit = (packet: Uint8Array, sequence: number, count: number, isGathered: boolean): void => {
    this.#window.add(packet, sequence, count)
    this.counters[isGathered ? 'gathered-packets' : 'passed-through-packets']++
    this.#output.sendEvents(packet)
    this.#announcer.sent(this.#nowUs)
    this.#stability.published(sequence + count - 1)
    if (!this.#stability.hasVoters) this.#stabilityAdvanced()
    else if (this.#state === 'open' && !this.#hasRoom()) {
      this.#transition('held', 'the window is full of events that are not yet stable')
      this.#announcer.controlSoon(0)
    }
  }

  #stabilityAdvanced(): void {
    this.#window.stable(this.#stability.stableSequence)
    // Where published is stable everybody knows it: a notice for each event would wake the whole session for nothing.
    if (this.#stability.hasVoters) this.#announcer.controlSoon(STABLE_NOTICE_US)
    this.#release('stability caught up')
  }

  /** Accepts commands again where nothing holds them back any more. */
  #release(reason: string): void {
    if (this.#state !== 'held' || !this.#announcer.isSettled(this.#nowUs) || !this.#hasRoom()) return
    this.#transition('open', reason)
    this.#announcer.controlSoon(0)
  }

  /** Room for whatever one command packet becomes, with the extra slot for the end of the session left over. */
  #hasRoom(): boolean {
    return this.#window.hasRoom(RESERVED_PACKETS + 1, (RESERVED_PACKETS + 1) * this.#packetBytes)
  }

  #end(reason: string, nowUs: number, wallUs: number): number {
    this.#transition('ending', reason)
    const payload = encodeWithReason(sessionEndedCodec, { reason }, this.#payloadBytes)
    const sequence = this.#sequenceOwn(SESSION_ENDED, payload, nowUs, wallUs)
    this.flush(nowUs, wallUs)
    this.#announcer.end(nowUs)
    this.#announcer.controlSoon(0)
    return sequence
  }

  /** The end was announced long enough when all is stable, or when that takes too long. */
  #finish(nowUs: number): void {
    const endedForUs = this.#announcer.endedForUs(nowUs)
    const unstable = this.#nextSequence - 1 - this.#stability.stableSequence
    if (endedForUs < END_FOR_US || (unstable > 0 && endedForUs < END_UNSTABLE_FOR_US)) return
    this.#transition('ended', unstable === 0 ? 'all events are stable' : `${unstable} events are not stable`)
    this.#output.sendControl('sequencer', this.#heartbeat(true))
  }

  #stop(reason: 'second-sequencer' | 'behind-store', fields: Readonly<Record<string, unknown>>): void {
    this.#batch.discard()
    this.#logger.error({ ...fields, reason }, 'this sequencer must not go on')
    this.#transition('stopped', reason)
  }

  #isRunning(): boolean {
    return this.#state === 'open' || this.#state === 'held' || this.#state === 'ending'
  }

  /** A packet without blocks: heartbeat or end of session. */
  #sendMark(count: typeof MOLD_HEARTBEAT | typeof MOLD_END_OF_SESSION): void {
    writeMoldHeader(this.#heartbeatPacket, 0, this.#session, this.#batch.firstUnsent, count)
    this.#output.sendEvents(this.#heartbeatPacket)
  }

  /** Counters are for people, who look a few times a second; stability is told far more often. */
  #heartbeat(withCounters: boolean): SequencerHeartbeat {
    return {
      epoch: FIRST_EPOCH,
      nextSequence: this.#batch.firstUnsent,
      stableSequence: this.#stability.stableSequence,
      publishedIsStable: !this.#stability.hasVoters,
      epochTable: [{ epoch: FIRST_EPOCH, sequence: 1 }],
      state: this.#state,
      held: this.#state === 'held',
      requestPort: this.#options.requestPort,
      counters: withCounters ? { ...nonZero(this.counters), ...nonZero(this.#retransmitter.counters) } : {},
    }
  }

  #transition(next: SequencerState, reason: string): void {
    this.#logger.info({ from: this.#state, to: next, reason, nextSequence: this.#nextSequence }, 'sequencer')
    this.#state = next
    this.#output.stateChanged(next, reason)
  }
}
