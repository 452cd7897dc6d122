/**
 * One connection to PostgreSQL, and what its failures mean: a server that is gone, starting or full is tried again; one that refuses
 * what is asked of it will refuse it again.
 */
import type { Client, QueryResult } from 'pg'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import { TargetLost } from './target.js'

const CONNECT_TIMEOUT_MS = 10_000

/** SQLSTATE classes and codes after which the same may succeed: https://www.postgresql.org/docs/15/errcodes-appendix.html */
const PASSING = ['08', '40', '53', '55P03', '57P', '58']
/** A table, a column, a key or a type is not what the projection made: somebody else has changed it. */
const CHANGED: ReadonlySet<string> = new Set(['3F000', '42P01', '42703', '42804', '42P10'])
/** Words of the client library for a connection that broke. */
const BROKEN = /terminat|connection|timeout|closed|ECONN|socket/i

export type Texts = readonly (readonly (string | null)[])[]

export class PostgresConnection {
  readonly title: string
  readonly #client: Client
  #broken: Error | undefined

  private constructor(title: string, client: Client) {
    this.title = title
    this.#client = client
    client.on('error', (error: Error) => {
      this.#broken = error
    })
  }

  /** @throws TargetLost; SeqcastError E_DATABASE where the server refuses */
  static async open(url: string): Promise<PostgresConnection> {
    const { default: pg } = await import('pg')
    const title = titleOf(url)
    let client: Client
    try {
      client = new pg.Client({
        connectionString: url,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        keepAlive: true,
        application_name: 'seqcast project',
        types: { getTypeParser: () => (text: string) => text },
      })
    } catch (error) {
      throw refused(title, 'the address is not understood', error)
    }
    const connection = new PostgresConnection(title, client)
    try {
      await client.connect()
      return connection
    } catch (error) {
      await connection.close()
      throw connection.#meaningOf(error, 'connecting')
    }
  }

  /** @returns the rows, each value as text. @throws TargetLost; SeqcastError E_DATABASE */
  async query(sql: string, parameters: readonly unknown[] = []): Promise<Texts> {
    return (await this.#query(sql, parameters)).rows
  }

  /** @returns how many rows it changed */
  async change(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    return (await this.#query(sql, parameters)).rowCount ?? 0
  }

  /** One transaction; undone where the action throws or returns false. */
  async transaction(action: () => Promise<boolean>): Promise<boolean> {
    await this.#query('begin isolation level read committed', [])
    let isDone = false
    try {
      isDone = await action()
    } catch (error) {
      // A connection that is lost undoes by itself.
      if (!(error instanceof TargetLost)) await this.#query('rollback', [])
      throw error
    }
    await this.#query(isDone ? 'commit' : 'rollback', [])
    return isDone
  }

  async close(): Promise<void> {
    // Whatever it says now, nothing of it is needed any more.
    await this.#client.end().catch(messageOf)
  }

  async #query(sql: string, parameters: readonly unknown[]): Promise<QueryResult<(string | null)[]>> {
    if (this.#broken !== undefined) throw new TargetLost(this.#broken)
    try {
      return await this.#client.query({ text: sql, values: [...parameters], rowMode: 'array' })
    } catch (error) {
      throw this.#meaningOf(error, sql.trim().split(/\s+/, 3).join(' '))
    }
  }

  #meaningOf(error: unknown, doing: string): Error {
    const code = sqlState(error)
    // A name that nobody knows is a slip of the pen; a server that is not there yet is waited for.
    if (systemCodeOf(error) === 'ENOTFOUND') return refused(this.title, doing, error)
    if (this.#broken !== undefined || PASSING.some((passing) => code?.startsWith(passing))) return new TargetLost(error)
    if (code === undefined && (systemCodeOf(error) !== undefined || BROKEN.test(messageOf(error))))
      return new TargetLost(error)
    return refused(this.title, doing, error)
  }
}

/** PostgreSQL's own codes have five characters, the system's (`ECONNREFUSED`) more. */
export function sqlState(error: unknown): string | undefined {
  const code = systemCodeOf(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

function refused(title: string, doing: string, cause: unknown): SeqcastError {
  const code = sqlState(cause)
  const detail = code === undefined ? messageOf(cause) : `${messageOf(cause)} (SQLSTATE ${code})`
  if (code !== undefined && CHANGED.has(code)) {
    return new SeqcastError('E_PROJECTION', `the tables in ${title} are not as they were made (${doing}): ${detail}`, {
      hint: 'somebody has dropped or altered them; --reset builds them anew',
      fields: { target: title, sqlState: code },
      cause,
    })
  }
  return new SeqcastError('E_DATABASE', `${title} refused (${doing}): ${detail}`, {
    hint: 'see the reason: user, password, database, rights (create schema, create table), or the data itself',
    fields: { target: title, sqlState: code },
    cause,
  })
}

/** The address without its password. */
function titleOf(url: string): string {
  try {
    const { protocol, username, host, pathname } = new URL(url)
    return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`
  } catch {
    return 'the database'
  }
}
