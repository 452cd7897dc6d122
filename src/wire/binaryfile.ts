/**
 * BinaryFILE 1.00, as published by Nasdaq: messages with a u16 length before each; a zero length ends the session. Files
 * in the field often lack that end, so its absence is reported and is not an error.
 */
import { MAX_BLOCK_BYTES } from '../core/limits.js'
import { readU16, writeU16 } from './bytes.js'

export const BINARYFILE_LENGTH_BYTES = 2

/** How a file ended. */
export type BinaryFileEnd = 'end-of-session' | 'no-end-marker'
/** Why a file can't be read on; the reader's `offsetBytes` says where. */
export const BINARYFILE_REASONS = [
  'truncated-length',
  'truncated-message',
  'overlong-message',
  'bytes-after-end',
] as const
export type BinaryFileReason = (typeof BINARYFILE_REASONS)[number]

/**
 * One message with its length before it.
 * @throws RangeError for an empty message (its length would end the session) or one above 65,535 bytes: programmer's errors
 */
export function binaryFileRecord(message: Uint8Array): Uint8Array {
  if (message.length === 0 || message.length > MAX_BLOCK_BYTES) {
    throw new RangeError(`a BinaryFILE message holds 1 to ${MAX_BLOCK_BYTES} bytes, not ${message.length}`)
  }
  const record = new Uint8Array(BINARYFILE_LENGTH_BYTES + message.length)
  writeU16(record, 0, message.length)
  record.set(message, BINARYFILE_LENGTH_BYTES)
  return record
}

/** The zero length that ends a session. */
export function binaryFileEnd(): Uint8Array {
  return new Uint8Array(BINARYFILE_LENGTH_BYTES)
}

/**
 * Reads a file that arrives in chunks. `push` hands on each whole message (valid during the call); `finish` says how the file
 * ended. After a reason nothing more is read and each later call returns it again; `offsetBytes` is where the bad record
 * begins.
 */
export class BinaryFileReader {
  readonly #listener: (message: Uint8Array, offsetBytes: number) => void
  readonly #maxMessageBytes: number
  #rest: Uint8Array = new Uint8Array(0)
  #offsetBytes = 0
  #state: 'reading' | 'ended' | BinaryFileReason = 'reading'

  /** @param maxMessageBytes what the application takes for an overlong message; at most 65,535 */
  constructor(listener: (message: Uint8Array, offsetBytes: number) => void, maxMessageBytes = MAX_BLOCK_BYTES) {
    this.#listener = listener
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Where the next record begins: after a failure, where the bad one does. */
  get offsetBytes(): number {
    return this.#offsetBytes
  }

  push(chunk: Uint8Array): BinaryFileReason | undefined {
    if (this.#state === 'ended') return chunk.length === 0 ? undefined : this.#fail('bytes-after-end')
    if (this.#state !== 'reading') return this.#state
    const bytes = this.#rest.length === 0 ? chunk : concat(this.#rest, chunk)
    let at = 0
    while (bytes.length - at >= BINARYFILE_LENGTH_BYTES) {
      const lengthBytes = readU16(bytes, at)
      if (lengthBytes === 0) {
        this.#state = 'ended'
        this.#offsetBytes += BINARYFILE_LENGTH_BYTES
        this.#rest = new Uint8Array(0)
        return at + BINARYFILE_LENGTH_BYTES < bytes.length ? this.#fail('bytes-after-end') : undefined
      }
      if (lengthBytes > this.#maxMessageBytes) return this.#fail('overlong-message')
      const end = at + BINARYFILE_LENGTH_BYTES + lengthBytes
      if (end > bytes.length) break
      this.#listener(bytes.subarray(at + BINARYFILE_LENGTH_BYTES, end), this.#offsetBytes)
      this.#offsetBytes += end - at
      at = end
    }
    this.#rest = bytes.slice(at)
    return undefined
  }

  /** To be called at the end of the file. */
  finish(): BinaryFileEnd | BinaryFileReason {
    if (this.#state === 'ended') return 'end-of-session'
    if (this.#state !== 'reading') return this.#state
    if (this.#rest.length === 0) return 'no-end-marker'
    return this.#fail(this.#rest.length < BINARYFILE_LENGTH_BYTES ? 'truncated-length' : 'truncated-message')
  }

  #fail(reason: BinaryFileReason): BinaryFileReason {
    this.#state = reason
    return reason
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
