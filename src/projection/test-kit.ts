/**
 * Tests of a projection without a database: given these events, expect those rows.
 *
 * ```ts
 * const kit = testProjection(projection)
 * await kit.given('AccountOpened', { account: 'A-1', owner: 'Ada' })
 * assert.deepEqual(await kit.rows('accounts'), [{ account: 'A-1', owner: 'Ada', balance: 0 }])
 * ```
 *
 * Each event is its own transaction; a handler that throws leaves nothing behind it.
 */
import { BatchRows } from './batch-rows.js'
import type { UntypedRow } from './columns.js'
import type { Projection, RowOf, Table, TableDefinitions } from './definition.js'
import { keyBytes } from './row-bytes.js'

/** What a test may say of an event, beside its payload. */
export interface GivenEvent {
  readonly session?: string
  /** Microseconds since 1970. Default: one millisecond after the last one. */
  readonly timeUs?: number
  /** It begins a session with what was known before. Default false. */
  readonly carriedOver?: boolean
}

const START_US = Date.UTC(2026, 0, 5, 9) * 1_000

/** Starts with empty tables. */
export function testProjection<T extends TableDefinitions, M extends object>(
  projection: Projection<T, M>,
): ProjectionTest<T, M> {
  return new ProjectionTest(projection)
}

export class ProjectionTest<T extends TableDefinitions, M extends object> {
  readonly #projection: Projection<T, M>
  readonly #rows = new Map<Table, Map<string, UntypedRow>>()
  #sequence = 0
  #timeUs = START_US

  constructor(projection: Projection<T, M>) {
    this.#projection = projection
    for (const table of projection.tables) this.#rows.set(table, new Map())
  }

  /** Handles one event. @throws what its handler throws; SeqcastError E_PAYLOAD where the payload does not fit */
  async given<N extends keyof M & string>(name: N, payload: M[N], event: GivenEvent = {}): Promise<void> {
    const { schema, handlers } = this.#projection
    const { session = 'TEST', timeUs = this.#timeUs + 1_000, carriedOver = false } = event
    // Through the bytes, as in a stream: what does not fit the schema is found here.
    const bytes = schema.encode(name, payload)
    const type = schema.typeOf(name) ?? 0
    const decoded = schema.decode(type, bytes, 0, bytes.length)
    this.#sequence += 1
    this.#timeUs = timeUs
    const batch = new BatchRows(this.#projection, { read: (table, key) => this.#find(table, key) }, false)
    await handlers[type]?.(
      { session, sequence: this.#sequence, timeUs, source: 1, name, payload: decoded, carriedOver },
      batch.tables,
    )
    batch.check()
    for (const { table, puts, deletes } of batch.changes()) {
      for (const key of deletes) this.#rows.get(table)?.delete(textOf(table, key))
      for (const row of puts) this.#rows.get(table)?.set(textOf(table, row), row)
    }
  }

  /** The rows of a table, in the order of its key. */
  rows<N extends keyof T & string>(name: N): RowOf<T[N]>[] {
    const table = this.#projection.tables.find((each) => each.name === name)
    const rows = table === undefined ? undefined : this.#rows.get(table)
    const sorted = [...(rows ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => ({ ...row }))
    // What was put was checked against the definition that gives the type.
    return sorted as RowOf<T[N]>[]
  }

  #find(table: Table, key: UntypedRow): UntypedRow | undefined {
    return this.#rows.get(table)?.get(textOf(table, key))
  }
}

function textOf(table: Table, row: UntypedRow): string {
  return Buffer.from(keyBytes(table.key, row)).toString('hex')
}
