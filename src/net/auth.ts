/**
 * Authentication of datagrams: a 16-byte tag (HMAC-SHA-256, truncated as RFC 2104 §5 allows) over stream name and datagram
 * follows the last block, where standard readers do not look. It keeps strangers out; it does not hide anything.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageOf, SeqcastError } from '../core/errors.js'
import { AUTH_TAG_BYTES } from '../core/limits.js'

const MIN_KEY_BYTES = 16

/** A tagger for one stream; with no key nothing is added and nothing is asked for. */
export class Authenticator {
  readonly #key: Uint8Array | undefined
  readonly #stream: string

  constructor(key: Uint8Array | undefined, stream: string) {
    this.#key = key
    this.#stream = stream
  }

  /** What `seal` adds. */
  get tagBytes(): number {
    return this.#key === undefined ? 0 : AUTH_TAG_BYTES
  }

  /** The datagram with its tag; the same array where no key is configured. */
  seal(datagram: Uint8Array): Uint8Array {
    if (this.#key === undefined) return datagram
    const sealed = new Uint8Array(datagram.length + AUTH_TAG_BYTES)
    sealed.set(datagram)
    sealed.set(this.#tag(this.#key, datagram), datagram.length)
    return sealed
  }

  /** The datagram without its tag, or undefined where the tag is missing or wrong. */
  open(datagram: Uint8Array): Uint8Array | undefined {
    if (this.#key === undefined) return datagram
    const lengthBytes = datagram.length - AUTH_TAG_BYTES
    if (lengthBytes < 0) return undefined
    const body = datagram.subarray(0, lengthBytes)
    return timingSafeEqual(this.#tag(this.#key, body), datagram.subarray(lengthBytes)) ? body : undefined
  }

  #tag(key: Uint8Array, datagram: Uint8Array): Uint8Array {
    const digest = createHmac('sha256', key).update(this.#stream).update('\0').update(datagram).digest()
    return digest.subarray(0, AUTH_TAG_BYTES)
  }
}

/** Reads a key file: at least 16 bytes, taken as they are but for a newline at the end. @throws SeqcastError E_CONFIG */
export function readKeyFile(path: string): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new SeqcastError('E_CONFIG', `cannot read the key file ${path}: ${messageOf(error)}`, { cause: error })
  }
  let end = bytes.length
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--
  if (end < MIN_KEY_BYTES) {
    throw new SeqcastError(
      'E_CONFIG',
      `the key file ${path} holds ${end} bytes, at least ${MIN_KEY_BYTES} are needed`,
      {
        hint: 'make one with: head -c 32 /dev/urandom > key',
      },
    )
  }
  return bytes.subarray(0, end)
}
