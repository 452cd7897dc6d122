/**
 * Keeps lmdb from losing a transaction while another process opens the environment.
 *
 * lmdb 3.5 shares the number of the last transaction in its lock file. Every opening sets it, one that only reads, too, to what it
 * has read from a meta page a moment before and without the writer's lock. Where the writer commits in that moment the number goes
 * back, and the next transaction would begin at the state before: what was committed in between, and acknowledged, would be gone. The
 * meta pages tell the truth. So the writer compares before each transaction, and sets the number right; and where one has begun
 * in the short while between that and its own start, its number is one that was there before, and it is not acknowledged.
 *
 * The places below are those of lmdb 3.5.4 with 64 bits; a test holds them to what lmdb says of itself.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { SeqcastError } from '../core/errors.js'

const MAGIC = 0xbeefc0de
/** In a meta page: behind 24 bytes of page header. */
const META_MAGIC_AT = 24
const META_PAGE_BYTES_AT = 48
const META_TRANSACTION_AT = 152
/** In the lock file. */
const LOCK_MAGIC_AT = 0
const LOCK_TRANSACTION_AT = 8
const NUMBER_BYTES = 8

export class LastTransaction {
  readonly #path: string
  readonly #data: number
  readonly #lock: number
  readonly #secondMetaAt: number
  readonly #bytes = Buffer.alloc(NUMBER_BYTES)
  #isClosed = false

  /** @throws SeqcastError E_STORE_IO where the files are not laid out as those of this lmdb */
  constructor(path: string) {
    this.#path = path
    this.#data = openSync(join(path, 'data.mdb'), 'r')
    this.#lock = openSync(join(path, 'lock.mdb'), 'r+')
    this.#secondMetaAt = this.#word(this.#data, META_PAGE_BYTES_AT)
    if (this.#word(this.#data, META_MAGIC_AT) === MAGIC && this.#word(this.#lock, LOCK_MAGIC_AT) === MAGIC) return
    this.close()
    throw new SeqcastError('E_STORE_IO', `the files at ${path} are not laid out as lmdb's`, {
      hint: 'they were written by another version of lmdb, or damaged',
      fields: { path },
    })
  }

  /** The newest transaction that is on disk, or on its way there. */
  committed(): number {
    return Math.max(
      this.#number(this.#data, META_TRANSACTION_AT),
      this.#number(this.#data, this.#secondMetaAt + META_TRANSACTION_AT),
    )
  }

  /** What lmdb's next transaction goes on from. */
  shared(): number {
    return this.#number(this.#lock, LOCK_TRANSACTION_AT)
  }

  /** Called where this process writes nothing: the next transaction goes on from the newest. @returns the newest one */
  restore(): number {
    const committed = this.committed()
    if (this.shared() >= committed) return committed
    this.#bytes.writeUInt32LE(committed % 2 ** 32, 0)
    this.#bytes.writeUInt32LE(Math.floor(committed / 2 ** 32), 4)
    writeSync(this.#lock, this.#bytes, 0, NUMBER_BYTES, LOCK_TRANSACTION_AT)
    return committed
  }

  /** Called inside of a transaction, with the writer's lock: @returns whether it went on from an older one; the next will not */
  isBehind(): boolean {
    const isBehind = this.shared() < this.committed()
    if (isBehind) this.restore()
    return isBehind
  }

  /**
   * What was committed just before is gone then, here: the process must end, and fill itself again from others.
   * @param before what `restore` returned
   * @throws SeqcastError E_STORE_IO where the transaction since did not go on from that
   */
  require(before: number): void {
    if (this.committed() > before) return
    throw new SeqcastError(
      'E_STORE_IO',
      `${this.#path}: a transaction was begun at an older state, because another process opened the files just then`,
      { hint: 'start the process again; read a live store less often', fields: { path: this.#path } },
    )
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#data)
    closeSync(this.#lock)
  }

  #word(file: number, at: number): number {
    readSync(file, this.#bytes, 0, 4, at)
    return this.#bytes.readUInt32LE(0)
  }

  #number(file: number, at: number): number {
    readSync(file, this.#bytes, 0, NUMBER_BYTES, at)
    return this.#bytes.readUInt32LE(4) * 2 ** 32 + this.#bytes.readUInt32LE(0)
  }
}
