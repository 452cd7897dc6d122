/** One of the two versions that are compared: what it tells about itself, about its run, and about one moment of it. */
import type { SchemaDescriptor } from '../../component/descriptor.js'
import type { Timer } from '../../component/timers.js'
import type { Difference } from '../state-diff.js'
import type { CompareMode } from './compare-player.js'
import type { LargeKeys } from './large-look.js'

/** What a version consists of, as plain data. */
export interface SideDescription {
  readonly component: string
  readonly schemaHash: string
  readonly schema: SchemaDescriptor
  /** Names of the events that it handles, of its timers, and of the events that have effects. */
  readonly handlers: readonly string[]
  readonly timers: readonly string[]
  readonly effects: readonly string[]
}

export interface PlayRequest {
  readonly mode: Exclude<CompareMode, 'plain'>
  /** Commands are compared by the names of their fields. */
  readonly byName: boolean
}

/** Hashes after events, one after the other: two words each. The first of a session is that of event 0: the initial state. */
export interface Stretch {
  readonly first: number
  readonly chain: Int32Array
}

export interface SideFailure {
  readonly code: string
  readonly message: string
}

export interface PlayEnd {
  /** The last event that was played. */
  readonly sequence: number
  readonly failure: SideFailure | undefined
  /** False: a change of the state may have been missed, and only mode `full` is right. */
  readonly isSound: boolean
  readonly commands: number
}

export interface SideCommand {
  readonly name: string
  /** JSON values. */
  readonly payload: unknown
  /** Name and values without defaults: what is compared where the schemas differ. */
  readonly comparable: unknown
}

/** A version right after one event. */
export interface Moment {
  readonly sequence: number
  readonly timeUs: number
  /** The event, as this version reads it; undefined for event 0. */
  readonly event: { readonly name: string; readonly sourceName: string; readonly payload: unknown } | undefined
  readonly state: unknown
  /** What the event has changed in large maps. */
  readonly largeKeys: LargeKeys
  readonly timers: readonly Timer[]
  readonly commands: readonly SideCommand[]
  /** What the event changed in its state. */
  readonly changes: Difference
  /** Of state and timers before the event: equal in both versions, as nothing differed yet. */
  readonly hashBefore: string
  readonly hashAfter: string
  readonly failure: SideFailure | undefined
}

export interface Side {
  describe(): Promise<SideDescription>
  /** Plays the whole session. The listener gets each stretch in order, and returns false to end it. */
  play(request: PlayRequest, onStretch: (stretch: Stretch) => boolean): Promise<PlayEnd>
  /** Plays up to one event, with handlers that get the state as it is. Large maps are there with these keys only. */
  moment(sequence: number, keys: LargeKeys): Promise<Moment>
}
