/**
 * Which epoch a sequence belongs to. The sequencer's control heartbeat carries the table; an event is admitted only if the
 * epoch of its birth is the table's for its sequence, so that a branch of the stream that lost cannot slip in.
 *
 * Before a heartbeat was heard the table is provisional: what a log has, or what a rewind shows to open an epoch. The table of
 * a heartbeat of that epoch, or of a newer one, overrules it.
 */
import { MAX_SEQUENCE } from '../core/limits.js'
import type { EpochTableEntry } from '../wire/control.js'
import { isEpochTable } from '../wire/epoch-entries.js'

export class EpochTable {
  #epochs: number[] = [1]
  #opens: number[] = [1]
  #isProvisional = true

  /** @param known of the events before those that will come, or nothing; the first entry may be anywhere */
  constructor(known: readonly EpochTableEntry[] = []) {
    if (known.length === 0) return
    this.#epochs = known.map((entry) => entry.epoch)
    this.#opens = known.map((entry, i) => (i === 0 ? 1 : entry.sequence))
  }

  get entries(): readonly EpochTableEntry[] {
    return this.#epochs.map((epoch, i) => ({ epoch, sequence: this.#opens[i]! }))
  }

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
   * Takes over the table of a heartbeat, where it says more.
   * @returns the first sequence whose epoch is another one now; 0 where nothing changed; -1 where the table is invalid (it
   * must begin at sequence 1 and both columns must rise)
   */
  adopt(entries: readonly EpochTableEntry[]): number {
    const last = entries[entries.length - 1]
    if (last === undefined || last.epoch < this.newest) return 0
    if (last.epoch === this.newest && !this.#isProvisional) return 0
    if (!isEpochTable(entries)) return -1
    const parted = this.#firstDifference(entries)
    this.#epochs = entries.map((entry) => entry.epoch)
    this.#opens = entries.map((entry) => entry.sequence)
    this.#isProvisional = false
    return parted
  }

  /** A stream that nobody speaks for shows an event that opens a newer epoch. */
  open(epoch: number, sequence: number): void {
    while (this.#opens.length > 0 && this.#opens[this.#opens.length - 1]! >= sequence) {
      this.#opens.pop()
      this.#epochs.pop()
    }
    this.#opens.push(sequence)
    this.#epochs.push(epoch)
    this.#isProvisional = true
  }

  #indexOf(sequence: number): number {
    let index = this.#opens.length - 1
    while (index > 0 && this.#opens[index]! > sequence) index--
    return index
  }

  #firstDifference(entries: readonly EpochTableEntry[]): number {
    for (let i = 0; ; i++) {
      const theirs = entries[i]
      const ours = this.#opens[i]
      if (theirs === undefined) return ours ?? 0
      if (ours === undefined) return theirs.sequence
      if (theirs.epoch !== this.#epochs[i] || theirs.sequence !== ours) return Math.min(theirs.sequence, ours)
    }
  }
}

/** Whether the events up to there are of the same epochs by both tables, which are whole. */
export function agreeThrough(a: readonly EpochTableEntry[], b: readonly EpochTableEntry[], sequence: number): boolean {
  const [first, second] = [new EpochTable(a), new EpochTable(b)]
  const edges = [...a, ...b].map((entry) => entry.sequence).filter((edge) => edge <= sequence)
  return [...edges, sequence].every((edge) => first.epochAt(edge) === second.epochAt(edge))
}
