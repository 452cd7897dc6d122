/**
 * Plays a recording to one component or to several at once, in hosts that compute and verify and say nothing. It moves as it is told:
 * run by run where only the end matters, event by event where somebody looks.
 *
 * Components take the events in the order in which they are given here, each all of a run before the next one does. They have
 * nothing in common but the events, so that makes no difference to them.
 */
import type { Component } from '../component/definition.js'
import { ComponentHost } from '../component/host.js'
import type { HostObserver } from '../component/host-options.js'
import type { SeqcastError } from '../core/errors.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { EventLogReader } from '../protocol/event-log.js'
import { readU16 } from '../wire/bytes.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import { EVENT_HEADER_BYTES, eventTimeUs } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'

/** A component that is played, and what becomes of it. */
export interface PlayedComponent {
  readonly component: Component
  /** It begins after this one's event, and not at the first. */
  readonly checkpoint?: Checkpoint | undefined
  readonly observer?: HostObserver
}

export interface PlayerOptions {
  readonly session: string
  /** The recording; it must have the session from its first event on, or from where the first of the components begins. */
  readonly log: EventLogReader
  readonly components: readonly PlayedComponent[]
  /** Catch the clock, randomness and timers of the machine inside handlers. Default true. */
  readonly guard?: boolean
  readonly logger?: Logger
}

/** One of the components, as far as it was played. */
export class Part {
  readonly component: Component
  readonly host: ComponentHost
  /** What it failed of: E_NONDETERMINISM with both sides, or the failure of a handler. It is played no further. */
  failure: SeqcastError | undefined
  /** The next event that it is given. */
  next: number

  /** @throws SeqcastError E_CHECKPOINT where it can't be used */
  constructor({ component, checkpoint, observer = {} }: PlayedComponent, options: PlayerOptions) {
    const { session, guard = true, logger = silentLogger } = options
    this.component = component
    this.host = new ComponentHost(
      component,
      {
        ...{ session, instance: 'replay', incarnation: 1, mode: 'replay', guard, observer, logger },
        ...(checkpoint === undefined ? {} : { checkpoint }),
      },
      {
        sendCommands: () => {
          throw new Error('a replay must not send')
        },
        stateChanged: () => {},
        failed: (error) => {
          this.failure = error
        },
      },
    )
    this.next = this.host.nextSequence
  }

  get name(): string {
    return this.component.name
  }

  get state(): unknown {
    return this.host.applicationState
  }

  /** The last event that it has handled. */
  get sequence(): number {
    return (this.failure === undefined ? this.next : this.host.nextSequence) - 1
  }

  give(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.failure !== undefined || sequence < this.next) return
    this.host.onRun(sequence, count, bytes, start, end, 0)
    this.next = sequence + count
  }
}

/**
 * Looks at a run before it is played.
 * @returns how many of its events are played now: all, some, or 0 to stop before it
 */
export type RunGate = (sequence: number, count: number, bytes: Uint8Array, start: number, end: number) => number

/** Looks at an event that was just played; `at` is where it begins in `bytes`. @returns false to stop after it */
export type EventVisitor = (sequence: number, bytes: Uint8Array, at: number, lengthBytes: number) => boolean

export class Player {
  readonly parts: readonly Part[]
  readonly #log: EventLogReader
  #next: number
  #timeUs = 0

  /** @throws SeqcastError E_CHECKPOINT */
  constructor(options: PlayerOptions) {
    this.#log = options.log
    this.parts = options.components.map((played) => new Part(played, options))
    this.#next = Math.min(...this.parts.map((part) => part.next))
  }

  /** The next event that is played. */
  get next(): number {
    return this.#next
  }

  /** Stream time of the last event that was played. */
  get timeUs(): number {
    return this.#timeUs
  }

  /** The name of a source, as far as the session was played; undefined where it is not registered. */
  sourceName(source: number): string | undefined {
    const part = this.parts.find(({ failure }) => failure === undefined) ?? this.parts[0]
    return part?.host.sources.numbered(source)?.name
  }

  /** No component is left that could be played on. */
  get isFailed(): boolean {
    return this.parts.every((part) => part.failure !== undefined)
  }

  /**
   * Plays up to `to`, in runs as they were recorded, at most so many at once.
   * @returns false where nothing is left to play: `to` is reached, the recording ends, or all components have failed
   * @throws SeqcastError E_STORE_CORRUPT from the log
   */
  playRuns(to: number, maxRuns: number, gate?: RunGate): boolean {
    if (this.#next > to || this.isFailed) return false
    let isAtGate = false
    const before = this.#next
    this.#log.read(this.#next, maxRuns, (sequence, count, bytes, start, end) => {
      const wanted = this.#uncut(sequence, Math.min(count, to - sequence + 1))
      const given = gate === undefined ? wanted : Math.min(wanted, gate(sequence, wanted, bytes, start, end))
      isAtGate = given < wanted
      if (given > 0) this.#give(sequence, given, bytes, start, end)
      return !isAtGate && given === count && this.#next <= to && !this.isFailed
    })
    return (isAtGate || this.#next > before) && this.#next <= to && !this.isFailed
  }

  /**
   * Plays up to `to` event by event, at most so many runs at once; the visitor may stop it after any.
   * @returns what `playRuns` returns
   */
  playEvents(to: number, maxRuns: number, visit: EventVisitor): boolean {
    if (this.#next > to || this.isFailed) return false
    const before = this.#next
    this.#log.read(this.#next, maxRuns, (sequence, count, bytes, start) => {
      let at = start
      for (let i = 0; i < count && sequence + i <= to; i++) {
        const lengthBytes = readU16(bytes, at)
        const end = at + BLOCK_LENGTH_BYTES + lengthBytes
        this.#give(sequence + i, 1, bytes, at, end)
        if (!visit(sequence + i, bytes, at + BLOCK_LENGTH_BYTES, lengthBytes) || this.isFailed) return false
        at = end
      }
      return this.#next <= to
    })
    return this.#next > before && this.#next <= to && !this.isFailed
  }

  /** Ends all hosts. */
  stop(): void {
    for (const { host } of this.parts) host.stop('replay ended')
  }

  #give(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    for (const part of this.parts) part.give(sequence, count, bytes, start, end)
    this.#next = sequence + count
    this.#timeUs = lastTimeUs(bytes, start, count, this.#timeUs)
  }

  /** A run is cut where a component begins, so that each takes whole runs. */
  #uncut(sequence: number, count: number): number {
    let uncut = count
    for (const { next } of this.parts) if (next > sequence) uncut = Math.min(uncut, next - sequence)
    return uncut
  }
}

function lastTimeUs(bytes: Uint8Array, start: number, count: number, otherwise: number): number {
  let at = start
  for (let i = 1; i < count; i++) at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
  // What is no event of ours has no time.
  return readU16(bytes, at) < EVENT_HEADER_BYTES ? otherwise : eventTimeUs(bytes, at + BLOCK_LENGTH_BYTES)
}
