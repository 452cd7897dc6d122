/**
 * A state as JSON values, for machines: a Map with text or number keys is an object, any other Map an array of pairs, a Set an array; bytes are
 * base64, numbers that JSON lacks are the strings NaN, Infinity, -Infinity and -0. As the payloads of `seqcast tail --json`.
 */

/** What is `undefined` is left out of objects, and null in arrays. */
export function stateToJson(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : numberText(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  if (Array.isArray(value)) return value.map(stateToJson)
  if (value instanceof Set) return [...value].map(stateToJson)
  if (value instanceof Map) return mapToJson(value)
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, stateToJson(item)]))
}

function mapToJson(map: ReadonlyMap<unknown, unknown>): unknown {
  const names = new Set<string>()
  for (const key of map.keys()) if (typeof key === 'string' || typeof key === 'number') names.add(String(key))
  if (names.size < map.size) return [...map].map(([key, item]) => [stateToJson(key), stateToJson(item)])
  return Object.fromEntries([...map].map(([key, item]) => [String(key), stateToJson(item)]))
}

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))
