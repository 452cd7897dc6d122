/**
 * The chain of sessions: each but the first goes on from the end of one that was stable before anything of it was there, and of each
 * goes on one at most, so that there never are two orders (G5). After its end nothing comes in a session but that end again, by
 * later reigns. A session begins with what was carried over, and nobody else is heard before that is complete (G3, G4).
 */
import { Violation } from '../violation.js'
import type { Chronicle, Reader } from './chronicle.js'
import {
  ACTIVATED,
  EPOCH_OPENED,
  PASSIVATED,
  readMissing,
  readRegistered,
  readRoleEvent,
  readSeeded,
  readStarted,
  readSuccessor,
  SEED_DONE,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  type Started,
  seedComponentOf,
} from './messages.js'
import type { NothingLost } from './nothing-lost.js'
import { type EventFields, HEADER_BYTES, readEvent, u16 } from './reading.js'
import { epochAt } from './tables.js'

/** What the checker needs to know of a session. */
export interface Judged {
  readonly chronicle: Chronicle
  readonly nothingLost: NothingLost
}

/** An event that names a session as the next one. */
interface Naming {
  readonly session: string
  readonly epoch: number
  readonly sequence: number
}

/** The stable stream of one session, as far as it concerns the others. */
interface Link {
  started: Started | undefined
  /** The first event that ends it, and when that was. */
  end: { readonly sequence: number; readonly successor: string; readonly timeUs: number } | undefined
  isOpen: boolean
  /** Components that were active in it at some time. */
  readonly activated: Set<string>
  /** By source: the component whose seed it carries, and how many events of it there were. */
  readonly seedSources: Map<number, { readonly component: string; events: number }>
  readonly seeded: Set<string>
}

export class Links implements Reader {
  readonly #first: string
  readonly #judged: (session: string) => Judged
  readonly #links = new Map<string, Link>()
  /** By the session that is named. */
  readonly #namings = new Map<string, Naming[]>()
  /** Sessions of which something was there. */
  readonly #begun = new Set<string>()
  #counts = { sessionsRolled: 0, seedEvents: 0, commandsCarried: 0, endsRepeated: 0 }

  /** @param first the session that the chain begins with */
  constructor(first: string, judged: (session: string) => Judged) {
    this.#first = first
    this.#judged = judged
    this.#begun.add(first)
  }

  counts(): Record<string, number> {
    let endsLost = 0
    for (const namings of this.#namings.values()) {
      endsLost += namings.filter((naming) => !this.#isStable(naming)).length
    }
    return { ...this.#counts, endsLost }
  }

  /** The sessions of the chain, as their stable ends name them. */
  chain(): string[] {
    const chain = [this.#first]
    for (
      let next = this.successorOf(this.#first);
      next !== '' && this.#begun.has(next);
      next = this.successorOf(next)
    ) {
      chain.push(next)
    }
    return chain
  }

  /** In any of the sessions. */
  wasActive(component: string): boolean {
    return [...this.#links.values()].some(({ activated }) => activated.has(component))
  }

  successorOf(session: string): string {
    return this.#links.get(session)?.end?.successor ?? ''
  }

  /** The first event that ends it, once that is stable; else 0. */
  endOf(session: string): number {
    return this.#links.get(session)?.end?.sequence ?? 0
  }

  /** Something of a session is there: its events, a reign, or a store that says that it goes on. The one before has a stable end. */
  begins(session: string, sign: string): void {
    if (this.#begun.has(session)) return
    const namings = this.#namings.get(session) ?? []
    for (const { session: before, epoch, sequence } of namings) {
      const { chronicle, nothingLost } = this.#judged(before)
      const reign = nothingLost.stableIn(epoch, sequence)
      if (reign === undefined) continue
      this.#begun.add(session)
      this.#counts.sessionsRolled++
      // Whoever opened it may have died before it said so.
      chronicle.settle(reign, sequence)
      return
    }
    const why = namings.length === 0 ? 'no session names it' : `the end of ${namings[0]?.session} is not stable`
    throw new Violation('G4', `a session begins too early: ${sign}, and ${why}`)
  }

  published(sequence: number, epoch: number, event: Uint8Array, session: string): void {
    if (u16(event, 0) !== SESSION_ENDED) return
    const successor = readSuccessor(event.subarray(HEADER_BYTES))
    if (successor === '') return
    const namings = this.#namings.get(successor) ?? []
    this.#namings.set(successor, namings)
    namings.push({ session, epoch, sequence })
  }

  stableEvent(sequence: number, bytes: Uint8Array, session: string): void {
    const event = readEvent(bytes)
    const link = this.#link(session)
    if (link.end !== undefined) this.#requireEnd(link.end, sequence, event, session)
    else this.#read(link, sequence, event, session)
  }

  /** At the end: what anybody published of a session is of one of the chain. */
  finish(newest: string): void {
    const chain = this.chain()
    if (chain.at(-1) !== newest) {
      throw new Violation('G5', `a fork of the chain: everybody is in ${newest}, and the chain is ${chain.join(' ')}`)
    }
    const aside = [...this.#begun].find((session) => !chain.includes(session))
    if (aside === undefined) return
    throw new Violation('G5', `a fork of the chain: ${aside} was begun, and the chain is ${chain.join(' ')}`)
  }

  #isStable({ session, epoch, sequence }: Naming): boolean {
    const { stableSequence, stableTable } = this.#judged(session).chronicle
    return sequence <= stableSequence && epochAt(stableTable, sequence) === epoch
  }

  #link(session: string): Link {
    let link = this.#links.get(session)
    if (link === undefined) {
      const [activated, seedSources, seeded] = [new Set<string>(), new Map(), new Set<string>()]
      link = { started: undefined, end: undefined, isOpen: true, activated, seedSources, seeded }
      this.#links.set(session, link)
    }
    return link
  }

  /** A later reign has to say the end again, and says the same. */
  #requireEnd(end: NonNullable<Link['end']>, sequence: number, { type, payload }: EventFields, session: string): void {
    if (type === EPOCH_OPENED) return
    if (type === SESSION_ENDED && readSuccessor(payload) === end.successor) {
      this.#counts.endsRepeated++
      return
    }
    const what = type === SESSION_ENDED ? `names ${readSuccessor(payload)}` : `is of type ${type}`
    throw new Violation(
      'G5',
      `a session goes on after its end: event ${sequence} of ${session} ${what}, and event ${end.sequence} names ${end.successor}`,
    )
  }

  #read(link: Link, sequence: number, event: EventFields, session: string): void {
    const { type, source, payload, timeUs } = event
    if (type === SESSION_STARTED) this.#onStarted(link, payload, timeUs, session)
    else if (type === ACTIVATED || type === PASSIVATED) link.activated.add(readRoleEvent(type, payload).component)
    else if (type === SOURCE_REGISTERED) {
      const { name, source: number } = readRegistered(payload)
      const component = seedComponentOf(name)
      if (component !== '') link.seedSources.set(number, { component, events: 0 })
    } else if (type === SESSION_ENDED) {
      const successor = readSuccessor(payload)
      if (successor !== '') link.end = { sequence, successor, timeUs }
    } else if (type === SESSION_OPENED) this.#onOpened(link, payload, sequence, session)
    if (source === 0) return
    const seed = link.seedSources.get(source)
    if (seed !== undefined) this.#onSeed(link, seed, event, sequence, session)
    else if (!link.isOpen) {
      throw new Violation(
        'G3',
        `a command before the session is open: event ${sequence} of ${session} is of source ${source}, and seeds are awaited`,
      )
    }
  }

  #onStarted(link: Link, payload: Uint8Array, timeUs: number, session: string): void {
    const started = readStarted(payload)
    link.started = started
    link.isOpen = started.seeders.length === 0
    if (session === this.#first) return
    const before = this.#links.get(started.predecessor)
    // A reign that was lost may have said the end under the same number.
    const isNamed = this.#namings
      .get(session)
      ?.some(
        (naming) =>
          naming.session === started.predecessor &&
          naming.sequence === started.predecessorSequence &&
          this.#isStable(naming),
      )
    if (before?.end === undefined || isNamed !== true) {
      throw new Violation(
        'G5',
        `a link of the chain is missing: ${session} goes on from event ${started.predecessorSequence} of ${started.predecessor}, ` +
          'which is no stable end that names it',
      )
    }
    if (timeUs < before.end.timeUs) {
      throw new Violation('G1', `time goes back: ${session} begins before ${started.predecessor} has ended`)
    }
    const forgotten = [...before.activated].find((component) => !started.seeders.includes(component))
    if (forgotten !== undefined) {
      throw new Violation(
        'G4',
        `a component is forgotten: ${forgotten} was active in ${started.predecessor}, and ${session} does not wait for its seed`,
      )
    }
  }

  #onSeed(
    link: Link,
    seed: { readonly component: string; events: number },
    { type, payload }: EventFields,
    sequence: number,
    session: string,
  ): void {
    if (type === SEED_DONE) {
      const { component, events, pending } = readSeeded(payload)
      if (component !== seed.component || events !== seed.events || link.seeded.has(component)) {
        throw new Violation(
          'G3',
          `a seed is not what it says: event ${sequence} of ${session} closes ${events} events of it`,
        )
      }
      link.seeded.add(component)
      this.#counts.commandsCarried += pending
    } else if (!link.seeded.has(seed.component)) {
      seed.events++
      this.#counts.seedEvents++
    }
  }

  #onOpened(link: Link, payload: Uint8Array, sequence: number, session: string): void {
    const missing = readMissing(payload)
    const late = link.started?.seeders.filter((component) => !link.seeded.has(component)) ?? []
    if (link.isOpen || missing.length > 0 || late.length > 0) {
      throw new Violation(
        'G4',
        `a session is open without what was carried over: event ${sequence} of ${session}, and ${late.join(', ') || 'nothing'} is missing`,
      )
    }
    link.isOpen = true
  }
}
