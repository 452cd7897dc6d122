/**
 * The only door to lmdb: one environment per session, with two tables. It is loaded when the first environment is opened,
 * so that nothing native is in a process that does not use it.
 *
 * | table | key | value |
 * |---|---|---|
 * | packets | first sequence, u64 | a record, see record-format.ts |
 * | times | bucket of time, u64 | sequence of the first packet of that bucket, u64 |
 *
 * Keys are eight bytes, big-endian, so that lmdb's byte order is the order of numbers. Rows are deleted only where a tail of the
 * log is taken back, which is rare: a session is dropped by removing its directory.
 *
 * `overlappingSync` is off: a commit then is pages, fdatasync, meta page through a synchronous descriptor, in that order,
 * and only then its promise resolves. So what is visible is durable too, after any crash, and a put's promise is the
 * acknowledgement (a test traces the system calls). It was not slower here than the overlapping mode.
 */
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { readU64, writeU64 } from '../wire/bytes.js'
import { LastTransaction } from './lmdb-last-transaction.js'
import { environmentFailure } from './store-error.js'

/** Address space, not disk: the file grows as it is written. Every process that maps it must use the same size. */
const MAP_BYTES = 2 ** 40
/** Five records of an Ethernet-sized datagram in a page; with 4,096 bytes it would be two, and a third slower. */
const PAGE_BYTES = 8192
const KEY_BYTES = 8
/** What an environment needs to be opened for writing, with plenty of room to spare. */
const OPEN_BYTES = 512 * 1024
/** A transaction that would go on from an older one is begun again. */
const MAX_TRIES = 8
const BEHIND = new Error('lmdb began a transaction at an older state each time')

/** A value that was found: a view of lmdb's one buffer, valid until the next read of any table of any environment. */
export type FoundValue = Uint8Array

/** Rows in the order of their keys, which are safe integers. */
export interface Table {
  get(key: number): FoundValue | undefined
  /** The greatest key that is not above `key`. */
  floorKey(key: number): number | undefined
  /** The smallest key that is not below `key`. */
  ceilingKey(key: number): number | undefined
  firstKey(): number | undefined
  lastKey(): number | undefined
  count(): number
}

/** What one transaction does. `keys` and `records` belong together. */
export interface Addition {
  readonly keys: readonly number[]
  /** Not copied: they must not change until the commit settles. */
  readonly records: readonly Uint8Array[]
  readonly buckets: readonly { readonly bucket: number; readonly sequence: number }[]
  /** First of all: forget the events from here on. A record that begins before is cut. */
  readonly truncateFrom?: number | undefined
}

export interface Environment {
  readonly packets: Table
  readonly times: Table
  /** Sees what was committed since; without it a reader keeps its snapshot until the turn of the event loop ends. */
  refresh(): void
  /** One transaction. Resolves when it is on disk; rejects with the system's or lmdb's reason, and then nothing of it is. */
  commit(addition: Addition): Promise<void>
  /** Bytes of the pages in use. */
  usedBytes(): number
  /** Free bytes of the file system that holds it, or that the process may still write, where that is limited. */
  freeBytes(): number
  close(): Promise<void>
}

/** True where an environment was made at `path` before. */
export function hasEnvironment(path: string): boolean {
  return existsSync(join(path, 'data.mdb'))
}

type Binary = Database<Uint8Array, Uint8Array>

/** What is used of one of lmdb's databases; its own types do not compile with every setting that a user may have. */
export interface ByteDatabase {
  getBinaryFast(key: Uint8Array): Uint8Array | undefined
  doesExist(key: Uint8Array): boolean
  put(key: Uint8Array, value: Uint8Array): Promise<boolean>
  putSync(key: Uint8Array, value: Uint8Array): void
  remove(key: Uint8Array): Promise<boolean>
  removeSync(key: Uint8Array): boolean
  clearAsync(): Promise<void>
  clearSync(): void
  getKeys(range: object): Iterable<Uint8Array>
  getRange(range: object): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>
  getStats(): object
}

/** The same of an environment. */
export interface ByteEnvironment {
  readonly committed: Promise<boolean>
  /** Undefined where it is not there and can't be made. */
  openTable(name: string): ByteDatabase | undefined
  transactionSync<T>(action: () => T): T
  resetReadTxn(): void
  close(): Promise<void>
}

/** Any environment: tables of bytes that `lmdb-tables.ts` makes usable. Its directory is made where it is missing. */
export async function openBytes(path: string, mode: 'write' | 'read', maxTables: number): Promise<ByteEnvironment> {
  requireRoom(path, mode)
  const { open } = await import('lmdb')
  const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
  const root = open<Uint8Array, Uint8Array>(path, {
    ...binary,
    mapSize: MAP_BYTES,
    noSubdir: false,
    overlappingSync: false,
    readOnly: mode === 'read',
    maxDbs: maxTables,
  })
  const last = mode === 'write' ? await lastTransactionOf(path, root) : undefined
  return {
    get committed() {
      return root.committed
    },
    openTable: (name) => root.openDB<Uint8Array, Uint8Array>(name, binary),
    transactionSync: (action) => transactionSync(root, last, action),
    resetReadTxn: () => root.resetReadTxn(),
    close: () => {
      last?.close()
      return root.close()
    },
  }
}

async function lastTransactionOf(path: string, root: Binary): Promise<LastTransaction> {
  try {
    return new LastTransaction(path)
  } catch (error) {
    await root.close()
    throw error
  }
}

/** Several processes may write these: whether it goes on from the newest transaction is looked at with the writer's lock. */
function transactionSync<T>(root: Binary, last: LastTransaction | undefined, action: () => T): T {
  for (let tries = 1; ; tries++) {
    try {
      return root.transactionSync(() => {
        if (last?.isBehind() ?? false) throw BEHIND
        return action()
      })
    } catch (thrown) {
      if (thrown !== BEHIND || tries === MAX_TRIES) throw thrown
    }
  }
}

/** @throws SeqcastError E_STORE_IO where the files can't be opened, E_STORE_FULL where that is for want of room */
export async function openEnvironment(path: string, mode: 'write' | 'read'): Promise<Environment> {
  const { open } = await import('lmdb')
  const options = { encoding: 'binary', keyEncoding: 'binary' } as const
  let root: RootDatabase<Uint8Array, Uint8Array> | undefined
  try {
    requireRoom(path, mode)
    root = open<Uint8Array, Uint8Array>(path, {
      ...options,
      mapSize: MAP_BYTES,
      pageSize: PAGE_BYTES,
      noSubdir: false,
      overlappingSync: false,
      readOnly: mode === 'read',
      maxDbs: 4,
    })
    const packets = root.openDB<Uint8Array, Uint8Array>('packets', options)
    const times = root.openDB<Uint8Array, Uint8Array>('times', options)
    const last = mode === 'write' ? new LastTransaction(path) : undefined
    return environmentOf(path, { root, packets, times, last })
  } catch (cause) {
    await root?.close()
    // lmdb reports a short write as an I/O error.
    const isFull = mode === 'write' && freeBytes(path) < OPEN_BYTES
    throw environmentFailure(isFull ? new Error('No space left', { cause }) : cause, path)
  }
}

/**
 * lmdb maps the file of its locks before the disk has room for it: on a full one the first touch of it is a fault that ends the process.
 * To read, nothing is refused that has its locks: who frees the disk has to look first. @throws Error
 */
function requireRoom(path: string, mode: 'write' | 'read'): void {
  if (mode === 'read' && existsSync(join(path, 'lock.mdb'))) return
  requireFree(path, OPEN_BYTES)
}

/** @throws Error where the file system has less room; `path` need not be there yet */
export function requireFree(path: string, bytes: number): void {
  const free = freeOnDisk(existsSync(path) ? path : dirname(path))
  if (free < bytes) throw new Error(`No space left: ${free} bytes free, ${bytes} are kept`)
}

interface Handles {
  readonly root: RootDatabase<Uint8Array, Uint8Array>
  readonly packets: Binary
  readonly times: Binary
  /** Of the one process that writes. */
  readonly last: LastTransaction | undefined
}

function environmentOf(path: string, handles: Handles): Environment {
  const { root, packets, times, last } = handles
  return {
    packets: tableOf(packets),
    times: tableOf(times),
    refresh: () => root.resetReadTxn(),
    usedBytes: () => pagesOf(packets) + pagesOf(times),
    commit: (addition) => commit(handles, addition),
    freeBytes: () => freeBytes(path),
    close: () => {
      last?.close()
      return root.close()
    },
  }
}

function tableOf(db: Binary): Table {
  const keyBytes = new Uint8Array(KEY_BYTES)
  const keyOf = (key: number): Uint8Array => {
    writeU64(keyBytes, 0, key)
    return keyBytes
  }
  const nearest = (key: number | undefined, reverse: boolean): number | undefined => {
    const start = key === undefined ? {} : { start: keyOf(key).slice() }
    for (const found of db.getKeys({ ...start, reverse, limit: 1 })) return readU64(found, 0)
    return undefined
  }
  return {
    get: (key) => {
      const found = db.getBinaryFast(keyOf(key))
      // lmdb patches its Buffer's `length` only, and a Buffer's `slice` does not copy: nobody above should have to know.
      return found === undefined ? undefined : new Uint8Array(found.buffer, found.byteOffset, found.length)
    },
    floorKey: (key) => nearest(key, true),
    ceilingKey: (key) => nearest(key, false),
    firstKey: () => nearest(undefined, false),
    lastKey: () => nearest(undefined, true),
    count: () => statistic(db, 'entryCount'),
  }
}

function pagesOf(db: Binary): number {
  const pages =
    statistic(db, 'treeBranchPageCount') + statistic(db, 'treeLeafPageCount') + statistic(db, 'overflowPages')
  return pages * statistic(db, 'pageSize')
}

function statistic(db: Binary, name: string): number {
  const stats: object = db.getStats()
  const value: unknown = Reflect.get(stats, name)
  return typeof value === 'number' ? value : 0
}

async function commit({ root, packets, times, last }: Handles, addition: Addition): Promise<void> {
  try {
    const before = last?.restore() ?? 0
    if (addition.truncateFrom === undefined) {
      await add(root, packets, times, addition)
      last?.require(before)
    } else await replaceTail(root, packets, times, addition, addition.truncateFrom)
  } catch (error) {
    throw await commitFailure(error)
  }
}

async function add(root: Database, packets: Binary, times: Binary, addition: Addition): Promise<void> {
  const promises = put(packets, times, addition)
  // At the end of the turn lmdb makes one more promise, and keeps it; if nobody handled it, a full disk would end the process.
  setImmediate(() => root.committed.then(ignore, ignore))
  const results = await Promise.all(promises)
  if (!results.every(Boolean)) throw new Error('lmdb refused a put')
}

function put(packets: Binary, times: Binary, { keys, records, buckets }: Addition): Set<Promise<boolean>> {
  const promises = new Set<Promise<boolean>>()
  const keyBytes = new Uint8Array(KEY_BYTES)
  for (let i = 0; i < keys.length; i++) {
    writeU64(keyBytes, 0, keys[i]!)
    promises.add(packets.put(keyBytes, records[i]!))
  }
  for (const { bucket, sequence } of buckets) {
    const value = new Uint8Array(KEY_BYTES)
    writeU64(keyBytes, 0, bucket)
    writeU64(value, 0, sequence)
    promises.add(times.put(keyBytes, value))
  }
  return promises
}

/** What is read decides here what is written, so it runs inside of the transaction; as a child, to be undone where it throws. */
async function replaceTail(
  root: Database,
  packets: Binary,
  times: Binary,
  addition: Addition,
  from: number,
): Promise<void> {
  const done = root.childTransaction(() => {
    const keyBytes = new Uint8Array(KEY_BYTES)
    const remove = (db: Binary, key: number): void => {
      writeU64(keyBytes, 0, key)
      db.removeSync(keyBytes)
    }
    const packetRows = tableOf(packets)
    const timeRows = tableOf(times)
    for (let key = packetRows.lastKey(); key !== undefined && key >= from; key = packetRows.lastKey()) {
      remove(packets, key)
    }
    for (let key = timeRows.lastKey(); key !== undefined; key = timeRows.lastKey()) {
      const value = timeRows.get(key)
      if (value === undefined || readU64(value, 0) < from) break
      remove(times, key)
    }
    put(packets, times, addition)
  })
  setImmediate(() => root.committed.then(ignore, ignore))
  await done
}

const ignore = (): void => {}

/** Why a transaction failed; lmdb hides it behind a second promise, which rejects as well. */
export async function commitFailure(error: unknown): Promise<unknown> {
  if (typeof error !== 'object' || error === null || !('commitError' in error)) return error
  const { commitError } = error
  if (!(commitError instanceof Promise)) return error
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  )
}

function freeBytes(path: string): number {
  try {
    const limit = /^Max file size\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    if (limit === undefined) return freeOnDisk(path)
    return Math.min(freeOnDisk(path), Number(limit) - statSync(join(path, 'data.mdb')).size)
  } catch {
    return Number.POSITIVE_INFINITY // The system does not tell: then a failed write is what tells.
  }
}

/** Of the file system that holds a directory. */
function freeOnDisk(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
