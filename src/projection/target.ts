/**
 * What a projection needs of a database. A target is opened again after each failure of its connection; what was not committed then is
 * gone, and the position says where to go on.
 */
import { SeqcastError, systemCodeOf } from '../core/errors.js'
import type { UntypedRow } from './columns.js'
import type { Table } from './definition.js'
import type { Position } from './position.js'

/** What a batch of events changed, each row once. */
export interface TableChanges {
  readonly table: Table
  readonly puts: readonly UntypedRow[]
  /** Rows of which the columns of the key are present. */
  readonly deletes: readonly UntypedRow[]
}

export interface Target {
  /** What it is called in messages: without a password. */
  readonly title: string
  /**
   * Connects, and makes what is missing.
   * @returns the position, or undefined where nothing was loaded yet: then all tables are empty
   * @throws TargetLost where it can't be reached now; SeqcastError where it never will be
   */
  open(): Promise<Position | undefined>
  /** The committed row with the key that `key` has. @throws TargetLost */
  read(table: Table, key: UntypedRow): Promise<UntypedRow | undefined> | UntypedRow | undefined
  /**
   * One transaction: the rows, and the position from what `open` or the last commit said to `position`.
   * @returns false, and nothing is changed, where somebody else has moved the position
   * @throws TargetLost where it is not known whether it was committed
   */
  commit(changes: readonly TableChanges[], position: Position): Promise<boolean>
  /** Every committed row in the order of the key, for tools. */
  rows(table: Table): AsyncIterable<UntypedRow>
  close(): Promise<void>
}

/** One that is built beside what readers see. It goes on with what a process that was killed has built of the same. */
export interface BesideTarget extends Target {
  /**
   * In one step readers see these rows and this position instead of the old ones. Afterwards it is closed.
   * @throws TargetLost where it is not known whether it was done: `open` then tells, by having nothing
   */
  swap(): Promise<void>
}

/** The connection is gone, or the server: it is tried again. */
export class TargetLost extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'TargetLost'
  }
}

/** For whoever only reads, and waits for nobody. @returns E_DATABASE for a server that is not there; anything else as it is */
export function unreachable(title: string, error: unknown): unknown {
  if (!(error instanceof TargetLost)) return error
  const why = error.message === '' ? (systemCodeOf(error.cause) ?? 'no answer') : error.message
  return new SeqcastError('E_DATABASE', `${title} can't be reached: ${why}`, {
    hint: 'check host and port of --to, and that the server runs and takes connections from here',
    fields: { target: title },
    cause: error,
  })
}

/** @throws SeqcastError always */
export function refuseDefinition(name: string, title: string): never {
  throw new SeqcastError(
    'E_PROJECTION',
    `the tables of projection ${name} in ${title} were made by another definition of it`,
    {
      hint: '--reset builds them anew beside the old ones, and swaps when all is there',
      fields: { projection: name, target: title },
    },
  )
}

export function notThere(name: string, title: string): SeqcastError {
  return new SeqcastError('E_PROJECTION', `there is no projection ${name} in ${title}`, {
    hint: 'load it first: seqcast project MODULE --to PLACE',
    fields: { projection: name, target: title },
  })
}
