/**
 * The opening of a session: its first event, the static events, who is active, and then the components' seeds, before it is open
 * for business. All of it but the seeds is the sequencer's own, in an order that does not change, so that one that comes after
 * another goes on behind what it finds in the stream.
 *
 * A session without static events and seeders has no opening: it is open from its first event on.
 */
import { SeqcastError } from '../core/errors.js'
import { FIRST_FRAGMENT, LAST_FRAGMENT, WHOLE_MESSAGE } from '../wire/event.js'
import {
  ACTIVATED,
  activatedCodec,
  SESSION_OPENED,
  type SessionStarted,
  sessionOpenedCodec,
} from '../wire/runtime-events.js'
import type { ActivationTable, Replica } from './activation-table.js'
import { encodeWithReason } from './admin-desk.js'

/** A fact that components rely on, sequenced before anything else. */
export interface StaticEvent {
  /** Of the application: from 256 on. */
  readonly type: number
  readonly payload: Uint8Array
}

export interface StaticEvents {
  readonly events: readonly StaticEvent[]
  /** SHA-256 in hexadecimal, by which two sequencers know that they mean the same. */
  readonly hash: string
}

/** The session that a new one goes on from. */
export interface Predecessor {
  readonly session: string
  /** Its last event. */
  readonly sequence: number
  /** Who was active then. */
  readonly active: readonly Replica[]
}

/** An event to sequence. */
export interface OpeningEvent {
  readonly type: number
  readonly payload: Uint8Array
  readonly flags: number
}

export const ROLLED_OVER = 'rolled over'
const ALL_SEEDED = 'all that was awaited has come'

export class SessionOpening {
  readonly #activations: ActivationTable
  readonly #payloadBytes: number
  readonly #statics: readonly OpeningEvent[]
  readonly #staticHash: string
  #active: readonly Replica[] | undefined
  #predecessor = ''
  #staticsExpected = 0
  #staticsSeen = 0
  #awaited = new Set<string>()
  #isSeeded = false
  #isOpened = false

  /** @param payloadBytes the longest payload of an event */
  constructor(activations: ActivationTable, statics: StaticEvents | undefined, payloadBytes: number) {
    this.#activations = activations
    this.#payloadBytes = payloadBytes
    this.#statics = (statics?.events ?? []).flatMap((event) => fragmentsOf(event, payloadBytes))
    this.#staticHash = this.#statics.length === 0 ? '' : (statics?.hash ?? '')
  }

  /** What the first event of a new session says of the opening. */
  firstEvent(predecessor: Predecessor | undefined, seeders: readonly string[]): OpeningFields {
    const active = predecessor?.active.map(({ component }) => component) ?? []
    return {
      predecessor: predecessor?.session ?? '',
      predecessorSequence: predecessor?.sequence ?? 0,
      seeders: [...new Set([...seeders, ...active])].sort(),
      staticEvents: this.#statics.length,
      staticHash: this.#staticHash,
    }
  }

  /** The first event was read, or is about to be sequenced. */
  started({ predecessor, seeders, staticEvents }: SessionStarted): void {
    this.#predecessor = predecessor
    this.#awaited = new Set(seeders)
    this.#staticsExpected = staticEvents
    this.#isSeeded = seeders.length > 0 || staticEvents > 0
  }

  /** A static event was read. */
  readStatic(): void {
    this.#staticsSeen++
  }

  /** A component's seed is complete. */
  seeded(component: string): void {
    this.#awaited.delete(component)
  }

  opened(): void {
    this.#isOpened = true
  }

  /** True where commands of every source are taken. */
  get isOpen(): boolean {
    return this.#isOpened || !this.#isSeeded
  }

  /** Seeders whose seed has not come; none once the session is open. */
  get awaited(): string[] {
    return this.isOpen ? [] : [...this.#awaited]
  }

  /** The session whose end has to be known before the opening can go on; '' for none. */
  get missingPredecessor(): string {
    return this.isOpen || this.#active !== undefined ? '' : this.#predecessor
  }

  goOnFrom(predecessor: Predecessor): void {
    this.#active = predecessor.active
  }

  /** True while a component's seed is taken: what comes before it is sequenced, and its own is not complete. */
  admits(component: string | undefined): boolean {
    return component !== undefined && this.next() === undefined && (this.isOpen || this.#awaited.has(component))
  }

  /** The next event of the sequencer's own part, to be sequenced and then to be told; undefined where that is done. */
  next(): OpeningEvent | undefined {
    if (this.isOpen) return undefined
    if (this.#staticsSeen < this.#staticsExpected) return this.#statics[this.#staticsSeen]
    const replica = this.#active?.find(({ component }) => this.#activations.of(component).term === 0)
    if (replica === undefined) return undefined
    const event = { ...replica, term: 1, reason: ROLLED_OVER }
    return {
      type: ACTIVATED,
      payload: encodeWithReason(activatedCodec, event, this.#payloadBytes),
      flags: WHOLE_MESSAGE,
    }
  }

  /** The event that `next` gave is sequenced. */
  sequenced(event: OpeningEvent, sequence: number): void {
    if (event.type !== ACTIVATED) {
      this.readStatic()
      return
    }
    const activated = activatedCodec.decode(event.payload)
    if (activated !== undefined) this.#activations.activated(activated, sequence)
  }

  /** The event that opens the session, where nothing is awaited any more; or, where an operator says so, all the same. */
  openingEvent(decidedBecause?: string): OpeningEvent | undefined {
    if (this.isOpen || this.next() !== undefined) return undefined
    if (this.#awaited.size > 0 && decidedBecause === undefined) return undefined
    const body = { reason: decidedBecause ?? ALL_SEEDED, missing: [...this.#awaited] }
    const payload = encodeWithReason(sessionOpenedCodec, body, this.#payloadBytes)
    return { type: SESSION_OPENED, payload, flags: WHOLE_MESSAGE }
  }

  /** @throws SeqcastError E_CONFIG where the static events that are not yet sequenced are not those that the session was started with */
  requireSame({ session, staticEvents, staticHash }: SessionStarted): void {
    if (this.isOpen || this.#staticsSeen >= staticEvents) return
    if (staticHash === this.#staticHash && staticEvents === this.#statics.length) return
    throw new SeqcastError(
      'E_CONFIG',
      `session ${session} was started with ${staticEvents} static events of another content, and has ${this.#staticsSeen} of them`,
      {
        hint: 'start the sequencer with the file that it was started with: --static FILE',
        fields: { session, staticHash },
      },
    )
  }
}

export type OpeningFields = Pick<
  SessionStarted,
  'predecessor' | 'predecessorSequence' | 'seeders' | 'staticEvents' | 'staticHash'
>

function fragmentsOf({ type, payload }: StaticEvent, payloadBytes: number): OpeningEvent[] {
  const fragments: OpeningEvent[] = []
  let at = 0
  do {
    const end = Math.min(payload.length, at + payloadBytes)
    const flags = (at === 0 ? FIRST_FRAGMENT : 0) | (end === payload.length ? LAST_FRAGMENT : 0)
    fragments.push({ type, payload: payload.subarray(at, end), flags })
    at = end
  } while (at < payload.length)
  return fragments
}
