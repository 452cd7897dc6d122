/**
 * The sequencer: takes the commands of all sources, puts them in one order, and sends them as numbered events. A sans-io
 * machine: packets and the time in, packets out.
 *
 * Each turn of the event loop: any number of `onCommandPacket`, `onRequest` and `onControl`, then `flush`, then `tick`.
 */
import { createCounters, nonZero } from '../core/counters.js'
import { AUTH_TAG_BYTES, MIN_DATAGRAM_BYTES } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { sessionBytes } from '../core/session.js'
import { commandSource } from '../wire/command.js'
import type { AdminRequest, ControlMessage, EpochTableEntry, SequencerHeartbeat } from '../wire/control.js'
import { fragmentBytes, WHOLE_MESSAGE } from '../wire/event.js'
import { MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, MOLD_HEARTBEAT } from '../wire/moldudp64.js'
import { SESSION_ENDED, SOURCE_REGISTERED, TICK } from '../wire/runtime-events.js'
import { AdminDesk } from './admin-desk.js'
import { Admission } from './admission.js'
import { Announcer, STABLE_NOTICE_US } from './announcer.js'
import { CommandIntake } from './command-intake.js'
import { EpochNotice } from './epoch-notice.js'
import { LifeGuard } from './life-guard.js'
import type { LifeEntries } from './lives.js'
import { Neighbours, type StopReason } from './neighbours.js'
import { Opener } from './opener.js'
import { OwnEvents } from './own-events.js'
import type { Peer } from './peer.js'
import { Publication } from './publication.js'
import { Registrar } from './registrar.js'
import { openingOf, requireRebuilding } from './sequencer-opening.js'
import { isSequencing } from './sequencer-states.js'
import {
  FIRST_EPOCH,
  SEQUENCER_COUNTERS,
  type SequencerOptions,
  type SequencerOutput,
  type SequencerState,
} from './sequencer-types.js'
import { SessionBooks } from './session-books.js'
import { SessionClose } from './session-close.js'
import type { Predecessor } from './session-opening.js'
import type { SessionEnd } from './session-rebuild.js'
import { OWN_SOURCE } from './source-table.js'
import { Timestamper } from './timestamper.js'

/** What an operator decides about a standby, about a voter, and about more than one session. */
const FOR_OTHERS = new Set(['take-over', 'readmit', 'roll-session', 'prepare-session'])
const NO_PAYLOAD = new Uint8Array(0)

export class Sequencer {
  readonly counters = createCounters(SEQUENCER_COUNTERS)
  readonly #options: SequencerOptions
  readonly #output: SequencerOutput
  readonly #logger: Logger
  readonly #books: SessionBooks
  readonly #opener: Opener
  readonly #payloadBytes: number
  readonly #notice: EpochNotice
  readonly #admin: AdminDesk
  readonly #intake: CommandIntake
  readonly #registrar: Registrar
  readonly #own: OwnEvents
  readonly #publication: Publication
  readonly #neighbours: Neighbours
  readonly #lifeGuard = new LifeGuard(() => this.#publication.stability.lives)
  readonly #announcer: Announcer
  readonly #close: SessionClose
  readonly #admission: Admission
  readonly #tickUs: number
  #state: SequencerState = 'rebuilding'
  #epoch = 0
  #nextSequence = 1
  #sequencedAtUs = 0
  #nowUs = 0

  /** @throws SeqcastError E_CONFIG where the voters do not fit one datagram */
  constructor(options: SequencerOptions, output: SequencerOutput) {
    if (options.datagramBytes < MIN_DATAGRAM_BYTES) throw new Error(`datagramBytes below ${MIN_DATAGRAM_BYTES}`)
    this.#options = options
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#payloadBytes = fragmentBytes(options.datagramBytes, MOLD_HEADER_BYTES, AUTH_TAG_BYTES)
    this.#tickUs = options.tickUs ?? 100_000
    const time = new Timestamper(this.counters, this.#logger)
    this.#books = new SessionBooks(options, this.#payloadBytes, time)
    const { sources, activations, epochs, opening } = this.#books
    this.#notice = new EpochNotice(epochs)
    const session = sessionBytes(options.session)
    const packetBytes = options.datagramBytes - (options.tagBytes ?? AUTH_TAG_BYTES)
    this.#publication = new Publication(options, session, packetBytes, this.counters, {
      sendEvents: (packet) => output.sendEvents(packet),
      sendAnswer: (packet, peer) => output.sendAnswer(packet, peer),
      published: () => this.#admission.published(),
    })
    const { batch } = this.#publication
    const limits = { session, datagramBytes: options.datagramBytes, payloadBytes: this.#payloadBytes }
    this.#intake = new CommandIntake(limits, this.counters, sources, time, batch)
    this.#intake.onSeeded = (source, number, payload) => this.#books.seeded(source, number, payload)
    this.#neighbours = new Neighbours(options.incarnation, this.#publication, this.counters, {
      stop: (reason, fields) => this.#stop(reason, fields),
      answer: () => this.#announcer.controlSoon(STABLE_NOTICE_US),
      doubted: (fields) => this.#admission.doubted(fields),
      doubtSettled: () => this.#admission.release('a majority of the voters has promised nothing newer'),
      stabilityAdvanced: () => {
        this.#announcer.controlSoon(STABLE_NOTICE_US)
        this.#close.onStable(this.#nowUs)
        this.#admission.release('stability caught up')
      },
    })
    this.#registrar = new Registrar(sources, this.counters, this.#payloadBytes)
    this.#own = new OwnEvents(sources, time, batch, this.#payloadBytes)
    this.#opener = new Opener(opening, {
      state: () => this.#state,
      sequence: ({ type, payload, flags }, nowUs, wallUs) => this.#sequenceOwn(type, payload, nowUs, wallUs, flags),
      opened: (reason) => this.#opened(reason),
    })
    this.#admin = new AdminDesk(activations, this.#payloadBytes, {
      sequence: (type, payload, nowUs, wallUs) => this.#sequenceOwn(type, payload, nowUs, wallUs),
      endSession: (reason, nowUs, wallUs) => this.#endByOrder(reason, nowUs, wallUs),
      openSession: (reason, nowUs, wallUs) => this.#opener.openAnyway(reason, nowUs, wallUs),
      isAwaited: (component) => this.#books.awaits(component),
      retired: (component) => opening.retired(component),
    })
    this.#announcer = new Announcer(options, {
      heartbeat: () => this.#publication.sendMark(MOLD_HEARTBEAT),
      endOfSession: () => this.#publication.sendMark(MOLD_END_OF_SESSION),
      control: (isFull) => this.#output.sendControl('sequencer', this.#heartbeat(isFull)),
    })
    this.#admission = new Admission({
      ...{ announcer: this.#announcer, neighbours: this.#neighbours, publication: this.#publication, opening },
      logger: this.#logger,
      state: () => this.#state,
      nowUs: () => this.#nowUs,
      transition: (next, reason) => this.#transition(next, reason),
    })
    this.#close = new SessionClose(this.#announcer, this.#payloadBytes, {
      transition: (next, reason) => this.#transition(next, reason),
      sequence: (payload, nowUs, wallUs) => {
        const sequence = this.#sequenceOwn(SESSION_ENDED, payload, nowUs, wallUs)
        this.flush(nowUs, wallUs)
        return sequence
      },
      stableSequence: () => this.stableSequence,
    })
  }

  get state(): SequencerState {
    return this.#state
  }

  /** The reign of this sequencer; 0 before `open`. */
  get epoch(): number {
    return this.#epoch
  }

  /** Where each epoch of the session begins, as far as it was read or opened. The last one is that of the last event. */
  get epochTable(): readonly EpochTableEntry[] {
    return this.#books.epochs
  }

  /** The sequence of the next event; what is batched is numbered already. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** Everything up to here is stable. */
  get stableSequence(): number {
    return this.#publication.stability.stableSequence
  }

  /** How the session ended, as it was read or as this sequencer said; undefined where it goes on. */
  get sessionEnd(): SessionEnd | undefined {
    return this.#close.end ?? this.#books.rebuild.end
  }

  /** What a session is told that goes on from this one, which has ended. */
  get predecessor(): Predecessor {
    return this.#books.predecessorOf(this.sessionEnd)
  }

  /** The session whose end has to be told by `goOnFrom` before `open`; '' where none is needed. */
  get missingPredecessor(): string {
    return this.#books.opening.missingPredecessor
  }

  /** Components that an operator has taken out of service. */
  get retired(): readonly string[] {
    return this.#books.activations.retired
  }

  /** The session that this one goes on from, as its first event says; '' for none, and where it has not begun. */
  get goesOnFrom(): string {
    return this.nextSequence === 1 ? '' : this.#books.started.predecessor
  }

  /** Of a session that has seeders: those whose seed has not come. */
  get awaited(): readonly string[] {
    return this.#books.opening.awaited
  }

  /** What became of requests for retransmission. */
  get requestCounters(): Readonly<Record<string, number>> {
    return this.#publication.retransmitter.counters
  }

  /**
   * Reads what the session has already, in order, before `open`. The window keeps the last of it for stores that lack it.
   * @throws SeqcastError where that is damaged, or was written under another configuration
   */
  rebuild(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#state !== 'rebuilding') throw new Error(`a sequencer that is ${this.#state} cannot be rebuilt`)
    this.#books.rebuild.read(sequence, count, bytes, start, end)
    this.#publication.keep(count, bytes, start, end)
    this.#nextSequence = this.#books.rebuild.nextSequence
  }

  /** The session begins where another one has ended. Before `open`. */
  goOnFrom(predecessor: Predecessor): void {
    this.#books.goOnFrom(predecessor)
  }

  /**
   * Begins the session, or continues the one that was rebuilt, and accepts commands. With voters each start is a reign of its
   * own, which a majority has granted.
   * @param epoch above that of the last event; without voters always 1
   * @param reason why the reign begins, for the event that opens it
   * @param lives of the voters, as the grants told them
   * @throws SeqcastError E_SECOND_SEQUENCER where another one runs it, E_SESSION_EXISTS where it has ended. With voters that is no error: an
   *   end that was adopted is made stable, and the state is `ending` at once. E_CONFIG where other static events are to be continued
   */
  open(nowUs: number, wallUs: number, epoch = FIRST_EPOCH, reason = '', lives: LifeEntries = {}): void {
    requireRebuilding(this.#state, this.#options.session)
    const ended = this.#books.rebuild.ended()
    const nextSequence = this.#nextSequence
    const lastEpoch = this.#books.epochs.at(-1)?.epoch ?? 0
    const { incarnation, settleUs } = this.#options
    if (this.#books.opening.missingPredecessor !== '') throw new Error('the end of the predecessor was not told')
    const { started } = this.#books
    if (ended === undefined) this.#books.opening.requireSame(started)
    const opening = openingOf({ started, incarnation, epoch, lastEpoch, nextSequence, reason })
    if (nextSequence === 1) this.#books.opening.started(started)
    this.#nowUs = nowUs
    this.#sequencedAtUs = nowUs
    this.#beginReign(epoch, lives)
    this.#announcer.start(nowUs)
    if (opening.event === undefined) this.#announcer.settle(nowUs + (settleUs ?? 0))
    this.#transition(this.#admission.state, opening.reason)
    if (opening.event !== undefined) {
      this.#books.epochs.push({ epoch, sequence: nextSequence })
      this.#sequenceOwn(opening.event.type, opening.event.payload, nowUs, wallUs)
    }
    // The end stays the last event; with the opening before it, it can become stable.
    if (ended !== undefined) this.#close.begin(ended, nowUs, wallUs)
    this.#opener.goOn(nowUs, wallUs)
    this.flush(nowUs, wallUs)
  }

  /** Sequences what is new in a command packet, which is handed over. */
  onCommandPacket(packet: Uint8Array, nowUs: number, wallUs: number): void {
    const { counters } = this
    this.#nowUs = nowUs
    counters['command-packets']++
    if (this.#state !== 'open' && this.#state !== 'seeding') {
      counters[this.#state === 'held' ? 'held-packets' : 'not-open-packets']++
      return
    }
    if (!this.#intake.admits(packet)) return
    const source = commandSource(packet)
    if (source === OWN_SOURCE) this.#onRegistration(packet, nowUs, wallUs)
    else if (this.#state === 'open') this.#sequenced(this.#intake.take(packet, nowUs, wallUs), nowUs)
    else if (this.#books.opening.admits(this.#books.sources.seedOf(source))) {
      this.#sequenced(this.#intake.take(packet, nowUs, wallUs), nowUs)
      this.#opener.goOn(nowUs, wallUs)
    } else counters['seeding-packets']++
  }

  /** Answers a request for what was sent in this run and is still held. */
  onRequest(packet: Uint8Array, peer: Peer, nowUs: number): void {
    this.#publication.onRequest(packet, peer, nowUs)
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
        if (!this.#isRunning()) break
        if (this.#lifeGuard.admits(message, nowUs)) this.#neighbours.onStore(message.body)
        else this.counters['unbelieved-lives']++
        break
      case 'component':
        this.#books.activations.heard(message.body, message.sender, nowUs)
        break
      case 'adminRequest':
        // That is asked of one that waits.
        if (!FOR_OTHERS.has(message.body.action)) this.#onAdmin(message.body, nowUs, wallUs)
        break
      case 'sequencer':
        if (this.#state === 'ended' || this.#state === 'stopped') break
        this.#neighbours.onSequencer(message.body, message.sender)
        break
      case 'claimRefused':
        if (this.#isRunning()) this.#neighbours.onRefused(message.body)
        break
    }
  }

  /** The end of a turn of the event loop: sends what was batched. */
  flush(nowUs: number, _wallUs: number): void {
    this.#nowUs = nowUs
    if (!this.#isRunning()) return
    this.#publication.batch.flush()
    this.#announcer.control(nowUs)
  }

  /** Does what is due. @returns when to be called next, in the terms of `nowUs`; Infinity for never */
  tick(nowUs: number, wallUs: number): number {
    if (!this.#isRunning()) return Number.POSITIVE_INFINITY
    if (this.#tickUs > 0 && this.#state === 'open' && nowUs - this.#sequencedAtUs >= this.#tickUs) {
      const isAlone = this.#publication.firstUnsent === this.#nextSequence
      this.#sequenceOwn(TICK, NO_PAYLOAD, nowUs, wallUs)
      this.flush(nowUs, wallUs)
      if (isAlone) this.#announcer.ticked(nowUs)
    }
    this.flush(nowUs, wallUs)
    this.#admission.release('the continued session has settled')
    const hasMore = this.#opener.goOn(nowUs, wallUs)
    this.#publication.batch.flush()
    if (hasMore) return nowUs
    const announceAtUs = this.#announcer.tick(nowUs)
    if (this.#state === 'ending') this.#close.finish(nowUs)
    const tickAtUs = this.#tickUs > 0 && this.#state === 'open' ? this.#sequencedAtUs + this.#tickUs : announceAtUs
    return this.#isRunning() ? Math.min(announceAtUs, tickAtUs) : Number.POSITIVE_INFINITY
  }

  /** Ends the session: an event that says so, then end of session packets until everybody can know. */
  end(reason: string, nowUs: number, wallUs: number): void {
    if (this.#state === 'rebuilding') throw new Error('a session that is not open cannot be ended')
    if (this.#state !== 'ending' && this.#isRunning()) this.#close.begin({ reason, successor: '' }, nowUs, wallUs)
  }

  /** What has not come of the seeds would be lost with the session. */
  #endByOrder(reason: string, nowUs: number, wallUs: number): number | string {
    const { awaited } = this.#books.opening
    if (awaited.length === 0) return this.#close.begin({ reason, successor: '' }, nowUs, wallUs)
    return `session ${this.#options.session} is seeding, and what ${awaited.join(', ')} would carry over is lost with it: open it first, without them (admin open-session)`
  }

  /** Why the session can't go on in that one now; '' where it can. */
  rollProblem(successor: string): string {
    return this.#books.rollProblem(successor, this.#state)
  }

  /**
   * Ends the session with an event that names the one which goes on from here. That one may be opened when the event is stable.
   * @returns the sequence of the event, or why the session does not end
   */
  roll(successor: string, reason: string, nowUs: number, wallUs: number): number | string {
    const problem = this.rollProblem(successor)
    if (problem !== '') return problem
    return this.#close.begin({ reason, successor }, nowUs, wallUs)
  }

  /** The session that goes on from here runs. */
  succeeded(nowUs: number): void {
    if (this.#state === 'ending') this.#close.succeeded(nowUs)
  }

  #onRegistration(packet: Uint8Array, nowUs: number, wallUs: number): void {
    const outcome = this.#registrar.handle(packet)
    if (outcome === undefined) return
    if ('refused' in outcome) this.#output.sendControl('refused', outcome.refused)
    else this.#sequenceOwn(SOURCE_REGISTERED, outcome.payload, nowUs, wallUs)
  }

  #onAdmin(request: AdminRequest, nowUs: number, wallUs: number): void {
    this.counters['admin-requests']++
    const outcome = this.#admin.handle(request, this.#state === 'open' || this.#state === 'seeding', nowUs, wallUs)
    if (typeof outcome === 'string') this.counters[outcome]++
    else this.#output.sendControl('adminReply', outcome)
    // There may be nobody left whose seed is waited for.
    this.#opener.goOn(nowUs, wallUs)
  }

  #opened(reason: string): void {
    if (this.#state === 'seeding') this.#transition('open', reason)
    this.#announcer.controlSoon(0)
  }

  #beginReign(epoch: number, lives: LifeEntries): void {
    this.#intake.epoch = epoch
    this.#own.epoch = epoch
    this.#epoch = epoch
    this.#publication.begin(epoch, this.#neighbours.begin(epoch), lives)
  }

  /** Appends an event of the sequencer's own to the batch. @returns its sequence */
  #sequenceOwn(type: number, payload: Uint8Array, nowUs: number, wallUs: number, flags = WHOLE_MESSAGE): number {
    const sequence = this.#nextSequence
    this.#nowUs = nowUs
    this.#own.add(type, payload, nowUs, wallUs, flags)
    this.#sequenced(1, nowUs)
    return sequence
  }

  #sequenced(count: number, nowUs: number): void {
    if (count === 0) return
    this.#nextSequence += count
    this.counters.events += count
    this.#sequencedAtUs = nowUs
  }

  #stop(reason: StopReason, fields: Readonly<Record<string, unknown>>): void {
    this.#publication.batch.discard()
    // A newer reign is how it should be; everything else is a mistake of somebody's.
    const level = reason === 'newer-epoch' ? 'warn' : 'error'
    this.#logger[level]({ ...fields, reason }, 'this sequencer must not go on')
    this.#transition('stopped', reason)
  }

  get #hasVoters(): boolean {
    return this.#options.voters.length > 0
  }

  #isRunning(): boolean {
    return isSequencing(this.#state)
  }

  /** Counters are for people, who look a few times a second; stability is told far more often. */
  #heartbeat(withCounters: boolean): SequencerHeartbeat {
    return {
      epoch: this.#epoch,
      nextSequence: this.#publication.firstUnsent,
      stableSequence: this.#publication.stability.stableSequence,
      publishedIsStable: !this.#hasVoters,
      ...this.#notice.tell(withCounters),
      state: this.#state,
      held: this.#state === 'held',
      requestPort: this.#options.requestPort,
      lives: this.#publication.stability.lives,
      awaited: this.#books.opening.awaited,
      retired: this.#books.activations.retired,
      active: withCounters ? this.#books.activations.inService : [],
      counters: withCounters ? { ...nonZero(this.counters), ...nonZero(this.#publication.retransmitter.counters) } : {},
    }
  }

  #transition(next: SequencerState, reason: string): void {
    // After a rollover one process speaks of two sessions for a while.
    const { session } = this.#options
    this.#logger.info({ session, from: this.#state, to: next, reason, nextSequence: this.#nextSequence }, 'sequencer')
    this.#state = next
    this.#output.stateChanged(next, reason)
    // The last word.
    if (next === 'ended') this.#output.sendControl('sequencer', this.#heartbeat(true))
  }
}
