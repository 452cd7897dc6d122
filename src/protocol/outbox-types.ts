/** What an outbox is told, what it tells, and what it counts. */
import type { Logger } from '../core/log.js'

export interface OutboxOptions {
  readonly session: string
  /** The source's number; 0 where it is not registered yet: nothing is sent until `bind`. */
  readonly source: number
  /** The number of the first command appended here. */
  readonly firstSourceSequence: number
  /** Largest UDP payload, the room for an authentication tag included. */
  readonly datagramBytes: number
  /** Room that is left for an authentication tag; default 16. */
  readonly tagBytes?: number
  /** Largest payload of one block: a constant of the session. Longer messages become trains of fragments. */
  readonly fragmentBytes: number
  /** Commands held until they are stable; `isFull` from there on. */
  readonly capacityCommands?: number
  /** Commands sent and not yet seen as events. */
  readonly inFlightCommands?: number
  readonly minRtoUs?: number
  readonly maxRtoUs?: number
  readonly logger?: Logger
}

/** What was issued at once, whether it fits one block or not. */
export interface OutboxMessage {
  readonly type: number
  readonly payload: Uint8Array
}

/** What has not come back whole, as `Outbox.capture` gives it. */
export interface OutboxCapture {
  /** The number of the first command of `blocks`. */
  readonly first: number
  /** How many of the commands have come back: the beginning of a message. */
  readonly returned: number
  readonly blocks: Uint8Array
}

export interface OutboxOutput {
  /** The packet is valid during the call. */
  sendCommands(packet: Uint8Array): void
  /** A command that was appended while connected came back as an event, `latencyUs` after its append. */
  returned?(sourceSequence: number, latencyUs: number): void
}

/**
 * `expected`: the event is the command that was next to come back. `diverged`: it has that number, but another type, flags
 * or payload than was computed here. `unknown`: no command of that number is waiting to come back here.
 */
export type OutboxVerdict = 'expected' | 'diverged' | 'unknown'

export const OUTBOX_COUNTERS = [
  'appended',
  'sentPackets',
  'sentCommands',
  'resentCommands',
  'timeouts',
  'returned',
  'released',
  'revoked',
  'diverged',
  'unknown',
] as const
export type OutboxCounter = (typeof OUTBOX_COUNTERS)[number]
