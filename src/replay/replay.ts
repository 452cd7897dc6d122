/**
 * Plays a recorded session to a component, or to several at once, in hosts that compute and verify and say nothing. Everything that a
 * component issues is compared with what the recording has: each command, and so each digest. The first difference ends the
 * replay of that component and is its result: where, what was recorded, what was computed.
 *
 * The state comes from all events from the first on, so the range that is asked for says where the replay begins to keep
 * the pace, and where it ends; what lies before it is played as fast as it can be.
 */
import type { Component } from '../component/definition.js'
import type { HostObserver } from '../component/host-options.js'
import type { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { EventLogReader } from '../protocol/event-log.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import { eventTimeUs } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { type Part, type PlayedComponent, Player } from './player.js'

/** What is the same for one component and for several. */
export interface ReplayBounds {
  readonly session: string
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
  /** Catch the clock, randomness and timers of the machine inside handlers. Default true. */
  readonly guard?: boolean
  /** Ends the replay between two packets. */
  readonly signal?: AbortSignal
  readonly logger?: Logger
}

export interface ReplayOptions extends ReplayBounds {
  readonly component: Component
  /** Where it begins, instead of at the first event. */
  readonly checkpoint?: Checkpoint | undefined
  readonly observer?: HostObserver
}

export interface SystemReplayOptions extends ReplayBounds {
  /** All take the same events in one pass. */
  readonly components: readonly PlayedComponent[]
}

/** What ended it: the end of the range or of the recording, the caller, or the first difference or failure. */
export type ReplayEnding = 'complete' | 'aborted' | 'failed'

export interface ReplayReport {
  /** The last event that was played; 0 where there was none. */
  readonly sequence: number
  /** Stream time of that event. */
  readonly timeUs: number
  readonly ended: ReplayEnding
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

/** Plays a session, or a part of it, to a new instance of a component. @throws SeqcastError E_STORE_CORRUPT, E_CHECKPOINT */
export async function replayComponent(options: ReplayOptions): Promise<ReplayReport> {
  const { component, checkpoint, observer = {}, ...bounds } = options
  const [report] = await replaySystem({ ...bounds, components: [{ component, checkpoint, observer }] })
  if (report === undefined) throw new Error('a replay of one component has one report')
  return report
}

/**
 * Plays a session, or a part of it, to new instances of several components in one pass. One that differs or fails ends alone; the
 * others go on.
 * @returns a report for each, in their order
 * @throws SeqcastError E_STORE_CORRUPT from the log, E_CHECKPOINT where one can't be used
 */
export async function replaySystem(options: SystemReplayOptions): Promise<ReplayReport[]> {
  return new Replay(options).run()
}

class Replay {
  readonly #options: SystemReplayOptions
  readonly #player: Player
  readonly #from: number
  readonly #to: number
  /** The packet that has waited for its time already. */
  #pacedSequence = 0
  #wait: Promise<void> | undefined

  constructor(options: SystemReplayOptions) {
    this.#options = options
    this.#from = options.fromSequence ?? 1
    this.#to = options.toSequence ?? Number.POSITIVE_INFINITY
    this.#player = new Player(options)
  }

  async run(): Promise<ReplayReport[]> {
    const { progress, signal } = this.#options
    const gate = this.#options.pace === undefined ? undefined : this.#gate
    let isGoing = true
    while (isGoing && !(signal?.aborted ?? false)) {
      isGoing = this.#player.playRuns(this.#to, SLICE_PACKETS, gate)
      await (this.#wait ?? yieldTurn())
      this.#wait = undefined
      progress?.(this.#player.next - 1)
    }
    const reports = this.#player.parts.map((part) => this.#report(part, isGoing))
    this.#player.stop()
    return reports
  }

  /** What begins before the range and reaches into it is played in two. */
  readonly #gate = (sequence: number, count: number, bytes: Uint8Array, start: number): number => {
    if (sequence < this.#from) return Math.min(count, this.#from - sequence)
    if (sequence === this.#pacedSequence) return count
    this.#pacedSequence = sequence
    this.#wait = this.#options.pace?.(eventTimeUs(bytes, start + BLOCK_LENGTH_BYTES), sequence)
    return this.#wait === undefined ? count : 0
  }

  #report({ host, failure, sequence }: Part, wasGoing: boolean): ReplayReport {
    const { counters, outboxCommands } = host.status()
    const digestsVerified = counters.digestsVerified ?? 0
    return {
      sequence,
      timeUs: this.#player.timeUs,
      ended: failure !== undefined ? 'failed' : wasGoing ? 'aborted' : 'complete',
      failure,
      digest: failure === undefined ? host.digest() : undefined,
      commandsVerified: (counters.commandsVerified ?? 0) + digestsVerified,
      digestsVerified,
      commandsLeft: outboxCommands,
      counters,
    }
  }
}

function yieldTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
