/**
 * A source outside of any component: registers itself, sends commands, and sees each come back as an event and become stable.
 *
 * Where a failover revokes events, it reads the stream again from the first one that was not stable, and its outbox sends again what
 * is not there: each command becomes one event of the branch that lives.
 */
import { Registration } from '../component/registration.js'
import { SeqcastError } from '../core/errors.js'
import { AUTH_TAG_BYTES, MAX_SEQUENCE, MIN_DATAGRAM_BYTES } from '../core/limits.js'
import { delay } from '../core/timers.js'
import { Authenticator } from '../net/auth.js'
import type { PacketSender } from '../net/network.js'
import { Outbox } from '../protocol/outbox.js'
import { readU16 } from '../wire/bytes.js'
import type { ControlMessage, SequencerHeartbeat } from '../wire/control.js'
import {
  EVENT_HEADER_BYTES,
  eventEpoch,
  eventSource,
  eventType,
  FIRST_APPLICATION_TYPE,
  fragmentBytes,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES } from '../wire/moldudp64.js'
import {
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  type SessionStarted,
  SOURCE_REGISTERED,
  sessionEndedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../wire/runtime-events.js'
import { ControlLink } from './control-link.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import { EventLink, type EventListener } from './event-link.js'
import type { RoleOptions } from './options.js'
import { Outcome } from './outcome.js'
import { systemPlatform } from './platform.js'
import { SentEvents, type SentRange } from './sent-events.js'
import { readSessionStart } from './session-begin.js'
import { type FoundSession, findOpenSession } from './session-finder.js'

/** A sequencer that was silent for this long is not coming back soon. */
const SEQUENCER_TIMEOUT_US = 15_000_000
const WATCH_EVERY_US = 1_000_000
/** More than a round trip holds; beyond it, waiting in the outbox would be all that a latency tells of. */
const CAPACITY_COMMANDS = 16_384

export interface SendClientOptions extends RoleOptions {
  /** Of the source; another process that registers the same name closes it. */
  readonly name: string
  readonly schemaHash: string
  readonly onReturned: (latencyUs: number) => void
}

export class SendClient implements Agent, EventListener {
  readonly #options: SendClientOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  readonly #incarnation: number
  readonly #auth: Authenticator
  #registration: Registration
  #registered: () => void = () => {}
  /** Commands of everybody are taken, and not of seeds only. */
  #isOpen = true
  /** Of the session before until the source is registered in this one: what it holds is entered then. */
  #outbox: Outbox | undefined
  /** The outbox is of the session before. */
  #isOutboxOld = false
  /** Resolved when there is another outbox. */
  #replaced = replaceable()
  #control: ControlLink | undefined
  #events: EventLink | undefined
  #commands: PacketSender | undefined
  #sizes = { datagramBytes: MIN_DATAGRAM_BYTES, fragmentBytes: 0 }
  #heardSequencerUs = 0
  /** Whether the session has no voters: what its first event says, or else the first heartbeat. It never changes. */
  #publishedIsStable: boolean | undefined
  /** Events up to here can't be revoked. */
  #stableSequence = 0
  /** Of the newest event. */
  #epoch = 0
  /** Of the event that registered the source; 0 while it is not registered. */
  #registeredSequence = 0
  /** Of the registration; the same where the event is revoked, so that a late packet of it does no harm. */
  readonly #nonce: number
  readonly #sent: SentEvents

  private constructor(options: SendClientOptions) {
    this.#options = options
    this.#sent = new SentEvents(options.session)
    const platform = options.platform ?? systemPlatform()
    this.#incarnation = platform.random()
    this.#nonce = platform.random()
    this.#cycle = new DutyCycle(platform, options.idle)
    this.#auth = new Authenticator(options.key, 'command')
    this.#registration = this.#createRegistration()
  }

  #createRegistration(): Registration {
    return new Registration(this.session, (packet) => this.#sendCommands(packet))
  }

  /** The session that it is in: another one of the chain after a rollover. */
  get session(): string {
    return this.#sent.session
  }

  /** Commands that became events, in all sessions. */
  get events(): number {
    return this.#sent.total
  }

  /** What became events in which session; those without any are left out. */
  get sessions(): readonly SentRange[] {
    return this.#sent.ranges
  }

  /** Of the events of the present session; 0 where there is none. */
  get firstSequence(): number {
    return this.#sent.firstSequence
  }

  get lastSequence(): number {
    return this.#sent.lastSequence
  }

  /**
   * Joins the session and registers the source.
   * @throws SeqcastError E_SESSION_UNKNOWN, E_TIMEOUT (no sequencer), E_REFUSED, E_GROUP, E_INTERFACE
   */
  static async open(options: SendClientOptions): Promise<SendClient> {
    const client = new SendClient(options)
    try {
      await client.#open()
    } catch (error) {
      client.close()
      throw error
    }
    return client
  }

  /** Rejects with what makes sending on impossible; never resolves. */
  get failed(): Promise<void> {
    return this.#outcome.promise
  }

  get isFull(): boolean {
    return this.#outbox?.isFull ?? true
  }

  /** Commands that are not yet stable events. */
  get pending(): number {
    return this.#outbox?.commands ?? 0
  }

  /** Commands that have not come back as events. */
  get unsequenced(): number {
    return this.#outbox?.outstanding ?? 0
  }

  /** Resolves when there is room for another command. @throws SeqcastError what `failed` rejects with */
  async space(): Promise<void> {
    while (this.isFull) await Promise.race([this.#outbox?.space(), this.#replaced.promise, this.failed])
  }

  /** @throws SeqcastError E_PAYLOAD (too long), E_SOURCE_EXHAUSTED */
  send(type: number, payload: Uint8Array): void {
    this.#outbox?.append(type, payload, this.#cycle.enter())
  }

  /**
   * Resolves when all that was sent is stable, or the caller gives up.
   * @throws SeqcastError what `failed` rejects with
   */
  async settled(givesUp: () => boolean): Promise<void> {
    while (this.pending > 0 && !givesUp()) {
      await Promise.race([this.failed, delay(this.#cycle.platform.timers, 1)])
    }
  }

  close(): void {
    this.#cycle.stop()
    this.#events?.close()
    this.#commands?.close()
    this.#control?.close()
  }

  deliver(sequence: number, count: number, bytes: Uint8Array, start: number, _end: number, nowUs: number): void {
    let at = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      this.#onEvent(sequence + i, bytes, at, lengthBytes, nowUs)
      at += lengthBytes
    }
    if (this.#publishedIsStable && !this.#isOutboxOld) this.#outbox?.onStable(sequence + count - 1)
  }

  stateChanged(): void {}

  lost(from: number, to: number, reason: string): void {
    this.#fail(
      'E_LOST',
      `events ${from} to ${to} can't be recovered (${reason}): what became of the commands is unknown`,
    )
  }

  revoked(nextSequence: number, reason: string): void {
    const from = Math.min(nextSequence, this.#stableSequence + 1)
    const { logger } = this.#options
    logger.warn(
      { session: this.session, nextSequence, from, reason },
      'send: events were revoked; what is not in the stream is sent again',
    )
    const outbox = this.#isOutboxOld ? undefined : this.#outbox
    const isWhole = outbox?.revoke(from) ?? true
    // The session's end may be among what is revoked: then it goes on.
    if (this.#isOpen) outbox?.connect(this.#cycle.enter())
    if (!isWhole || this.#events === undefined) {
      this.#fail(
        'E_LOST',
        `events from ${nextSequence} on were revoked (${reason}), and commands that had become stable with them`,
      )
      return
    }
    if (outbox !== undefined) this.#sent.revoked(from, outbox.nextSourceSequence - 1 - outbox.outstanding)
    if (this.#registeredSequence >= from) {
      this.#registeredSequence = 0
      outbox?.unbind()
      this.#register(this.#cycle.enter())
    }
    this.#events.reopen(from, false, reason)
  }

  sequencerHeard({ stableSequence, publishedIsStable, held }: SequencerHeartbeat): void {
    this.#publishedIsStable ??= publishedIsStable
    this.#stableSequence = Math.max(this.#stableSequence, stableSequence)
    if (this.#isOutboxOld) return
    this.#outbox?.onStable(this.#publishedIsStable ? MAX_SEQUENCE : stableSequence)
    this.#outbox?.onHeld(held)
  }

  flush(nowUs: number): void {
    this.#outbox?.flush(nowUs)
  }

  tick(nowUs: number): number {
    if (nowUs - this.#heardSequencerUs > SEQUENCER_TIMEOUT_US) {
      this.#fail('E_TIMEOUT', `the sequencer was not heard for ${SEQUENCER_TIMEOUT_US / 1_000_000} s`)
    }
    const outboxUs = this.#outbox?.tick(nowUs) ?? Number.POSITIVE_INFINITY
    const deadlineUs = Math.min(this.#registration.tick(nowUs), outboxUs)
    return Math.min(deadlineUs, nowUs + WATCH_EVERY_US)
  }

  async #open(): Promise<void> {
    const options = this.#options
    const fail = (error: SeqcastError): void => this.#outcome.failed(error)
    this.#cycle.start()
    this.#control = await ControlLink.open(options, this.#incarnation, this.#cycle, fail)
    const asked = await findOpenSession(options, this.#control, this.#cycle)
    if (!asked.found.hasSequencer) throw noSequencer(asked.options.session, asked.found)
    await this.#readStart(asked.options, this.#control)
    // Asked again: reading the beginning may have taken a while, and a stream joined near its end has few gaps to fill. Not at its
    // end: what is not stable may be of a branch that is lost, and the registration come below it.
    const { options: here, found } = await findOpenSession(asked.options, this.#control, this.#cycle)
    if (!found.hasSequencer) throw noSequencer(here.session, found)
    if (here.session !== asked.options.session) await this.#readStart(here, this.#control)
    this.#sent.session = here.session
    this.#registration = this.#createRegistration()
    const { stableSequence } = found
    const nextSequence = stableSequence + 1
    this.#commands = await this.#cycle.platform.network.openMulticastSender({
      ...options.commandGroup,
      interfaceAddress: options.interfaceAddress,
      onError: fail,
    })
    this.#events = await EventLink.open(
      { ...here, nextSequence, startRewinding: false, askSequencer: false, seed: this.#incarnation },
      this.#cycle,
      this.#control,
      this,
      fail,
    )
    this.#heardSequencerUs = this.#cycle.enter()
    this.#control.listen((message, _address, nowUs) => this.#onControl(message, nowUs))
    this.#cycle.add(this)
    const registered = new Promise<void>((resolve) => {
      this.#registered = resolve
    })
    this.#register(this.#cycle.enter())
    await Promise.race([registered, this.failed])
  }

  #register(nowUs: number): void {
    const { name, schemaHash } = this.#options
    this.#registration.request({ name, nonce: this.#nonce, exclusive: true, component: '', schemaHash }, nowUs)
  }

  /** Where the beginning is out of reach, the smallest sizes that any session has are right as well. */
  async #readStart(options: RoleOptions, control: ControlLink): Promise<void> {
    const begun = await readSessionStart(options, control, this.#cycle)
    if (begun !== undefined) {
      this.#onStarted(begun)
      return
    }
    const { session, logger } = options
    logger.warn({ session }, 'send: nobody has the first event of the session; sending the smallest fragments')
    this.#sizes = {
      datagramBytes: MIN_DATAGRAM_BYTES,
      fragmentBytes: fragmentBytes(MIN_DATAGRAM_BYTES, MOLD_HEADER_BYTES, AUTH_TAG_BYTES),
    }
  }

  #onStarted({ datagramBytes, fragmentBytes, voters }: SessionStarted): void {
    this.#sizes = { datagramBytes, fragmentBytes }
    this.#publishedIsStable = voters.length === 0
  }

  #onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): void {
    const type = eventType(bytes, at)
    const epoch = eventEpoch(bytes, at)
    if (epoch !== this.#epoch) this.#enterEpoch(epoch, nowUs)
    if (type < FIRST_APPLICATION_TYPE) {
      this.#onRuntimeEvent(sequence, type, bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes), nowUs)
    }
    const outbox = this.#outbox
    if (outbox === undefined || this.#isOutboxOld) return
    // While its registration is revoked it has no number: source 0 is the sequencer.
    if (outbox.source === 0 || eventSource(bytes, at) !== outbox.source) return
    if (outbox.onEvent(sequence, bytes, at, lengthBytes, nowUs) !== 'expected') {
      this.#fail(
        'E_REFUSED',
        `event ${sequence} carries the number of source '${this.#options.name}' and is none of its`,
      )
      return
    }
    this.#sent.returned(sequence)
  }

  #onRuntimeEvent(sequence: number, type: number, payload: Uint8Array, nowUs: number): void {
    if (type === SOURCE_REGISTERED) this.#onRegistered(sequence, payload, nowUs)
    else if (type === SESSION_ENDED) this.#onEnded(sequence, sessionEndedCodec.decode(payload)?.successor ?? '')
    else if (type === SESSION_STARTED) this.#onBegun(payload, nowUs)
    else if (type === SESSION_OPENED) this.#onOpened(nowUs)
  }

  /** Nothing more is taken here. What was not is kept for the session that goes on, where there is one. */
  #onEnded(sequence: number, successor: string): void {
    if (successor === '') {
      this.#fail('E_REFUSED', `session ${this.session} has ended`)
      return
    }
    this.#outbox?.disconnect()
    this.#events?.expect(successor, sequence, () => this.#goOn(successor))
  }

  /** The session's end is stable, so all of it is. */
  #goOn(successor: string): void {
    const { logger } = this.#options
    const left = this.#outbox?.outstanding ?? 0
    logger.info({ from: this.session, session: successor, left }, 'send: goes on in another session')
    this.#sent.goOn(successor)
    this.#stableSequence = 0
    this.#registeredSequence = 0
    this.#epoch = 0
    this.#isOutboxOld = true
    this.#isOpen = false
    this.#registration.end()
    this.#registration = this.#createRegistration()
    this.#outbox?.onStable(MAX_SEQUENCE)
    this.#events?.follow(successor, false)
  }

  /** The first event of a session that it was there for. */
  #onBegun(payload: Uint8Array, nowUs: number): void {
    const started = sessionStartedCodec.decode(payload)
    if (started === undefined) return
    this.#onStarted(started)
    this.#isOpen = started.seeders.length === 0 && started.staticEvents === 0
    this.#register(nowUs)
  }

  #onOpened(nowUs: number): void {
    this.#isOpen = true
    if (!this.#isOutboxOld) this.#outbox?.connect(nowUs)
  }

  /** What was sent in another reign and is not here is sent again at once: nobody will take that any more. */
  #enterEpoch(epoch: number, nowUs: number): void {
    this.#epoch = epoch
    if (!this.#isOutboxOld) this.#outbox?.setEpoch(epoch, nowUs)
  }

  #onRegistered(sequence: number, payload: Uint8Array, nowUs: number): void {
    const event = sourceRegisteredCodec.decode(payload)
    if (event === undefined) return
    if (event.nonce === this.#nonce) {
      this.#registration.end()
      this.#registeredSequence = sequence
      if (this.#outbox === undefined || this.#isOutboxOld) this.#openOutbox(event.source, nowUs)
      else this.#outbox.bind(event.source, nowUs)
    } else if (event.closes !== 0 && !this.#isOutboxOld && event.closes === this.#outbox?.source) {
      const { name } = this.#options
      this.#fail('E_REFUSED', `another process has registered source '${name}', which closed this one`)
    }
  }

  #openOutbox(source: number, nowUs: number): void {
    const { logger } = this.#options
    const left = this.#isOutboxOld ? (this.#outbox?.unsequenced() ?? []) : []
    const outbox = new Outbox(
      {
        session: this.session,
        source,
        firstSourceSequence: 1,
        ...this.#sizes,
        tagBytes: this.#auth.tagBytes,
        capacityCommands: CAPACITY_COMMANDS,
        logger,
      },
      {
        sendCommands: (packet) => this.#sendCommands(packet),
        returned: (_, latencyUs) => this.#options.onReturned(latencyUs),
      },
    )
    for (const { type, payload } of left) outbox.append(type, payload, nowUs)
    outbox.setEpoch(this.#epoch, nowUs)
    if (this.#isOpen) outbox.connect(nowUs)
    this.#outbox = outbox
    this.#isOutboxOld = false
    this.#registered()
    this.#replaced.resolve()
    this.#replaced = replaceable()
  }

  #onControl(message: ControlMessage, nowUs: number): void {
    if (message.kind === 'sequencer') {
      this.#heardSequencerUs = nowUs
    } else if (message.kind === 'refused' && message.body.nonce === this.#registration.nonce) {
      this.#fail('E_REFUSED', `the sequencer refused source '${this.#options.name}': ${message.body.reason}`)
    }
  }

  #sendCommands(packet: Uint8Array): void {
    this.#commands?.send(this.#auth.seal(packet))
    this.#cycle.expectAnswer()
  }

  #fail(code: 'E_LOST' | 'E_REFUSED' | 'E_TIMEOUT', message: string): void {
    const session = this.session
    const hint = `events up to ${this.lastSequence} of the stream hold ${this.events} commands of this source`
    this.#outcome.failed(new SeqcastError(code, message, { hint, fields: { session, events: this.events } }))
  }
}

interface Replaceable {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

function replaceable(): Replaceable {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function noSequencer(session: string, { hasEnded }: FoundSession): SeqcastError {
  if (hasEnded) {
    return new SeqcastError('E_REFUSED', `session ${session} has ended: it takes no commands any more`, {
      hint: 'send to a session that runs (--session); a new one needs another id, or a store with another directory',
      fields: { session },
    })
  }
  return new SeqcastError('E_TIMEOUT', `session ${session} has a store, and no sequencer that would take commands`, {
    hint: 'start it: seqcast sequencer; or see who is there: seqcast status',
    fields: { session },
  })
}
