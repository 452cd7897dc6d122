/** What the sequencer is given, what it gives, and what it counts. */
import type { Logger } from '../core/log.js'
import { COMMAND_REASONS } from '../wire/command.js'
import type { ControlBodies, ControlKind } from '../wire/control.js'
import type { RetransmitterOutput } from './retransmitter.js'
import type { StaticEvents } from './session-opening.js'
import type { AcknowledgementReason } from './stability.js'

/** The epoch that a session begins with; the only one of a session without voters. */
export const FIRST_EPOCH = 1
export const PROTOCOL_VERSION = 1

/**
 * `rebuilding`: reads what the session has; `seeding`: sequences what the session begins with, and takes commands of seeds only; `open`: accepts
 * commands; `held`: the window is full of what is not yet stable, or
 * a session that is continued has not settled yet, commands are dropped; `ending`: the session's end is sent repeatedly; `ended`: nothing more will be sent; `stopped`: this
 * process must not go on, see the reason.
 */
export type SequencerState = 'rebuilding' | 'seeding' | 'open' | 'held' | 'ending' | 'ended' | 'stopped'

export interface SequencerOptions {
  readonly session: string
  /** Largest UDP payload, authentication tag included. */
  readonly datagramBytes: number
  /** Room that is left for an authentication tag; default 16. */
  readonly tagBytes?: number
  /** Ids of the stores whose majority makes events stable; none: published is stable. */
  readonly voters: readonly string[]
  /** Random, of this process: the `sender` of its control messages. */
  readonly incarnation: number
  /** Where requests for retransmission are received; announced in heartbeats. */
  readonly requestPort: number
  /** The window's bounds. */
  readonly windowPackets?: number
  readonly windowBytes?: number
  /** The first heartbeat comes so long after the last packet; then twice as long, up to `heartbeatMaxUs`. */
  readonly heartbeatMinUs?: number
  /** The control heartbeat comes so often, always. */
  readonly heartbeatMaxUs?: number
  /**
   * A session without voters that is continued accepts commands only after so long, and speaks often meanwhile: whoever delivered
   * or sent what is not in the record any more must have heard of it before the same numbers become other events. Default 0.
   * With voters the epoch says so at once.
   */
  readonly settleUs?: number
  /** A Tick event when nothing was sequenced for so long; 0 for none. */
  readonly tickUs?: number
  /** Of a session that begins: components whose seed is awaited, besides those that were active in its predecessor. */
  readonly seeders?: readonly string[]
  /** Of a session that begins: what is sequenced first. */
  readonly staticEvents?: StaticEvents
  readonly logger?: Logger
}

export interface SequencerOutput extends RetransmitterOutput {
  /** Multicasts a packet on the event stream; it is valid during the call. */
  sendEvents(packet: Uint8Array): void
  /** Multicasts a control message of this session and sender. */
  sendControl<K extends ControlKind>(kind: K, body: ControlBodies[K]): void
  stateChanged(state: SequencerState, reason: string): void
}

const ACKNOWLEDGEMENT_REASONS = [
  'unknown-voter',
  'other-epoch',
  'earlier-life',
] as const satisfies readonly AcknowledgementReason[]

/** Packets and commands in and out, then one counter for each reason to drop something. */
export const SEQUENCER_COUNTERS = [
  'command-packets',
  'events',
  'passed-through-packets',
  'gathered-packets',
  ...COMMAND_REASONS,
  'oversize-packet',
  'foreign-session',
  'other-reign',
  'unregistered-source',
  'closed-source',
  'repeated-commands',
  'ahead-packets',
  'exhausted-source',
  'forbidden-type',
  'broken-fragments',
  'oversize-command',
  'bad-registration',
  'repeated-registrations',
  'refused-registrations',
  'held-packets',
  'not-open-packets',
  'seeding-packets',
  ...ACKNOWLEDGEMENT_REASONS,
  'unbelieved-lives',
  'foreign-control',
  'malformed-control',
  'unauthenticated',
  'admin-requests',
  'admin-not-open',
  'admin-without-nonce',
  'second-sequencer',
  'clock-ahead',
  'clock-behind',
] as const

export type SequencerCounterName = (typeof SEQUENCER_COUNTERS)[number]
