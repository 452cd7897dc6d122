/**
 * The rows as the handlers of a batch see them: what they put is kept here until it is committed, and what was read or committed
 * stays for the next batches. So an account that is paid into a thousand times is read once and written once in a batch.
 *
 * Nobody else writes these tables: where somebody has, the commit is refused, and all that is kept here is forgotten.
 */
import { copyOf, problemOf, type UntypedRow } from './columns.js'
import type { Projection, Table, UntypedTableAccess, UntypedTables } from './definition.js'
import type { TableChanges, Target } from './target.js'

/** Rows kept in each table; with more, the older half is forgotten between two batches. */
const KEPT_ROWS = 100_000

export class BatchRows {
  readonly tables: UntypedTables
  readonly #tables: readonly KeptTable[]

  /** @param isEmpty nothing was loaded yet: what is not kept does not exist, as long as all is kept */
  constructor(projection: Projection, target: Pick<Target, 'read'>, isEmpty: boolean, keptRows = KEPT_ROWS) {
    this.#tables = projection.tables.map((table) => new KeptTable(table, target, isEmpty, keptRows))
    this.tables = Object.fromEntries(this.#tables.map((kept) => [kept.table.name, kept]))
  }

  /** After each handler. @throws what reading a row threw, also where the handler swallowed it; Error where one was not awaited */
  check(): void {
    for (const kept of this.#tables) kept.check()
  }

  /** What the batch has changed. */
  changes(): TableChanges[] {
    return this.#tables.flatMap((kept) => kept.changes())
  }

  /** It is committed: the next batch begins. */
  committed(): void {
    for (const kept of this.#tables) kept.committed()
  }
}

class KeptTable implements UntypedTableAccess {
  readonly table: Table
  readonly #target: Pick<Target, 'read'>
  readonly #bound: number
  /** Undefined: there is no such row. */
  readonly #kept = new Map<string, UntypedRow | undefined>()
  readonly #changed = new Map<string, UntypedRow>()
  #hasAll: boolean
  #reading = 0
  #failure: unknown

  constructor(table: Table, target: Pick<Target, 'read'>, isEmpty: boolean, bound: number) {
    this.table = table
    this.#target = target
    this.#hasAll = isEmpty
    this.#bound = bound
  }

  async get(...key: readonly unknown[]): Promise<unknown> {
    const keyRow = this.#keyRow(key)
    const text = this.#textOf(keyRow)
    let row = this.#kept.get(text)
    if (row === undefined && !this.#hasAll && !this.#kept.has(text)) {
      row = await this.#read(keyRow)
      this.#kept.set(text, row)
    }
    return row === undefined ? undefined : copyOf(this.table.columns, row)
  }

  put(row: unknown): void {
    const { table } = this
    if (typeof row !== 'object' || row === null) throw new Error(`${table.name}.put takes a row, an object`)
    const given: UntypedRow = { ...row }
    for (const column of table.columns)
      this.#check(column.name, problemOf(column, given[column.name]), given[column.name])
    const unknown = Object.keys(given).find((name) => !table.columns.some((column) => column.name === name))
    if (unknown !== undefined) throw new Error(`${table.name} has no column '${unknown}'`)
    const copy = copyOf(table.columns, given)
    this.#set(copy, copy)
  }

  delete(...key: readonly unknown[]): void {
    this.#set(this.#keyRow(key), undefined)
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#reading > 0) throw new Error(`it did not wait for ${this.table.name}.get(…): write \`await\` before it`)
  }

  changes(): TableChanges[] {
    if (this.#changed.size === 0) return []
    const puts: UntypedRow[] = []
    const deletes: UntypedRow[] = []
    for (const [text, keyRow] of this.#changed) {
      const row = this.#kept.get(text)
      if (row === undefined) deletes.push(keyRow)
      else puts.push(row)
    }
    return [{ table: this.table, puts, deletes }]
  }

  committed(): void {
    this.#changed.clear()
    if (this.#kept.size <= this.#bound) return
    this.#hasAll = false
    let surplus = this.#kept.size - this.#bound / 2
    for (const text of this.#kept.keys()) {
      if (surplus-- <= 0) break
      this.#kept.delete(text)
    }
  }

  async #read(keyRow: UntypedRow): Promise<UntypedRow | undefined> {
    this.#reading += 1
    try {
      return await this.#target.read(this.table, keyRow)
    } catch (error) {
      this.#failure ??= error
      throw error
    } finally {
      this.#reading -= 1
    }
  }

  #set(keyRow: UntypedRow, row: UntypedRow | undefined): void {
    const text = this.#textOf(keyRow)
    // Set anew, so that what was changed last is forgotten last.
    this.#kept.delete(text)
    this.#kept.set(text, row)
    this.#changed.set(text, keyRow)
  }

  #keyRow(key: readonly unknown[]): UntypedRow {
    const { name, key: columns } = this.table
    if (key.length !== columns.length) {
      throw new Error(`the key of ${name} is (${columns.map((column) => column.name).join(', ')}): ${key.length} given`)
    }
    return Object.fromEntries(
      columns.map((column, i) => {
        this.#check(column.name, problemOf(column, key[i]), key[i])
        return [column.name, key[i]]
      }),
    )
  }

  /** One text for one key. */
  #textOf(row: UntypedRow): string {
    const { key } = this.table
    const first = key.length === 1 ? row[key[0]?.name ?? ''] : undefined
    if (typeof first === 'string') return first
    return JSON.stringify(key.map(({ name }) => (row[name] instanceof Uint8Array ? [...row[name]] : row[name])))
  }

  #check(column: string, problem: string | undefined, value: unknown): void {
    if (problem === undefined) return
    const given = typeof value === 'string' ? JSON.stringify(value) : String(value)
    throw new Error(`${this.table.name}.${column} is ${given}, and must be ${problem}`)
  }
}
