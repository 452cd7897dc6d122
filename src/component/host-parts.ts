/** How the parts of a host are made: which of its options each gets, what each is connected with, and what it tells the host. */
import type { SeqcastError } from '../core/errors.js'
import { AUTH_TAG_BYTES, COMPONENT_COMMANDS, OUTBOX_COMMANDS } from '../core/limits.js'
import type { Logger } from '../core/log.js'
import { EFFECT_DONE, effectDoneCodec } from '../wire/runtime-events.js'
import { Application } from './application.js'
import type { Fields } from './checkpoint-fields.js'
import { Commands } from './commands.js'
import type { Component } from './definition.js'
import { Digests } from './digests.js'
import { Effects, type RevokedEffect } from './effects.js'
import { payloadError } from './host-errors.js'
import type { HostObserver, HostOptions, HostOutput } from './host-options.js'
import { Messages } from './messages.js'
import { Outside } from './outside.js'
import { Role } from './role.js'
import { Seeding } from './seeding.js'
import { SessionEvents } from './session-events.js'
import { SourceRegistry } from './sources.js'

export interface PartsOwner {
  readonly component: Component
  readonly options: HostOptions
  readonly output: HostOutput
  readonly observer: HostObserver
  readonly logger: Logger
  /** What a checkpoint holds of the application. */
  readonly restored: Fields | undefined
  /** Of the turn, monotonic microseconds. */
  nowUs(): number
  /** A handler issued a command. */
  issued(type: number, payload: Uint8Array): void
  /** An effect was begun for an event that is no more. */
  effectRevoked(effect: RevokedEffect): void
  failed(error: SeqcastError): void
}

export interface HostParts {
  readonly sources: SourceRegistry
  readonly application: Application
  readonly commands: Commands
  readonly outside: Outside
  readonly effects: Effects
  readonly digests: Digests
  readonly messages: Messages
  readonly role: Role
  readonly seeding: Seeding
  readonly sessionEvents: SessionEvents
}

export function createParts(owner: PartsOwner): HostParts {
  const { component, options, output, observer, logger, restored } = owner
  const application = new Application({
    component,
    session: options.session,
    guard: options.guard ?? true,
    issue: (type, payload) => owner.issued(type, payload),
    ...(restored === undefined ? {} : { restored }),
    ...(options.large === undefined ? {} : { large: options.large }),
  })
  const returned = (latencyUs: number): void => {
    if (output.commandReturned === undefined) return
    application.rest()
    output.commandReturned(latencyUs)
  }
  const commands = createCommands(owner, returned)
  const seeding = createSeeding(owner, application, () => role)
  const outside = createOutside(owner, seeding, returned)
  const effects = createEffects(owner, outside, () => role)
  const messages = new Messages(component, application, effects)
  const digests = new Digests({
    component: component.name,
    every: component.digestEvery,
    compute: () => application.digest(),
    issue: (type, payload) => commands.append(type, payload, owner.nowUs()),
    observer,
  })
  const { state } = application
  const role: Role = new Role({ component, options, output, commands, outside, effects, seeding, logger, state })
  const sources = new SourceRegistry()
  const fail = (error: SeqcastError): void => owner.failed(error)
  const sessionEvents = new SessionEvents({
    ...{ component, options, sources, commands, outside, effects, messages, digests, role, seeding, application },
    ...{ logger, fail },
  })
  return { sources, application, commands, outside, effects, digests, messages, role, seeding, sessionEvents }
}

type Returned = (latencyUs: number) => void

function createCommands({ component, options, output, logger }: PartsOwner, returned: Returned): Commands {
  const { name, schema } = component
  const { session, outboxCommands: capacityCommands = COMPONENT_COMMANDS, tagBytes = AUTH_TAG_BYTES } = options
  return new Commands(
    { component: name, session, schema, capacityCommands, tagBytes, logger },
    { sendCommands: (packet) => output.sendCommands(packet), returned },
  )
}

function createSeeding(
  { component, options, output, logger }: PartsOwner,
  application: Application,
  role: () => Role,
): Seeding {
  const { session, tagBytes = AUTH_TAG_BYTES } = options
  const ready = (nowUs: number): void => {
    // It comes with an event of the component's own, after handlers of those before it.
    application.rest()
    role().onSeeded(nowUs)
  }
  return new Seeding(
    { component, session, tagBytes, logger, nonce: () => role().nextNonce() },
    { sendCommands: (packet) => output.sendCommands(packet), ready },
  )
}

function createOutside(owner: PartsOwner, seeding: Seeding, returned: Returned): Outside {
  const { component, options, output, logger } = owner
  const { session, clock, outsideCommands: capacityCommands = OUTBOX_COMMANDS, tagBytes = AUTH_TAG_BYTES } = options
  const { survivors, carry } = options
  const kept = survivors?.outside
  const carried = survivors === undefined ? carry?.outside : survivors.outsideCarried
  const inputEnded = carry?.inputEnded
  return new Outside(
    {
      ...{ component, session, capacityCommands, tagBytes, logger },
      nowUs: () => clock?.nowUs() ?? owner.nowUs(),
      isReady: () => seeding.isReady,
      ...(kept === undefined ? {} : { kept }),
      ...(carried === undefined ? {} : { carried }),
      ...(inputEnded === undefined ? {} : { inputEnded }),
    },
    {
      sendCommands: (packet) => output.sendCommands(packet),
      returned,
      wantsFlush: () => output.wantsFlush?.(),
      failed: (error) => owner.failed(error),
    },
  )
}

function createEffects(owner: PartsOwner, outside: Outside, role: () => Role): Effects {
  const { component, options, output } = owner
  const { name, schema, effects } = component
  const done = options.survivors?.effectsDone
  const begun = options.survivors?.effectsBegun
  return new Effects({
    component: name,
    session: options.session,
    effects,
    decode: (effect) => {
      try {
        return schema.decode(effect.type, effect.payload, 0, effect.payload.length)
      } catch (thrown) {
        throw payloadError(effect.sequence, effect.type, effect.name, thrown)
      }
    },
    canReport: () => role().hasEnded || outside.canSend,
    report: ({ sequence, index, epoch }) => {
      if (role().hasEnded) return // No command is sequenced any more.
      outside.append(EFFECT_DONE, effectDoneCodec.encode({ component: name, sequence, index, epoch }))
      output.wantsFlush?.()
    },
    failed: (error) => owner.failed(error),
    ended: () => role().settle(),
    revoked: (effect) => owner.effectRevoked(effect),
    ...(begun === undefined ? {} : { begun }),
    ...(done === undefined ? {} : { done }),
    ...(options.carry === undefined
      ? {}
      : { doneBefore: options.carry.effectsDone, underWay: options.carry.effectUnderWay }),
  })
}
