/**
 * Walks a whole recorded session and reports everything that is not as it was written: checksums, holes, blocks, what must
 * hold between our own events, and the time index. Damage does not end the walk: it goes on at the next record.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { readU64 } from '../wire/bytes.js'
import { EventChecker } from './event-checker.js'
import { LmdbLogReader } from './lmdb-log-reader.js'
import { checkBlocks, checkRecord, RECORD_HEADER_BYTES, recordCount, recordTimeUs } from './record-format.js'
import type { SessionTables } from './record-reader.js'
import { type BlockKind, packetBucket } from './time-index.js'
import { checkpointProblems } from './verify-checkpoints.js'

export interface Problem {
  readonly session: string
  readonly sequence: number
  readonly reason: string
  /** The particulars, for a reader; may be ''. */
  readonly detail: string
}

export interface VerifyProgress {
  /** The walk has come to this sequence of ... */
  readonly sequence: number
  /** ... this last one. */
  readonly lastSequence: number
}

export interface VerifyResult {
  readonly session: string
  readonly kind: BlockKind
  readonly firstSequence: number
  readonly lastSequence: number
  readonly packets: number
  /** Events in records that are whole. */
  readonly events: number
  /** Bytes of those events, with their lengths. */
  readonly bytes: number
  /** All problems up to a bound of 10,000; `problemCount` counts the rest too. */
  readonly problems: readonly Problem[]
  readonly problemCount: number
}

export interface VerifyOptions {
  /** Where the checkpoints are; default beside the recording. */
  readonly checkpoints?: string
  readonly onProgress?: (progress: VerifyProgress) => void
  readonly signal?: AbortSignal
}

const MAX_PROBLEMS = 10_000
const PACKETS_PER_TURN = 4_096

/** The session and its checkpoints. @throws SeqcastError E_SESSION_UNKNOWN, E_SESSION_FOREIGN, E_STORE_IO; damage is a result, not an error */
export async function verifySession(
  directory: string,
  session: string,
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  const reader = await LmdbLogReader.open(directory, session)
  try {
    const walk = new Walk(reader.session, reader.kind, reader.tables, reader.committedSequence)
    while (walk.step(PACKETS_PER_TURN)) {
      options.onProgress?.({ sequence: walk.sequence, lastSequence: reader.committedSequence })
      options.signal?.throwIfAborted()
      await nextTurn()
    }
    options.onProgress?.({ sequence: reader.committedSequence, lastSequence: reader.committedSequence })
    const problems = await checkpointProblems(options.checkpoints ?? directory, reader)
    return withProblems(walk.result(reader.statistics().packets), problems)
  } finally {
    await reader.close()
  }
}

/** A result with what else was found. */
export function withProblems(result: VerifyResult, more: readonly Problem[]): VerifyResult {
  return { ...result, problems: [...result.problems, ...more], problemCount: result.problemCount + more.length }
}

class Walk {
  readonly #session: string
  readonly #kind: BlockKind
  readonly #tables: SessionTables
  readonly #first: number
  #last: number
  readonly #problems: Problem[] = []
  readonly #checker: EventChecker
  /** The next sequence that is due; where none is recorded there, the walk goes on at the next record. */
  sequence: number
  #problemCount = 0
  #packets = 0
  #events = 0
  #bytes = 0
  #bucket = -1

  constructor(session: string, kind: BlockKind, tables: SessionTables, lastSequence: number) {
    this.#session = session
    this.#kind = kind
    this.#tables = tables
    this.#first = tables.packets.firstKey() ?? lastSequence + 1
    this.#last = lastSequence
    this.sequence = this.#first
    this.#checker = new EventChecker((sequence, reason, detail) => this.#problem(sequence, reason, detail))
    if (this.#first > 1) this.#checker.hole()
  }

  /** @returns false when the walk is over */
  step(maxPackets: number): boolean {
    for (let i = 0; i < maxPackets; i++) {
      if (this.sequence > this.#last) return false
      let record = this.#tables.packets.get(this.sequence)
      if (record === undefined) {
        const next = this.#tables.packets.ceilingKey(this.sequence)
        // The walk was to end at the last record: where that is gone, the store that records the session took its tail back.
        if (next === undefined) {
          this.#last = this.sequence - 1
          return false
        }
        this.#problem(
          this.sequence,
          'missing',
          `${next - 1 === this.sequence ? 'it is' : `events ${this.sequence} to ${next - 1} are`} not recorded`,
        )
        this.#checker.hole()
        this.sequence = next
        record = next > this.#last ? undefined : this.#tables.packets.get(next)
      }
      if (record !== undefined) this.#record(record)
    }
    return true
  }

  result(recordedPackets: number): VerifyResult {
    if (recordedPackets > this.#packets) {
      const detail = `${recordedPackets - this.#packets} records begin inside of others`
      this.#problem(this.#last, 'overlapping-records', detail)
    }
    return {
      session: this.#session,
      kind: this.#kind,
      firstSequence: this.#first,
      lastSequence: this.#last,
      packets: this.#packets,
      events: this.#events,
      bytes: this.#bytes,
      problems: this.#problems,
      problemCount: this.#problemCount,
    }
  }

  #record(record: Uint8Array): void {
    const key = this.sequence
    const end = record.length
    this.#packets++
    const reason = checkRecord(record, end) ?? checkBlocks(record, end)
    if (reason !== undefined) {
      this.#problem(key, reason, 'the record is damaged')
      this.#checker.hole()
      this.sequence = this.#tables.packets.ceilingKey(key + 1) ?? this.#last + 1
      return
    }
    const count = recordCount(record)
    this.#events += count
    this.#bytes += end - RECORD_HEADER_BYTES
    if (this.#kind === 'events') this.#checker.check(key, count, record, RECORD_HEADER_BYTES)
    this.sequence = key + count
    // Last, because the index is read through the buffer in which the record lies.
    this.#timeIndex(key, packetBucket(this.#kind, record, RECORD_HEADER_BYTES, end, recordTimeUs(record)))
  }

  #timeIndex(sequence: number, bucket: number): void {
    if (bucket <= this.#bucket) return
    this.#bucket = bucket
    const value = this.#tables.times.get(bucket)
    if (value !== undefined && readU64(value, 0) <= sequence) return
    this.#problem(sequence, 'time-index', 'its bucket of time has no entry, or one that is too late')
  }

  #problem(sequence: number, reason: string, detail: string): void {
    this.#problemCount++
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ session: this.#session, sequence, reason, detail })
  }
}
