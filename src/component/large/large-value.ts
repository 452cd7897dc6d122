/**
 * Values of large maps as bytes: the canonical encoding, so that equal values are equal bytes, whatever the order of their properties. What is
 * read is made anew each time and frozen, as a change of it would be lost.
 */
import { SeqcastError } from '../../core/errors.js'
import { CanonicalEncoder } from '../canonical.js'
import { CanonicalDecoder } from '../canonical-decoding.js'

const chunks: Uint8Array[] = []
let encoder = newEncoder()

function newEncoder(): CanonicalEncoder {
  return new CanonicalEncoder((chunk) => chunks.push(chunk.slice()))
}

/** @throws SeqcastError E_NONDETERMINISM with the path to what is no plain data */
export function encodeValue(value: unknown): Uint8Array {
  chunks.length = 0
  try {
    encoder.encode(value)
    encoder.flush()
  } catch (thrown) {
    encoder = newEncoder() // It is somewhere in the middle.
    if (!(thrown instanceof SeqcastError)) throw thrown
    throw new SeqcastError(thrown.code, thrown.message.replace(/^state/, 'the value for a large map'), {
      hint: 'keep plain data, Map, Set and Uint8Array in a large map: it is written as bytes',
      fields: thrown.fields,
    })
  }
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : new Uint8Array(Buffer.concat(chunks))
}

/** @param isFrozen false for a copy that may be changed */
export function decodeValue(bytes: Uint8Array, isFrozen: boolean): unknown {
  return new CanonicalDecoder(bytes, isFrozen).value()
}
