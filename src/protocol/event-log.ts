/**
 * What the protocol needs of a recorded session; `store/` fulfils it on LMDB and in memory, and both pass one contract
 * test. Roles receive a log, so that nothing native is loaded unless it is used.
 *
 * Two words, never blurred: `committed` can be read, `durable` is synced to disk.
 */
import type { EpochTableEntry } from '../wire/control.js'

/**
 * Takes a run of message blocks (length u16 and bytes, each) that lies in `bytes` from `start` to `end`; its first event has
 * `sequence`. The bytes are valid during the call only.
 * @param receivedNs what the receive time has beyond its microseconds, 0 to 999; absent where nothing is known of it
 * @returns false to stop reading
 */
export type RunVisitor = (
  sequence: number,
  count: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  receivedUs: number,
  receivedNs?: number,
) => boolean

export interface EventLogReader {
  /**
   * Visits recorded runs from the event `from` on, cut so that the first begins exactly there, until the visitor
   * returns false, `maxPackets` were visited, or the committed end is reached.
   * @returns the sequence after the last one visited
   * @throws SeqcastError E_STORE_CORRUPT, with session and sequence, where a value's checksum is wrong
   */
  read(from: number, maxPackets: number, visit: RunVisitor): number
  /** The first sequence whose bucket of time is at or after `timeUs` (microseconds since the epoch); a place to start looking. */
  sequenceAtTime(timeUs: number): number
}

export interface EventLog extends EventLogReader {
  readonly session: string
  /** The first sequence that is recorded (1, unless the beginning was never received), and where the log starts when empty. */
  readonly firstSequence: number
  /** Everything below is accepted for recording; the next run appended must start here. */
  readonly nextSequence: number
  /** Everything from `firstSequence` to here can be read. */
  readonly committedSequence: number
  /** Everything from `firstSequence` to here is synced to disk. */
  readonly durableSequence: number
  /** The epoch of the event at `durableSequence`; 0 where there is none, or where the blocks are a foreign stream's. */
  readonly lastEpoch: number
  /** Where each epoch among the durable events begins; the first entry is at `firstSequence`. */
  readonly epochTable: readonly EpochTableEntry[]
  /**
   * Compares all that was appended, durable or not, with an epoch table.
   * @returns the first sequence whose epoch is not the table's: from there on this log is of another branch; `nextSequence`
   * where there is none
   */
  partsFrom(table: readonly EpochTableEntry[]): number
  /**
   * Records a run of blocks; the bytes are copied before the call returns. All appends of one turn of the event loop
   * become one transaction.
   * @throws Error where `sequence` is not `nextSequence`: a programmer's error
   */
  append(
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    receivedUs: number,
    receivedNs?: number,
  ): void
  /**
   * Takes the events from `fromSequence` on back, in one transaction: a packet that begins before is cut, what was appended
   * and not yet written is forgotten. The bounds move, and appending goes on from `fromSequence`, as soon as this returns;
   * what is appended before the transaction begins is part of it.
   * @returns a promise that resolves when it is on disk; never where writing fails (`onFailure` tells)
   * @throws RangeError where `fromSequence` is not in `firstSequence` to `nextSequence`: a programmer's error
   */
  truncate(fromSequence: number): Promise<void>
  /** Nothing will be appended any more: whatever keeps others from the log is given up, and it is read on until it is closed. */
  retire?(): Promise<void>
  /** How many appended runs are not yet durable: the caller's bound for back-pressure. */
  readonly pendingPackets: number
  /** Called after `durableSequence` has grown, and when a truncation is on disk. One listener. */
  onDurable(listener: (durableSequence: number) => void): void
  /** Called once when writing has failed (disk full, I/O error); nothing is accepted afterwards. One listener. */
  onFailure(listener: (error: Error) => void): void
  /** Resolves when all that was appended is durable, then closes. */
  close(): Promise<void>
}
