/**
 * Digests of the state at declared points: every so many application events, at an activation of the component, and when
 * asked. Each is a command of every replica, so one that differs is a command that differs.
 */
import { SeqcastError } from '../core/errors.js'
import { EVENT_HEADER_BYTES } from '../wire/event.js'
import { DIGEST_TAKEN, digestTakenCodec } from '../wire/runtime-events.js'
import type { Fields } from './checkpoint-fields.js'
import type { HostObserver } from './host-options.js'

export interface DigestsOptions {
  readonly component: string
  /** 0: only when asked. */
  readonly every: number
  readonly compute: () => Uint8Array
  readonly issue: (type: number, payload: Uint8Array) => void
  readonly observer: HostObserver
}

export class Digests {
  readonly #options: DigestsOptions
  /** The newest, and after which event it was taken; 0 before the first. */
  newest: Uint8Array = new Uint8Array(0)
  newestSequence = 0
  taken = 0
  verified = 0

  constructor(options: DigestsOptions) {
    this.#options = options
  }

  /** Whether one is taken after the `count`th application event of the session. */
  isDue(count: number): boolean {
    const { every } = this.#options
    return every > 0 && count % every === 0
  }

  /** Takes the digest of the state after event `sequence`. @returns what went wrong, or undefined */
  take(sequence: number): SeqcastError | undefined {
    const { component, compute, issue, observer } = this.#options
    try {
      const digest = compute()
      this.newest = digest
      this.newestSequence = sequence
      this.taken++
      observer.digestTaken?.(sequence, digest)
      issue(DIGEST_TAKEN, digestTakenCodec.encode({ component, sequence, digest }))
      return undefined
    } catch (thrown) {
      if (thrown instanceof SeqcastError) return thrown
      throw thrown
    }
  }

  capture(): object {
    return { newest: this.newest, sequence: this.newestSequence }
  }

  restore(from: Fields): void {
    this.newest = from.bytes('newest')
    this.newestSequence = from.whole('sequence')
  }

  /** One came back as an event, and is the same as here. */
  onVerified(bytes: Uint8Array, at: number, lengthBytes: number): void {
    this.verified++
    const { digestVerified } = this.#options.observer
    if (digestVerified === undefined) return
    const event = digestTakenCodec.decode(bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes))
    if (event !== undefined) digestVerified(event.sequence, event.digest)
  }
}
