/**
 * Bad bytes, all of them: what a network, a disk or a stranger can make of a valid packet, and an array that tells when
 * it is read outside.
 */

/** Each truncation of the bytes, from empty to one byte less. */
export function* truncations(valid: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < valid.length; length++) yield valid.slice(0, length)
}

/** The bytes with each of the 255 other values at each place. */
export function* corruptions(valid: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < valid.length; at++) {
    for (let change = 1; change < 256; change++) {
      const bad = valid.slice()
      bad[at] = bad[at]! ^ change
      yield bad
    }
  }
}

/** Truncations and corruptions, and the bytes themselves, each with a byte too many as well. */
export function* hostile(valid: Uint8Array): Generator<Uint8Array> {
  yield valid.slice()
  yield Uint8Array.from([...valid, 0])
  yield* truncations(valid)
  yield* corruptions(valid)
}

/** The same bytes; an element that lies outside of them, or is written, throws. Methods work as they do on the array. */
export function guarded(bytes: Uint8Array): Uint8Array {
  return new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^-?[0-9]+$/.test(key) && !(Number(key) >= 0 && Number(key) < target.length)) {
        throw new Error(`read of byte ${key} of a packet of ${target.length}`)
      }
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    set() {
      throw new Error('a check wrote into the packet')
    },
  })
}

/** The bytes as part of a larger array that is full of a poison, as a datagram in a pool is. */
export function embedded(bytes: Uint8Array, poison: number): Uint8Array {
  const larger = new Uint8Array(bytes.length + 64).fill(poison)
  larger.set(bytes, 32)
  return larger.subarray(32, 32 + bytes.length)
}

/** The bytes in pieces, cut at the given places. */
export function chunks(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.slice(places[i], end))
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
