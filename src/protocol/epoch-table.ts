/**
 * Which epoch a sequence belongs to. The sequencer's control heartbeat carries the table; an event is admitted only if the
 * epoch of its birth is the table's for its sequence, so that a branch of the stream that lost cannot slip in.
 */
import { MAX_EPOCH, MAX_SEQUENCE } from '../core/limits.js'
import type { EpochTableEntry } from '../wire/control.js'

export class EpochTable {
  #epochs: number[] = [1]
  #opens: number[] = [1]

  /** The newest epoch that is known. */
  get newest(): number {
    return this.#epochs[this.#epochs.length - 1]!
  }

  /** The epoch that events with this sequence carry. */
  epochAt(sequence: number): number {
    return this.#epochs[this.#indexOf(sequence)]!
  }

  /** The first sequence after `sequence` that belongs to another epoch; above every sequence where there is none yet. */
  spanEnd(sequence: number): number {
    return this.#opens[this.#indexOf(sequence) + 1] ?? MAX_SEQUENCE + 1
  }

  /**
   * Takes over a newer table.
   * @returns the first sequence whose epoch is another one now; 0 where nothing changed; -1 where the table is invalid (it
   * must begin at sequence 1 and both columns must rise)
   */
  adopt(entries: readonly EpochTableEntry[]): number {
    const last = entries[entries.length - 1]
    if (last === undefined || last.epoch <= this.newest) return 0
    if (!isEpochTable(entries)) return -1
    const parted = this.#firstDifference(entries)
    this.#epochs = entries.map((entry) => entry.epoch)
    this.#opens = entries.map((entry) => entry.sequence)
    return parted
  }

  #indexOf(sequence: number): number {
    let index = this.#opens.length - 1
    while (index > 0 && this.#opens[index]! > sequence) index--
    return index
  }

  #firstDifference(entries: readonly EpochTableEntry[]): number {
    for (let i = 0; ; i++) {
      const entry = entries[i]
      const opens = this.#opens[i] ?? MAX_SEQUENCE
      if (entry === undefined) return opens
      if (entry.epoch !== this.#epochs[i] || entry.sequence !== opens) return Math.min(entry.sequence, opens)
    }
  }
}

/** True where the first entry is at sequence 1 and both columns rise. */
export function isEpochTable(entries: readonly EpochTableEntry[]): boolean {
  let epoch = 0
  let sequence = 0
  for (const entry of entries) {
    if (
      !Number.isSafeInteger(entry.sequence) ||
      !(entry.epoch > epoch && entry.epoch <= MAX_EPOCH) ||
      entry.sequence <= sequence
    )
      return false
    epoch = entry.epoch
    sequence = entry.sequence
  }
  return entries[0]?.sequence === 1
}
