/**
 * A projection in LMDB, the database that needs no server. `DIR/<projection>/current` names the generation that readers see, a
 * directory with an environment of its own. A reset builds the next generation beside it and then replaces that one small file, so
 * nothing is ever deleted from an environment that is in use.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, SeqcastError } from '../core/errors.js'
import { openTables, type Tables } from '../store/lmdb-tables.js'
import { acquireLock, type SessionLock } from '../store/session-lock.js'
import { makeDirectorySynced, writeFileSynced } from '../store/synced-file.js'
import type { UntypedRow } from './columns.js'
import type { Projection, Table } from './definition.js'
import { type Position, positionOf, positionText } from './position.js'
import { keyBytes, rowBytes, rowOfBytes } from './row-bytes.js'
import { type BesideTarget, notThere, refuseDefinition, type TableChanges } from './target.js'

const POSITION_TABLE = 'seqcast_position'
const POSITION_KEY = new TextEncoder().encode('position')
const HASH_KEY = new TextEncoder().encode('definition')
const CURRENT = 'current'
const GENERATION = /^generation-(\d{1,15})$/
/** Entries handed on before other work gets its turn, and before a reader's snapshot is renewed. */
const ROWS_PER_TURN = 1_000

export type LmdbMode = 'write' | 'read' | 'beside'

export class LmdbTarget implements BesideTarget {
  readonly title: string
  readonly #projection: Projection
  readonly #directory: string
  readonly #mode: LmdbMode
  readonly #definition: string
  #generation = ''
  #tables: Tables | undefined
  #lock: SessionLock | undefined
  /** The text that is stored, as far as this process knows. */
  #positionText: string | undefined

  /**
   * @param mode `beside` builds the next generation, for `swap`
   * @param purpose of which events that is built; what was left of another is not gone on with
   */
  constructor(projection: Projection, directory: string, mode: LmdbMode, purpose = '') {
    this.#definition = purpose === '' ? projection.hash : `${projection.hash} ${purpose}`
    this.#projection = projection
    this.#directory = join(directory, projection.name)
    this.#mode = mode
    this.title = `lmdb:${directory}`
  }

  /** @throws SeqcastError E_STORE_HELD where another process writes it; E_STORE_IO; E_PROJECTION */
  async open(): Promise<Position | undefined> {
    await this.#closeTables()
    if (this.#mode !== 'read') this.#acquire()
    this.#generation = this.#chosenGeneration()
    const path = join(this.#directory, this.#generation)
    const names = [POSITION_TABLE, ...this.#projection.tables.map((table) => table.sqlName)]
    const mode = this.#mode === 'read' ? 'read' : 'write'
    if (mode === 'write') makeDirectorySynced(path)
    this.#tables = await openTables(path, { mode, tables: names })
    return this.#begin(this.#tables)
  }

  read(table: Table, key: UntypedRow): UntypedRow | undefined {
    const bytes = this.#opened.table(table.sqlName).get(keyBytes(table.key, key))
    return bytes === undefined ? undefined : this.#row(table, bytes)
  }

  async commit(changes: readonly TableChanges[], position: Position): Promise<boolean> {
    if (this.#mode === 'write' && this.#current() !== this.#generation) return false
    const tables = this.#opened
    const text = positionText(position)
    const isDone = this.#write(tables, () => {
      const positions = tables.table(POSITION_TABLE)
      if (textOf(positions.get(POSITION_KEY)) !== this.#positionText) return false
      for (const { table, puts, deletes } of changes) {
        const rows = tables.table(table.sqlName)
        for (const key of deletes) rows.remove(keyBytes(table.key, key))
        for (const row of puts) rows.put(this.#checkedKey(table, row), rowBytes(table.columns, row))
      }
      positions.put(POSITION_KEY, new TextEncoder().encode(text))
      return true
    })
    if (isDone) this.#positionText = text
    return isDone
  }

  #write<T>(tables: Tables, action: () => T): T {
    try {
      return tables.transactionSync(action)
    } catch (cause) {
      if (cause instanceof SeqcastError) throw cause
      const message = `the rows of ${this.#projection.name} can't be written to ${this.title}: ${messageOf(cause)}`
      throw new SeqcastError('E_STORE_IO', message, {
        hint: 'see whether the disk is full or failing, then start it again: it goes on where its rows are',
        fields: { projection: this.#projection.name, target: this.title },
        cause,
      })
    }
  }

  async *rows(table: Table): AsyncIterable<UntypedRow> {
    let count = 0
    for (const { value } of this.#opened.table(table.sqlName).entries()) {
      yield this.#row(table, value)
      if (++count % ROWS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async swap(): Promise<void> {
    if (this.#tables === undefined) await this.open()
    const tables = this.#opened
    const hash = new TextEncoder().encode(this.#projection.hash)
    tables.transactionSync(() => tables.table(POSITION_TABLE).put(HASH_KEY, hash))
    await this.#closeTables()
    writeFileSynced(join(this.#directory, CURRENT), `${this.#generation}\n`)
    this.#removeOthers(this.#generation)
  }

  async close(): Promise<void> {
    await this.#closeTables()
    this.#lock?.release(true)
    this.#lock = undefined
  }

  get #opened(): Tables {
    if (this.#tables === undefined) throw new Error('the target is not open')
    return this.#tables
  }

  #begin(tables: Tables): Position | undefined {
    const positions = tables.table(POSITION_TABLE)
    const hash = textOf(positions.get(HASH_KEY))
    if (hash === undefined && this.#mode !== 'read') {
      tables.transactionSync(() => positions.put(HASH_KEY, new TextEncoder().encode(this.#definition)))
    } else if (hash !== this.#definition) {
      if (this.#mode !== 'beside') refuseDefinition(this.#projection.name, this.title)
      return this.#beginAnew(tables)
    }
    this.#positionText = textOf(positions.get(POSITION_KEY))
    return this.#positionText === undefined ? undefined : positionOf(this.#positionText)
  }

  /** What another definition has left half built is worth nothing. */
  #beginAnew(tables: Tables): undefined {
    this.#positionText = undefined
    tables.transactionSync(() => {
      for (const { sqlName } of this.#projection.tables) tables.table(sqlName).clear()
      tables.table(POSITION_TABLE).remove(POSITION_KEY)
      tables.table(POSITION_TABLE).put(HASH_KEY, new TextEncoder().encode(this.#definition))
    })
    return undefined
  }

  #acquire(): void {
    if (this.#lock !== undefined) return
    const path = this.#mode === 'beside' ? join(this.#directory, 'beside') : this.#directory
    makeDirectorySynced(path)
    this.#lock = acquireLock(path)
  }

  #chosenGeneration(): string {
    const current = this.#current()
    if (this.#mode === 'read' && current === undefined) throw notThere(this.#projection.name, this.title)
    const next = `generation-${numberOf(current) + 1}`
    if (this.#mode === 'beside') {
      this.#removeOthers(current, next)
      return next
    }
    if (current !== undefined) return current
    writeFileSynced(join(this.#directory, CURRENT), `${next}\n`)
    return next
  }

  /** Whoever still reads one keeps it until it is closed. */
  #removeOthers(...kept: readonly (string | undefined)[]): void {
    for (const name of readdirSync(this.#directory)) {
      if (!GENERATION.test(name) || kept.includes(name)) continue
      rmSync(join(this.#directory, name), { recursive: true, force: true })
    }
  }

  #current(): string | undefined {
    const file = join(this.#directory, CURRENT)
    if (!existsSync(file)) return undefined
    const name = readFileSync(file, 'utf8').trim()
    return GENERATION.test(name) ? name : undefined
  }

  #row(table: Table, bytes: Uint8Array): UntypedRow {
    const row = rowOfBytes(table.columns, bytes)
    if (row !== undefined) return row
    throw new SeqcastError('E_STORE_CORRUPT', `a row of ${table.name} in ${this.title} is damaged`, {
      hint: '--reset builds it anew',
      fields: { projection: this.#projection.name, table: table.name, target: this.title },
    })
  }

  #checkedKey(table: Table, row: UntypedRow): Uint8Array {
    const key = keyBytes(table.key, row)
    if (key.length <= MAX_KEY_BYTES) return key
    throw new SeqcastError(
      'E_PROJECTION',
      `a key of ${table.name} has ${key.length} bytes; LMDB takes ${MAX_KEY_BYTES}`,
      {
        hint: 'use shorter keys',
        fields: { projection: this.#projection.name, table: table.name },
      },
    )
  }

  async #closeTables(): Promise<void> {
    const tables = this.#tables
    this.#tables = undefined
    await tables?.close()
  }
}

const MAX_KEY_BYTES = 1_978

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
}

function numberOf(generation: string | undefined): number {
  return Number(GENERATION.exec(generation ?? '')?.[1] ?? 0)
}
