/**
 * The digest of a state: a SHA-256 over its canonical encoding. Equal replicas have equal digests. Taken at declared points,
 * never per event: it reads the whole state.
 */
import { createHash } from 'node:crypto'
import { encodeCanonical } from './canonical.js'

export const DIGEST_BYTES = 32

/** @returns 32 bytes. @throws SeqcastError E_NONDETERMINISM where the state is more than plain data */
export function digestOf(state: unknown): Uint8Array {
  const hash = createHash('sha256')
  encodeCanonical(state, (chunk) => hash.update(chunk))
  return new Uint8Array(hash.digest())
}

/** A digest as text: 64 lower-case hexadecimal digits. */
export function digestHex(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('hex')
}
