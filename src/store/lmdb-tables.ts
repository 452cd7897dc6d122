/**
 * Environments of lmdb beside that of the event log: tables whose keys and values are bytes, ordered by the bytes of their keys.
 * Several processes may map one environment: readers see a snapshot, writers wait for each other.
 */
import { type ByteDatabase, type ByteEnvironment, commitFailure, openBytes } from './lmdb-environment.js'
import { environmentFailure } from './store-error.js'

/** Part of a table, in the order of keys; `reverse` from the end. `start` is in it, `end` is not. */
export interface KeyRange {
  readonly start?: Uint8Array
  readonly end?: Uint8Array
  readonly reverse?: boolean
  readonly limit?: number
}

export interface ByteEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Keys are at most 1,978 bytes. What is handed out is a copy. `put` and `remove` only inside of `transactionSync` and `write`. */
export interface ByteTable {
  get(key: Uint8Array): Uint8Array | undefined
  has(key: Uint8Array): boolean
  put(key: Uint8Array, value: Uint8Array): void
  remove(key: Uint8Array): void
  keys(range?: KeyRange): Iterable<Uint8Array>
  entries(range?: KeyRange): Iterable<ByteEntry>
  clear(): void
  count(): number
}

export interface Tables {
  /** @throws Error where it was not named at the opening: a programmer's error */
  table(name: string): ByteTable
  /** Holds the thread until all of it is on disk. Where the action throws, nothing of it is done. */
  transactionSync<T>(action: () => T): T
  /** What the action puts and removes, as one transaction of another thread. Values must not change until it is on disk, which resolves. */
  write(action: () => void): Promise<void>
  /** Sees what other processes have committed since; without it a reader keeps its snapshot until the turn of the event loop ends. */
  refresh(): void
  usedBytes(): number
  close(): Promise<void>
}

export interface TablesOptions {
  readonly mode: 'write' | 'read'
  readonly tables: readonly string[]
}

/** @throws SeqcastError E_STORE_IO where the files can't be opened, or lack a table that is only to be read; E_STORE_FULL without room */
export async function openTables(path: string, { mode, tables }: TablesOptions): Promise<Tables> {
  let root: ByteEnvironment | undefined
  try {
    root = await openBytes(path, mode, tables.length)
    return new LmdbTables(root, tables)
  } catch (cause) {
    await root?.close()
    throw environmentFailure(cause, path)
  }
}

/** What is open for changes: nothing, a transaction on this thread, or one that is gathered for another thread. */
type Writing = 'no' | 'here' | Promise<boolean>[]

class LmdbTables implements Tables {
  readonly #root: ByteEnvironment
  readonly #tables = new Map<string, LmdbTable>()
  #writing: Writing = 'no'

  constructor(root: ByteEnvironment, names: readonly string[]) {
    this.#root = root
    for (const name of names) {
      const db = root.openTable(name)
      if (db === undefined) throw new Error(`there is no table '${name}'`)
      this.#tables.set(name, new LmdbTable(db, () => this.#writing))
    }
  }

  table(name: string): ByteTable {
    const table = this.#tables.get(name)
    if (table === undefined) throw new Error(`table '${name}' was not opened`)
    return table
  }

  transactionSync<T>(action: () => T): T {
    return this.#root.transactionSync(() => this.#during('here', action))
  }

  async write(action: () => void): Promise<void> {
    const promises: Promise<boolean>[] = []
    // What an opening elsewhere has set back is set right here; between this and the other thread's beginning there is next to nothing.
    this.#root.transactionSync(() => {})
    this.#during(promises, action)
    // At the end of the turn lmdb makes one more promise, and keeps it; if nobody handled it, a full disk would end the process.
    setImmediate(() => this.#root.committed.then(ignore, ignore))
    // All of them: each rejects where the commit fails, and whoever is not waited for would end the process.
    const results = await Promise.allSettled(promises)
    for (const result of results) if (result.status === 'rejected') throw await commitFailure(result.reason)
    if (!results.every((result) => result.status === 'fulfilled' && result.value)) throw new Error('lmdb refused a put')
  }

  refresh(): void {
    this.#root.resetReadTxn()
  }

  usedBytes(): number {
    return [...this.#tables.values()].reduce((sum, table) => sum + table.usedBytes(), 0)
  }

  close(): Promise<void> {
    return this.#root.close()
  }

  #during<T>(writing: Writing, action: () => T): T {
    if (this.#writing !== 'no') throw new Error('a transaction within a transaction')
    this.#writing = writing
    try {
      return action()
    } finally {
      this.#writing = 'no'
    }
  }
}

class LmdbTable implements ByteTable {
  readonly #db: ByteDatabase
  readonly #writing: () => Writing

  constructor(db: ByteDatabase, writing: () => Writing) {
    this.#db = db
    this.#writing = writing
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const found = this.#db.getBinaryFast(key)
    // lmdb patches its Buffer's `length` only, and a Buffer's `slice` does not copy.
    return found === undefined ? undefined : new Uint8Array(found.buffer, found.byteOffset, found.length).slice()
  }

  has(key: Uint8Array): boolean {
    return this.#db.doesExist(key)
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const writing = this.#open()
    if (writing === 'here') this.#db.putSync(key, value)
    else writing.push(this.#db.put(key, value))
  }

  remove(key: Uint8Array): void {
    const writing = this.#open()
    if (writing === 'here') this.#db.removeSync(key)
    // One that is not there is removed already: no failure.
    else writing.push(this.#db.remove(key).then(() => true))
  }

  *keys(range: KeyRange = {}): Iterable<Uint8Array> {
    for (const key of this.#db.getKeys(boundsOf(range))) yield new Uint8Array(key)
  }

  *entries(range: KeyRange = {}): Iterable<ByteEntry> {
    for (const { key, value } of this.#db.getRange(boundsOf(range))) {
      yield { key: new Uint8Array(key), value: new Uint8Array(value) }
    }
  }

  clear(): void {
    const writing = this.#open()
    if (writing === 'here') this.#db.clearSync()
    else writing.push(this.#db.clearAsync().then(() => true))
  }

  count(): number {
    return this.#statistic('entryCount')
  }

  usedBytes(): number {
    const names = ['treeBranchPageCount', 'treeLeafPageCount', 'overflowPages']
    return names.reduce((sum, name) => sum + this.#statistic(name), 0) * this.#statistic('pageSize')
  }

  #open(): 'here' | Promise<boolean>[] {
    const writing = this.#writing()
    if (writing === 'no') throw new Error('a change outside of a transaction')
    return writing
  }

  #statistic(name: string): number {
    const value: unknown = Reflect.get(this.#db.getStats(), name)
    return typeof value === 'number' ? value : 0
  }
}

/** In reverse, lmdb begins at `start` and ends at `end`, too: the greater one comes first, and is included. */
function boundsOf({ start, end, reverse = false, limit }: KeyRange): object {
  const [from, to] = reverse ? [end, start] : [start, end]
  return {
    reverse,
    ...(from === undefined ? {} : { start: Buffer.from(from) }),
    ...(to === undefined ? {} : { end: Buffer.from(to) }),
    ...(limit === undefined ? {} : { limit }),
    // `end` is never part of the range, `start` always is.
    ...(reverse ? { exclusiveStart: true, inclusiveEnd: true } : {}),
  }
}

const ignore = (): void => {}
