/**
 * Puts messages of several fragments together, per source. The sequencer admits fragments of one source only in order and
 * without hole, but fragments of different sources interleave.
 *
 * The memory is bounded in each message and in all of them together; a bound that is reached is reported, never growth.
 */
import { COMPONENT_PARTIAL_BYTES, MAX_MESSAGE_BYTES } from '../core/limits.js'
import { copyBytes } from '../wire/bytes.js'
import { FIRST_FRAGMENT, LAST_FRAGMENT } from '../wire/event.js'
import type { Fields } from './checkpoint-fields.js'
import { StateDamage } from './state-decoding.js'

interface Partial {
  type: number
  bytes: Uint8Array
  lengthBytes: number
}

/** `waiting`: more is to come. `broken`: a fragment without its beginning. `too-long`: a bound was reached. */
export type FragmentVerdict = 'complete' | 'waiting' | 'broken' | 'too-long'

const FIRST_BUFFER_BYTES = 4_096

export class FragmentAssembler {
  readonly #partials = new Map<number, Partial>()
  readonly #messageBound: number
  readonly #totalBound: number
  #heldBytes = 0
  #message: Uint8Array = new Uint8Array(0)
  #messageBytes = 0

  constructor(messageBound = MAX_MESSAGE_BYTES, totalBound = COMPONENT_PARTIAL_BYTES) {
    this.#messageBound = messageBound
    this.#totalBound = totalBound
  }

  /** Sources with a message of which the end is missing. */
  get partials(): number {
    return this.#partials.size
  }

  /** Bytes reserved for those messages. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** After 'complete': the array that holds the message, from 0 to `messageBytes`. Nobody else keeps it. */
  get message(): Uint8Array {
    return this.#message
  }

  get messageBytes(): number {
    return this.#messageBytes
  }

  /** Takes one fragment of `source`, whose payload is `bytes[start, end)`. */
  add(source: number, type: number, flags: number, bytes: Uint8Array, start: number, end: number): FragmentVerdict {
    const first = (flags & FIRST_FRAGMENT) !== 0
    if (first) this.#open(source, type)
    const partial = this.#partials.get(source)
    if (partial === undefined || partial.type !== type) return 'broken'
    if (!this.#append(partial, bytes, start, end)) {
      this.drop(source)
      return 'too-long'
    }
    if ((flags & LAST_FRAGMENT) === 0) return 'waiting'
    this.#message = partial.bytes
    this.#messageBytes = partial.lengthBytes
    this.drop(source)
    return 'complete'
  }

  /** Forgets what a source has begun: it was closed, or the rest isn't wanted. */
  drop(source: number): void {
    const partial = this.#partials.get(source)
    if (partial === undefined) return
    this.#heldBytes -= partial.bytes.length
    this.#partials.delete(source)
  }

  /** The room that is reserved is part of it, because the bound counts it. */
  capture(): object {
    return {
      partials: [...this.#partials].map(([source, { type, bytes, lengthBytes }]) => {
        return { source, type, reserved: bytes.length, bytes: bytes.slice(0, lengthBytes) }
      }),
    }
  }

  restore(from: Fields): void {
    for (const partial of from.list('partials')) {
      const begun = partial.bytes('bytes')
      const reserved = partial.whole('reserved')
      if (begun.length > reserved || this.#heldBytes + reserved > this.#totalBound) {
        throw new StateDamage(`${reserved} bytes for a partial message`)
      }
      const bytes = new Uint8Array(reserved)
      bytes.set(begun)
      this.#partials.set(partial.whole('source'), { type: partial.whole('type'), bytes, lengthBytes: begun.length })
      this.#heldBytes += reserved
    }
  }

  #open(source: number, type: number): void {
    this.drop(source)
    const bytes = new Uint8Array(FIRST_BUFFER_BYTES)
    this.#heldBytes += bytes.length
    this.#partials.set(source, { type, bytes, lengthBytes: 0 })
  }

  #append(partial: Partial, bytes: Uint8Array, start: number, end: number): boolean {
    const lengthBytes = partial.lengthBytes + end - start
    if (lengthBytes > this.#messageBound) return false
    if (lengthBytes > partial.bytes.length && !this.#grow(partial, lengthBytes)) return false
    copyBytes(bytes, start, end, partial.bytes, partial.lengthBytes)
    partial.lengthBytes = lengthBytes
    return true
  }

  #grow(partial: Partial, needBytes: number): boolean {
    const capacity = Math.max(needBytes, Math.min(partial.bytes.length * 2, this.#messageBound))
    const more = capacity - partial.bytes.length
    if (this.#heldBytes + more > this.#totalBound) return false
    const bytes = new Uint8Array(capacity)
    bytes.set(partial.bytes.subarray(0, partial.lengthBytes))
    partial.bytes = bytes
    this.#heldBytes += more
    return true
  }
}
