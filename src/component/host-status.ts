/** What a replica says of itself on the control stream, gathered from its parts. */
import type { ComponentStatus } from '../wire/control.js'
import type { HostParts } from './host-parts.js'

/** What the host itself counts. */
export interface HostFigures {
  readonly nextSequence: number
  /** Effects that ran for events that were revoked. */
  readonly effectsRevoked: number
  readonly counters: Readonly<Record<string, number>>
}

export function statusOf(component: string, instance: string, parts: HostParts, own: HostFigures): ComponentStatus {
  const { application, commands, outside, effects, digests, messages, role, seeding, sessionEvents } = parts
  return {
    component,
    instance,
    state: role.state,
    reason: role.reason,
    term: role.term,
    nextSequence: own.nextSequence,
    digestSequence: digests.newestSequence,
    digest: digests.newest,
    outboxCommands: commands.held + outside.commands,
    counters: {
      ...own.counters,
      ...messages.counters,
      timers: application.timers.size,
      timersFired: application.timersFired,
      digestsTaken: digests.taken,
      digestsVerified: digests.verified,
      effectsPending: effects.size,
      partialMessages: messages.partials,
      effectsDone: sessionEvents.effectsDone,
      schemaMismatches: sessionEvents.schemaMismatches,
      outsideClosed: role.outsideClosed,
      outsideDropped: outside.droppedAfterRevocation,
      outsideDroppedAtRollover: outside.droppedAtRollover,
      effectsCarried: sessionEvents.effectsCarried,
      seedEvents: seeding.progress.events,
      effectsRevoked: own.effectsRevoked,
      resentCommands: commands.resent + outside.resent,
    },
  }
}
