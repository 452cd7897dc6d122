/** What a replica of a component is told. */
import type { HostObserver } from '../component/host-options.js'
import type { CheckpointOptions } from './component-checkpoints.js'
import type { RoleOptions } from './options.js'

export interface ComponentRoleOptions extends RoleOptions {
  /** Which replica this is: a name that stays the same over restarts. */
  readonly instance: string
  /** True: leaves the beginning of a session to another replica. Either takes over where the active one is silent. */
  readonly standby: boolean
  /** Takes over from nobody: an operator decides. Without `standby` it still offers itself when it has come and nobody is active. */
  readonly manual?: boolean
  /** Of several that wait the least rank comes first, by 100 ms each; 0 unless told. */
  readonly rank?: number
  /** How long a silence of the active replica, in microseconds, is its death; 500 ms unless told. */
  readonly suspectUs?: number
  /** Catch what makes handlers indeterministic; costs a little. */
  readonly guard: boolean
  /** Directory of a store on this machine, from whose files to rewind; where it lacks the session, over TCP. */
  readonly localStore?: string
  /** Where to begin instead of at the first event, and what to leave for the next start. */
  readonly checkpoints?: CheckpointOptions
  /** Told how long each command took to come back as an event. */
  readonly onCommandReturned?: (latencyUs: number) => void
  readonly onStateChanged?: (state: string, reason: string) => void
  /** Looks on: also at effects that ran for events that a failover has revoked. */
  readonly observer?: HostObserver
}
