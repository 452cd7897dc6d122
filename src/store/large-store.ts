/**
 * The files behind the large maps of one replica, in `DIR/<session>/large/<component>-<instance>/`: rows as they were after one event, and
 * the checkpoint of that event, which go on to a later event in one transaction. So there is one position, and nothing to put together after
 * a crash.
 *
 * | table | key | value |
 * |---|---|---|
 * | rows | name of the map, 0, key | CRC-32 u32, row |
 * | checkpoint | `header`, `body` | SHA-256 of it, and it: see wire/checkpoint.ts |
 */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { readU32, writeU32 } from '../wire/bytes.js'
import {
  CHECKPOINT_HASH_BYTES,
  type Checkpoint,
  type CheckpointHeader,
  decodeCheckpointHeader,
  encodeCheckpointHeader,
} from '../wire/checkpoint.js'
import { problemOfEnvironment } from './lmdb-file-check.js'
import { openTables, type Tables } from './lmdb-tables.js'
import { checkOwner, sessionPath } from './session-directory.js'
import { makeDirectorySynced } from './synced-file.js'

const CRC_BYTES = 4
const HEADER = Buffer.from('header')
const BODY = Buffer.from('body')

/** A row to be written; without one the key goes. */
export interface LargeRow {
  readonly map: string
  readonly key: Uint8Array
  readonly row: Uint8Array | undefined
}

export interface LargeOwner {
  readonly session: string
  readonly component: string
  readonly instance: string
}

/** Where the large maps of a replica lie. */
export function largePath(directory: string, { session, component, instance }: LargeOwner): string {
  return join(sessionPath(directory, session), 'large', `${component}-${encodeURIComponent(instance)}`)
}

export class LargeStore {
  readonly path: string
  readonly #tables: Tables
  #header: CheckpointHeader | undefined

  /** Files that can't be read are dropped: the component begins with the first event. @throws SeqcastError E_SESSION_FOREIGN, E_STORE_IO */
  static async open(directory: string, owner: LargeOwner, logger: Logger): Promise<LargeStore> {
    checkOwner(directory, owner.session)
    const path = largePath(directory, owner)
    try {
      return await openAt(path)
    } catch (thrown) {
      logger.warn({ path, error: messageOf(thrown) }, 'large maps: the files can’t be read and are dropped')
      rmSync(path, { recursive: true, force: true })
      return openAt(path)
    }
  }

  /** Files at `path` itself, for a process that drops them when it ends. @throws SeqcastError E_STORE_IO */
  static scratch(path: string): Promise<LargeStore> {
    return openAt(path)
  }

  constructor(path: string, tables: Tables) {
    this.path = path
    this.#tables = tables
    this.#header = this.#readHeader()
  }

  /** Of the event up to which all of it is; undefined where there is nothing. */
  get header(): CheckpointHeader | undefined {
    return this.#header
  }

  /** @throws SeqcastError E_STORE_CORRUPT where the row is not as it was written */
  get(map: string, key: Uint8Array): Uint8Array | undefined {
    const found = this.#tables.table('rows').get(rowKey(map, key))
    if (found === undefined) return undefined
    const row = found.subarray(CRC_BYTES)
    if (found.length > CRC_BYTES && readU32(found, 0) === crc32(row)) return row
    throw new SeqcastError('E_STORE_CORRUPT', `a row of the large map '${map}' in ${this.path} is damaged`, {
      hint: 'remove that directory: the component begins with the first event, and makes it anew',
      fields: { path: this.path, map },
    })
  }

  *keys(map: string, from: Uint8Array | undefined, before: Uint8Array | undefined): Generator<Uint8Array> {
    const start = rowKey(map, from ?? new Uint8Array(0))
    const end = before === undefined ? rowKey(map, Uint8Array.of(0xff)) : rowKey(map, before)
    for (const key of this.#tables.table('rows').keys({ start, end })) yield key.subarray(map.length + 1)
  }

  /** The checkpoint that the rows belong to. @throws SeqcastError E_CHECKPOINT */
  read(): Checkpoint {
    const header = this.#header
    const body = this.#piece(BODY)
    if (header !== undefined && body !== undefined) return { header, body }
    throw new SeqcastError('E_CHECKPOINT', `the checkpoint in ${this.path} can't be used: it is damaged`, {
      hint: '`seqcast run` begins with the first event; nothing has to be done',
      fields: { path: this.path },
    })
  }

  /** All rows go on to the event of a checkpoint. Holds the thread until it is on disk. @throws SeqcastError E_STORE_IO */
  commit(rows: Iterable<LargeRow>, { header, body }: Checkpoint): void {
    this.#change(() => {
      const checkpoint = this.#tables.table('checkpoint')
      this.#put(rows)
      checkpoint.put(HEADER, withHash(encodeCheckpointHeader(header)))
      checkpoint.put(BODY, withHash(body))
    })
    this.#header = header
  }

  /** Rows without a checkpoint: of files that nobody opens again. */
  write(rows: Iterable<LargeRow>): void {
    this.#change(() => this.#put(rows))
  }

  /** Drops everything. */
  reset(): void {
    this.#change(() => {
      this.#tables.table('checkpoint').clear()
      this.#tables.table('rows').clear()
    })
    this.#header = undefined
  }

  usedBytes(): number {
    return this.#tables.usedBytes()
  }

  close(): Promise<void> {
    return this.#tables.close()
  }

  #change(action: () => void): void {
    try {
      this.#tables.transactionSync(action)
    } catch (cause) {
      throw new SeqcastError('E_STORE_IO', `large maps can't be written to ${this.path}: ${messageOf(cause)}`, {
        hint: 'free some space; until then all that changes is kept in memory',
        fields: { path: this.path },
        cause,
      })
    }
    this.#tables.refresh()
  }

  #put(rows: Iterable<LargeRow>): void {
    const table = this.#tables.table('rows')
    for (const { map, key, row } of rows) {
      if (row === undefined) table.remove(rowKey(map, key))
      else table.put(rowKey(map, key), withCrc(row))
    }
  }

  #readHeader(): CheckpointHeader | undefined {
    const encoded = this.#piece(HEADER)
    return encoded === undefined ? undefined : decodeCheckpointHeader(encoded)
  }

  /** Undefined where it is missing or damaged. */
  #piece(key: Uint8Array): Uint8Array | undefined {
    const found = this.#tables.table('checkpoint').get(key)
    const bytes = found?.subarray(CHECKPOINT_HASH_BYTES)
    if (found === undefined || bytes === undefined) return undefined
    return Buffer.compare(sha256(bytes), found.subarray(0, CHECKPOINT_HASH_BYTES)) === 0 ? bytes : undefined
  }
}

async function openAt(path: string): Promise<LargeStore> {
  const problem = problemOfEnvironment(path)
  if (problem !== undefined) throw new Error(problem)
  makeDirectorySynced(path)
  return new LargeStore(path, await openTables(path, { mode: 'write', tables: ['rows', 'checkpoint'] }))
}

function rowKey(map: string, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(map.length + 1 + key.length)
  // A name is ASCII.
  for (let i = 0; i < map.length; i++) bytes[i] = map.charCodeAt(i)
  bytes.set(key, map.length + 1)
  return bytes
}

function withCrc(row: Uint8Array): Uint8Array {
  const value = new Uint8Array(CRC_BYTES + row.length)
  writeU32(value, 0, crc32(row))
  value.set(row, CRC_BYTES)
  return value
}

function withHash(bytes: Uint8Array): Uint8Array {
  const value = new Uint8Array(CHECKPOINT_HASH_BYTES + bytes.length)
  value.set(sha256(bytes))
  value.set(bytes, CHECKPOINT_HASH_BYTES)
  return value
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
