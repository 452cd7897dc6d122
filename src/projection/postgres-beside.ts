/**
 * A projection that is built in a schema beside the one that readers see, and swapped in one transaction.
 *
 * Where the tables are what they were, the rows that differ are changed in place: readers see the old rows until the commit and
 * the new ones afterwards, nobody waits, and views, grants and indexes on the tables stay. Tables of another definition are replaced: that is
 * done when no transaction is left that began before the new rows were there, for it would find them empty.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { UntypedRow } from './columns.js'
import type { Projection, Table } from './definition.js'
import type { Position } from './position.js'
import { PostgresConnection } from './postgres-connection.js'
import { nameOf, POSITION_TABLE, positionTableSql, quoted, SAME_TABLE_SQL, swapRowsSql } from './postgres-sql.js'
import { type PostgresOptions, PostgresTarget } from './postgres-target.js'
import type { BesideTarget, TableChanges } from './target.js'

const SUFFIX = '__new'
const OLDER_POLL_MS = 200
const LOCK_TIMEOUT = '3s'

export class PostgresBeside implements BesideTarget {
  readonly title: string
  readonly #build: PostgresTarget
  readonly #options: PostgresOptions
  /** Of the rows that a swap was tried with. */
  #swapping = ''

  constructor(projection: Projection, options: PostgresOptions & { readonly purpose: string }) {
    this.#options = options
    this.#build = new PostgresTarget(projection, { ...options, schema: options.schema + SUFFIX })
    this.title = `${this.#build.title}, for ${options.schema}`
  }

  open(): Promise<Position | undefined> {
    return this.#build.open()
  }

  read(table: Table, key: UntypedRow): Promise<UntypedRow | undefined> {
    return this.#build.read(table, key)
  }

  commit(changes: readonly TableChanges[], position: Position): Promise<boolean> {
    return this.#build.commit(changes, position)
  }

  rows(table: Table): AsyncIterable<UntypedRow> {
    return this.#build.rows(table)
  }

  close(): Promise<void> {
    return this.#build.close()
  }

  async swap(): Promise<void> {
    const connection = await PostgresConnection.open(this.#options.url)
    try {
      if (await this.#wasSwapped(connection)) return
      const current = await this.#definition(connection)
      const isSame = current?.hash === this.#build.projection.hash && (await this.#areAsBuilt(connection))
      if (!isSame && current !== undefined) await this.#olderTransactionsEnd(connection)
      this.#swapping = await this.#buildGeneration(connection)
      await connection.transaction(async () => {
        await connection.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`)
        await this.#swap(connection, isSame ? 'rows' : 'tables', current?.tables ?? [])
        return true
      })
    } finally {
      await connection.close()
    }
  }

  async #swap(connection: PostgresConnection, what: 'rows' | 'tables', old: readonly string[]): Promise<void> {
    const { schema } = this.#options
    const build = schema + SUFFIX
    const { name, tables, hash } = this.#build.projection
    await connection.query(`create schema if not exists ${quoted(schema)}`)
    await connection.query(positionTableSql(schema))
    if (what === 'rows') {
      for (const table of tables) {
        for (const sql of swapRowsSql(schema, build, table)) await connection.query(sql)
      }
    } else {
      for (const table of old) await connection.query(`drop table if exists ${nameOf(schema, table)}`)
      for (const { sqlName } of tables) {
        await connection.query(`alter table ${nameOf(build, sqlName)} set schema ${quoted(schema)}`)
      }
    }
    const position = nameOf(schema, POSITION_TABLE)
    await connection.query(`delete from ${position} where projection = $1`, [name])
    await connection.query(
      `insert into ${position} select * from ${nameOf(build, POSITION_TABLE)} where projection = $1`,
      [name],
    )
    await connection.query(`update ${position} set definition = $1 where projection = $2`, [hash, name])
    await connection.query(`drop schema ${quoted(build)} cascade`)
  }

  /** The commit of an earlier attempt was made, though its answer was lost. */
  async #wasSwapped(connection: PostgresConnection): Promise<boolean> {
    if (this.#swapping === '') return false
    const rows = await this.#positionRow(connection, this.#options.schema)
    return rows?.[0] === this.#swapping
  }

  /** Somebody may have altered or dropped what readers see. */
  async #areAsBuilt(connection: PostgresConnection): Promise<boolean> {
    const { schema } = this.#options
    for (const { sqlName } of this.#build.projection.tables) {
      const [row] = await connection.query(SAME_TABLE_SQL, [nameOf(schema + SUFFIX, sqlName), nameOf(schema, sqlName)])
      if (row?.[0] !== 'true') return false
    }
    return true
  }

  async #buildGeneration(connection: PostgresConnection): Promise<string> {
    return (await this.#positionRow(connection, this.#options.schema + SUFFIX))?.[0] ?? ''
  }

  async #definition(connection: PostgresConnection): Promise<{ hash: string; tables: string[] } | undefined> {
    const row = await this.#positionRow(connection, this.#options.schema)
    if (row === undefined) return undefined
    const tables: unknown = JSON.parse(row[2] ?? '[]')
    return { hash: row[1] ?? '', tables: Array.isArray(tables) ? tables.map(String) : [] }
  }

  async #positionRow(connection: PostgresConnection, schema: string): Promise<readonly (string | null)[] | undefined> {
    const table = nameOf(schema, POSITION_TABLE)
    const [exists] = await connection.query('select to_regclass($1)::text', [table])
    if (exists?.[0] == null) return undefined
    const { name } = this.#build.projection
    const [row] = await connection.query(`select generation, definition, tables from ${table} where projection = $1`, [
      name,
    ])
    return row
  }

  async #olderTransactionsEnd(connection: PostgresConnection): Promise<void> {
    const [bound] = await connection.query('select pg_snapshot_xmax(pg_current_snapshot())::xid::text')
    const { logger } = this.#options
    for (let turn = 0; ; turn++) {
      const older = await connection.query(
        `select pid::text from pg_stat_activity where backend_type = 'client backend' and datname = current_database()
          and pid <> pg_backend_pid() and age(backend_xmin) > age($1::xid)`,
        [bound?.[0]],
      )
      if (older.length === 0) return
      const pids = older.map(([pid]) => pid)
      if (turn === 0)
        logger.warn({ pids }, 'projection: waiting for older transactions of readers before their tables are replaced')
      await sleep(OLDER_POLL_MS)
    }
  }
}
