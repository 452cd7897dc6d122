/** What an election writes into its keys, and reads there: values that anybody could have written. */
import { MAX_EPOCH } from '../core/limits.js'
import type { EtcdEntry } from '../wire/etcd.js'

/** Who claims or reigns, and in which epoch. */
export interface Pick {
  readonly epoch: number
  readonly incarnation: number
  readonly name: string
}

/** A number that leads the known epochs by more than this is not believed: a wrong one must not use up the epochs. */
const MAX_LEAD = 100
const MAX_NAME_CHARACTERS = 64

/** Whether this can be an epoch that was given to somebody and is not known yet. */
export function isBelievable(epoch: number, known: number): boolean {
  return epoch > known && epoch <= known + MAX_LEAD
}

/** The number to claim: above all that is taken, and what nobody else was given, where that is known. */
export function nextEpoch(known: number, unwon: number, given: number): number {
  if (!isBelievable(given, known) || given === MAX_EPOCH) return known + 1
  return given === unwon ? unwon : given + 1
}

/** The last number that was given; 0 for none, and for what is no number. */
export function numberOf(entry: EtcdEntry | undefined): number {
  return entry !== undefined && /^[1-9][0-9]{0,4}$/.test(entry.value) ? Number(entry.value) : 0
}

/** Who is picked; undefined for nobody, and for what was written by others. */
export function pickOf(entry: EtcdEntry | undefined): Pick | undefined {
  if (entry === undefined) return undefined
  try {
    const read: unknown = JSON.parse(entry.value)
    if (typeof read !== 'object' || read === null) return undefined
    if (!('epoch' in read) || !('incarnation' in read) || !('name' in read)) return undefined
    const { epoch, incarnation, name } = read
    if (typeof epoch !== 'number' || typeof incarnation !== 'number' || typeof name !== 'string') return undefined
    return Number.isSafeInteger(epoch) && epoch >= 1
      ? { epoch, incarnation, name: name.slice(0, MAX_NAME_CHARACTERS) }
      : undefined
  } catch {
    return undefined
  }
}
