/** Where a log and the epoch table of a reign part, and which of two logs is the newer one. */
import type { EpochTableEntry } from '../wire/control.js'
import { isEpochTable } from '../wire/epoch-entries.js'

/** What is needed of a log to compare it: the epoch of its last event, and the sequence of that. */
export interface LogEnd {
  readonly lastEpoch: number
  readonly sequence: number
}

/** Whether log `a` is newer than log `b`, or as new: the epoch of the last event counts first, then the length. */
export function isAsNew(a: LogEnd, b: LogEnd): boolean {
  return a.lastEpoch > b.lastEpoch || (a.lastEpoch === b.lastEpoch && a.sequence >= b.sequence)
}

/** Whether a table is one that the reign of this epoch can have opened with. */
export function isTableOf(epoch: number, table: readonly EpochTableEntry[]): boolean {
  return isEpochTable(table) && table.at(-1)?.epoch === epoch
}

/**
 * The first sequence up to `lastSequence` whose epoch is another one in the reign's table than in the log's, or the one after
 * `lastSequence` where there is none. Within one epoch a sequence is one event, so equal epochs are equal events.
 */
export function partsFrom(
  log: readonly EpochTableEntry[],
  lastSequence: number,
  reign: readonly EpochTableEntry[],
): number {
  for (let i = 0; ; i++) {
    const ours = log[i]
    const theirs = reign[i]
    const oursAt = ours === undefined ? lastSequence + 1 : Math.min(ours.sequence, lastSequence + 1)
    const theirsAt = theirs === undefined ? lastSequence + 1 : Math.min(theirs.sequence, lastSequence + 1)
    if (oursAt !== theirsAt) return Math.min(oursAt, theirsAt)
    if (oursAt > lastSequence) return lastSequence + 1
    if (ours?.epoch !== theirs?.epoch) return oursAt
  }
}
