/**
 * What an application writes to have events in a database: a name, a schema, tables, and a handler for each event that changes
 * rows. The handlers are pure functions of (event, rows): the same events give the same rows, in every database and whenever
 * they are loaded.
 *
 * The position is not theirs to keep: the runtime stores it in the same transaction as the rows.
 */
import { createHash } from 'node:crypto'
import type { EventName, Schema, UntypedSchema } from '../component/schema.js'
import { MAX_NAME_BYTES } from '../core/limits.js'
import { type Column, type ColumnSpec, columnOf, KEY_TYPES, sqlNameOf, type ValueOf } from './columns.js'

/** One event as a handler sees it. It may be kept. */
export interface ProjectionEvent<Name extends string = string, Payload = unknown> {
  readonly session: string
  /** The number of the event in its session. Session and sequence together name one event for ever. */
  readonly sequence: number
  /** When it was sequenced: microseconds since 1970. */
  readonly timeUs: number
  /** The number of the source whose command it was. */
  readonly source: number
  readonly name: Name
  readonly payload: Payload
  /**
   * True where the event begins a session with what was known before: a static fact, or an entity that was carried over. A projection that
   * has followed the sessions has it already; one that begins with this session learns it here.
   */
  readonly carriedOver: boolean
}

export interface TableDefinition {
  /** The columns of the primary key, in its order. */
  readonly key: readonly string[]
  readonly columns: Readonly<Record<string, ColumnSpec>>
}
export type TableDefinitions = Readonly<Record<string, TableDefinition>>

type OptionalColumns<C> = { [K in keyof C]: C[K] extends `${string}?` ? K : never }[keyof C]

/** A row of a table: columns whose type ends in `?` may be left out. */
export type RowOf<D extends TableDefinition> = {
  -readonly [K in Exclude<keyof D['columns'], OptionalColumns<D['columns']>>]: ValueOf<D['columns'][K]>
} & { -readonly [K in OptionalColumns<D['columns']>]?: ValueOf<D['columns'][K]> }

/** The values of the key's columns, in their order. */
export type KeyOf<D extends TableDefinition> = ValuesOf<D['key'], D['columns']>
type ValuesOf<K extends readonly string[], C> = { [I in keyof K]: K[I] extends keyof C ? ValueOf<C[K[I]]> : never }

/** A table, as the handler of one event reads and changes it. What was put is read back at once, by later events too. */
export interface TableAccess<D extends TableDefinition> {
  /** @returns a copy of the row, which may be changed and put again; undefined where there is none */
  get(...key: KeyOf<D>): Promise<RowOf<D> | undefined>
  /** Inserts the row, or replaces the one with its key. @throws Error where a value does not fit its column */
  put(row: RowOf<D>): void
  /** Deletes the row with this key, if there is one. */
  delete(...key: KeyOf<D>): void
}

export type TablesOf<T extends TableDefinitions> = { readonly [K in keyof T]: TableAccess<T[K]> }

export interface ProjectionDefinition<M extends object, T extends TableDefinitions> {
  /** Names its position, and in PostgreSQL the schema that holds its tables. */
  readonly name: string
  readonly schema: Schema<M>
  /** Count it up when handlers change so that the rows have to be built anew: the old ones are then not gone on with. Default 1. */
  readonly version?: number
  readonly tables: T
  /** By the name of the event; each is called with one event at a time. Events without a handler are passed over. */
  readonly on: {
    readonly [N in EventName<NoInfer<M>>]?: (
      event: ProjectionEvent<N, NoInfer<M>[N]>,
      tables: TablesOf<NoInfer<T>>,
    ) => Promise<void> | void
  }
}

/** A table in the form that targets work with. */
export interface Table {
  readonly name: string
  readonly sqlName: string
  readonly columns: readonly Column[]
  readonly key: readonly Column[]
}

export type UntypedTables = Readonly<Record<string, UntypedTableAccess>>
export interface UntypedTableAccess {
  get(...key: readonly unknown[]): Promise<unknown>
  put(row: unknown): void
  delete(...key: readonly unknown[]): void
}
export type UntypedProjectionHandler = (event: ProjectionEvent, tables: UntypedTables) => unknown

/** A checked projection, in the form that the runtime drives. */
export interface Projection<T extends TableDefinitions = TableDefinitions, M extends object = object> {
  readonly name: string
  readonly schema: UntypedSchema
  readonly tables: readonly Table[]
  /** By event type number. */
  readonly handlers: readonly (UntypedProjectionHandler | undefined)[]
  /** SHA-256, in hex, over version and tables: rows of another one are not gone on with. */
  readonly hash: string
  /** Never present; carries the types. */
  readonly types?: { readonly tables: T; readonly messages: M }
}

/** Defines a projection. @throws Error where the definition is wrong in a way that the compiler could not see */
export function defineProjection<M extends object, const T extends TableDefinitions>(
  definition: ProjectionDefinition<M, T>,
): Projection<T, M> {
  const { name, schema, version = 1, tables, on } = definition
  if (!/^[a-z][a-z0-9_-]*$/.test(name) || name.length > 40 || name.length > MAX_NAME_BYTES) {
    throw new Error(
      `projection name '${name}' must be 1 to 40 small letters, digits, '_' and '-', and begin with a letter`,
    )
  }
  const list = Object.entries(tables).map(([table, each]) =>
    tableOf(`projection ${name}: tables.${table}`, table, each),
  )
  if (list.length === 0) throw new Error(`projection ${name} has no tables`)
  unique(`projection ${name}: tables`, list)
  return { name, schema, tables: list, handlers: handlersOf(name, schema, on), hash: hashOf(version, list) }
}

/** True for what `defineProjection` returned, however it was loaded: two copies of this package may be in one process. */
export function isProjection(value: unknown): value is Projection {
  if (typeof value !== 'object' || value === null) return false
  if (!('name' in value && 'handlers' in value && 'tables' in value && 'schema' in value)) return false
  return typeof value.name === 'string' && Array.isArray(value.handlers) && Array.isArray(value.tables)
}

function tableOf(where: string, name: string, { key, columns }: TableDefinition): Table {
  const list = Object.entries(columns).map(([column, spec]) => columnOf(`${where}.columns`, column, spec))
  unique(where, list)
  const keyColumns = key.map((part) => {
    const column = list.find((each) => each.name === part)
    if (column === undefined) throw new Error(`${where}.key names '${part}', which is none of its columns`)
    if (column.isOptional || !KEY_TYPES.has(column.type)) {
      throw new Error(
        `${where}.key: '${part}' is ${column.type}; a key is made of ${[...KEY_TYPES].join(', ')}, not optional`,
      )
    }
    return column
  })
  if (keyColumns.length === 0) throw new Error(`${where}.key names no column: each row needs one`)
  unique(`${where}.key`, keyColumns)
  const sqlName = sqlNameOf(where, name)
  if (sqlName.startsWith('seqcast_'))
    throw new Error(`${where}: names that begin with 'seqcast_' are the runtime's own`)
  return { name, sqlName, columns: list, key: keyColumns }
}

function unique(where: string, named: readonly { readonly name: string; readonly sqlName: string }[]): void {
  const seen = new Map<string, string>()
  for (const { name, sqlName } of named) {
    const other = seen.get(sqlName)
    if (other !== undefined) throw new Error(`${where}: '${other}' and '${name}' are both '${sqlName}' in a database`)
    seen.set(sqlName, name)
  }
}

function handlersOf(name: string, schema: UntypedSchema, on: object): (UntypedProjectionHandler | undefined)[] {
  const table: (UntypedProjectionHandler | undefined)[] = []
  for (const [event, handler] of Object.entries(on)) {
    const type = schema.typeOf(event)
    if (type === undefined) throw new Error(`projection ${name}: on.${event} is no event of its schema`)
    if (typeof handler !== 'function') throw new Error(`projection ${name}: on.${event} is not a function`)
    while (table.length <= type) table.push(undefined)
    table[type] = handler
  }
  return table
}

function hashOf(version: number, tables: readonly Table[]): string {
  const shape = tables.map(({ sqlName, columns, key }) => [
    sqlName,
    columns.map(({ sqlName: column, type, isOptional }) => [column, type, isOptional]),
    key.map((column) => column.sqlName),
  ])
  return createHash('sha256')
    .update(JSON.stringify([version, shape]))
    .digest('hex')
}
