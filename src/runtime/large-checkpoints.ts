/**
 * The one checkpoint of a replica whose state has large maps: it lies with their rows, and both go on together. The interface is that of
 * `CheckpointStore`, which holds the checkpoints of all other components.
 */

import type { Component } from '../component/definition.js'
import { LargeTables, largeMapsIn } from '../component/large/large-tables.js'
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { LargeStore } from '../store/large-store.js'
import type { Checkpoint, CheckpointHeader } from '../wire/checkpoint.js'

/** What keeps the checkpoints of a component. */
export interface CheckpointKeeper {
  list(component: string): CheckpointHeader[]
  read(component: string, sequence: number): Checkpoint
  write(checkpoint: Checkpoint): Promise<void>
  prune(component: string, keep: number): Promise<number>
  dropFrom(component: string, fromSequence: number): Promise<number>
  close(): Promise<void>
}

export function hasLargeMaps(component: Component): boolean {
  return largeMapsIn(component.state()).length > 0
}

export class LargeCheckpoints implements CheckpointKeeper {
  readonly tables: LargeTables
  readonly #store: LargeStore

  /** @param tables whose files these will be: nothing of them may be in files yet */
  static async open(
    directory: string,
    owner: { readonly session: string; readonly component: string; readonly instance: string },
    logger: Logger,
    tables?: LargeTables,
  ): Promise<LargeCheckpoints> {
    const store = await LargeStore.open(directory, owner, logger)
    tables?.use(store)
    return new LargeCheckpoints(store, tables ?? new LargeTables(store))
  }

  private constructor(store: LargeStore, tables: LargeTables) {
    this.#store = store
    this.tables = tables
  }

  /**
   * A host is about to be made of the checkpoint at `sequence`, or of none.
   * @throws SeqcastError E_CHECKPOINT where the rows are those of another event
   */
  begin(sequence: number | undefined): void {
    const { header, path } = this.#store
    if (sequence === undefined) this.#store.reset()
    else if (header?.sequence !== sequence) {
      throw new SeqcastError('E_CHECKPOINT', `the large maps in ${path} are not those of event ${sequence}`, {
        hint: 'a checkpoint with large maps is of use only to the replica that took it; nothing has to be done',
        fields: { path, sequence },
      })
    }
  }

  list(): CheckpointHeader[] {
    const { header } = this.#store
    return header === undefined ? [] : [header]
  }

  read(): Checkpoint {
    return this.#store.read()
  }

  async write(checkpoint: Checkpoint): Promise<void> {
    try {
      this.#store.commit(this.tables.sealed(), checkpoint)
      this.tables.written()
    } catch (error) {
      this.tables.unseal()
      throw error
    }
  }

  async prune(): Promise<number> {
    return 0
  }

  async dropFrom(_component: string, fromSequence: number): Promise<number> {
    if ((this.#store.header?.sequence ?? 0) < fromSequence) return 0
    this.#store.reset()
    return 1
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
