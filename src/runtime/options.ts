/**
 * What every role is told: where the streams are, how the loop idles, which faults to play. Defaults run on loopback, so that
 * every command works on a laptop.
 */
import type { Logger } from '../core/log.js'
import type { GroupAddress } from '../net/interfaces.js'
import type { FaultOptions } from '../protocol/fault-filter.js'
import { SUCCESSION_SUSPECT_US } from '../protocol/succession.js'
import type { IdleMode } from './duty-cycle.js'
import type { Platform } from './platform.js'

export const DEFAULT_SESSION = 'SEQCAST'
export const DEFAULT_INTERFACE = '127.0.0.1'
export const DEFAULT_EVENT_GROUP: GroupAddress = { group: '239.255.77.1', port: 7701 }
export const DEFAULT_COMMAND_GROUP: GroupAddress = { group: '239.255.77.2', port: 7702 }
export const DEFAULT_CONTROL_GROUP: GroupAddress = { group: '239.255.77.3', port: 7703 }
export const DEFAULT_STORE_REQUEST_PORT = 7710
export const DEFAULT_STORE_REWIND_PORT = 7711
export const DEFAULT_SEQUENCER_REQUEST_PORT = 7712

/** Status and heartbeats go out this often; three missed ones are silence. */
export const STATUS_EVERY_US = 100_000
export const SILENCE_US = 350_000

/** A standby suspects the active sequencer after so long without a sign of it: three missed heartbeats. */
export const DEFAULT_SUSPECT_MS = 300
/** A replica suspects the active one of its component after so long: its handlers, digests and collections pause it, too. */
export const DEFAULT_REPLICA_SUSPECT_MS = SUCCESSION_SUSPECT_US / 1_000

export interface RoleOptions {
  readonly session: string
  readonly interfaceAddress: string
  readonly eventGroup: GroupAddress
  readonly commandGroup: GroupAddress
  readonly controlGroup: GroupAddress
  /** Where a store answers; empty: stores are learnt from their status on the control stream. */
  readonly stores: readonly StoreAddress[]
  readonly datagramBytes: number
  readonly idle: IdleMode
  /** Authentication key; undefined: none. */
  readonly key?: Uint8Array
  /** Faults played on everything that this process receives, for tests and demonstrations. */
  readonly faults?: SeededFaults
  readonly logger: Logger
  /** What the process stands on; default: this machine. */
  readonly platform?: Platform
}

/** Faults that are the same for the same seed. */
export interface SeededFaults extends FaultOptions {
  readonly seed: number
}

export interface StoreAddress {
  readonly address: string
  readonly requestPort: number
  readonly rewindPort: number
}

/** A running role. */
export interface Role {
  /** Resolves when the role has stopped in order, rejects with what made it fail. */
  readonly done: Promise<void>
  /** Stops in order: what was accepted is finished, what is durable is closed. */
  stop(reason: string): Promise<void>
}
