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
  PASSIVATED,
  passivatedCodec,
  SESSION_OPENED,
  type SessionStarted,
  sessionOpenedCodec,
} from '../wire/runtime-events.js'
import type { ActivationTable, Replica } from './activation-table.js'
import { encodeWithReason } from './admin-desk.js'
import type { StreamTime } from './timestamper.js'

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
  /** Of that event: the new session begins no earlier, whatever the clock says. */
  readonly time: StreamTime
  /** Who was active then. */
  readonly active: readonly Replica[]
  /** Components that an operator had made passive: they have a state as well. */
  readonly passive: readonly string[]
  /** Components that an operator had taken out of service: nobody waits for them, and they stay so. */
  readonly retired: readonly string[]
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
  #predecessor: Predecessor | undefined
  /** As the first event names it. */
  #predecessorSession = ''
  #staticsExpected = 0
  #staticsSeen = 0
  #awaited = new Set<string>()
  /** Seeders that were taken out of service before their seed came. */
  readonly #excused = new Set<string>()
  /** Seeds that have come, up to which number of their source each of them goes. */
  readonly #seeds = new Map<number, { readonly component: string; readonly through: number }>()
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
    const { passive = [], retired = [] } = predecessor ?? {}
    const all = new Set([...seeders, ...active, ...passive])
    for (const component of retired) all.delete(component)
    return {
      predecessor: predecessor?.session ?? '',
      predecessorSequence: predecessor?.sequence ?? 0,
      seeders: [...all].sort(),
      staticEvents: this.#statics.length,
      staticHash: this.#staticHash,
      retired: [...retired],
    }
  }

  /** The first event was read, or is about to be sequenced. */
  started({ predecessor, seeders, staticEvents, retired = [] }: SessionStarted): void {
    const said = { term: 1, reason: ROLLED_OVER, retired: true }
    for (const component of retired) this.#activations.passivated({ component, ...said }, 1)
    this.#predecessorSession = predecessor
    this.#awaited = new Set(seeders)
    this.#staticsExpected = staticEvents
    this.#isSeeded = seeders.length > 0 || staticEvents > 0
  }

  /** A static event was read. */
  readStatic(): void {
    this.#staticsSeen++
  }

  /** A component's seed is there, but for the commands that follow when the session is open. */
  seeded(component: string, source: number, sourceSequence: number, pending: number): void {
    this.#awaited.delete(component)
    this.#excused.delete(component)
    this.#seeds.set(source, { component, through: sourceSequence + pending })
  }

  /**
   * Components of whose seed commands are still to come.
   * @param next the next source sequence of a source
   */
  incomplete(next: (source: number) => number): string[] {
    const open = [...this.#seeds].filter(([source, { through }]) => next(source) <= through)
    return open.map(([, { component }]) => component).filter((one) => !this.#activations.of(one).isRetired)
  }

  /** A component was taken out of service: its seed is not waited for. */
  retired(component: string): void {
    if (this.#awaited.delete(component)) this.#excused.add(component)
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
    return this.isOpen || this.#predecessor !== undefined ? '' : this.#predecessorSession
  }

  goOnFrom(predecessor: Predecessor): void {
    this.#predecessor = predecessor
  }

  /** True while a component's seed is taken: what comes before it is sequenced, and its own is not complete. */
  admits(component: string | undefined): boolean {
    if (component === undefined || this.next() !== undefined) return false
    return this.isOpen || this.#awaited.has(component) || this.#excused.has(component)
  }

  /** The next event of the sequencer's own part, to be sequenced and then to be told; undefined where that is done. */
  next(): OpeningEvent | undefined {
    if (this.isOpen) return undefined
    if (this.#staticsSeen < this.#staticsExpected) return this.#statics[this.#staticsSeen]
    return this.#nextRole()
  }

  /** Who was active is active, and what was passive is passive. */
  #nextRole(): OpeningEvent | undefined {
    const isNew = (component: string): boolean => this.#activations.of(component).term === 0
    const { active = [], passive = [] } = this.#predecessor ?? {}
    const said = { term: 1, reason: ROLLED_OVER }
    const replica = active.find(({ component }) => isNew(component))
    if (replica !== undefined) {
      const payload = encodeWithReason(activatedCodec, { ...replica, ...said }, this.#payloadBytes)
      return { type: ACTIVATED, payload, flags: WHOLE_MESSAGE }
    }
    const component = passive.find(isNew)
    if (component === undefined) return undefined
    const payload = encodeWithReason(passivatedCodec, { component, ...said }, this.#payloadBytes)
    return { type: PASSIVATED, payload, flags: WHOLE_MESSAGE }
  }

  /** The event that `next` gave is sequenced. */
  sequenced(event: OpeningEvent, sequence: number): void {
    const activated = event.type === ACTIVATED ? activatedCodec.decode(event.payload) : undefined
    const passivated = event.type === PASSIVATED ? passivatedCodec.decode(event.payload) : undefined
    if (activated !== undefined) this.#activations.activated(activated, sequence)
    else if (passivated !== undefined) this.#activations.passivated(passivated, sequence)
    else this.readStatic()
  }

  /** The event that opens the session, where nothing is awaited any more; or, where an operator says so, all the same. */
  openingEvent(decidedBecause?: string): OpeningEvent | undefined {
    if (this.isOpen || this.next() !== undefined) return undefined
    if (this.#awaited.size > 0 && decidedBecause === undefined) return undefined
    const body = { reason: decidedBecause ?? ALL_SEEDED, missing: [...this.#awaited, ...this.#excused] }
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
  'predecessor' | 'predecessorSequence' | 'seeders' | 'staticEvents' | 'staticHash' | 'retired'
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
