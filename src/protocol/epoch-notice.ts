/**
 * What a sequencer's heartbeat tells of its epoch table. Every failover adds an entry, and a datagram stays a datagram: so it tells the newest
 * entries, how many older ones there are with a hash of them, and a few of those in turn. Who has followed the stream knows them already, and
 * the hash says that they are the same; who does not has heard all of them before long.
 */
import type { EpochTableEntry, SequencerHeartbeat } from '../wire/control.js'
import { hashEntries } from '../wire/epoch-entries.js'

/** Entries that every heartbeat tells, and older ones that a heartbeat adds. */
export const NEWEST_EPOCHS = 16
const PAGE = 16

export type EpochWords = Pick<SequencerHeartbeat, 'epochTable' | 'tableOmitted' | 'tableHash' | 'olderFrom' | 'older'>

export class EpochNotice {
  readonly #entries: readonly EpochTableEntry[]
  /** What was worked out for a table of this length. */
  #length = 0
  #words: EpochWords = { epochTable: [] }
  #page = 0

  /** @param entries the table; it may grow */
  constructor(entries: readonly EpochTableEntry[]) {
    this.#entries = entries
  }

  /** @param withPage true for a heartbeat of the steady pace, which tells some of the older ones */
  tell(withPage: boolean): EpochWords {
    if (this.#length !== this.#entries.length) this.#prepare()
    const { tableOmitted: omitted = 0 } = this.#words
    if (omitted === 0 || !withPage) return this.#words
    const from = this.#page < omitted ? this.#page : 0
    this.#page = from + PAGE
    return { ...this.#words, olderFrom: from, older: this.#entries.slice(from, Math.min(from + PAGE, omitted)) }
  }

  #prepare(): void {
    const entries = this.#entries
    this.#length = entries.length
    const omitted = Math.max(0, entries.length - NEWEST_EPOCHS)
    const epochTable = entries.slice(omitted)
    this.#words =
      omitted === 0
        ? { epochTable }
        : { epochTable, tableOmitted: omitted, tableHash: hashEntries(entries.slice(0, omitted)) }
  }
}
