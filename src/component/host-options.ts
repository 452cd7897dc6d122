/** What a host is given, and what it gives. */
import type { Clock } from '../core/clock.js'
import type { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { OutboxMessage } from '../protocol/outbox-types.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import type { Carry } from './carry.js'
import type { RevokedEffect } from './effects.js'
import type { KeptOutside } from './kept-outside.js'
import type { LargeTables } from './large/large-tables.js'
import type { ComponentState } from './lifecycle.js'

/** `replica`: follows a live session, and may become active. `replay`: computes and verifies, and says nothing. */
export type HostMode = 'replica' | 'replay'

export interface HostOptions {
  readonly session: string
  /** Which replica this is: a name that stays the same over restarts. */
  readonly instance: string
  /** Which process of that instance; unique. A safe integer above 0. */
  readonly incarnation: number
  readonly mode: HostMode
  /**
   * Numbers from 1 for registrations that nobody else in the session uses. Default: a sequence that instance and incarnation
   * determine, which a second host of the same process would repeat.
   */
  readonly nonce?: () => number
  /** Largest UDP payload that this process can send; the session's own value is used where that is smaller. */
  readonly datagramBytes?: number
  /** Room that command packets leave for an authentication tag; default 16. */
  readonly tagBytes?: number
  /** Catch the clock, randomness and timers of the machine inside handlers. Default true. */
  readonly guard?: boolean
  /** Commands of handlers that may wait to become stable; reaching it stops the component. */
  readonly outboxCommands?: number
  /** Commands of input and effects that may wait to become stable; reaching it makes `port.ready()` wait. */
  readonly outsideCommands?: number
  /** For latencies of what is issued between turns; absent: the time of the last turn. */
  readonly clock?: Clock
  /** Where to begin, instead of before the first event: the next event that it takes is the one after it. */
  readonly checkpoint?: Checkpoint
  /** Files behind the large maps of the state. With a checkpoint, as they were when it was taken. */
  readonly large?: LargeTables
  /** What `revoked` of the process's host before returned. */
  readonly survivors?: Survivors
  /** What `carryOver` of the process's host of the session before returned. Also for the hosts after a revocation. */
  readonly carry?: Carry
  readonly observer?: HostObserver
  readonly logger?: Logger
}

export interface HostOutput {
  /** A packet for the command stream, valid during the call. */
  sendCommands(packet: Uint8Array): void
  stateChanged(state: ComponentState, reason: string): void
  /** After `stateChanged('failed')`: the component does not go on. */
  failed(error: SeqcastError): void
  /** A command that this process sent came back as an event, so long after it was issued. */
  commandReturned?(latencyUs: number): void
  /** Something was issued outside of a turn (by input, or by an effect that has ended): call `flush` soon. */
  wantsFlush?(): void
  /** Event `sequence` ends the session; `successor` goes on as soon as it is stable. The host handles nothing more. */
  rolled?(successor: string, sequence: number): void
}

/** What outlives a host whose events were revoked: the next host of the process is made with it. Opaque to applications. */
export interface Survivors {
  /** Commands from outside that are not stable. */
  readonly outside: KeptOutside | undefined
  /** Of the session before, and not entered yet. */
  readonly outsideCarried: readonly OutboxMessage[]
  /** Effects that this process has done, and that the stream does not know to be done. */
  readonly effectsDone: ReadonlySet<string>
  /** Effects that this process has begun for events that were not revoked, and were not stable either. */
  readonly effectsBegun: readonly RevokedEffect[]
  /** How many effects ran for events that were revoked, since the process began. */
  readonly effectsRevoked: number
  /** Goes on with the numbers for registrations. */
  readonly nonce: () => number
}

/** Looks on, in any mode. Bytes are valid during the call. */
export interface HostObserver {
  /** A host has begun: what is told from here on is of this session, and of its events from `nextSequence` on. */
  began?(session: string, nextSequence: number): void
  /** A handler issued a command while event `sequence` was handled; every replica and every replay does. */
  command?(sequence: number, type: number, payload: Uint8Array): void
  /** The state after event `sequence` has this digest. */
  digestTaken?(sequence: number, digest: Uint8Array): void
  /** The stream has the same digest of the state after event `sequence`. */
  digestVerified?(sequence: number, digest: Uint8Array): void
  /** These events are given to the component now: the first one is `sequence`. */
  delivered?(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void
  /** Events up to here are known to be stable. */
  stable?(sequence: number): void
  /** Events that were delivered, from here on, are no more: the session is delivered again from event 1. */
  revoked?(fromSequence: number): void
  /** An effect after `published` was begun for an event that is no more. No other event has its key. */
  effectRevoked?(effect: RevokedEffect): void
}
