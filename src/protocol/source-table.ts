/**
 * Who may send commands: names and numbers of sources, the next source sequence of each, and whether a fragmented message of
 * it is still open. Everything here is rebuilt from the stream.
 */
import { MAX_NAME_BYTES, MAX_SOURCE } from '../core/limits.js'
import { FIRST_FRAGMENT, LAST_FRAGMENT } from '../wire/event.js'
import { type RegisterSource, type SourceRegistered, seedComponentOf } from '../wire/runtime-events.js'

/** The sequencer's own source. */
export const OWN_SOURCE = 0
/** The longest schema hash: SHA-512 in hexadecimal. */
const MAX_SCHEMA_HASH_BYTES = 128

export type RegistrationVerdict =
  | { readonly kind: 'new'; readonly registered: SourceRegistered }
  /** The stream already has the answer. */
  | { readonly kind: 'repeat' }
  | { readonly kind: 'refused'; readonly reason: string }

export class SourceTable {
  /** The next source sequence of each source; 0 where it is not registered. */
  readonly #next = new Uint32Array(MAX_SOURCE + 1)
  /** The type of the message whose last fragment has not come; 0 for none. */
  readonly #openType = new Uint16Array(MAX_SOURCE + 1)
  readonly #closed = new Uint8Array(MAX_SOURCE + 1)
  readonly #byName = new Map<string, SourceRegistered>()
  readonly #byNonce = new Map<number, SourceRegistered>()
  /** The components whose seeds sources carry. */
  readonly #seeds = new Map<number, string>()
  #last = OWN_SOURCE

  constructor() {
    this.#next[OWN_SOURCE] = 1
  }

  /** The next source sequence, or 0 where the source is not registered. */
  next(source: number): number {
    return this.#next[source]!
  }

  isClosed(source: number): boolean {
    return this.#closed[source] === 1
  }

  /** The component whose seed the source carries; undefined for a source of commands. */
  seedOf(source: number): string | undefined {
    return this.#seeds.get(source)
  }

  /** The type of the message that is open, or 0. */
  openType(source: number): number {
    return this.#openType[source]!
  }

  /** Events of a source were sequenced: its next source sequence, and the type of the message that is now open. */
  advance(source: number, next: number, openType: number): void {
    this.#next[source] = next
    this.#openType[source] = openType
  }

  /** What a request leads to; changes nothing. */
  judge(request: RegisterSource): RegistrationVerdict {
    const earlier = this.#byNonce.get(request.nonce)
    if (earlier !== undefined) {
      if (earlier.name === request.name) return { kind: 'repeat' }
      return refuse(`nonce ${request.nonce} was used for source '${earlier.name}'`)
    }
    const problem = problemOf(request)
    if (problem !== undefined) return refuse(problem)
    const bound = this.#byName.get(request.name)
    if (bound !== undefined) {
      const conflict = conflictOf(bound, request)
      if (conflict !== undefined) return refuse(conflict)
      if (!request.exclusive) return { kind: 'repeat' }
    }
    if (this.#last === MAX_SOURCE) return refuse('the session has no source number left')
    return { kind: 'new', registered: { ...request, source: this.#last + 1, closes: bound?.source ?? 0 } }
  }

  /**
   * Binds name and number, as an event of the stream says.
   * @returns false where the number is not one that can be bound: the stream is not ours or is damaged
   */
  bind(registered: SourceRegistered): boolean {
    const { source, closes } = registered
    if (source < 1 || source > MAX_SOURCE || this.#next[source] !== 0) return false
    if (closes !== 0 && this.next(closes) === 0) return false
    this.#next[source] = 1
    if (closes !== 0) this.#closed[closes] = 1
    this.#byName.set(registered.name, registered)
    this.#byNonce.set(registered.nonce, registered)
    const { component } = registered
    if (component !== '' && seedComponentOf(registered.name) === component) this.#seeds.set(source, component)
    this.#last = Math.max(this.#last, source)
    return true
  }
}

/** The type of the message that is open after this block, 0 for none, or -1 where it does not continue what is open. */
export function continueMessage(openType: number, type: number, flags: number): number {
  if ((flags & FIRST_FRAGMENT) !== 0 ? openType !== 0 : openType !== type) return -1
  return (flags & LAST_FRAGMENT) !== 0 ? 0 : type
}

/** True for a name of 1 to 64 bytes. */
export function isName(name: string): boolean {
  return name.length > 0 && name.length <= MAX_NAME_BYTES && utf8Bytes(name) <= MAX_NAME_BYTES
}

function utf8Bytes(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4
  }
  return bytes
}

function problemOf(request: RegisterSource): string | undefined {
  if (request.nonce < 1) return 'the nonce is not above 0'
  if (!isName(request.name)) return `the source's name is not 1 to ${MAX_NAME_BYTES} bytes long`
  if (request.component !== '' && !isName(request.component)) {
    return `the component's name is longer than ${MAX_NAME_BYTES} bytes`
  }
  return request.schemaHash.length > MAX_SCHEMA_HASH_BYTES ? 'the schema hash is too long' : undefined
}

function conflictOf(bound: SourceRegistered, request: RegisterSource): string | undefined {
  const { name, exclusive, component } = bound
  if (exclusive !== request.exclusive) return `source '${name}' is registered as ${exclusive ? 'exclusive' : 'shared'}`
  return component === request.component ? undefined : `source '${name}' belongs to component '${component}'`
}

function refuse(reason: string): RegistrationVerdict {
  return { kind: 'refused', reason }
}
