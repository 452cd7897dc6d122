/**
 * What a simulated run lets others see while it goes on: the workload, the checkers and the counters of what was exercised
 * are all observers. Calls are synchronous; bytes are valid during the call. To report a broken guarantee an observer throws
 * a `Violation`, from any call.
 */
import type { ComponentHost } from '../component/host.js'
import type { EventLog } from '../protocol/event-log.js'
import type { SeenEffect } from './watch-effects.js'

export type SimKind = 'sequencer' | 'store' | 'component' | 'source' | 'operator'

/** One process: a start of a node. The node keeps its name, its address and its disk over restarts. */
export interface SimProcess {
  readonly node: string
  readonly kind: SimKind
  /** Which start of the node this is, from 1. */
  readonly start: number
  /** Of a store that votes; else ''. */
  readonly voter: string
  /** Of a component's replica; else ''. */
  readonly component: string
  readonly instance: string
  /** The session that the call is about; where it is about the process as such, the one that it was started with. */
  readonly session: string
}

export type SimStream = 'event' | 'command' | 'control' | 'unicast'

export interface SimObserver {
  started?(process: SimProcess, nowUs: number): void
  /** `killed` by a fault; `failed` by itself, with its error. A supervisor starts it again. */
  stopped?(process: SimProcess, how: 'killed' | 'failed', error: Error | undefined, nowUs: number): void
  /** A datagram as it leaves the process: it may be lost, delayed, or come twice. */
  sent?(process: SimProcess, stream: SimStream, bytes: Uint8Array, nowUs: number): void
  /** A store took a run of blocks; it is on the disk when `durable` says so. */
  appended?(
    process: SimProcess,
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    nowUs: number,
  ): void
  durable?(process: SimProcess, durableSequence: number, nowUs: number): void
  truncated?(process: SimProcess, fromSequence: number, nowUs: number): void
  /** A voter's promise is on its disk. */
  promised?(process: SimProcess, epoch: number, nowUs: number): void
  /** A store's log as the process found it on its disk. */
  recovered?(process: SimProcess, log: EventLog, nowUs: number): void
  /** The host of a component is given these blocks now. */
  delivered?(
    process: SimProcess,
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    nowUs: number,
  ): void
  /** The host of a component is told that events up to here are stable. */
  stable?(process: SimProcess, stableSequence: number, nowUs: number): void
  /** Events that a component was given, from here on, are no more: it will be given the session again from event 1. */
  revoked?(process: SimProcess, fromSequence: number, nowUs: number): void
  /** The host of a component begins with a session, or begins anew: before its first event. */
  began?(process: SimProcess, nowUs: number): void
  hostState?(process: SimProcess, state: string, reason: string, nowUs: number): void
  /** A component took a digest of its state after this event. */
  digest?(process: SimProcess, sequence: number, digest: Uint8Array, nowUs: number): void
  /** A component begins an effect; under which key, and for which event. */
  effectBegan?(process: SimProcess, effect: SeenEffect, nowUs: number): void
  /** The process says that what it has begun under this key was for an event that is no more. */
  effectRevoked?(process: SimProcess, key: string, nowUs: number): void
  effectEnded?(process: SimProcess, effect: SeenEffect, nowUs: number): void
  /** Something that a process wrote to its log. */
  logged?(process: SimProcess, level: SimLogLevel, fields: Readonly<Record<string, unknown>>, message: string): void
  /** A fault of the schedule is played now. */
  fault?(kind: string, text: string, nowUs: number): void
  /** All is healed and started again; from now on only the end is awaited. */
  faultsOver?(nowUs: number): void
  /** Once, at the end of a run that has converged. */
  converged?(final: FinalState): void
}

export type SimLogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface FinalState {
  readonly nowUs: number
  /** The session that goes on: everybody is in it. */
  readonly session: string
  /** As the reigning sequencer says it: everything is stable. */
  readonly stableSequence: number
  readonly stores: readonly { readonly process: SimProcess; readonly log: EventLog }[]
  readonly hosts: readonly { readonly process: SimProcess; readonly host: ComponentHost }[]
}

export type ObserverCalls = { [K in keyof SimObserver]-?: NonNullable<SimObserver[K]> }

/**
 * One observer that calls all of these in order. What one of them throws goes to `failed`, and not into the code that is observed.
 */
export function observeAll(observers: readonly SimObserver[], failed: (thrown: unknown) => void): ObserverCalls {
  const to = <A extends unknown[]>(pick: (observer: SimObserver) => ((...args: A) => void) | undefined) => {
    const calls = observers.flatMap((observer) => pick(observer)?.bind(observer) ?? [])
    return (...args: A): void => {
      try {
        for (const call of calls) call(...args)
      } catch (thrown) {
        failed(thrown)
      }
    }
  }
  return {
    started: to((o) => o.started),
    stopped: to((o) => o.stopped),
    sent: to((o) => o.sent),
    appended: to((o) => o.appended),
    durable: to((o) => o.durable),
    truncated: to((o) => o.truncated),
    promised: to((o) => o.promised),
    recovered: to((o) => o.recovered),
    delivered: to((o) => o.delivered),
    stable: to((o) => o.stable),
    revoked: to((o) => o.revoked),
    began: to((o) => o.began),
    hostState: to((o) => o.hostState),
    digest: to((o) => o.digest),
    effectBegan: to((o) => o.effectBegan),
    effectRevoked: to((o) => o.effectRevoked),
    effectEnded: to((o) => o.effectEnded),
    logged: to((o) => o.logged),
    fault: to((o) => o.fault),
    faultsOver: to((o) => o.faultsOver),
    converged: to((o) => o.converged),
  }
}
