/**
 * What is said to an etcd, in the JSON of its gateway (etcd 3.4 and later, under `/v3`): leases, and transactions that compare
 * and swap. Keys and values are base64 there, 64-bit numbers are decimal strings, and what is zero, false or empty is left out.
 *
 * What it answers is not trusted: anything else than the fields that are expected, in their ranges, is no answer.
 */

/** What a key has now. */
export interface EtcdEntry {
  /** '' where it is no text, or too long. */
  readonly value: string
  /** Of the last change of the key: what a swap compares. */
  readonly revision: string
}

/** `swap` writes all or nothing: only if each key's revision is still the one that is told, '0' where it does not exist. */
export type EtcdCall =
  | { readonly kind: 'grant-lease'; readonly ttlSeconds: number }
  | { readonly kind: 'keep-lease'; readonly lease: string }
  | { readonly kind: 'revoke-lease'; readonly lease: string }
  | { readonly kind: 'read'; readonly keys: readonly string[] }
  | { readonly kind: 'swap'; readonly expected: readonly EtcdExpected[]; readonly puts: readonly EtcdPut[] }

export interface EtcdExpected {
  readonly key: string
  readonly revision: string
}

export interface EtcdPut {
  readonly key: string
  readonly value: string
  /** The key goes with this lease. */
  readonly lease?: string
}

/** `found`: what was read, in the order of the keys; of a swap that was not done, too. */
export type EtcdAnswer =
  | { readonly kind: 'lease'; readonly lease: string; readonly ttlSeconds: number }
  /** `ttlSeconds` 0: there is no such lease any more. */
  | { readonly kind: 'kept'; readonly ttlSeconds: number }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'found'; readonly entries: readonly (EtcdEntry | undefined)[] }
  | { readonly kind: 'swapped' }

/** Nobody else writes longer values under these keys. */
const MAX_VALUE_BYTES = 4_096
const MAX_TTL_SECONDS = 86_400
/** Of etcd's numbering of errors: what was named does not exist. */
const NOT_FOUND = 5

/** Where a call goes below the address of an etcd, and its body. */
export function encodeEtcdCall(call: EtcdCall): { readonly path: string; readonly body: string } {
  switch (call.kind) {
    case 'grant-lease':
      return { path: '/v3/lease/grant', body: JSON.stringify({ TTL: String(call.ttlSeconds), ID: '0' }) }
    case 'keep-lease':
      return { path: '/v3/lease/keepalive', body: JSON.stringify({ ID: call.lease }) }
    case 'revoke-lease':
      return { path: '/v3/lease/revoke', body: JSON.stringify({ ID: call.lease }) }
    case 'read':
      return transaction({ success: call.keys.map(rangeOf) })
    case 'swap':
      return transaction({
        compare: call.expected.map(({ key, revision }) => ({
          ...{ key: toBase64(key), target: 'MOD', result: 'EQUAL' },
          mod_revision: revision,
        })),
        success: call.puts.map(({ key, value, lease }) => ({
          request_put: { key: toBase64(key), value: toBase64(value), ...(lease === undefined ? {} : { lease }) },
        })),
        failure: call.expected.map(({ key }) => rangeOf(key)),
      })
  }
}

/** @param answer parsed JSON of a call that succeeded @returns undefined where it is not what an etcd answers */
export function decodeEtcdAnswer(call: EtcdCall, answer: unknown): EtcdAnswer | undefined {
  switch (call.kind) {
    case 'grant-lease': {
      const lease = decimalAt(answer, 'ID')
      const ttlSeconds = secondsAt(answer, 'TTL')
      return lease === '0' || !ttlSeconds || lease === undefined ? undefined : { kind: 'lease', lease, ttlSeconds }
    }
    case 'keep-lease': {
      const result = at(answer, 'result')
      const ttlSeconds = decimalAt(result, 'ID') === call.lease ? secondsAt(result, 'TTL') : undefined
      return ttlSeconds === undefined ? undefined : { kind: 'kept', ttlSeconds }
    }
    case 'revoke-lease':
      return isAnswer(answer) ? { kind: 'revoked' } : undefined
    case 'read':
      return isAnswer(answer) ? found(answer, call.keys) : undefined
    case 'swap': {
      const isDone = at(answer, 'succeeded') ?? false
      if (!isAnswer(answer) || typeof isDone !== 'boolean') return undefined
      if (isDone) return { kind: 'swapped' }
      return found(
        answer,
        call.expected.map(({ key }) => key),
      )
    }
  }
}

/** What an etcd says of a call that it did not do; undefined where that is not an etcd's error. */
export function decodeEtcdError(answer: unknown): { readonly text: string; readonly isNotFound: boolean } | undefined {
  const text = at(answer, 'error') ?? at(answer, 'message')
  return typeof text === 'string'
    ? { text: text.slice(0, MAX_VALUE_BYTES), isNotFound: at(answer, 'code') === NOT_FOUND }
    : undefined
}

function transaction(body: object): { readonly path: string; readonly body: string } {
  return { path: '/v3/kv/txn', body: JSON.stringify(body) }
}

const rangeOf = (key: string): object => ({ request_range: { key: toBase64(key) } })

/** Every answer tells the revision of the whole store, so that nothing else is taken for one that says nothing. */
function isAnswer(answer: unknown): boolean {
  return decimalAt(at(answer, 'header'), 'revision') !== undefined
}

function found(answer: unknown, keys: readonly string[]): EtcdAnswer | undefined {
  const responses = at(answer, 'responses')
  if (!Array.isArray(responses) || responses.length !== keys.length) return undefined
  const entries: (EtcdEntry | undefined)[] = []
  for (const [i, key] of keys.entries()) {
    const range = at(responses[i], 'response_range')
    if (range === undefined) return undefined
    const kvs = at(range, 'kvs') ?? []
    if (!Array.isArray(kvs) || kvs.length > 1) return undefined
    const entry = kvs.length === 0 ? undefined : entryOf(kvs[0], key)
    if (kvs.length === 1 && entry === undefined) return undefined
    entries.push(entry)
  }
  return { kind: 'found', entries }
}

function entryOf(kv: unknown, key: string): EtcdEntry | undefined {
  const revision = decimalAt(kv, 'mod_revision')
  if (fromBase64(at(kv, 'key')) !== key || revision === undefined) return undefined
  // What is no text was written by somebody else, and can be replaced.
  return { value: fromBase64(at(kv, 'value')) ?? '', revision }
}

function at(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return undefined
  return Object.entries(value).find(([name]) => name === field)?.[1]
}

/** A 64-bit number as text; absent is 0. Some gateways write small ones as numbers. */
function decimalAt(value: unknown, field: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const number = at(value, field) ?? '0'
  if (typeof number !== 'string' && typeof number !== 'number') return undefined
  const text = String(number)
  return /^(0|[1-9][0-9]{0,19})$/.test(text) ? text : undefined
}

function secondsAt(value: unknown, field: string): number | undefined {
  const seconds = Number(decimalAt(value, field) ?? Number.NaN)
  return seconds <= MAX_TTL_SECONDS ? seconds : undefined
}

function toBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

function fromBase64(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > 2 * MAX_VALUE_BYTES) return undefined
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
