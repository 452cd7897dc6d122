/**
 * Big-endian fields over a byte array. u64 values are JavaScript safe integers; what exceeds them reads as NaN, which no
 * comparison accepts, so that a hostile number cannot pass for a sequence.
 *
 * The caller guarantees that the field lies inside the array: packets are length-checked once, then read.
 */

const TWO_32 = 0x1_0000_0000

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** @returns the value, or NaN where it is above 2^53 - 1 */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at)
  return high > 0x1f_ffff ? Number.NaN : high * TWO_32 + readU32(bytes, at + 4)
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** @param value a safe integer from 0 */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / TWO_32))
  writeU32(bytes, at + 4, value >>> 0)
}

/** Copies a range between arrays. For short ranges a loop beats a view and `set`, which allocates. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > 256) {
    to.set(from.subarray(start, end), at)
    return
  }
  for (let i = start; i < end; i++, at++) to[at] = from[i]!
}

/** True where `expected` stands in `bytes` from `at` on. */
export function bytesEqualAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false
  return true
}

/** True where `length` bytes of two views are the same: a view reads four bytes at once, where they lie, for the price of one. */
export function viewsEqual(a: DataView, aAt: number, b: DataView, bAt: number, length: number): boolean {
  const eights = length & ~7
  let i = 0
  for (; i < eights; i += 8) {
    const first = a.getInt32(aAt + i) ^ b.getInt32(bAt + i)
    if ((first | (a.getInt32(aAt + i + 4) ^ b.getInt32(bAt + i + 4))) !== 0) return false
  }
  for (; i < length; i++) if (a.getUint8(aAt + i) !== b.getUint8(bAt + i)) return false
  return true
}

/** The ASCII text of a fixed-width field. Bytes that are not printable become '?'. */
export function readAscii(bytes: Uint8Array, at: number, length: number): string {
  let text = ''
  for (let i = at; i < at + length; i++) {
    const code = bytes[i]!
    text += code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '?'
  }
  return text
}

/**
 * Writes text into a fixed-width ASCII field, padded with spaces on the named side.
 * @throws RangeError where the text is longer or not printable ASCII: a programmer's error
 */
export function writeAscii(
  bytes: Uint8Array,
  at: number,
  length: number,
  text: string,
  pad: 'left' | 'right' = 'right',
): void {
  if (text.length > length) throw new RangeError(`'${text}' is longer than ${length} characters`)
  if (!/^[ -~]*$/.test(text)) throw new RangeError(`'${text}' is not printable ASCII`)
  const padded = pad === 'left' ? text.padStart(length) : text.padEnd(length)
  for (let i = 0; i < length; i++) bytes[at + i] = padded.charCodeAt(i)
}
