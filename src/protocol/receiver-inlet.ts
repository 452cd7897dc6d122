/**
 * The receiver's door: reads a datagram or a rewound run, and turns away, with a count of the reason, what does not belong
 * to the session, is not whole, or was not born in the epoch that its sequence belongs to.
 */
import type { Counters } from '../core/counters.js'
import { MAX_SEQUENCE } from '../core/limits.js'
import { sessionBytes } from '../core/session.js'
import { bytesEqualAt } from '../wire/bytes.js'
import { MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, MOLD_HEARTBEAT, moldCount, moldSequence } from '../wire/moldudp64.js'
import type { EpochTable } from './epoch-table.js'
import type { ReceiverCounter } from './receiver-options.js'
import { checkOpaqueRun, checkRun, SHORT_EVENT, TRUNCATED_BLOCK, UNKNOWN_EPOCH } from './run-check.js'

export type PacketKind = 'events' | 'heartbeat' | 'end-of-session' | 'dropped'

export class ReceiverInlet {
  readonly session: Uint8Array
  readonly #isOpaque: boolean
  readonly #epochs: EpochTable
  readonly #counters: Counters<ReceiverCounter>
  /** Of the packet that was read last. */
  sequence = 0
  count = 0
  /** Where its blocks end. */
  end = 0

  constructor(session: string, isOpaque: boolean, epochs: EpochTable, counters: Counters<ReceiverCounter>) {
    this.session = sessionBytes(session)
    this.#isOpaque = isOpaque
    this.#epochs = epochs
    this.#counters = counters
  }

  /** Reads a downstream packet; sets `sequence`, `count` and `end`. */
  read(packet: Uint8Array): PacketKind {
    if (packet.length < MOLD_HEADER_BYTES) return this.#drop('short-header')
    if (!bytesEqualAt(packet, 0, this.session)) return this.#drop('foreign-session')
    this.sequence = moldSequence(packet)
    // NaN, a number above the safe integers, is not at least 1 either.
    if (!(this.sequence >= 1)) return this.#drop('bad-sequence')
    this.count = moldCount(packet)
    if (this.count === MOLD_HEARTBEAT) return 'heartbeat'
    if (this.count === MOLD_END_OF_SESSION) return 'end-of-session'
    if (this.sequence + this.count > MAX_SEQUENCE) return this.#drop('bad-sequence')
    this.end = this.counted(this.verdict(packet, MOLD_HEADER_BYTES, packet.length, this.sequence, this.count))
    return this.end < 0 ? 'dropped' : 'events'
  }

  /** @returns where the blocks of the run end, or what `checkRun` has against it */
  verdict(bytes: Uint8Array, start: number, end: number, sequence: number, count: number): number {
    return this.#isOpaque
      ? checkOpaqueRun(bytes, start, end, count)
      : checkRun(bytes, start, end, sequence, count, this.#epochs)
  }

  /** Counts a verdict below zero: the run has to be dropped. */
  counted(verdict: number): number {
    if (verdict < 0) this.#drop(reasonOf(verdict))
    return verdict
  }

  #drop(reason: ReceiverCounter): 'dropped' {
    this.#counters[reason]++
    return 'dropped'
  }
}

function reasonOf(result: number): ReceiverCounter {
  if (result === TRUNCATED_BLOCK) return 'truncated-block'
  if (result === SHORT_EVENT) return 'short-event'
  return result === UNKNOWN_EPOCH ? 'unknown-epoch' : 'wrong-epoch'
}
