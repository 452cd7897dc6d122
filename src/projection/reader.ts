/** Reading the rows of a projection from a program: of one in LMDB with no server at all. Any SQL client reads those in PostgreSQL. */
import { silentLogger } from '../core/log.js'
import type { KeyOf, Projection, RowOf, Table, TableDefinitions } from './definition.js'
import { openReader, parseTarget } from './open-target.js'
import type { Position } from './position.js'
import { type Target, unreachable } from './target.js'

/**
 * Opens the rows where `seqcast project --to PLACE` keeps them. It changes nothing and holds nobody up.
 * @param to `lmdb:DIR` or `postgres://…`
 * @throws SeqcastError E_PROJECTION where it is not there, E_DATABASE, E_STORE_IO
 */
export async function readProjection<T extends TableDefinitions>(
  projection: Projection<T>,
  to: string,
  schema?: string,
): Promise<ProjectionReader<T>> {
  const target = openReader(projection, parseTarget(to, schema), silentLogger)
  try {
    return new ProjectionReader(projection, target, await target.open())
  } catch (error) {
    await target.close()
    throw unreachable(target.title, error)
  }
}

export class ProjectionReader<T extends TableDefinitions> {
  readonly #projection: Projection<T>
  readonly #target: Target
  #position: Position | undefined

  constructor(projection: Projection<T>, target: Target, position: Position | undefined) {
    this.#projection = projection
    this.#target = target
    this.#position = position
  }

  /** What the rows had when this was opened, or last refreshed; undefined: nothing was loaded yet. */
  get position(): { readonly session: string; readonly sequence: number; readonly timeUs: number } | undefined {
    return this.#position
  }

  /** The committed row with this key. @throws SeqcastError E_DATABASE, E_PROJECTION where its table is gone */
  async get<N extends keyof T & string>(name: N, ...key: KeyOf<T[N]>): Promise<RowOf<T[N]> | undefined> {
    const table = this.#table(name)
    const keyRow = Object.fromEntries(table.key.map((column, i) => [column.name, key[i]]))
    // The definition, whose hash is that of the rows, gives the type.
    return (await this.#told(async () => this.#target.read(table, keyRow))) as RowOf<T[N]> | undefined
  }

  /** All committed rows, in the order of the key. @throws SeqcastError as `get` */
  async *rows<N extends keyof T & string>(name: N): AsyncGenerator<RowOf<T[N]>> {
    const rows = this.#target.rows(this.#table(name))[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await this.#told(() => rows.next())
        if (next.done === true) return
        yield next.value as RowOf<T[N]>
      }
    } finally {
      await this.#told(async () => rows.return?.())
    }
  }

  /** Looks where the rows are now, also after a reset has swapped them, or the server was away. @throws SeqcastError as `readProjection` */
  async refresh(): Promise<void> {
    this.#position = await this.#told(() => this.#target.open())
  }

  async close(): Promise<void> {
    await this.#target.close()
  }

  /** A reader waits for nobody: a server that is gone is told at once. */
  async #told<R>(action: () => Promise<R>): Promise<R> {
    try {
      return await action()
    } catch (error) {
      throw unreachable(this.#target.title, error)
    }
  }

  #table(name: string): Table {
    const table = this.#projection.tables.find((each) => each.name === name)
    if (table === undefined) throw new Error(`projection ${this.#projection.name} has no table '${name}'`)
    return table
  }
}
