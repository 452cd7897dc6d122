/**
 * Reading a recorded session, whatever keeps its tables. The bounds are the owner's to move: a writer's with each commit, a
 * reader's with each refresh.
 */

import type { EventLogReader, RunVisitor } from '../protocol/event-log.js'
import { readU64 } from '../wire/bytes.js'
import type { Table } from './lmdb-environment.js'
import { blockAt, checkRecord, RECORD_HEADER_BYTES, recordCount, recordTimeNs, recordTimeUs } from './record-format.js'
import { corruptRecord } from './store-error.js'
import { type BlockKind, bucketOf, firstInBucket } from './time-index.js'

export interface SessionTables {
  readonly packets: Table
  readonly times: Table
}

export class RecordReader implements EventLogReader {
  readonly session: string
  readonly kind: BlockKind
  readonly #packets: Table
  readonly #times: Table
  readonly #isFollowing: boolean
  /** Set by the owner: what can be read is from here ... */
  firstSequence: number
  /** ... to here, both included. */
  committedSequence: number

  /** @param isFollowing true where another process may be writing */
  constructor(session: string, kind: BlockKind, tables: SessionTables, firstSequence: number, isFollowing = false) {
    this.#isFollowing = isFollowing
    this.session = session
    this.kind = kind
    this.#packets = tables.packets
    this.#times = tables.times
    this.firstSequence = firstSequence
    this.committedSequence = firstSequence - 1
  }

  /** What is not recorded is not visited: `from` outside of the log returns `from`. */
  read(from: number, maxPackets: number, visit: RunVisitor): number {
    if (from < this.firstSequence || from > this.committedSequence) return from
    let key = from
    let record = this.#packets.get(from)
    if (record === undefined) {
      key = this.#packets.floorKey(from) ?? from
      record = this.#packets.get(key)
    }
    let skip = from - key
    for (let packets = 0; packets < maxPackets; packets++) {
      if (record === undefined) return this.#missing(key + skip)
      let end = record.length
      const reason = checkRecord(record, end)
      if (reason !== undefined) throw corruptRecord(this.session, key, reason)
      let next = key + recordCount(record)
      if (key + skip >= next) return this.#missing(key + skip)
      const start = skip === 0 ? RECORD_HEADER_BYTES : blockAt(record, RECORD_HEADER_BYTES, end, skip)
      if (start < 0) throw corruptRecord(this.session, key, 'blocks-do-not-fit')
      if (next > this.committedSequence + 1) {
        next = this.committedSequence + 1
        end = blockAt(record, RECORD_HEADER_BYTES, end, next - key)
      }
      const goOn = visit(key + skip, next - key - skip, record, start, end, recordTimeUs(record), recordTimeNs(record))
      key = next
      skip = 0
      if (!goOn || key > this.committedSequence) break
      record = this.#packets.get(key)
    }
    return key
  }

  /** Where the recording process has taken its tail back, the log ends earlier than at the last look: that is no damage. */
  #missing(sequence: number): number {
    const end = this.#isFollowing ? endOfRecords(this.session, this.#packets, 'count') : undefined
    if (!this.#isFollowing || sequence < (end ?? this.firstSequence)) {
      throw corruptRecord(this.session, sequence, 'missing-record')
    }
    this.committedSequence = (end ?? this.firstSequence) - 1
    return sequence
  }

  sequenceAtTime(timeUs: number): number {
    const bucket = bucketOf(timeUs)
    const at = this.#times.ceilingKey(bucket)
    const value = at === undefined ? undefined : this.#times.get(at)
    const found = value === undefined ? Number.POSITIVE_INFINITY : readU64(value, 0)
    const candidate = Math.min(found, this.committedSequence + 1)
    return this.kind === 'opaque' || candidate <= this.firstSequence ? candidate : this.#within(candidate, bucket)
  }

  /** The packet before the candidate may reach into the bucket. */
  #within(candidate: number, bucket: number): number {
    let first = candidate
    this.read(this.#packets.floorKey(candidate - 1) ?? candidate, 1, (sequence, count, bytes, start, end) => {
      first = sequence + firstInBucket(bytes, start, end, count, bucket)
      return false
    })
    return first
  }
}

/**
 * The sequence after the last record, or undefined where there is none. `count` takes the record's word for its count, so
 * that tools can look into a session whose end is damaged.
 * @throws SeqcastError E_STORE_CORRUPT, with `check`, where that record is damaged
 */
export function endOfRecords(session: string, packets: Table, depth: 'check' | 'count'): number | undefined {
  const last = packets.lastKey()
  const record = last === undefined ? undefined : packets.get(last)
  if (last === undefined || record === undefined) return undefined
  const reason = checkRecord(record, record.length)
  if (reason === undefined) return last + recordCount(record)
  if (depth === 'check') throw corruptRecord(session, last, reason)
  return last + (record.length < RECORD_HEADER_BYTES ? 1 : Math.max(1, recordCount(record)))
}

/** @throws RangeError where a log can't be truncated from there */
export function checkTruncation(
  log: { readonly firstSequence: number; readonly nextSequence: number },
  fromSequence: number,
): void {
  if (fromSequence >= log.firstSequence && fromSequence <= log.nextSequence) return
  throw new RangeError(`truncation from ${fromSequence} of a log of ${log.firstSequence} to ${log.nextSequence - 1}`)
}
