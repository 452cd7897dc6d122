/**
 * What a log has accepted and not yet written: it becomes the next transaction, or is taken back before.
 */
import type { Addition } from './lmdb-environment.js'
import { cutRecord, recordCount } from './record-format.js'

interface Bucket {
  readonly bucket: number
  readonly sequence: number
}

export class CommitQueue {
  #keys: number[] = []
  #records: Uint8Array[] = []
  #buckets: Bucket[] = []
  #bytes = 0
  #truncateFrom: number | undefined

  get packets(): number {
    return this.#keys.length
  }

  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0 && this.#truncateFrom === undefined
  }

  /** What was written before keeps its events below this only; infinity where no truncation waits. */
  get truncateFrom(): number {
    return this.#truncateFrom ?? Number.POSITIVE_INFINITY
  }

  push(sequence: number, record: Uint8Array): void {
    this.#keys.push(sequence)
    this.#records.push(record)
    this.#bytes += record.length
  }

  pushBucket(bucket: number, sequence: number): void {
    this.#buckets.push({ bucket, sequence })
  }

  /** Forgets the events from `fromSequence` on, here and, with the next transaction, in what is written by then. */
  truncate(fromSequence: number): void {
    this.#truncateFrom = Math.min(fromSequence, this.truncateFrom)
    while ((this.#keys.at(-1) ?? -1) >= fromSequence) {
      this.#keys.pop()
      this.#bytes -= this.#records.pop()?.length ?? 0
    }
    const key = this.#keys.at(-1)
    const record = this.#records.at(-1)
    if (key !== undefined && record !== undefined && key + recordCount(record) > fromSequence) {
      const cut = cutRecord(record, fromSequence - key)
      this.#records[this.#records.length - 1] = cut
      this.#bytes -= record.length - cut.length
    }
    this.#buckets = this.#buckets.filter(({ sequence }) => sequence < fromSequence)
  }

  lastBucket(): number | undefined {
    return this.#buckets.at(-1)?.bucket
  }

  /** All of it, for a transaction; the queue is empty afterwards. */
  take(): Addition {
    const addition = {
      keys: this.#keys,
      records: this.#records,
      buckets: this.#buckets,
      truncateFrom: this.#truncateFrom,
    }
    this.clear()
    return addition
  }

  clear(): void {
    this.#keys = []
    this.#records = []
    this.#buckets = []
    this.#bytes = 0
    this.#truncateFrom = undefined
  }
}
