/**
 * The whole epoch table, from heartbeats that tell only its newest entries (see epoch-notice.ts): the older ones come from what is known, where
 * the heartbeat's hash says that it is the same, or from the pages that heartbeats bring. Nobody follows a reign whose table is not whole.
 */
import { MAX_EPOCH } from '../core/limits.js'
import type { EpochTableEntry, SequencerHeartbeat } from '../wire/control.js'
import { hashEntries } from '../wire/epoch-entries.js'

export class EpochBook {
  readonly #known: () => readonly EpochTableEntry[]
  /** The last one that was whole. */
  #whole: readonly EpochTableEntry[] = []
  /** How many of its entries a heartbeat omitted, and the hash of those. */
  #omitted = 0
  #hash = 0
  /** Older entries that were told, of the table with that number of omitted ones and that hash. */
  #pages: (EpochTableEntry | undefined)[] = []
  #pagesOf = ''

  /** @param known what else is known of the stream's epochs, from its events for instance */
  constructor(known: () => readonly EpochTableEntry[]) {
    this.#known = known
  }

  /** @returns the heartbeat with the whole table; undefined while that is not known */
  complete(heartbeat: SequencerHeartbeat): SequencerHeartbeat | undefined {
    const { tableOmitted: omitted = 0, tableHash: hash = 0, epochTable } = heartbeat
    if (omitted === 0) {
      this.#whole = epochTable
      this.#omitted = 0
      return heartbeat
    }
    const last = epochTable.at(-1)
    if (omitted >= MAX_EPOCH || last === undefined) return undefined
    if (omitted === this.#omitted && hash === this.#hash && last.epoch === this.#whole.at(-1)?.epoch) {
      return { ...heartbeat, epochTable: [...this.#whole] }
    }
    this.#note(heartbeat, omitted, hash)
    const older = this.#older(omitted, hash)
    if (older === undefined) return undefined
    this.#whole = [...older, ...epochTable]
    this.#omitted = omitted
    this.#hash = hash
    return { ...heartbeat, epochTable: [...this.#whole] }
  }

  #older(omitted: number, hash: number): readonly EpochTableEntry[] | undefined {
    const told = this.#pages.filter((entry) => entry !== undefined)
    for (const source of [this.#whole, this.#known(), told]) {
      const older = source.slice(0, omitted)
      if (older.length === omitted && hashEntries(older) === hash) return older
    }
    return undefined
  }

  #note({ olderFrom = 0, older = [] }: SequencerHeartbeat, omitted: number, hash: number): void {
    const of = `${omitted} ${hash}`
    if (of !== this.#pagesOf) {
      this.#pagesOf = of
      this.#pages = []
    }
    if (olderFrom + older.length > omitted) return
    older.forEach((entry, i) => {
      this.#pages[olderFrom + i] = entry
    })
  }
}
