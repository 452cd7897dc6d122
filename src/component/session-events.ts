/**
 * What the runtime's own events mean to a component: the session's constants, who speaks, which replica is active, which
 * effects are done, when a digest is wanted.
 */
import { SeqcastError } from '../core/errors.js'
import { MAX_DATAGRAM_BYTES } from '../core/limits.js'
import type { Logger } from '../core/log.js'
import type { EpochTableEntry } from '../wire/control.js'
import { WHOLE_MESSAGE } from '../wire/event.js'
import type {
  Activated,
  DigestRequested,
  EffectDone,
  EffectOwed,
  Passivated,
  SeedDone,
  SessionEnded,
  SessionOpened,
  SessionStarted,
  SourceRegistered,
} from '../wire/runtime-events.js'
import type { Application } from './application.js'
import { type CarriedSeed, collectSeed } from './carry.js'
import type { Fields } from './checkpoint-fields.js'
import type { Commands } from './commands.js'
import type { Component } from './definition.js'
import { nameOfType } from './describe.js'
import type { Digests } from './digests.js'
import type { Effects } from './effects.js'
import {
  datagramError,
  effectsBoundError,
  foreignPredecessorError,
  foreignSessionError,
  payloadError,
  schemaError,
  seedError,
} from './host-errors.js'
import type { HostOptions } from './host-options.js'
import type { Messages } from './messages.js'
import { type Outside, outsideSourceName } from './outside.js'
import type { Role } from './role.js'
import { type RuntimeEventVisitor, readRuntimeEvent } from './runtime-event-reader.js'
import type { Seeding } from './seeding.js'
import type { SourceRegistry } from './sources.js'

export interface SessionEventsParts {
  readonly component: Component
  readonly options: HostOptions
  readonly sources: SourceRegistry
  readonly commands: Commands
  readonly outside: Outside
  readonly effects: Effects
  readonly messages: Messages
  readonly digests: Digests
  readonly role: Role
  readonly seeding: Seeding
  readonly application: Application
  readonly logger: Logger
  readonly fail: (error: SeqcastError) => void
}

export class SessionEvents implements RuntimeEventVisitor {
  readonly #parts: SessionEventsParts
  #sequence = 0
  #source = 0
  #epoch = 0
  /** Where each epoch begins, as far as the stream was read. */
  readonly epochTable: EpochTableEntry[] = []
  #nowUs = 0
  /** Constants of the session, from its first event. */
  /** The session has no voters: what is in the stream is stable. */
  publishedIsStable = false
  #sessionDatagramBytes = 0
  #datagramBytes = 0
  #fragmentBytes = 0
  /** The newest source of commands from outside, of whichever replica; 0 before the first. */
  outsideSource = 0
  effectsDone = 0
  /** Of an earlier session. */
  effectsCarried = 0
  schemaMismatches = 0

  constructor(parts: SessionEventsParts) {
    this.#parts = parts
  }

  /** Takes event `sequence`, of a type below 256. */
  onEvent(
    sequence: number,
    epoch: number,
    type: number,
    source: number,
    flags: number,
    payload: Uint8Array,
    nowUs: number,
  ): void {
    const { component, sources, messages, fail } = this.#parts
    if (epoch !== this.#epoch && source === 0) this.#enterEpoch(epoch, sequence, nowUs)
    // A component answers for its own effects only; another's is not even decoded.
    if (source !== 0 && sources.numbered(source)?.component !== component.name) return
    this.#sequence = sequence
    this.#source = source
    this.#nowUs = nowUs
    const whole = flags === WHOLE_MESSAGE ? payload : messages.join(source, type, flags, payload)
    if (whole === undefined || readRuntimeEvent(type, whole, this)) return
    fail(payloadError(sequence, type, nameOfType(component.schema, type), new Error('it is no message of that type')))
  }

  sessionStarted(event: SessionStarted): void {
    const { options, commands, fail } = this.#parts
    if (event.session !== options.session) {
      fail(foreignSessionError(options.session, event.session))
      return
    }
    this.publishedIsStable = event.voters.length === 0
    const { datagramBytes, fragmentBytes } = event
    const error = this.#takeSizes(datagramBytes, fragmentBytes, (own) => commands.open(own, fragmentBytes))
    if (error === undefined) this.#beginSeed(event)
    else fail(error)
  }

  /** The constants of the session, and what of it no other part keeps. */
  capture(): object {
    return {
      datagramBytes: this.#sessionDatagramBytes,
      fragmentBytes: this.#fragmentBytes,
      publishedIsStable: this.publishedIsStable,
      epochs: this.epochTable.map((entry) => ({ ...entry })),
      outsideSource: this.outsideSource,
    }
  }

  /** @throws SeqcastError E_CONFIG where this process can't send what the session's commands need */
  restore(from: Fields, commandsFrom: Fields): void {
    const { commands } = this.#parts
    this.publishedIsStable = from.flag('publishedIsStable')
    this.outsideSource = from.whole('outsideSource')
    const fragmentBytes = from.whole('fragmentBytes')
    const error = this.#takeSizes(from.whole('datagramBytes'), fragmentBytes, (own) =>
      commands.restore(commandsFrom, own, fragmentBytes),
    )
    if (error !== undefined) throw error
    for (const entry of from.list('epochs')) this.#enterEpoch(entry.whole('epoch'), entry.whole('sequence'), 0)
  }

  sourceRegistered(event: SourceRegistered): void {
    const { component, sources, messages, role, outside } = this.#parts
    const { name, schema } = component
    sources.register(event)
    if (event.closes !== 0) messages.onSourceClosed(event.closes)
    if (event.component === name && event.schemaHash !== schema.hash && !this.#toleratesSchema(event)) return
    this.#parts.seeding.onRegistered(event, this.#nowUs)
    if (event.name === name && !event.exclusive) role.onSharedRegistered(event, this.#nowUs)
    else if (event.name === outsideSourceName(name)) {
      this.outsideSource = event.source
      outside.onRegistered(event, this.#nowUs)
      role.onOutsideRegistered(event, this.#datagramBytes, this.#fragmentBytes, this.#nowUs)
    }
  }

  activated(event: Activated): void {
    const { component, digests, role, fail } = this.#parts
    if (event.component !== component.name) return
    const error = digests.take(this.#sequence)
    if (error === undefined) role.onActivated(event, this.#nowUs)
    else fail(error)
  }

  passivated(event: Passivated): void {
    if (event.component === this.#parts.component.name) this.#parts.role.onPassivated(event, this.#nowUs)
  }

  effectDone(event: EffectDone): void {
    if (event.component !== this.#parts.component.name) return
    if (this.#parts.effects.onDone(event.sequence, event.index, event.epoch)) this.effectsDone++
  }

  digestRequested({ component }: DigestRequested): void {
    if (component !== '' && component !== this.#parts.component.name) return
    const error = this.#parts.digests.take(this.#sequence)
    if (error !== undefined) this.#parts.fail(error)
  }

  sessionOpened({ missing }: SessionOpened): void {
    this.#parts.seeding.onOpened(missing, this.#nowUs)
  }

  seedDone(event: SeedDone): void {
    const { seeding } = this.#parts
    if (this.#source === seeding.source) seeding.onDone(event)
  }

  effectOwed(event: EffectOwed): void {
    const { component, effects, seeding, fail } = this.#parts
    if (this.#source !== seeding.source) return
    const name = nameOfType(component.schema, event.type)
    // What was decoded lies in the bytes of the stream, which are lent: the next run is written over them.
    const kept = { ...event, payload: new Uint8Array(event.payload) }
    if (effects.addCarried(this.#sequence, this.#epoch, name, kept)) this.effectsCarried++
    else fail(effectsBoundError(component.name, this.#sequence, effects.size))
  }

  sessionEnded({ reason, successor }: SessionEnded): void {
    this.#parts.role.onSessionEnded(reason, successor)
  }

  /** The session may begin with what this component carries over, or, where the chain begins here, with what it says first. */
  #beginSeed(event: SessionStarted): void {
    const { component, options, seeding, application, fail } = this.#parts
    const { session, carry, guard: isGuarded = true } = options
    const { predecessor, retired = [] } = event
    seeding.started(event)
    // As if it had been made passive here.
    if (retired.includes(component.name)) this.passivated({ component: component.name, term: 1, reason: 'retired' })
    if (carry !== undefined && carry.seed.predecessor !== predecessor) {
      fail(foreignPredecessorError(session, carry.seed.predecessor, predecessor))
      return
    }
    if (!seeding.isAwaited) return
    try {
      const seed = carry?.seed ?? (predecessor === '' ? this.#firstSeed(isGuarded) : undefined)
      if (seed !== undefined) seeding.know(seed, this.#datagramBytes, this.#fragmentBytes)
    } catch (thrown) {
      fail(thrown instanceof SeqcastError ? thrown : seedError(component.name, session, thrown))
    }
    application.rest()
  }

  #firstSeed(isGuarded: boolean): CarriedSeed {
    const { component, application, options } = this.#parts
    const events = collectSeed(component, application, { session: options.session, predecessor: '', isGuarded })
    return { predecessor: '', events, effects: [], pending: [] }
  }

  /** The sequencer's own events come first in an epoch. What it adopted has come before; what it lacks was not sequenced. */
  #enterEpoch(epoch: number, sequence: number, nowUs: number): void {
    this.#epoch = epoch
    this.epochTable.push({ epoch, sequence })
    this.#parts.commands.setEpoch(epoch, nowUs)
    this.#parts.outside.setEpoch(epoch, nowUs)
    this.#parts.seeding.setEpoch(epoch, nowUs)
  }

  #takeSizes(datagramBytes: number, fragmentBytes: number, open: (ownBytes: number) => void): SeqcastError | undefined {
    const { session, datagramBytes: most = MAX_DATAGRAM_BYTES } = this.#parts.options
    this.#sessionDatagramBytes = datagramBytes
    this.#datagramBytes = Math.min(datagramBytes, most)
    this.#fragmentBytes = fragmentBytes
    try {
      open(this.#datagramBytes)
      return undefined
    } catch (thrown) {
      return datagramError(session, most, datagramBytes, thrown)
    }
  }

  /** A replay with newer code goes on and is compared; a replica must not. */
  #toleratesSchema(event: SourceRegistered): boolean {
    const { component, options, logger, fail } = this.#parts
    const error = schemaError(component.name, component.schema.hash, this.#sequence, event)
    this.schemaMismatches++
    if (options.mode === 'replay') logger.warn(error.fields, error.message)
    else fail(error)
    return options.mode === 'replay'
  }
}
