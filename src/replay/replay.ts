/**
 * Plays a recorded session to a component, in a host that computes and verifies and says nothing. Everything that the
 * component issues is compared with what the recording has: each command, and so each digest. The first difference ends the
 * replay and is its result: where, what was recorded, what was computed.
 *
 * The state comes from all events from the first on, so the range that is asked for says where the replay begins to keep
 * the pace, and where it ends; what lies before it is played as fast as it can be.
 */
import type { Component } from '../component/definition.js'
import { ComponentHost } from '../component/host.js'
import type { HostObserver } from '../component/host-options.js'
import type { SeqcastError } from '../core/errors.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { EventLogReader } from '../protocol/event-log.js'
import { readU16 } from '../wire/bytes.js'
import { eventTimeUs } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'

export interface ReplayOptions {
  readonly session: string
  readonly component: Component
  /** The recording; it must have the session from its first event on. */
  readonly log: EventLogReader
  /** The first event that is played at the pace; before it there is no waiting. Default 1. */
  readonly fromSequence?: number
  /** The last event that is played. Default: the end of the recording. */
  readonly toSequence?: number
  /** Called before each packet from `fromSequence` on, with the time of its first event; what it returns is awaited. */
  readonly pace?: (timeUs: number, sequence: number) => Promise<void> | undefined
  /** Called now and then, and at the end, with the last event that was played. */
  readonly progress?: (sequence: number) => void
  readonly observer?: HostObserver
  /** Catch the clock, randomness and timers of the machine inside handlers. Default true. */
  readonly guard?: boolean
  /** Ends the replay between two packets. */
  readonly signal?: AbortSignal
  readonly logger?: Logger
}

export interface ReplayReport {
  /** The last event that was played; 0 where there was none. */
  readonly sequence: number
  /** Stream time of that event. */
  readonly timeUs: number
  /** What ended it: the end of the range or of the recording, the caller, or the first difference or failure. */
  readonly ended: 'complete' | 'aborted' | 'failed'
  /** `failed`: E_NONDETERMINISM with both sides, or what the component failed of. */
  readonly failure: SeqcastError | undefined
  /** The digest of the state at the end, in hex; undefined where the component failed. */
  readonly digest: string | undefined
  /** Recorded commands, and among them digests, that are equal to what was computed. */
  readonly commandsVerified: number
  readonly digestsVerified: number
  /** Commands that were computed and are not in the recording: what was under way when it ended. */
  readonly commandsLeft: number
  readonly counters: Readonly<Record<string, number>>
}

/** Packets that are read at once; then other work gets its turn. */
const SLICE_PACKETS = 256

/** Plays a session, or a part of it, to a new instance of a component. @throws SeqcastError E_STORE_CORRUPT from the log */
export async function replayComponent(options: ReplayOptions): Promise<ReplayReport> {
  return new Replay(options).run()
}

class Replay {
  readonly #options: ReplayOptions
  readonly #host: ComponentHost
  readonly #from: number
  readonly #to: number
  #failure: SeqcastError | undefined
  #next = 1
  #timeUs = 0
  /** The packet that has waited for its time already. */
  #pacedSequence = 0
  #wait: Promise<void> | undefined

  constructor(options: ReplayOptions) {
    const { session, component, guard = true, observer = {}, logger = silentLogger } = options
    this.#options = options
    this.#from = options.fromSequence ?? 1
    this.#to = options.toSequence ?? Number.POSITIVE_INFINITY
    this.#host = new ComponentHost(
      component,
      { session, instance: 'replay', incarnation: 1, mode: 'replay', guard, observer, logger },
      {
        sendCommands: () => {
          throw new Error('a replay must not send')
        },
        stateChanged: () => {},
        failed: (error) => {
          this.#failure = error
        },
      },
    )
  }

  async run(): Promise<ReplayReport> {
    const { log, progress, signal } = this.#options
    while (!this.#isOver && !(signal?.aborted ?? false)) {
      const before = this.#next
      log.read(this.#next, SLICE_PACKETS, (sequence, count, bytes, start, end) =>
        this.#onRun(sequence, count, bytes, start, end),
      )
      if (this.#wait !== undefined) {
        await this.#wait
        this.#wait = undefined
      } else if (this.#next === before)
        break // The end of the recording.
      else await yieldTurn()
      progress?.(this.#next - 1)
    }
    const report = this.#report()
    this.#host.stop('replay ended')
    return report
  }

  get #isOver(): boolean {
    return this.#failure !== undefined || this.#next > this.#to
  }

  /** @returns false to stop reading: a packet's time has not come, or it is over */
  #onRun(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (sequence >= this.#from && sequence !== this.#pacedSequence) {
      this.#pacedSequence = sequence
      this.#wait = this.#options.pace?.(eventTimeUs(bytes, start + BLOCK_LENGTH_BYTES), sequence)
      if (this.#wait !== undefined) return false
    }
    const played = Math.min(count, this.#to - sequence + 1)
    this.#host.onRun(sequence, played, bytes, start, end, 0)
    this.#next = this.#failure === undefined ? sequence + played : this.#host.nextSequence
    if (played > 0) this.#timeUs = lastTimeUs(bytes, start, played)
    return !this.#isOver
  }

  #report(): ReplayReport {
    const { counters, outboxCommands } = this.#host.status()
    const failure = this.#failure
    const isAborted = (this.#options.signal?.aborted ?? false) && !this.#isOver
    const digestsVerified = counters.digestsVerified ?? 0
    return {
      sequence: this.#next - 1,
      timeUs: this.#timeUs,
      ended: failure !== undefined ? 'failed' : isAborted ? 'aborted' : 'complete',
      failure,
      digest: failure === undefined ? this.#host.digest() : undefined,
      commandsVerified: (counters.commandsVerified ?? 0) + digestsVerified,
      digestsVerified,
      commandsLeft: outboxCommands,
      counters,
    }
  }
}

function lastTimeUs(bytes: Uint8Array, start: number, count: number): number {
  let at = start
  for (let i = 1; i < count; i++) at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
  return eventTimeUs(bytes, at + BLOCK_LENGTH_BYTES)
}

function yieldTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
