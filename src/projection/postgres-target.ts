/**
 * A projection in PostgreSQL: its tables and its position in one schema. Each commit moves the position by comparing it with what this
 * process knows, in the transaction of the rows, so two projectors, or one that was killed while it committed, can't both write.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { UntypedRow } from './columns.js'
import type { Projection, Table } from './definition.js'
import { type Position, positionOf, positionText } from './position.js'
import { PostgresConnection, type Texts } from './postgres-connection.js'
import {
  allRowsSql,
  deleteSql,
  nameOf,
  POSITION_TABLE,
  parameterText,
  positionTableSql,
  quoted,
  recordsText,
  rowOfTexts,
  selectSql,
  tableSql,
  timeParameter,
  upsertSql,
} from './postgres-sql.js'
import { notThere, refuseDefinition, type TableChanges, type Target, TargetLost } from './target.js'

/** A projector whose machine failed holds its lock until the server has noticed, which these make soon enough. */
const KEEP_ALIVE_SQL = 'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 3; set tcp_keepalives_count = 4'
const LOCK_WAIT_MS = 30_000
const FIRST_LOCK_POLL_MS = 5
const LONGEST_LOCK_POLL_MS = 200
const ROWS_AT_ONCE = 1_000

export interface PostgresOptions {
  readonly url: string
  /** The schema that holds the tables. */
  readonly schema: string
  readonly logger: Logger
  /** What is built beside, and of which events: what was left half built of anything else is dropped. */
  readonly purpose?: string
  /** Changes nothing, and waits for nobody. */
  readonly readOnly?: boolean
}

export class PostgresTarget implements Target {
  readonly title: string
  readonly projection: Projection
  readonly options: PostgresOptions
  readonly #positionTable: string
  #connection: PostgresConnection | undefined
  #generation = ''
  /** The process of the server that served this one last, and when it began. */
  #lastBackend: readonly (string | null)[] | undefined
  /** As this process knows it; undefined before the first. */
  #position: Position | undefined

  constructor(projection: Projection, options: PostgresOptions) {
    this.projection = projection
    this.options = options
    this.title = `postgres schema ${options.schema}`
    this.#positionTable = nameOf(options.schema, POSITION_TABLE)
  }

  /** @throws TargetLost; SeqcastError E_DATABASE, E_PROJECTION, E_STORE_HELD */
  async open(): Promise<Position | undefined> {
    await this.close()
    const connection = await PostgresConnection.open(this.options.url)
    this.#connection = connection
    await connection.query(KEEP_ALIVE_SQL)
    if (this.options.readOnly ?? false) await this.#checkExists(connection)
    else {
      await this.#lock(connection)
      await connection.transaction(async () => {
        await this.#create(connection)
        return true
      })
    }
    const [row] = await connection.query(
      `select generation, position::text from ${this.#positionTable} where projection = $1`,
      [this.projection.name],
    )
    this.#generation = row?.[0] ?? ''
    const text = row?.[1] ?? undefined
    this.#position = text === undefined ? undefined : positionOf(text)
    return this.#position
  }

  async read(table: Table, key: UntypedRow): Promise<UntypedRow | undefined> {
    const values = table.key.map(({ name }) => parameterText(key[name]))
    const [row] = await this.connection.query(selectSql(this.options.schema, table), values)
    return row === undefined ? undefined : rowOfTexts(table.columns, row)
  }

  async commit(changes: readonly TableChanges[], position: Position): Promise<boolean> {
    const { connection } = this
    const isDone = await connection.transaction(async () => {
      if (!(await this.#move(connection, position))) return false
      for (const { table, puts, deletes } of changes) await this.#write(connection, table, puts, deletes)
      return true
    })
    if (isDone) this.#position = position
    return isDone
  }

  async *rows(table: Table): AsyncIterable<UntypedRow> {
    const { connection } = this
    await connection.query('begin isolation level repeatable read read only')
    try {
      await connection.query(`declare seqcast_rows cursor for ${allRowsSql(this.options.schema, table)}`)
      for (;;) {
        const rows: Texts = await connection.query(`fetch ${ROWS_AT_ONCE} from seqcast_rows`)
        for (const row of rows) yield rowOfTexts(table.columns, row)
        if (rows.length < ROWS_AT_ONCE) break
      }
    } finally {
      // Also where whoever reads has seen enough.
      await connection.query('rollback')
    }
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    await connection?.close()
  }

  /** What is half built for another purpose is another definition. */
  get #definition(): string {
    const { purpose } = this.options
    return purpose === undefined ? this.projection.hash : `${this.projection.hash} ${purpose}`
  }

  get connection(): PostgresConnection {
    if (this.#connection === undefined) throw new TargetLost(new Error('the target is not open'))
    return this.#connection
  }

  /** Tells these rows from all others that were ever loaded. */
  get generation(): string {
    return this.#generation
  }

  /** Compares and sets: a position that somebody else has moved, or tables that were swapped, change nothing. */
  async #move(connection: PostgresConnection, position: Position): Promise<boolean> {
    const known = this.#position
    const changed = await connection.change(
      `update ${this.#positionTable} set session = $1, sequence = $2, stream_time = ${timeParameter('$3')},
        position = $4::jsonb, committed_at = clock_timestamp()
        where projection = $5 and generation = $6 and session = $7 and sequence = $8`,
      [
        ...[position.session, position.sequence, position.timeUs, positionText(position)],
        ...[this.projection.name, this.#generation, known?.session ?? '', known?.sequence ?? 0],
      ],
    )
    return changed === 1
  }

  async #write(
    connection: PostgresConnection,
    table: Table,
    puts: readonly UntypedRow[],
    deletes: readonly UntypedRow[],
  ): Promise<void> {
    const { schema } = this.options
    if (deletes.length > 0) await connection.change(deleteSql(schema, table), [recordsText(table.key, deletes)])
    if (puts.length > 0) await connection.change(upsertSql(schema, table), [recordsText(table.columns, puts)])
  }

  /** One projector for each schema and projection; the server lets go when the connection ends. */
  async #lock(connection: PostgresConnection): Promise<void> {
    const { schema, logger } = this.options
    const { name } = this.projection
    const key = `seqcast projection ${schema}.${name}`
    let pollMs = FIRST_LOCK_POLL_MS
    for (let waitedMs = 0; waitedMs < LOCK_WAIT_MS; waitedMs += pollMs) {
      const [row] = await connection.query('select pg_try_advisory_lock(hashtextextended($1, 0))::text', [key])
      if (row?.[0] === 'true') {
        const own = 'select pid::text, backend_start::text from pg_stat_activity where pid = pg_backend_pid()'
        this.#lastBackend = (await connection.query(own))[0]
        return
      }
      await this.#endLastBackend(connection)
      if (pollMs === FIRST_LOCK_POLL_MS)
        logger.info({ projection: name, schema }, 'projection: another process writes it, waiting for it to end')
      pollMs = Math.min(pollMs * 2, LONGEST_LOCK_POLL_MS)
      await sleep(pollMs)
    }
    throw new SeqcastError('E_STORE_HELD', `another process writes projection ${name} into schema ${schema}`, {
      hint: 'stop it, or give this one another --schema; --reset alone builds beside it',
      fields: { projection: name, schema },
    })
  }

  /** Where the connection broke on the way, the server may go on waiting for a process that has long turned to another. */
  async #endLastBackend(connection: PostgresConnection): Promise<void> {
    if (this.#lastBackend === undefined) return
    const same = 'pid = $1::int and backend_start = $2::timestamptz'
    await connection.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${same}`, this.#lastBackend)
  }

  async #checkExists(connection: PostgresConnection): Promise<void> {
    const { name, hash } = this.projection
    if (await this.#exists(connection, 'pg_class where oid = to_regclass($1)', this.#positionTable)) {
      const [row] = await connection.query(`select definition from ${this.#positionTable} where projection = $1`, [
        name,
      ])
      if (row?.[0] === hash) return
      if (row !== undefined) refuseDefinition(name, this.title)
    }
    throw notThere(name, this.title)
  }

  async #create(connection: PostgresConnection): Promise<void> {
    const { schema, purpose } = this.options
    const { name } = this.projection
    const hash = this.#definition
    // Of several that create it at once, one does: `if not exists` alone would fail.
    await connection.query("select pg_advisory_xact_lock(hashtextextended('seqcast projections', 0))")
    if (!(await this.#exists(connection, 'pg_namespace where nspname = $1', schema))) {
      await connection.query(`create schema ${quoted(schema)}`)
    }
    await connection.query(positionTableSql(schema))
    const [row] = await connection.query(`select definition from ${this.#positionTable} where projection = $1`, [name])
    if (row?.[0] === hash) return
    if (row !== undefined && purpose === undefined) refuseDefinition(name, this.title)
    if (row !== undefined) await this.#drop(connection)
    for (const table of this.projection.tables) {
      await this.#refuseForeign(connection, table)
      await connection.query(tableSql(schema, table))
    }
    await connection.query(
      `insert into ${this.#positionTable} values ($1, '', 0, 'epoch', $2, $3, $4, null, clock_timestamp())`,
      [name, randomUUID(), hash, JSON.stringify(this.projection.tables.map((table) => table.sqlName))],
    )
  }

  async #drop(connection: PostgresConnection): Promise<void> {
    const { schema } = this.options
    await connection.query(`drop schema ${quoted(schema)} cascade`)
    await connection.query(`create schema ${quoted(schema)}`)
    await connection.query(positionTableSql(schema))
  }

  async #refuseForeign(connection: PostgresConnection, { sqlName }: Table): Promise<void> {
    const { schema } = this.options
    if (!(await this.#exists(connection, 'pg_class where oid = to_regclass($1)', nameOf(schema, sqlName)))) return
    throw new SeqcastError(
      'E_PROJECTION',
      `${schema} has a table ${sqlName} already, which is not of projection ${this.projection.name}`,
      {
        hint: 'give the projection a schema of its own: --schema NAME',
        fields: { projection: this.projection.name, schema, table: sqlName },
      },
    )
  }

  async #exists(connection: PostgresConnection, where: string, parameter: string): Promise<boolean> {
    return (await connection.query(`select 1 from ${where}`, [parameter])).length > 0
  }
}
