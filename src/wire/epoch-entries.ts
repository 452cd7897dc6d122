/** What holds for every epoch table, whoever sent it. */
import { MAX_EPOCH } from '../core/limits.js'
import type { EpochTableEntry } from './control.js'

/** True where the first entry is at sequence 1 and both columns rise. */
export function isEpochTable(entries: readonly EpochTableEntry[]): boolean {
  let epoch = 0
  let sequence = 0
  for (const entry of entries) {
    if (!(entry.epoch > epoch && entry.epoch <= MAX_EPOCH)) return false
    if (!(Number.isSafeInteger(entry.sequence) && entry.sequence > sequence)) return false
    epoch = entry.epoch
    sequence = entry.sequence
  }
  return entries[0]?.sequence === 1
}
