/**
 * What a sequencer knows of its session by its events: who may speak, who is active, the epochs, how it began and how it ended. It is the
 * same whether they were read or sequenced.
 */
import { messageOf } from '../core/errors.js'
import type { EpochTableEntry } from '../wire/control.js'
import { type SessionStarted, seedDoneCodec } from '../wire/runtime-events.js'
import { ActivationTable } from './activation-table.js'
import type { SequencerOptions, SequencerState } from './sequencer-types.js'
import { type Predecessor, SessionOpening } from './session-opening.js'
import { firstEvent, type SessionEnd, SessionRebuild } from './session-rebuild.js'
import { SourceTable } from './source-table.js'
import type { Timestamper } from './timestamper.js'

export class SessionBooks {
  readonly sources = new SourceTable()
  readonly activations = new ActivationTable()
  readonly epochs: EpochTableEntry[] = []
  readonly opening: SessionOpening
  readonly rebuild: SessionRebuild
  readonly #options: SequencerOptions
  readonly #payloadBytes: number
  readonly #time: Timestamper
  #predecessor: Predecessor | undefined

  /**
   * @param payloadBytes the longest payload of an event
   * @throws SeqcastError E_CONFIG where the names in the first event do not fit one datagram
   */
  constructor(options: SequencerOptions, payloadBytes: number, time: Timestamper) {
    this.#options = options
    this.#payloadBytes = payloadBytes
    this.#time = time
    this.opening = new SessionOpening(this.activations, options.staticEvents, payloadBytes)
    const { sources, activations, epochs, opening } = this
    this.rebuild = new SessionRebuild(this.#firstEvent(), sources, activations, time, epochs, opening)
  }

  /** The session begins where another one has ended. */
  goOnFrom(predecessor: Predecessor): void {
    this.#predecessor = predecessor
    this.opening.goOnFrom(predecessor)
    const { high, low, timeUs } = predecessor.time
    if (this.rebuild.nextSequence === 1) this.#time.resume(high, low, timeUs)
  }

  /** The first event, as it was read, or as it is to be sequenced. */
  get started(): SessionStarted {
    return this.rebuild.started ?? this.#firstEvent()
  }

  /** What a session is told that goes on from this one. */
  predecessorOf(end: SessionEnd | undefined): Predecessor {
    const { activations } = this
    const roles = { active: activations.active(), passive: activations.passive(), retired: activations.retired }
    return { session: this.#options.session, sequence: end?.sequence ?? 0, time: this.#time.last, ...roles }
  }

  /** This session has waited for the component's seed, or the next one will by its configuration. */
  awaits(component: string): boolean {
    return this.started.seeders.includes(component) || (this.#options.seeders ?? []).includes(component)
  }

  /** A `SeedDone` was sequenced. */
  seeded(source: number, sourceSequence: number, payload: Uint8Array): void {
    const component = this.sources.seedOf(source) ?? ''
    this.opening.seeded(component, source, sourceSequence, seedDoneCodec.decode(payload)?.pending ?? 0)
  }

  /** Why the session can't end now and go on in that one; '' where it can. */
  rollProblem(successor: string, state: SequencerState): string {
    const { session, seeders } = this.#options
    if (state === 'held' && !this.opening.isOpen) return `session ${session} is seeding, not open`
    if (state !== 'open' && state !== 'held') return `session ${session} is ${state}, not open`
    if (successor === session) return `session ${session} can't be its own successor`
    const incomplete = this.opening.incomplete((source) => this.sources.next(source))
    if (incomplete.length > 0) return `of ${incomplete.join(', ')} commands of the last session are still to come`
    try {
      // What the successor begins with has to fit it: later is too late.
      const first = this.opening.firstEvent(this.predecessorOf(undefined), seeders ?? [])
      firstEvent(this.#options, this.#payloadBytes, first)
      return ''
    } catch (error) {
      return messageOf(error)
    }
  }

  #firstEvent(): SessionStarted {
    const fields = this.opening.firstEvent(this.#predecessor, this.#options.seeders ?? [])
    return firstEvent(this.#options, this.#payloadBytes, fields)
  }
}
