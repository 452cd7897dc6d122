/**
 * Checkpoints of a session's components, in `DIR/<session>/checkpoints/`: an lmdb environment that several processes may write, and that
 * is dropped with the session. A checkpoint is a header and the pieces of its body, written in one transaction; both carry a hash, so
 * that damage is found before anything is used.
 *
 * | table | key | value |
 * |---|---|---|
 * | headers | component, 0, sequence u64 | SHA-256 of the header, the header (wire/checkpoint.ts) |
 * | bodies | component, 0, sequence u64, piece u32 | a piece of the body |
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { messageOf, SeqcastError } from '../core/errors.js'
import { CHECKPOINT_BYTES } from '../core/limits.js'
import { readU64, writeU32, writeU64 } from '../wire/bytes.js'
import {
  CHECKPOINT_HASH_BYTES,
  type Checkpoint,
  type CheckpointHeader,
  decodeCheckpointHeader,
  encodeCheckpointHeader,
} from '../wire/checkpoint.js'
import { hasEnvironment } from './lmdb-environment.js'
import { type ByteTable, openTables, type Tables } from './lmdb-tables.js'
import { checkOwner, sessionPath } from './session-directory.js'
import { makeDirectorySynced } from './synced-file.js'

/** Large enough that a body has few of them, small enough that lmdb finds room for each. */
const PIECE_BYTES = 256 * 1024
const SEQUENCE_BYTES = 8
const PIECE_NUMBER_BYTES = 4

/** A row that is no checkpoint. */
export interface CheckpointProblem {
  readonly component: string
  readonly sequence: number
  readonly reason: string
}

/** Where the checkpoints of a session lie. */
export function checkpointPath(directory: string, session: string): string {
  return join(sessionPath(directory, session), 'checkpoints')
}

export class CheckpointStore {
  readonly session: string
  readonly path: string
  /** Undefined where there is nothing to read. */
  readonly #tables: Tables | undefined

  /**
   * @param mode `read`: nothing is made, and where there are no checkpoints the list is empty
   * @throws SeqcastError E_SESSION_FOREIGN, E_STORE_IO
   */
  static async open(directory: string, session: string, mode: 'read' | 'write'): Promise<CheckpointStore> {
    checkOwner(directory, session)
    const path = checkpointPath(directory, session)
    if (mode === 'read' && !hasEnvironment(path)) return new CheckpointStore(session, path, undefined)
    try {
      if (mode === 'write') makeDirectorySynced(path)
    } catch (cause) {
      throw new SeqcastError('E_STORE_IO', `the directory ${path} can't be made: ${messageOf(cause)}`, {
        hint: 'give --checkpoints a directory that can be written',
        fields: { path },
        cause,
      })
    }
    const tables = await openTables(path, { mode, tables: ['headers', 'bodies'] })
    return new CheckpointStore(session, path, tables)
  }

  private constructor(session: string, path: string, tables: Tables | undefined) {
    this.session = session
    this.path = path
    this.#tables = tables
  }

  /** Headers of what is there, by component and sequence. Their bodies are not looked at; `read` does. */
  list(component?: string): CheckpointHeader[] {
    return this.#rows(component).flatMap(({ header }) => (header === undefined ? [] : [header]))
  }

  /** What is there and can't be used, bodies included: all of it is read. */
  problems(component?: string): CheckpointProblem[] {
    return this.#rows(component).flatMap(({ header, ...row }) => {
      if (header === undefined) return [{ ...row, reason: 'its header is damaged' }]
      const body = this.#body(header)
      return typeof body === 'string' ? [{ ...row, reason: body }] : []
    })
  }

  /** @throws SeqcastError E_CHECKPOINT where it is not there, or not as it was written */
  read(component: string, sequence: number): Checkpoint {
    const row = this.#tables?.table('headers').get(keyOf(component, sequence))
    const header = row === undefined ? undefined : this.#headerOf(row, component, sequence)
    if (header === undefined) {
      throw this.#unusable(component, sequence, row === undefined ? 'there is none' : 'its header is damaged')
    }
    const body = this.#body(header)
    if (typeof body === 'string') throw this.#unusable(component, sequence, body)
    return { header, body }
  }

  /** Resolves when it is on disk. One of the same component and sequence is replaced. @throws SeqcastError E_STORE_IO */
  async write({ header, body }: Checkpoint): Promise<void> {
    const tables = this.#writable()
    const { component, sequence } = header
    const encoded = encodeCheckpointHeader(header)
    const row = new Uint8Array(CHECKPOINT_HASH_BYTES + encoded.length)
    row.set(sha256(encoded))
    row.set(encoded, CHECKPOINT_HASH_BYTES)
    const old = [...tables.table('bodies').keys(piecesOf(component, sequence))]
    await this.#commit(() => {
      const bodies = tables.table('bodies')
      for (const key of old) bodies.remove(key)
      for (let at = 0; at < body.length; at += PIECE_BYTES) {
        bodies.put(pieceKeyOf(component, sequence, at / PIECE_BYTES), body.subarray(at, at + PIECE_BYTES))
      }
      tables.table('headers').put(keyOf(component, sequence), row)
    })
  }

  /** Keeps the newest ones of a component. @returns how many were removed */
  async prune(component: string, keep: number): Promise<number> {
    const rows = this.#rows(component)
    return this.#remove(rows.slice(0, Math.max(0, rows.length - keep)))
  }

  /** Removes those at `fromSequence` and later: their events were revoked. @returns how many were removed */
  async dropFrom(component: string, fromSequence: number): Promise<number> {
    return this.#remove(this.#rows(component).filter(({ sequence }) => sequence >= fromSequence))
  }

  /** Bytes of the pages in use. */
  usedBytes(): number {
    return this.#tables?.usedBytes() ?? 0
  }

  async close(): Promise<void> {
    await this.#tables?.close()
  }

  async #remove(rows: readonly { readonly component: string; readonly sequence: number }[]): Promise<number> {
    if (rows.length === 0) return 0
    const tables = this.#writable()
    const pieces = rows.flatMap(({ component, sequence }) => [
      ...tables.table('bodies').keys(piecesOf(component, sequence)),
    ])
    await this.#commit(() => {
      for (const { component, sequence } of rows) tables.table('headers').remove(keyOf(component, sequence))
      for (const key of pieces) tables.table('bodies').remove(key)
    })
    return rows.length
  }

  async #commit(action: () => void): Promise<void> {
    try {
      await this.#writable().write(action)
    } catch (cause) {
      throw new SeqcastError('E_STORE_IO', `checkpoints can't be written to ${this.path}: ${messageOf(cause)}`, {
        hint: 'free some space; the component goes on without checkpoints',
        fields: { path: this.path },
        cause,
      })
    }
  }

  #rows(component?: string): { component: string; sequence: number; header: CheckpointHeader | undefined }[] {
    if (this.#tables === undefined) return []
    this.#tables.refresh()
    const entries = this.#tables.table('headers').entries(component === undefined ? {} : sequencesOf(component))
    return [...entries].map(({ key, value }) => {
      const row = readKey(key)
      return { ...row, header: this.#headerOf(value, row.component, row.sequence) }
    })
  }

  #headerOf(row: Uint8Array, component: string, sequence: number): CheckpointHeader | undefined {
    const encoded = row.subarray(CHECKPOINT_HASH_BYTES)
    if (Buffer.compare(sha256(encoded), row.subarray(0, CHECKPOINT_HASH_BYTES)) !== 0) return undefined
    const header = decodeCheckpointHeader(encoded)
    return header?.component === component && header.sequence === sequence ? header : undefined
  }

  /** @returns the body, or what is wrong with it */
  #body({ component, sequence, bodyBytes, bodyHash }: CheckpointHeader): Uint8Array | string {
    const pieces: ByteTable | undefined = this.#tables?.table('bodies')
    if (pieces === undefined) return 'there is none'
    if (bodyBytes > CHECKPOINT_BYTES) return `it is longer than ${CHECKPOINT_BYTES} bytes`
    const body = new Uint8Array(bodyBytes)
    let at = 0
    for (const { value } of pieces.entries(piecesOf(component, sequence))) {
      if (at + value.length > bodyBytes) return 'it has more bytes than its header says'
      body.set(value, at)
      at += value.length
    }
    if (at < bodyBytes) return `it has ${at} of ${bodyBytes} bytes`
    return Buffer.compare(sha256(body), bodyHash) === 0 ? body : 'its body is damaged'
  }

  #writable(): Tables {
    if (this.#tables === undefined) throw new Error('checkpoints that were opened for reading')
    return this.#tables
  }

  #unusable(component: string, sequence: number, why: string): SeqcastError {
    const message = `the checkpoint of ${component} at event ${sequence} in ${this.path} can't be used: ${why}`
    return new SeqcastError('E_CHECKPOINT', message, {
      hint: '`seqcast run` takes the next older one, or begins with the first event; nothing has to be done',
      fields: { component, session: this.session, sequence, why },
    })
  }
}

/** A component's name is ASCII without a zero. */
function keyOf(component: string, sequence: number, moreBytes = 0): Uint8Array {
  const name = Buffer.from(component, 'utf8')
  const key = new Uint8Array(name.length + 1 + SEQUENCE_BYTES + moreBytes)
  key.set(name)
  writeU64(key, name.length + 1, sequence)
  return key
}

function pieceKeyOf(component: string, sequence: number, piece: number): Uint8Array {
  const key = keyOf(component, sequence, PIECE_NUMBER_BYTES)
  writeU32(key, key.length - PIECE_NUMBER_BYTES, piece)
  return key
}

function readKey(key: Uint8Array): { component: string; sequence: number } {
  const nameBytes = Math.max(0, key.length - SEQUENCE_BYTES - 1)
  return { component: Buffer.from(key.subarray(0, nameBytes)).toString('utf8'), sequence: readU64(key, nameBytes + 1) }
}

const sequencesOf = (component: string): { start: Uint8Array; end: Uint8Array } => ({
  start: keyOf(component, 0),
  end: keyOf(component, Number.MAX_SAFE_INTEGER),
})

const piecesOf = (component: string, sequence: number): { start: Uint8Array; end: Uint8Array } => ({
  start: pieceKeyOf(component, sequence, 0),
  end: pieceKeyOf(component, sequence, 0xffff_ffff),
})

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
