/**
 * The large maps of a component's state, and the files behind them. The files are as they were at one checkpoint, and go on to the next one in one
 * step, so a component that dies finds them as they were.
 */
import { SeqcastError } from '../../core/errors.js'
import type { LargeBase, LargeChange } from './large-base.js'
import type { LargeKey } from './large-key.js'
import { UnguardedBase } from './unguarded-base.js'

/** Files that hold what the large maps were after one event. */
export interface LargeFiles extends LargeBase {
  /** All of it is gone: what is played begins at the first event. */
  reset(): void
}

/** What this needs of a large map; two copies of this package may be in one process. */
export interface AttachedMap extends ReadonlyMap<LargeKey, unknown> {
  readonly name: string
  base: LargeBase | undefined
  readonly needsBase: boolean
  readonly changes: number
  seal(): void
  sealed(): Iterable<LargeChange>
  written(): void
  unseal(): void
  changedKeys(): readonly LargeKey[]
}

export class LargeTables {
  readonly #maps = new Map<string, AttachedMap>()
  #files: LargeFiles | undefined
  #base: LargeBase | undefined

  /** Files may come later, as long as they are empty. */
  constructor(files?: LargeFiles) {
    this.#files = files
    this.#base = files && new UnguardedBase(files)
  }

  /** Entries that are only in memory. */
  get changes(): number {
    let changes = 0
    for (const map of this.#maps.values()) changes += map.changes
    return changes
  }

  /** Takes the large maps of a new state, and forgets those of the one before. @throws Error where two have one name */
  attach(state: unknown): void {
    this.#maps.clear()
    if (this.#files === undefined) requireNoFiles(state)
    for (const map of largeMapsIn(state)) {
      if (this.#maps.has(map.name)) throw new Error(`two large maps of one state are called '${map.name}'`)
      this.#maps.set(map.name, map)
      map.base = this.#base
    }
  }

  /** From now on there are files, with nothing in them. */
  use(files: LargeFiles): void {
    files.reset()
    this.#files = files
    this.#base = new UnguardedBase(files)
    for (const map of this.#maps.values()) map.base = this.#base
  }

  /** Nothing of the state is in files any more; what is there now belongs to nobody. */
  reset(): void {
    this.#files?.reset()
  }

  /** What was changed up to now belongs to a checkpoint. */
  seal(): void {
    for (const map of this.#maps.values()) map.seal()
  }

  /** What was sealed. */
  *sealed(): Generator<LargeChange> {
    for (const map of this.#maps.values()) yield* map.sealed()
  }

  /** What was sealed is in the files. */
  written(): void {
    for (const map of this.#maps.values()) map.written()
  }

  /** What was sealed is not written. */
  unseal(): void {
    for (const map of this.#maps.values()) map.unseal()
  }
}

/** Large maps anywhere in a state. */
export function largeMapsIn(state: unknown): AttachedMap[] {
  const found: AttachedMap[] = []
  const seen = new Set<object>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (isLargeMap(value)) found.push(value)
    else if (value instanceof Map || value instanceof Set || Array.isArray(value)) {
      for (const entry of value instanceof Map ? value.values() : value) visit(entry)
    } else if (!(value instanceof Uint8Array)) for (const entry of Object.values(value)) visit(entry)
  }
  visit(state)
  return found
}

function isLargeMap(value: object): value is AttachedMap & object {
  return value instanceof Map && 'seal' in value && 'sealed' in value && 'unseal' in value && 'written' in value
}

/** @throws SeqcastError E_CHECKPOINT where a state was restored whose large maps lie in files */
export function requireNoFiles(state: unknown): void {
  for (const { name, needsBase } of largeMapsIn(state)) {
    if (!needsBase) continue
    throw new SeqcastError('E_CHECKPOINT', `the large map '${name}' lies in files that are not here`, {
      hint: 'a checkpoint with large maps is of use only to the replica that took it; nothing has to be done',
      fields: { name },
    })
  }
}
