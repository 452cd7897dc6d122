/**
 * Drives a component with the events of a session: the same way live, standby, rewound and replayed.
 *
 * Active = passive + a connected outbox. Replay = passive with the log as its source.
 *
 * The parts are separate: `Application` (state, handlers, timers), `Commands` (what handlers issued), `Outside` (input, and
 * what effects report), `Effects`, `Digests`, `Role`. Here is which event goes to which of them, and in which order.
 */
import { type Counters, createCounters } from '../core/counters.js'
import type { SeqcastError } from '../core/errors.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { Standing } from '../protocol/succession.js'
import { readU16 } from '../wire/bytes.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import type { ComponentStatus } from '../wire/control.js'
import {
  EVENT_HEADER_BYTES,
  eventEpoch,
  eventFlags,
  eventSource,
  eventType,
  FIRST_APPLICATION_TYPE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { DIGEST_TAKEN, SESSION_ENDED, TICK } from '../wire/runtime-events.js'
import type { Application } from './application.js'
import { type Carry, carryOver } from './carry.js'
import { captureHost, type OpenedCheckpoint, openCheckpoint, restoreHost } from './checkpoint.js'
import type { Commands } from './commands.js'
import type { Component } from './definition.js'
import { digestHex } from './digest.js'
import type { Digests } from './digests.js'
import type { Effects, PendingEffect, RevokedEffect } from './effects.js'
import { guard } from './guard.js'
import { secondInstanceError } from './host-errors.js'
import type { HostObserver, HostOptions, HostOutput, Survivors } from './host-options.js'
import { createParts, type HostParts } from './host-parts.js'
import { statusOf } from './host-status.js'
import type { ComponentState } from './lifecycle.js'
import type { Messages } from './messages.js'
import type { Outside } from './outside.js'
import type { Role } from './role.js'
import type { Seeding } from './seeding.js'
import type { SessionEvents } from './session-events.js'
import type { SourceRegistry } from './sources.js'
import type { Timer } from './timers.js'

const COUNTERS = ['events', 'malformed', 'commandsIssued', 'commandsVerified'] as const

export type HostCounter = (typeof COUNTERS)[number]

export class ComponentHost {
  readonly counters: Counters<HostCounter> = createCounters(COUNTERS)
  /** Who speaks in this session, as far as its events were handled. */
  readonly sources: SourceRegistry
  readonly #component: Component
  readonly #options: HostOptions
  readonly #output: HostOutput
  readonly #observer: HostObserver
  readonly #logger: Logger
  readonly #parts: HostParts
  readonly #application: Application
  readonly #commands: Commands
  readonly #outside: Outside
  readonly #effects: Effects
  readonly #digests: Digests
  readonly #messages: Messages
  readonly #role: Role
  readonly #seeding: Seeding
  readonly #sessionEvents: SessionEvents
  #nextSequence = 1
  #stableSequence = 0
  #applicationEvents = 0
  /** Events of the component's own sources, whichever replica sent them. */
  #ownEvents = 0
  #nowUs = 0
  #effectsRevoked: number
  #isSucceeded = false

  /** @throws SeqcastError E_CHECKPOINT where `options.checkpoint` can't be used for this component */
  constructor(component: Component, options: HostOptions, output: HostOutput) {
    const opened =
      options.checkpoint === undefined ? undefined : openCheckpoint(options.checkpoint, component, options.session)
    this.#component = component
    this.#options = options
    this.#output = output
    this.#observer = options.observer ?? {}
    this.#logger = options.logger ?? silentLogger
    this.#effectsRevoked = (options.survivors ?? options.carry)?.effectsRevoked ?? 0
    const parts = createParts({
      component,
      options,
      output,
      observer: this.#observer,
      logger: this.#logger,
      restored: opened?.fields.fields('application'),
      nowUs: () => this.#nowUs,
      issued: (type, payload) => this.#issue(type, payload),
      failed: (error) => this.#fail(error),
      effectRevoked: (effect) => this.#tellRevoked(effect),
    })
    this.#parts = parts
    this.sources = parts.sources
    this.#application = parts.application
    this.#commands = parts.commands
    this.#outside = parts.outside
    this.#effects = parts.effects
    this.#digests = parts.digests
    this.#messages = parts.messages
    this.#role = parts.role
    this.#seeding = parts.seeding
    this.#sessionEvents = parts.sessionEvents
    if (opened !== undefined) this.#restore(opened)
    this.#observer.began?.(options.session, this.#nextSequence)
  }

  #restore(opened: OpenedCheckpoint): void {
    this.#applicationEvents = restoreHost(this.#component, this.#parts, opened)
    this.#nextSequence = opened.header.sequence + 1
    this.#stableSequence = opened.header.sequence
    this.#applyStable()
  }

  /**
   * A checkpoint may be taken now: the session is open, all that the component begins it with is in the stream, and it has not ended.
   * What comes before and after is for a replica that knows the session before, or the next one.
   */
  get canBeCaptured(): boolean {
    return this.#parts.seeding.isOver && !this.#role.hasEnded && !this.#role.isOver && this.#nextSequence > 1
  }

  /** Events up to here are known to be stable. */
  get stableSequence(): number {
    return this.#stableSequence
  }

  /** Who is active, as far as the stream was handled, and whether this replica could be. */
  get standing(): Standing {
    const { state, term, active, isPassivated } = this.#role
    return { isReady: state === 'standby', term, active, isPassivated, ownEvents: this.#ownEvents }
  }

  get state(): ComponentState {
    return this.#role.state
  }

  /** Why it is in this state. */
  get reason(): string {
    return this.#role.reason
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

  /** Timers that have fired so far. */
  get timersFired(): number {
    return this.#application.timersFired
  }

  /** Effects that are owed to the outside world, in order. */
  effects(): PendingEffect[] {
    return this.#effects.pending()
  }

  /** The keys of these effects. */
  effectKeys(): string[] {
    return this.#effects.pending().map((effect) => this.#effects.keyOf(effect))
  }

  /** The digest of the present state, SHA-256 in hex. @throws SeqcastError E_NONDETERMINISM where it is no plain data */
  digest(): string {
    return digestHex(this.#application.digest())
  }

  /**
   * All that the host is after the last event that it has handled; another one can begin there. It reads the whole state at once.
   * @param event the bytes of that event @throws SeqcastError E_NONDETERMINISM where the state is no plain data
   */
  checkpoint(event: Uint8Array): Checkpoint {
    this.#application.rest()
    const own = { sequence: this.#nextSequence - 1, event, applicationEvents: this.#applicationEvents }
    return captureHost(this.#component, this.#options.session, this.#parts, own)
  }

  status(): ComponentStatus {
    const own = { nextSequence: this.#nextSequence, effectsRevoked: this.#effectsRevoked, counters: this.counters }
    return statusOf(this.#component.name, this.#options.instance, this.#parts, own)
  }

  /**
   * Handles in-order events at once. The bytes are valid during the call.
   * @throws Error where `sequence` is not the next one: a programmer's error
   */
  onRun(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void {
    if (this.#role.isOver) return
    if (this.#isSucceeded) throw new Error(`${this.#component.name}: event ${sequence} given after a revocation`)
    if (sequence !== this.#nextSequence) {
      throw new Error(`${this.#component.name}: event ${sequence} given where ${this.#nextSequence} is next`)
    }
    this.#nowUs = nowUs
    this.#observer.delivered?.(sequence, count, bytes, start, end)
    try {
      this.#handleBlocks(sequence, count, bytes, start, nowUs)
    } finally {
      this.#application.rest()
    }
    if (this.#role.isOver) return
    const isStable = this.#options.mode === 'replay' || this.#sessionEvents.publishedIsStable
    if (isStable) this.#stableSequence = this.#nextSequence - 1
    if (this.#stableSequence >= sequence) this.#applyStable()
    this.#role.settle()
  }

  /** Events up to here are stable. */
  onStable(stableSequence: number, nowUs: number): void {
    if (this.#role.isOver || stableSequence <= this.#stableSequence) return
    this.#nowUs = nowUs
    this.#stableSequence = stableSequence
    this.#observer.stable?.(stableSequence)
    this.#applyStable()
    this.#role.settle()
  }

  /** The sequencer holds commands back, or no longer does. */
  onHeld(held: boolean): void {
    this.#commands.onHeld(held)
    this.#outside.onHeld(held)
    this.#seeding.onHeld(held)
  }

  /** All that the session has was handled. */
  onCaughtUp(nowUs: number): void {
    this.#nowUs = nowUs
    this.#role.onCaughtUp(nowUs)
  }

  /** Live events were missed; they will come by rewind. An active component is silent until it has caught up. */
  onFellBehind(reason: string): void {
    this.#role.onFellBehind(reason)
  }

  /**
   * Events that it has handled, from `fromSequence` on, are no more. It falls silent and stays `rewinding`; effects that ran for one
   * of them are told to the log and the observer. A new host, made with what is returned, takes the session from its
   * first event on, and goes on where this one was as soon as it has caught up.
   */
  revoked(fromSequence: number, reason: string): Survivors {
    this.#observer.revoked?.(fromSequence)
    const stableSequence = Math.min(this.#stableSequence, this.#nextSequence - 1)
    const outsideCarried = this.#outside.carried
    const outside = this.#outside.revoked(stableSequence)
    const effectsDone = this.#effects.done()
    const { revoked, begun } = this.#effects.revoked(fromSequence)
    for (const effect of revoked) this.#tellRevoked(effect)
    this.#role.onFellBehind(`events from ${fromSequence} on were revoked: ${reason}`)
    this.#isSucceeded = true
    const { nextNonce: nonce } = this.#role
    const effectsRevoked = this.#effectsRevoked
    return { outside, outsideCarried, effectsDone, effectsBegun: begun, effectsRevoked, nonce }
  }

  /** The session that goes on from the end of this one; '' while this one lasts, or where it just ended. */
  get successor(): string {
    return this.#role.successor
  }

  /** The session that this one goes on from; '' before its first event, and where there is none. */
  get predecessor(): string {
    return this.#seeding.predecessor
  }

  /**
   * What the component begins this session with is not all in the stream, and this host does not know the rest: the process has to read the
   * predecessor to its end, and come back with what `carryOver` gives there.
   */
  get lacksSeed(): boolean {
    return this.#seeding.isUnknown
  }

  /**
   * What goes over into the successor. To be called once, when all of the session is handled, and `lacksSeed` is false.
   * @throws SeqcastError E_HANDLER, E_PAYLOAD, E_NONDETERMINISM where the component's `seed` fails
   */
  carryOver(): Carry {
    const { session, guard: isGuarded = true } = this.#options
    const moment = { session: this.#role.successor, predecessor: session, isGuarded }
    return carryOver(this.#component, this.#parts, moment, this.#effectsRevoked)
  }

  /** The sequencer will not grant a registration; refusals of others are ignored. */
  onRefused(nonce: number, reason: string): void {
    this.#role.onRefused(nonce, reason)
  }

  /** End of a turn of the event loop: sends what was issued in it. */
  flush(nowUs: number): void {
    this.#nowUs = nowUs
    this.#role.flush(nowUs)
  }

  /** Repeats what is due. @returns the next deadline in monotonic microseconds, or Infinity */
  tick(nowUs: number): number {
    this.#nowUs = nowUs
    return this.#role.tick(nowUs)
  }

  /** Stops for good, in order: input is told to end, nothing more is sent. */
  stop(reason: string): void {
    this.#role.stop(reason)
  }

  #tellRevoked(effect: RevokedEffect): void {
    this.#effectsRevoked++
    this.#logger.warn(
      { component: this.#component.name, ...effect },
      'an effect has run for an event that is revoked: what it did in the outside world stands',
    )
    this.#observer.effectRevoked?.(effect)
  }

  #handleBlocks(sequence: number, count: number, bytes: Uint8Array, start: number, nowUs: number): void {
    let at = start
    for (const after = sequence + count; sequence < after; sequence++) {
      const lengthBytes = readU16(bytes, at)
      at += BLOCK_LENGTH_BYTES
      this.#onEvent(sequence, bytes, at, lengthBytes, nowUs)
      at += lengthBytes
      if (!this.#role.isOver) this.#nextSequence = sequence + 1
      else {
        // What it failed at was not handled; what stopped it was.
        if (this.#role.state !== 'failed') this.#nextSequence = sequence + 1
        return
      }
    }
  }

  #onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): void {
    this.counters.events++
    if (lengthBytes < EVENT_HEADER_BYTES) {
      this.counters.malformed++ // A foreign stream; every replica skips it.
      return
    }
    const type = eventType(bytes, at)
    const source = eventSource(bytes, at)
    if (source !== 0 && !this.#verify(sequence, type, source, bytes, at, lengthBytes, nowUs)) return
    // A reign that has to say the end once more makes it no later: what is carried over is of one moment, whoever heard which.
    const error = this.#role.hasEnded ? undefined : this.#application.reachTime(sequence, bytes, at)
    if (error !== undefined) this.#fail(error)
    else if (type >= FIRST_APPLICATION_TYPE) this.#onMessage(sequence, type, source, bytes, at, lengthBytes)
    else if (type !== TICK && type !== DIGEST_TAKEN) {
      this.#application.rest()
      const payload = bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes)
      const flags = eventFlags(bytes, at)
      this.#sessionEvents.onEvent(sequence, eventEpoch(bytes, at), type, source, flags, payload, nowUs)
      if (type === SESSION_ENDED && this.#role.successor !== '') this.#output.rolled?.(this.#role.successor, sequence)
    }
  }

  /** Compares what this component issued with what comes back. @returns false where the host has failed */
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
      this.#ownEvents++
      const error = this.#commands.verify(sequence, bytes, at, lengthBytes, nowUs)
      if (error !== undefined) return this.#fail(error)
      if (type === DIGEST_TAKEN) {
        this.#application.rest()
        this.#digests.onVerified(bytes, at, lengthBytes)
      } else this.counters.commandsVerified++
      return true
    }
    if (source === this.#sessionEvents.outsideSource) {
      this.#ownEvents++
      this.#outside.countEvent()
    }
    if (source === this.#seeding.source) {
      const error = this.#seeding.onEvent(sequence, bytes, at, lengthBytes, nowUs)
      return error === undefined || this.#fail(error)
    }
    if (source !== this.#outside.source) return true
    if (this.#outside.onEvent(sequence, bytes, at, lengthBytes, nowUs) === 'expected') return true
    return this.#fail(secondInstanceError(this.#component.name, sequence, source))
  }

  #onMessage(sequence: number, type: number, source: number, bytes: Uint8Array, at: number, lengthBytes: number): void {
    const error = this.#messages.onBlock(sequence, type, source, bytes, at, lengthBytes)
    if (error !== undefined) this.#fail(error)
    // Counted whether handled or not, so that newer code that handles more takes its digests at the same places.
    else if (this.#digests.isDue(++this.#applicationEvents)) this.#takeDigest(sequence)
  }

  #takeDigest(sequence: number): void {
    this.#application.rest()
    const error = this.#digests.take(sequence)
    if (error !== undefined) this.#fail(error)
  }

  /** A command of the handlers, on every replica, under the event that is handled. */
  #issue(type: number, payload: Uint8Array): void {
    this.#commands.append(type, payload, this.#nowUs)
    this.counters.commandsIssued++
    const { command } = this.#observer
    if (command !== undefined) guard.outside(() => command(this.#nextSequence, type, payload))
  }

  #applyStable(): void {
    const reached = Math.min(this.#stableSequence, this.#nextSequence - 1)
    this.#commands.onStable(reached)
    this.#outside.onStable(reached)
    this.#seeding.onStable(reached)
    this.#effects.onStable(reached)
  }

  /** @returns false, for callers that report whether to go on */
  #fail(error: SeqcastError): false {
    this.#application.rest()
    this.#role.fail(error)
    return false
  }
}
