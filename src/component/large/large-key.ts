/**
 * Keys of large maps as bytes whose order is that of the keys: numbers by value, then texts by UTF-16 code units, as JavaScript
 * compares them.
 */
export type LargeKey = string | number

const NUMBER = 1
const TEXT = 2
/** lmdb's bound is 1,978 bytes; the name of the map comes before the key. */
export const MAX_KEY_BYTES = 1_800

const double = new DataView(new ArrayBuffer(8))

/** @throws TypeError, RangeError where it is no key */
export function encodeKey(key: LargeKey): Uint8Array {
  if (typeof key === 'number') return encodeNumber(key)
  if (typeof key !== 'string') throw new TypeError(`a key of a large map is a string or a number, not ${typeof key}`)
  const bytes = Buffer.allocUnsafe(1 + key.length * 3)
  bytes[0] = TEXT
  let at = 1
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (code < 0x80) bytes[at++] = code
    else if (code < 0x800) {
      bytes[at++] = 0xc0 | (code >> 6)
      bytes[at++] = 0x80 | (code & 0x3f)
    } else {
      // Halves of a pair are written one by one: in UTF-8 all lone ones would be the same, and the order another one.
      bytes[at++] = 0xe0 | (code >> 12)
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
      bytes[at++] = 0x80 | (code & 0x3f)
    }
  }
  if (at > MAX_KEY_BYTES) throw new RangeError(`a key of ${at} bytes; a large map takes up to ${MAX_KEY_BYTES}`)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, at).slice()
}

function encodeNumber(key: number): Uint8Array {
  if (Number.isNaN(key)) throw new RangeError('NaN is no key of a large map')
  double.setFloat64(0, key === 0 ? 0 : key)
  const bytes = new Uint8Array(9)
  bytes[0] = NUMBER
  const isNegative = (double.getUint8(0) & 0x80) !== 0
  for (let i = 0; i < 8; i++) bytes[i + 1] = double.getUint8(i) ^ (isNegative ? 0xff : i === 0 ? 0x80 : 0)
  return bytes
}

export function decodeKey(bytes: Uint8Array): LargeKey {
  if (bytes[0] === NUMBER) {
    const isNegative = ((bytes[1] ?? 0) & 0x80) === 0
    for (let i = 0; i < 8; i++) double.setUint8(i, (bytes[i + 1] ?? 0) ^ (isNegative ? 0xff : i === 0 ? 0x80 : 0))
    return double.getFloat64(0)
  }
  const codes: number[] = []
  for (let at = 1; at < bytes.length; ) {
    const lead = bytes[at++] ?? 0
    if (lead < 0x80) codes.push(lead)
    else if (lead < 0xe0) codes.push(((lead & 0x1f) << 6) | ((bytes[at++] ?? 0) & 0x3f))
    else {
      const middle = (bytes[at++] ?? 0) & 0x3f
      codes.push(((lead & 0x0f) << 12) | (middle << 6) | ((bytes[at++] ?? 0) & 0x3f))
    }
  }
  // In pieces, because all of them are arguments of one call.
  let text = ''
  for (let at = 0; at < codes.length; at += 512) text += String.fromCharCode(...codes.slice(at, at + 512))
  return text
}

/** The order of `encodeKey`. */
export function compareKeys(a: LargeKey, b: LargeKey): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1
  return a < b ? -1 : a === b ? 0 : 1
}
