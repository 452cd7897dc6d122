/**
 * Drives a component with the events of a session: the same way live, standby, rewound and replayed.
 *
 * Active = passive + a connected outbox. Replay = passive with the log as its source. Which replica is active is itself
 * an event, so everybody learns it at the same sequence; a host becomes active only by an `Activated` that names it.
 *
 * The parts are separate: `Application` (state, handlers, timers), `Commands` (what handlers issued), `Outside` (input, and
 * what effects report), `Effects`, `Lifecycle`. Here is who is told what, and in which order.
 */
import { type Counters, createCounters } from '../core/counters.js'
import { messageOf, SeqcastError } from '../core/errors.js'
import { COMPONENT_COMMANDS, MAX_DATAGRAM_BYTES, OUTBOX_COMMANDS } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import { Prng } from '../core/prng.js'
import { readU16 } from '../wire/bytes.js'
import type { ComponentStatus } from '../wire/control.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventTimeUs,
  eventType,
  FIRST_APPLICATION_TYPE,
  WHOLE_MESSAGE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import {
  type Activated,
  DIGEST_TAKEN,
  digestTakenCodec,
  EFFECT_DONE,
  effectDoneCodec,
  type Passivated,
  type SessionStarted,
  type SourceRegistered,
  TICK,
} from '../wire/runtime-events.js'
import { Application } from './application.js'
import { Commands } from './commands.js'
import { hashOf } from './context.js'
import type { Component } from './definition.js'
import { nameOfType } from './describe.js'
import { digestHex } from './digest.js'
import { Effects, type PendingEffect } from './effects.js'
import { payloadError } from './event-view.js'
import { FragmentAssembler } from './fragments.js'
import { guard } from './guard.js'
import type { HostObserver, HostOptions, HostOutput } from './host-options.js'
import { type ComponentState, Lifecycle } from './lifecycle.js'
import { Outside, outsideSourceName } from './outside.js'
import { Registration } from './registration.js'
import { type RuntimeEventVisitor, readRuntimeEvent } from './runtime-event-reader.js'
import { SourceRegistry } from './sources.js'
import type { Timer } from './timers.js'

const COUNTERS = [
  'events',
  'handled',
  'skipped',
  'fragments',
  'brokenFragments',
  'commandsIssued',
  'commandsVerified',
  'digestsTaken',
  'digestsVerified',
  'effectsOwed',
  'effectsDone',
  'schemaMismatches',
  'outsideClosed',
] as const

export type HostCounter = (typeof COUNTERS)[number]

export class ComponentHost {
  readonly counters: Counters<HostCounter> = createCounters(COUNTERS)
  readonly sources = new SourceRegistry()
  readonly #component: Component
  readonly #options: HostOptions
  readonly #output: HostOutput
  readonly #observer: HostObserver
  readonly #logger: Logger
  readonly #lifecycle: Lifecycle
  readonly #application: Application
  readonly #fragments = new FragmentAssembler()
  readonly #commands: Commands
  readonly #sharedRegistration: Registration
  readonly #outside: Outside
  readonly #effects: Effects
  readonly #nonces: Prng
  #nextSequence = 1
  #stableSequence = 0
  #nowUs = 0
  #datagramBytes = 0
  #fragmentBytes = 0
  #term = 0
  /** The newest `Activated` of the component names this process. */
  #isNamed = false
  #roleReason = ''
  #digestSequence = 0
  #digest: Uint8Array = new Uint8Array(0)
  #ended: string | undefined

  constructor(component: Component, options: HostOptions, output: HostOutput) {
    const { session, logger = silentLogger, outboxCommands = COMPONENT_COMMANDS } = options
    this.#component = component
    this.#options = options
    this.#output = output
    this.#observer = options.observer ?? {}
    this.#logger = logger
    this.#nonces = new Prng(options.incarnation ^ hashOf(`${component.name}/${options.instance}`))
    this.#lifecycle = new Lifecycle(logger, (state, reason) => output.stateChanged(state, reason))
    this.#application = new Application({
      component,
      session,
      guard: options.guard ?? true,
      issue: (type, payload) => this.#issue(type, payload),
    })
    const sent = {
      sendCommands: (packet: Uint8Array) => output.sendCommands(packet),
      returned: (latencyUs: number) => this.#onReturned(latencyUs),
    }
    const identity = { component: component.name, session }
    this.#commands = new Commands(
      { ...identity, schema: component.schema, capacityCommands: outboxCommands, logger },
      sent,
    )
    this.#sharedRegistration = new Registration(session, sent.sendCommands)
    this.#outside = new Outside(
      {
        component,
        session,
        capacityCommands: options.outsideCommands ?? OUTBOX_COMMANDS,
        logger,
        nextNonce: () => this.#nextNonce(),
        nowUs: () => options.clock?.nowUs() ?? this.#nowUs,
      },
      { ...sent, wantsFlush: () => output.wantsFlush?.(), failed: (error) => this.#fail(error) },
    )
    this.#effects = new Effects({
      ...identity,
      effects: component.effects,
      decode: (effect) => this.#decodeEffect(effect),
      canReport: () => this.#ended !== undefined || this.#outside.canSend,
      report: (effect) => this.#reportEffect(effect),
      failed: (error) => this.#fail(error),
      ended: () => this.#afterEffects(),
    })
  }

  get state(): ComponentState {
    return this.#lifecycle.state
  }

  /** Why it is in this state. */
  get reason(): string {
    return this.#lifecycle.reason
  }

  /** The next event that it will handle. A failed component stays at the one that it failed at. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** The component's own state, to look at: only its handlers may change it. */
  get applicationState(): unknown {
    return this.#application.state
  }

  /** Timers that are running, in the order of firing. */
  timers(): Timer[] {
    return this.#application.timers.pending()
  }

  /** Effects that are owed to the outside world, in order. */
  effects(): PendingEffect[] {
    return this.#effects.pending()
  }

  /** The digest of the present state: SHA-256 in hex. @throws SeqcastError E_HANDLER */
  digest(): string {
    return digestHex(this.#application.digest())
  }

  status(): ComponentStatus {
    return {
      component: this.#component.name,
      instance: this.#options.instance,
      state: this.#lifecycle.state,
      reason: this.#lifecycle.reason,
      term: this.#term,
      nextSequence: this.#nextSequence,
      digestSequence: this.#digestSequence,
      digest: this.#digest,
      outboxCommands: this.#commands.held + this.#outside.commands,
      counters: {
        ...this.counters,
        timers: this.#application.timers.size,
        timersFired: this.#application.timersFired,
        effectsPending: this.#effects.size,
        partialMessages: this.#fragments.partials,
      },
    }
  }

  /**
   * Handles in-order events at once. The bytes are valid during the call.
   * @throws Error where `sequence` is not the next one: a programmer's error
   */
  onRun(sequence: number, count: number, bytes: Uint8Array, start: number, _end: number, nowUs: number): void {
    if (this.#lifecycle.isOver) return
    if (sequence !== this.#nextSequence) {
      throw new Error(`${this.#component.name}: event ${sequence} given where ${this.#nextSequence} is next`)
    }
    this.#nowUs = nowUs
    try {
      this.#handleBlocks(sequence, count, bytes, start, nowUs)
    } finally {
      this.#application.rest()
    }
    if (this.#lifecycle.state === 'failed') return
    if (this.#options.mode === 'replay') this.#stableSequence = this.#nextSequence - 1
    if (this.#stableSequence >= sequence) this.#applyStable()
    this.#afterEffects()
  }

  /** Events up to here are stable. */
  onStable(stableSequence: number, nowUs: number): void {
    if (this.#lifecycle.isOver || stableSequence <= this.#stableSequence) return
    this.#nowUs = nowUs
    this.#stableSequence = stableSequence
    this.#applyStable()
    this.#afterEffects()
  }

  /** The sequencer holds commands back, or no longer does. */
  onHeld(held: boolean): void {
    this.#commands.onHeld(held)
    this.#outside.onHeld(held)
  }

  /** All that the session has was handled. */
  onCaughtUp(nowUs: number): void {
    if (this.#lifecycle.state !== 'rewinding' || this.#options.mode === 'replay') return
    this.#nowUs = nowUs
    if (this.#isNamed) this.#activate(this.#roleReason, nowUs)
    else this.#lifecycle.transition('standby', 'caught up')
  }

  /** Live events were missed; they will come by rewind. An active component is silent until it has caught up. */
  onFellBehind(reason: string): void {
    if (this.#lifecycle.isOver || this.#lifecycle.state === 'rewinding') return
    this.#silence()
    this.#lifecycle.transition('rewinding', reason)
  }

  /** The sequencer will not grant a registration; others' are ignored. */
  onRefused(nonce: number, reason: string): void {
    if (nonce === 0 || (nonce !== this.#sharedRegistration.nonce && nonce !== this.#outside.nonce)) return
    const { name } = this.#component
    this.#fail(
      new SeqcastError('E_REFUSED', `the sequencer refused a source to ${name}: ${reason}`, {
        hint: 'see the reason; start the component again when it is removed',
        fields: { component: name, reason },
      }),
    )
  }

  /** End of a turn of the event loop: sends what was issued in it. */
  flush(nowUs: number): void {
    this.#nowUs = nowUs
    this.#commands.flush(nowUs)
    this.#outside.flush(nowUs)
  }

  /** Repeats what is due. @returns the next deadline in monotonic microseconds, or Infinity */
  tick(nowUs: number): number {
    this.#nowUs = nowUs
    if (this.#lifecycle.state !== 'active') return Number.POSITIVE_INFINITY
    const deadlineUs = Math.min(this.#commands.tick(nowUs), this.#outside.tick(nowUs))
    return Math.min(deadlineUs, this.#sharedRegistration.tick(nowUs))
  }

  /** Stops for good, in order: input is told to end, nothing more is sent. */
  stop(reason: string): void {
    if (this.#lifecycle.isOver) return
    this.#silence()
    this.#lifecycle.transition('stopped', reason)
  }

  #handleBlocks(sequence: number, count: number, bytes: Uint8Array, start: number, nowUs: number): void {
    let at = start
    for (let i = 0; i < count && !this.#lifecycle.isOver; i++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      this.#onEvent(sequence + i, bytes, at, lengthBytes, nowUs)
      if (this.#lifecycle.state === 'failed') return
      this.#nextSequence = sequence + i + 1
      at += lengthBytes
    }
  }

  #onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): void {
    this.counters.events++
    const type = eventType(bytes, at)
    const source = eventSource(bytes, at)
    if (source !== 0 && !this.#verify(sequence, type, source, bytes, at, lengthBytes, nowUs)) return
    const timeUs = eventTimeUs(bytes, at)
    const error = this.#application.fireTimers(sequence, timeUs)
    if (error !== undefined) this.#fail(error)
    else if (type >= FIRST_APPLICATION_TYPE) this.#onMessage(sequence, timeUs, source, type, bytes, at, lengthBytes)
    else if (type !== TICK && type !== DIGEST_TAKEN)
      this.#onRuntimeEvent(sequence, type, source, bytes, at, lengthBytes)
  }

  /** What this component issued is compared with what comes back. @returns false where the host has failed */
  #verify(
    sequence: number,
    type: number,
    source: number,
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
    nowUs: number,
  ): boolean {
    if (source === this.#commands.source) {
      const error = this.#commands.verify(sequence, bytes, at, lengthBytes, nowUs)
      if (error !== undefined) this.#fail(error)
      else if (type === DIGEST_TAKEN) this.#onDigestVerified(bytes, at, lengthBytes)
      else this.counters.commandsVerified++
      return error === undefined
    }
    if (source !== this.#outside.source) return true
    const verdict = this.#outside.onEvent(sequence, bytes, at, lengthBytes, nowUs)
    if (verdict === 'expected') return true
    const { name } = this.#component
    this.#fail(
      new SeqcastError(
        'E_SECOND_INSTANCE',
        `event ${sequence} comes from the source of ${name} that only this process has`,
        {
          hint: 'two processes run under one instance and incarnation',
          fields: { component: name, sequence, source, verdict },
        },
      ),
    )
    return false
  }

  #onMessage(
    sequence: number,
    timeUs: number,
    source: number,
    type: number,
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
  ): void {
    if (!this.#application.wants(type)) {
      this.counters.skipped++
      return
    }
    const start = at + EVENT_HEADER_BYTES
    const end = at + lengthBytes
    const flags = eventFlags(bytes, at)
    if (flags === WHOLE_MESSAGE) {
      this.#deliver(sequence, timeUs, source, type, bytes, start, end)
      return
    }
    this.counters.fragments++
    const verdict = this.#fragments.add(source, type, flags, bytes, start, end)
    if (verdict === 'complete') {
      const { message, messageBytes } = this.#fragments
      this.#deliver(sequence, timeUs, source, type, message, 0, messageBytes)
    } else if (verdict === 'broken') this.counters.brokenFragments++
    else if (verdict === 'too-long') {
      const cause = new Error('its fragments exceed the bound of memory for messages that are not complete')
      this.#fail(payloadError(sequence, type, nameOfType(this.#component.schema, type), cause))
    }
  }

  #deliver(
    sequence: number,
    timeUs: number,
    source: number,
    type: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.counters.handled++
    const error = this.#application.handle(sequence, timeUs, source, type, bytes, start, end)
    if (error !== undefined) {
      this.#fail(error)
      return
    }
    if (this.#component.effects[type] !== undefined) {
      this.#oweEffect(sequence, timeUs, type, bytes.slice(start, end))
    }
    const { digestEvery } = this.#component
    if (digestEvery > 0 && this.counters.handled % digestEvery === 0) this.#takeDigest(sequence)
  }

  #onRuntimeEvent(
    sequence: number,
    type: number,
    source: number,
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
  ): void {
    // A component answers for its own effects only; another's is not even decoded.
    if (source !== 0 && this.sources.numbered(source)?.component !== this.#component.name) return
    this.#application.rest()
    const payload = bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes)
    const isRead = readRuntimeEvent(type, payload, this.#visitorAt(sequence))
    if (isRead) return
    const cause = new Error('the payload is not a message of its type')
    this.#fail(payloadError(sequence, type, nameOfType(this.#component.schema, type), cause))
  }

  #visitorAt(sequence: number): RuntimeEventVisitor {
    return {
      sessionStarted: (event) => this.#onSessionStarted(event),
      sourceRegistered: (event) => this.#onSourceRegistered(sequence, event),
      activated: (event) => this.#onActivated(sequence, event),
      passivated: (event) => this.#onPassivated(event),
      effectDone: (event) => {
        if (event.component !== this.#component.name) return
        if (this.#effects.onDone(event.sequence, event.index)) this.counters.effectsDone++
      },
      digestRequested: ({ component }) => {
        if (component === '' || component === this.#component.name) this.#takeDigest(sequence)
      },
      sessionEnded: ({ reason }) => this.#onSessionEnded(reason),
    }
  }

  #onSessionStarted(event: SessionStarted): void {
    const { session, datagramBytes = MAX_DATAGRAM_BYTES } = this.#options
    if (event.session !== session) {
      const fields = { session, found: event.session }
      this.#fail(
        new SeqcastError('E_SESSION_FOREIGN', `these are events of session ${event.session}, not ${session}`, {
          fields,
        }),
      )
      return
    }
    this.#datagramBytes = Math.min(event.datagramBytes, datagramBytes)
    this.#fragmentBytes = event.fragmentBytes
    try {
      this.#commands.open(this.#datagramBytes, this.#fragmentBytes)
    } catch (thrown) {
      this.#fail(
        new SeqcastError('E_CONFIG', `datagramBytes ${datagramBytes} does not fit the session: ${messageOf(thrown)}`, {
          hint: `start with datagramBytes ${event.datagramBytes}, as the session was`,
          fields: { session, datagramBytes, sessionDatagramBytes: event.datagramBytes },
        }),
      )
    }
  }

  #onSourceRegistered(sequence: number, event: SourceRegistered): void {
    const { name, schema } = this.#component
    this.sources.register(event)
    if (event.closes !== 0) this.#fragments.drop(event.closes)
    if (event.component === name && event.schemaHash !== schema.hash && !this.#acceptsSchema(sequence, event)) return
    if (event.name === name && !event.exclusive) {
      this.#sharedRegistration.end()
      this.#commands.bind(event.source, this.#nowUs)
    } else if (event.name === outsideSourceName(name) && this.#lifecycle.state === 'active') {
      this.#onOutsideRegistered(event)
    }
  }

  #acceptsSchema(sequence: number, event: SourceRegistered): boolean {
    const { name, schema } = this.#component
    const fields = { component: name, sequence, source: event.name, recorded: event.schemaHash, own: schema.hash }
    this.counters.schemaMismatches++
    if (this.#options.mode === 'replay') {
      this.#logger.warn(fields, 'recorded with another schema')
      return true
    }
    const message = `event ${sequence} registers ${event.name} with another schema than this replica of ${name} has`
    const hint = 'run all replicas of a component with the same schema; a changed one needs a new session'
    this.#fail(new SeqcastError('E_SCHEMA_MISMATCH', message, { hint, fields }))
    return false
  }

  #onOutsideRegistered(event: SourceRegistered): void {
    if (event.nonce === this.#outside.nonce) {
      this.#outside.open(event.source, this.#datagramBytes, this.#fragmentBytes, this.#nowUs)
      this.#effects.enable()
      this.#outside.startInput(this.#application.state)
    } else if (this.#outside.state === 'open') {
      // A late packet of an earlier activation has closed the present source: what is not sequenced by now never will be.
      this.counters.outsideClosed++
      this.#effects.disable()
      this.#outside.register(this.#nowUs)
    }
  }

  #onActivated(sequence: number, event: Activated): void {
    if (event.component !== this.#component.name) return
    const { instance, incarnation } = this.#options
    this.#term = event.term
    this.#isNamed = event.instance === instance && event.incarnation === incarnation
    this.#roleReason = `term ${event.term}: ${event.reason}`
    this.#takeDigest(sequence)
    if (this.#isNamed) {
      if (this.#lifecycle.state === 'standby') this.#activate(this.#roleReason, this.#nowUs)
    } else this.#deactivate(`${event.instance} is active, ${this.#roleReason}`)
  }

  #onPassivated(event: Passivated): void {
    if (event.component !== this.#component.name) return
    this.#term = event.term
    this.#isNamed = false
    this.#deactivate(`term ${event.term}: ${event.reason}`)
  }

  #activate(reason: string, nowUs: number): void {
    if (this.#options.mode === 'replay' || this.#lifecycle.isOver) return
    const { name, schema } = this.#component
    this.#lifecycle.transition('active', reason)
    if (this.#commands.source === 0) {
      const nonce = this.#nextNonce()
      const wanted = { name, nonce, exclusive: false, component: name, schemaHash: schema.hash }
      this.#sharedRegistration.request(wanted, nowUs)
    }
    this.#commands.connect(nowUs)
    this.#outside.register(nowUs)
  }

  #deactivate(reason: string): void {
    if (this.#lifecycle.state !== 'active') return
    this.#silence()
    this.#lifecycle.transition('standby', reason)
  }

  /** The session takes no more commands; what is owed to the outside world is still done. */
  #onSessionEnded(reason: string): void {
    this.#ended = `session ended: ${reason}`
    if (this.#lifecycle.state === 'active') {
      this.#commands.disconnect()
      this.#outside.close()
    } else this.stop(this.#ended)
  }

  #silence(): void {
    this.#effects.disable()
    this.#sharedRegistration.end()
    this.#outside.close()
    this.#commands.disconnect()
  }

  #fail(error: SeqcastError): void {
    if (this.#lifecycle.isOver) return
    this.#application.rest()
    this.#silence()
    this.#logger.error({ code: error.code, ...error.fields }, error.message)
    this.#lifecycle.transition('failed', error.message)
    this.#output.failed(error)
  }

  /** A command of the handlers, of every replica, under the event that is handled. */
  #issue(type: number, payload: Uint8Array): void {
    this.#commands.append(type, payload, this.#nowUs)
    this.counters.commandsIssued++
    const { command } = this.#observer
    if (command !== undefined) guard.outside(() => command(this.#nextSequence, type, payload))
  }

  #onReturned(latencyUs: number): void {
    if (this.#output.commandReturned === undefined) return
    this.#application.rest()
    this.#output.commandReturned(latencyUs)
  }

  #takeDigest(sequence: number): void {
    if (this.#lifecycle.isOver) return
    this.#application.rest()
    try {
      this.#digest = this.#application.digest()
      this.#digestSequence = sequence
      this.counters.digestsTaken++
      this.#observer.digestTaken?.(sequence, this.#digest)
      const taken = { component: this.#component.name, sequence, digest: this.#digest }
      this.#commands.append(DIGEST_TAKEN, digestTakenCodec.encode(taken), this.#nowUs)
    } catch (thrown) {
      if (!(thrown instanceof SeqcastError)) throw thrown
      this.#fail(thrown)
    }
  }

  #onDigestVerified(bytes: Uint8Array, at: number, lengthBytes: number): void {
    this.counters.digestsVerified++
    this.#application.rest()
    if (this.#observer.digestVerified === undefined) return
    const taken = digestTakenCodec.decode(bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes))
    if (taken !== undefined) this.#observer.digestVerified(taken.sequence, taken.digest)
  }

  #oweEffect(sequence: number, timeUs: number, type: number, payload: Uint8Array): void {
    const name = nameOfType(this.#component.schema, type)
    this.counters.effectsOwed++
    if (this.#effects.add(sequence, timeUs, type, name, payload)) return
    const component = this.#component.name
    const message = `${component} owes ${this.#effects.size} effects, which is the bound, at event ${sequence}`
    const hint = 'activate a replica, so that they are run; or see why they do not end'
    this.#fail(new SeqcastError('E_EFFECT', message, { hint, fields: { component, sequence } }))
  }

  #decodeEffect({ sequence, type, name, payload }: PendingEffect): unknown {
    try {
      return this.#component.schema.decode(type, payload, 0, payload.length)
    } catch (thrown) {
      throw payloadError(sequence, type, name, thrown)
    }
  }

  #reportEffect({ sequence, index }: PendingEffect): void {
    if (this.#ended !== undefined) return
    this.#outside.append(EFFECT_DONE, effectDoneCodec.encode({ component: this.#component.name, sequence, index }))
    this.#output.wantsFlush?.()
  }

  #afterEffects(): void {
    this.#effects.pump()
    if (this.#ended !== undefined && this.#effects.isIdle) this.stop(this.#ended)
  }

  #applyStable(): void {
    const reached = Math.min(this.#stableSequence, this.#nextSequence - 1)
    this.#commands.onStable(reached)
    this.#outside.onStable(reached)
    this.#effects.onStable(reached)
  }

  #nextNonce(): number {
    return (this.#nonces.nextU32() & 0x1f_ffff) * 0x1_0000_0000 + this.#nonces.nextU32() || 1
  }
}
