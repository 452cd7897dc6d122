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
import { EVENT_HEADER_BYTES, eventEpoch, eventSource, eventType, fragmentBytes } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES } from '../wire/moldudp64.js'
import { SESSION_ENDED, SOURCE_REGISTERED, sourceRegisteredCodec } from '../wire/runtime-events.js'
import { ControlLink } from './control-link.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import { EventLink, type EventListener } from './event-link.js'
import type { RoleOptions } from './options.js'
import { Outcome } from './outcome.js'
import { systemPlatform } from './platform.js'
import { readSessionStart } from './session-begin.js'
import { findSession } from './session-finder.js'

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
  readonly #registration: Registration
  #registered: () => void = () => {}
  #outbox: Outbox | undefined
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
  /** Of the events that came back. */
  firstSequence = 0
  lastSequence = 0
  events = 0

  private constructor(options: SendClientOptions) {
    this.#options = options
    const platform = options.platform ?? systemPlatform()
    this.#incarnation = platform.random()
    this.#nonce = platform.random()
    this.#cycle = new DutyCycle(platform, options.idle)
    this.#auth = new Authenticator(options.key, 'command')
    this.#registration = new Registration(options.session, (packet) => this.#sendCommands(packet))
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
    await Promise.race([this.#outbox?.space(), this.failed])
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
    if (this.#publishedIsStable) this.#outbox?.onStable(sequence + count - 1)
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
    const { session, logger } = this.#options
    logger.warn(
      { session, nextSequence, from, reason },
      'send: events were revoked; what is not in the stream is sent again',
    )
    const outbox = this.#outbox
    const isWhole = outbox?.revoke(from) ?? true
    if (!isWhole || this.#events === undefined) {
      this.#fail(
        'E_LOST',
        `events from ${nextSequence} on were revoked (${reason}), and commands that had become stable with them`,
      )
      return
    }
    if (outbox !== undefined) this.events = outbox.nextSourceSequence - 1 - outbox.outstanding
    if (this.firstSequence >= from) this.firstSequence = 0
    this.lastSequence = Math.min(this.lastSequence, from - 1)
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
    const deadlineUs = Math.min(this.#registration.tick(nowUs), this.#outbox?.tick(nowUs) ?? Number.POSITIVE_INFINITY)
    return Math.min(deadlineUs, nowUs + WATCH_EVERY_US)
  }

  async #open(): Promise<void> {
    const options = this.#options
    const fail = (error: SeqcastError): void => this.#outcome.failed(error)
    this.#cycle.start()
    this.#control = await ControlLink.open(options, this.#incarnation, this.#cycle, fail)
    const { hasSequencer } = await findSession(options, this.#control, this.#cycle)
    if (!hasSequencer) throw noSequencer(options.session)
    this.#sizes = await this.#readSizes(this.#control)
    // Asked again: reading the beginning may have taken a while, and a stream joined near its end has few gaps to fill. Not at its
    // end: what is not stable may be of a branch that is lost, and the registration come below it.
    const { stableSequence, hasSequencer: isThere } = await findSession(options, this.#control, this.#cycle)
    if (!isThere) throw noSequencer(options.session)
    const nextSequence = stableSequence + 1
    this.#commands = await this.#cycle.platform.network.openMulticastSender({
      ...options.commandGroup,
      interfaceAddress: options.interfaceAddress,
      onError: fail,
    })
    this.#events = await EventLink.open(
      { ...options, nextSequence, startRewinding: false, askSequencer: false, seed: this.#incarnation },
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
  async #readSizes(control: ControlLink): Promise<{ datagramBytes: number; fragmentBytes: number }> {
    const begun = await readSessionStart(this.#options, control, this.#cycle)
    if (begun !== undefined) {
      this.#publishedIsStable = begun.voters.length === 0
      return begun
    }
    const { session, logger } = this.#options
    logger.warn({ session }, 'send: nobody has the first event of the session; sending the smallest fragments')
    return {
      datagramBytes: MIN_DATAGRAM_BYTES,
      fragmentBytes: fragmentBytes(MIN_DATAGRAM_BYTES, MOLD_HEADER_BYTES, AUTH_TAG_BYTES),
    }
  }

  #onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): void {
    const type = eventType(bytes, at)
    const epoch = eventEpoch(bytes, at)
    if (epoch !== this.#epoch) this.#enterEpoch(epoch, nowUs)
    if (type === SESSION_ENDED) this.#fail('E_REFUSED', `session ${this.#options.session} has ended`)
    if (type === SOURCE_REGISTERED)
      this.#onRegistered(sequence, bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes), nowUs)
    const outbox = this.#outbox
    // While its registration is revoked it has no number: source 0 is the sequencer.
    if (outbox === undefined || outbox.source === 0 || eventSource(bytes, at) !== outbox.source) return
    if (outbox.onEvent(sequence, bytes, at, lengthBytes, nowUs) !== 'expected') {
      this.#fail(
        'E_REFUSED',
        `event ${sequence} carries the number of source '${this.#options.name}' and is none of its`,
      )
      return
    }
    if (this.firstSequence === 0) this.firstSequence = sequence
    this.lastSequence = sequence
    this.events += 1
  }

  /** What was sent in another reign and is not here is sent again at once: nobody will take that any more. */
  #enterEpoch(epoch: number, nowUs: number): void {
    this.#epoch = epoch
    this.#outbox?.setEpoch(epoch, nowUs)
  }

  #onRegistered(sequence: number, payload: Uint8Array, nowUs: number): void {
    const event = sourceRegisteredCodec.decode(payload)
    if (event === undefined) return
    if (event.nonce === this.#nonce) {
      this.#registration.end()
      this.#registeredSequence = sequence
      if (this.#outbox === undefined) this.#openOutbox(event.source, nowUs)
      else this.#outbox.bind(event.source, nowUs)
    } else if (event.closes !== 0 && event.closes === this.#outbox?.source) {
      const { name } = this.#options
      this.#fail('E_REFUSED', `another process has registered source '${name}', which closed this one`)
    }
  }

  #openOutbox(source: number, nowUs: number): void {
    const { session, logger } = this.#options
    this.#outbox = new Outbox(
      {
        session,
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
    this.#outbox.setEpoch(this.#epoch, nowUs)
    this.#outbox.connect(nowUs)
    this.#registered()
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
    const { session } = this.#options
    const hint = `events up to ${this.lastSequence} of the stream hold ${this.events} commands of this source`
    this.#outcome.failed(new SeqcastError(code, message, { hint, fields: { session, events: this.events } }))
  }
}

function noSequencer(session: string): SeqcastError {
  return new SeqcastError('E_TIMEOUT', `session ${session} has a store, and no sequencer that would take commands`, {
    hint: 'start it: seqcast sequencer; or see who is there: seqcast status',
    fields: { session },
  })
}
