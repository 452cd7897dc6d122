/**
 * The statements of a projection in PostgreSQL. Rows travel as one JSON text and come back as text: PostgreSQL's own input and output
 * functions then do the converting, and a batch of any size is one statement a table.
 */
import type { Column, ColumnType, UntypedRow, Value } from './columns.js'
import type { Table } from './definition.js'

const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  integer: 'bigint',
  number: 'double precision',
  boolean: 'boolean',
  bytes: 'bytea',
  json: 'jsonb',
  time: 'timestamptz',
}

export const POSITION_TABLE = 'seqcast_position'

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

export function positionTableSql(schema: string): string {
  return `create table if not exists ${quoted(schema)}.${POSITION_TABLE} (
    projection text primary key,
    session text not null,
    sequence bigint not null,
    stream_time timestamptz not null,
    generation text not null,
    definition text not null,
    tables text not null,
    position jsonb,
    committed_at timestamptz not null
  )`
}

export function tableSql(schema: string, { sqlName, columns, key }: Table): string {
  const lines = columns.map(({ sqlName: name, type, isOptional }) => {
    // Text of a key is ordered by its bytes, as everywhere else.
    const order = type === 'text' && key.some((column) => column.sqlName === name) ? ' collate "C"' : ''
    return `${quoted(name)} ${SQL_TYPES[type]}${order}${isOptional ? '' : ' not null'}`
  })
  return `create table ${nameOf(schema, sqlName)} (${[...lines, `primary key (${namesOf(key)})`].join(', ')})`
}

export function nameOf(schema: string, table: string): string {
  return `${quoted(schema)}.${quoted(table)}`
}

function namesOf(columns: readonly Column[], prefix = ''): string {
  return columns.map((column) => prefix + quoted(column.sqlName)).join(', ')
}

/** Takes the rows as JSON. */
export function upsertSql(schema: string, table: Table): string {
  const name = nameOf(schema, table.sqlName)
  return `insert into ${name} (${namesOf(table.columns)})
    select ${table.columns.map(valueOfJson).join(', ')} from ${recordsOf(table.columns)}
    on conflict (${namesOf(table.key)}) do ${updateOf(table)}`
}

function updateOf({ columns, key }: Table): string {
  const others = columns.filter((column) => !key.includes(column))
  if (others.length === 0) return 'nothing'
  return `update set ${others.map(({ sqlName }) => `${quoted(sqlName)} = excluded.${quoted(sqlName)}`).join(', ')}`
}

/** Takes the keys as JSON. */
export function deleteSql(schema: string, { sqlName, key }: Table): string {
  const same = key.map((column) => `t.${quoted(column.sqlName)} = ${valueOfJson(column)}`).join(' and ')
  return `delete from ${nameOf(schema, sqlName)} t using ${recordsOf(key)} where ${same}`
}

/** Times travel as microseconds: PostgreSQL's own arithmetic on whole numbers loses none. JSON travels as text: its null is no missing value. */
const TRAVELS_AS: Readonly<Record<ColumnType, string>> = { ...SQL_TYPES, time: 'bigint', json: 'text' }

function recordsOf(columns: readonly Column[]): string {
  const fields = columns.map(({ sqlName, type }) => `${quoted(sqlName)} ${TRAVELS_AS[type]}`)
  return `json_to_recordset($1::json) as r(${fields.join(', ')})`
}

function valueOfJson({ sqlName, type }: Column): string {
  const value = `r.${quoted(sqlName)}`
  if (type === 'time') return timeOf(value)
  return type === 'json' ? `${value}::jsonb` : value
}

const timeOf = (microseconds: string): string => `'epoch'::timestamptz + ${microseconds} * interval '1 microsecond'`

export const timeParameter = (parameter: string): string => timeOf(`${parameter}::bigint`)

/** Takes the values of the key, in its order. */
export function selectSql(schema: string, table: Table): string {
  const same = table.key.map(({ sqlName, type }, i) => `${quoted(sqlName)} = ${parameterOf(type, i + 1)}`).join(' and ')
  return `select ${outputOf(table)} from ${nameOf(schema, table.sqlName)} where ${same}`
}

function parameterOf(type: ColumnType, number: number): string {
  return type === 'time' ? timeParameter(`$${number}`) : `$${number}::${SQL_TYPES[type]}`
}

export function allRowsSql(schema: string, table: Table): string {
  // Of the table's columns: without the prefix it would be of the texts that are selected.
  return `select ${outputOf(table)} from ${nameOf(schema, table.sqlName)} t order by ${namesOf(table.key, 't.')}`
}

function outputOf({ columns }: Table): string {
  return columns
    .map(({ sqlName, type }) => {
      if (type !== 'time') return `${quoted(sqlName)}::text`
      return `(extract(epoch from ${quoted(sqlName)}) * 1000000)::bigint::text`
    })
    .join(', ')
}

/** Rows, or of rows the columns that are given, as the JSON that the statements above take. */
export function recordsText(columns: readonly Column[], rows: readonly UntypedRow[]): string {
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(columns.map(({ name, sqlName, type }) => [sqlName, toJson(type, row[name])]))),
  )
}

function toJson(type: ColumnType, value: Value): unknown {
  if (type === 'json') return value === undefined ? undefined : JSON.stringify(value)
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return Object.is(value, -0) ? '-0' : String(value)
  }
  return value
}

export function parameterText(value: Value): string {
  return value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : String(value)
}

/** A row of texts, as the statements above return it. */
export function rowOfTexts(columns: readonly Column[], texts: readonly unknown[]): UntypedRow {
  const row: Record<string, Value> = {}
  columns.forEach(({ name, type }, i) => {
    const text = texts[i]
    if (typeof text === 'string') row[name] = fromText(type, text)
  })
  return row
}

function fromText(type: ColumnType, text: string): Value {
  switch (type) {
    case 'integer':
    case 'number':
    case 'time':
      return Number(text)
    case 'boolean':
      return text === 'true'
    case 'bytes':
      return Uint8Array.from(Buffer.from(text.slice(2), 'hex'))
    case 'json':
      return JSON.parse(text)
    case 'text':
      return text
  }
}

/**
 * What `build` has more, less or otherwise is brought into `live`: nobody has to wait for a table, and equal rows are not touched. Rows are
 * matched by key alone, so that the database can do it with a join.
 */
export function swapRowsSql(live: string, build: string, table: Table): string[] {
  const { sqlName, columns, key } = table
  const sameKey = key.map(({ sqlName: name }) => `l.${quoted(name)} = b.${quoted(name)}`).join(' and ')
  const differs = [
    `l.${quoted(key[0]?.sqlName ?? '')} is null`,
    ...columns.map(({ sqlName: name }) => `l.${quoted(name)} is distinct from b.${quoted(name)}`),
  ]
  const [from, into] = [nameOf(build, sqlName), nameOf(live, sqlName)]
  return [
    `analyze ${from}`,
    `delete from ${into} l where not exists (select 1 from ${from} b where ${sameKey})`,
    `insert into ${into} (${namesOf(columns)}) select ${namesOf(columns, 'b.')} from ${from} b
      left join ${into} l on ${sameKey} where ${differs.join(' or ')} on conflict (${namesOf(key)}) do ${updateOf(table)}`,
  ]
}

/** Whether a table, `$2`, has the columns and the key of the one that was just made, `$1`; it may have more. */
export const SAME_TABLE_SQL = `select (not exists (
    select attname, atttypid, attnotnull from pg_attribute
      where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
    except select attname, atttypid, attnotnull from pg_attribute
      where attrelid = to_regclass($2) and attnum > 0 and not attisdropped
  ) and exists (select 1 from pg_index where indrelid = to_regclass($2) and indisprimary))::text`
