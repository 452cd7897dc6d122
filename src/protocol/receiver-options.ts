/**
 * What a receiver is told, what it tells, and what it counts.
 */
import { GAP_REWIND_EVENTS, REORDER_BYTES, REORDER_PACKETS } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { EpochTableEntry } from '../wire/control.js'

/**
 * `rewinding`: history comes from a store or a log; multicast packets wait. `live`: nothing is known to be missing, or it
 * is only late. `gap`: something is missing and was asked for. `ended`: the session's last event was delivered. `lost`:
 * what is missing can't be had; nothing is delivered any more.
 */
export type ReceiverState = 'rewinding' | 'live' | 'gap' | 'ended' | 'lost'

export interface ReceiverOptions {
  readonly session: string
  /** The first sequence to deliver, from 1. */
  readonly nextSequence: number
  /** How many request servers there are to rotate over. */
  readonly servers: number
  /** Of the randomised delays. */
  readonly seed: number
  /** Begin in `rewinding` (default). False where it is known that the stream has no earlier event. */
  readonly startRewinding?: boolean
  /** What is known of the stream's epochs at the start, from a log for instance; without it, that it begins with epoch 1. */
  readonly epochTable?: readonly EpochTableEntry[]
  /** It is known that the session has voters, from an earlier receiver for instance; otherwise the sequencer's heartbeats tell. */
  readonly hasVoters?: boolean
  /** Bounds of what came before its turn. */
  readonly reorderPackets?: number
  readonly reorderBytes?: number
  /** A wider hole is filled by a rewind. */
  readonly gapRewindEvents?: number
  /** A hole is asked for after a random time between these: what is late is not lost. */
  readonly requestDelayMinUs?: number
  readonly requestDelayMaxUs?: number
  /** A request is repeated, at the next server, after this time, which doubles up to the maximum. */
  readonly requestTimeoutUs?: number
  readonly requestTimeoutMaxUs?: number
  /** The rest of a partly answered request is asked for when the answer has paused for so long. */
  readonly requestSettleUs?: number
  /** Rounds over all servers without an answer before a rewind is tried. */
  readonly requestRounds?: number
  /** A failed rewind is tried again after this time, which doubles up to the maximum. */
  readonly rewindRetryMinUs?: number
  readonly rewindRetryMaxUs?: number
  /** A rewind that brings nothing for so long, while something is missing, counts as failed. */
  readonly rewindStallUs?: number
  /** A hole that did not shrink at its beginning for so long is lost; with voters it is only said, and waited for again. */
  readonly lossTimeoutUs?: number
  /** A foreign MoldUDP64 stream: blocks are not ours to look into. */
  readonly opaque?: boolean
  readonly logger?: Logger
}

export interface ReceiverOutput {
  /** The next run of events, in order, without hole or repeat. The bytes are valid during the call only. */
  deliver(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void
  /** A 20-byte MoldUDP64 request for one of the servers, counted from 0. Handed over. */
  request(packet: Uint8Array, server: number): void
  /** Open a rewind from this sequence on; may call back at once. It is running until `onRewindEnd` or `stopRewind`. */
  startRewind(fromSequence: number): void
  /** Close the rewind: it is not needed any more. */
  stopRewind(): void
  stateChanged(state: ReceiverState, reason: string): void
  /** The events `from` to `to` can't be had. The receiver stays in `lost`. */
  lost(from: number, to: number, reason: string): void
  /**
   * The stream goes on from `nextSequence`, below what was delivered: the events from there on were taken back. The receiver
   * stays in `lost`; a new one has to start where the state is right. Without this method `lost` is called.
   */
  revoked?(nextSequence: number, reason: string, cause: RevocationCause): void
}

/**
 * `other-branch`: the voters' newer reign goes on without these events. `restarted-behind`: a sequencer without voters was restarted
 * on a log that lacks them.
 */
export type RevocationCause = 'other-branch' | 'restarted-behind'

export const REVOCATION_REASONS: Readonly<Record<RevocationCause, string>> = {
  'other-branch': 'the epoch table names another branch',
  'restarted-behind': 'the sequencer restarted behind what was delivered',
}

/** How loud a change of state is: gaps come and go, and who is told of a revocation says it himself. */
export function levelOf(next: ReceiverState, reason: string): 'error' | 'info' | 'debug' {
  if (Object.values(REVOCATION_REASONS).includes(reason)) return 'info'
  if (next === 'lost') return 'error'
  return next === 'gap' || reason === 'gap-filled' ? 'debug' : 'info'
}

export const RECEIVER_COUNTERS = [
  'delivered-packets',
  'delivered-events',
  'reordered',
  'partly-repeated',
  'heartbeats',
  'gaps',
  'requests',
  'request-timeouts',
  'rewinds',
  'rewind-failures',
  'lost-events',
  'unanswered-holes',
  'revocations',
  'short-header',
  'foreign-session',
  'bad-sequence',
  'truncated-block',
  'short-event',
  'wrong-epoch',
  'unknown-epoch',
  'duplicate',
  'overflow',
  'after-end',
  'bad-end',
  'late-rewind',
  'broken-rewind',
  'stale-heartbeat',
  'rival-heartbeat',
  'disowned',
  'bad-heartbeat',
  'bad-epoch-table',
] as const

export type ReceiverCounter = (typeof RECEIVER_COUNTERS)[number]

/** Every option with its default. */
export function withDefaults(options: ReceiverOptions): Required<ReceiverOptions> {
  if (!(Number.isSafeInteger(options.nextSequence) && options.nextSequence >= 1)) {
    throw new RangeError(`a receiver cannot start at sequence ${options.nextSequence}`)
  }
  if (!(Number.isSafeInteger(options.servers) && options.servers >= 0)) {
    throw new RangeError(`a receiver cannot have ${options.servers} servers`)
  }
  return {
    startRewinding: true,
    epochTable: [],
    hasVoters: false,
    reorderPackets: REORDER_PACKETS,
    reorderBytes: REORDER_BYTES,
    gapRewindEvents: GAP_REWIND_EVENTS,
    requestDelayMinUs: 200,
    requestDelayMaxUs: 1_500,
    requestTimeoutUs: 10_000,
    requestTimeoutMaxUs: 200_000,
    requestSettleUs: 500,
    requestRounds: 3,
    rewindRetryMinUs: 100_000,
    rewindRetryMaxUs: 5_000_000,
    rewindStallUs: 500_000,
    lossTimeoutUs: 30_000_000,
    opaque: false,
    logger: silentLogger,
    ...options,
  }
}
