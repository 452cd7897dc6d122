/**
 * What goes over from the end of a session into the next one. The seed is a pure function of the stream that has ended: each replica
 * has the same, to the byte, and so has a process that reads that stream later. The rest is of one process alone.
 */
import { SeqcastError } from '../core/errors.js'
import type { OutboxMessage } from '../protocol/outbox-types.js'
import type { EffectOwed } from '../wire/runtime-events.js'
import type { Application } from './application.js'
import type { Component, UntypedSeed } from './definition.js'
import { guard, refusePromise } from './guard.js'
import { seedError } from './host-errors.js'
import type { HostParts } from './host-parts.js'

/** What a component begins a session with, in this order. */
export interface CarriedSeed {
  /** The session that has ended; '' where the chain begins. */
  readonly predecessor: string
  readonly events: readonly OutboxMessage[]
  /** Effects that the stream does not know to be done. */
  readonly effects: readonly EffectOwed[]
  /** Commands that handlers had issued and that were not sequenced any more. */
  readonly pending: readonly OutboxMessage[]
}

/** What a process takes with it from one session into the next. Opaque to applications. */
export interface Carry {
  readonly seed: CarriedSeed
  /** Commands from outside that it held and that were not sequenced. */
  readonly outside: readonly OutboxMessage[]
  /** Keys of owed effects that it has done. */
  readonly effectsDone: ReadonlySet<string>
  /** The effect that is under way, and how it ends: true where it is done. */
  readonly effectUnderWay: { readonly key: string; readonly ended: Promise<boolean> } | undefined
  /** Effects that ran for events that were revoked, since the process began. */
  readonly effectsRevoked: number
  /** Until then the input of the session that has ended is still about to return. */
  readonly inputEnded: Promise<void> | undefined
}

export interface SeedMoment {
  readonly session: string
  readonly predecessor: string
  /** Watch over clock and chance, as in handlers. */
  readonly isGuarded: boolean
}

/** What a host takes with it from the end of its session. @throws SeqcastError E_HANDLER, E_PAYLOAD, E_NONDETERMINISM */
export function carryOver(component: Component, parts: HostParts, moment: SeedMoment, effectsRevoked: number): Carry {
  const { application, commands, outside, effects, seeding, role } = parts
  const left = seeding.left()
  const events = collectSeed(component, application, moment)
  // Nobody ever spoke for a component that was never active: what it would have said is not wanted now.
  const hasSpoken = role.term > 0
  const seed = {
    predecessor: moment.predecessor,
    events: [...left.events, ...events],
    effects: [...left.effects, ...(hasSpoken ? effects.owed() : [])],
    pending: [...left.pending, ...(hasSpoken ? commands.unsequenced() : [])],
  }
  return {
    seed,
    outside: outside.unsequenced(),
    effectsDone: effects.doneKeys(),
    effectUnderWay: effects.underWay,
    effectsRevoked,
    inputEnded: outside.inputEnded,
  }
}

/** Asks the component for its seed. @throws SeqcastError E_HANDLER, E_PAYLOAD, E_NONDETERMINISM */
export function collectSeed(component: Component, application: Application, moment: SeedMoment): OutboxMessage[] {
  const { name, schema, seed } = component
  const messages: OutboxMessage[] = []
  if (seed === undefined) return messages
  const { session, predecessor, isGuarded } = moment
  let isOver = false
  const collector: UntypedSeed = {
    session,
    predecessor,
    timeUs: application.timeUs,
    send: (event, payload) => {
      if (isOver) throw new Error(`${name}: seed.send after seed had returned`)
      const type = schema.typeOf(event)
      if (type === undefined) throw new Error(`'${event}' is no event of the schema of ${name}`)
      messages.push({ type, payload: schema.encode(event, payload).slice() })
    },
    timers: () => application.timers.pending(),
  }
  application.rest()
  if (isGuarded) guard.enter()
  try {
    const returned = seed(application.state, collector)
    if (returned !== undefined) refusePromise(returned, 'seed')
    return messages
  } catch (thrown) {
    const isTold = thrown instanceof SeqcastError && thrown.code === 'E_NONDETERMINISM'
    throw isTold ? thrown : seedError(name, session, thrown)
  } finally {
    isOver = true
    if (isGuarded) guard.leave()
  }
}
