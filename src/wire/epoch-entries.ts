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

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193
const SEQUENCE_BYTES = 8

/**
 * FNV-1a, 32 bits, over the entries in order, each as ten bytes: epoch (u16) and sequence (u64), big-endian. It tells whether two tables begin
 * alike; it keeps no secret.
 */
export function hashEntries(entries: readonly EpochTableEntry[]): number {
  let hash = FNV_OFFSET
  for (const { epoch, sequence } of entries) {
    hash = hashByte(hashByte(hash, epoch >>> 8), epoch)
    for (let i = SEQUENCE_BYTES - 1; i >= 0; i--) hash = hashByte(hash, Math.floor(sequence / 256 ** i) % 256)
  }
  return hash
}

function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ (byte & 0xff), FNV_PRIME) >>> 0
}
