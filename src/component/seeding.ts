/**
 * What a component begins a session with, as far as this replica has to do with it: the events of its source `COMPONENT/seed`.
 *
 * The whole list is known before its first event is sent, and is the same on every replica that was there when the session before ended:
 * events, effects that are owed, `SeedDone`; and when the session is open, commands that were pending. So whoever is active sends it,
 * and where it stops somewhere in the middle, anybody else goes on: the sequencer takes each once. What comes back is compared.
 *
 * A replica that was not there only counts. Where it finds the seed incomplete, it has to read the session before first.
 */
import type { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { Outbox } from '../protocol/outbox.js'
import type { OutboxMessage } from '../protocol/outbox-types.js'
import {
  EFFECT_OWED,
  effectOwedCodec,
  SEED_DONE,
  type SeedDone,
  type SessionStarted,
  type SourceRegistered,
  seedDoneCodec,
  seedSourceName,
} from '../wire/runtime-events.js'
import { breachError } from './breach.js'
import type { CarriedSeed } from './carry.js'
import type { Fields } from './checkpoint-fields.js'
import type { Component } from './definition.js'
import { Registration } from './registration.js'

/** Whoever should send has been silent for so long: others do. */
const SILENCE_US = 250_000

export interface SeedingOptions {
  readonly component: Component
  readonly session: string
  readonly tagBytes: number
  readonly logger: Logger
  /** For registrations; one that nobody else uses. */
  readonly nonce: () => number
}

export interface SeedingOutput {
  sendCommands(packet: Uint8Array): void
  /** From here on the component's other commands may follow. */
  ready(nowUs: number): void
}

export class Seeding {
  readonly #options: SeedingOptions
  readonly #output: SeedingOutput
  readonly #registration: Registration
  /** The session before; '' where there is none. */
  predecessor = ''
  /** The session is open for business: commands of everybody are taken. */
  #isOpen = true
  /** It was opened without this component's seed. */
  #isExcused = false
  #isReady = true
  /** The session waits for this component's seed, or has waited for it. */
  #isAwaited = false
  /** The number of the source; 0 while it is not registered. */
  source = 0
  /** Its events, whoever sent them. */
  #events = 0
  #done: SeedDone | undefined
  #outbox: Outbox | undefined
  /** What follows when the session is open. */
  #pending: readonly OutboxMessage[] = []
  #held = false
  #epoch = 0
  /** When the source was heard last, or else when waiting for it began. */
  #heardUs = Number.NaN

  constructor(options: SeedingOptions, output: SeedingOutput) {
    this.#options = options
    this.#output = output
    this.#registration = new Registration(options.session, (packet) => output.sendCommands(packet))
  }

  /** The session is open, and all that comes before what the component commands in it is there. */
  get isReady(): boolean {
    return this.#isReady
  }

  get isAwaited(): boolean {
    return this.#isAwaited
  }

  /** All of it is in the stream. */
  get isComplete(): boolean {
    return !this.#isAwaited || (this.#done !== undefined && this.#events >= this.#total(this.#done))
  }

  /** The session is open, and nothing of the component's seed is missing. */
  get isOver(): boolean {
    return this.#isOpen && this.isComplete
  }

  /** Something is missing, and this replica does not know what: it has to read the predecessor's end first. */
  get isUnknown(): boolean {
    return !this.isComplete && this.#outbox === undefined
  }

  get nonce(): number {
    return this.#registration.nonce
  }

  /** Events of the source, as they are said to be; for the status. */
  get progress(): { readonly events: number; readonly total: number } {
    return { events: this.#events, total: this.#done === undefined ? 0 : this.#total(this.#done) }
  }

  /** The first event of the session. */
  started({ predecessor, seeders, staticEvents }: SessionStarted): void {
    this.predecessor = predecessor
    this.#isOpen = seeders.length === 0 && staticEvents === 0
    this.#isAwaited = seeders.includes(this.#options.component.name)
    this.#isReady = this.#isOpen
  }

  /** This replica knows the seed. @throws Error where the sizes contradict each other */
  know(seed: CarriedSeed, datagramBytes: number, fragmentBytes: number): void {
    const { component, session, tagBytes, logger } = this.#options
    const outbox = new Outbox(
      // All of it at once: it is what the state was made of.
      {
        session,
        source: 0,
        firstSourceSequence: 1,
        datagramBytes,
        tagBytes,
        fragmentBytes,
        logger,
        capacityCommands: Number.POSITIVE_INFINITY,
      },
      { sendCommands: (packet) => this.#output.sendCommands(packet) },
    )
    for (const { type, payload } of seed.events) outbox.append(type, payload, 0)
    for (const owed of seed.effects) outbox.append(EFFECT_OWED, effectOwedCodec.encode(owed), 0)
    const events = outbox.nextSourceSequence - 1
    const pending = blocksOf(seed.pending, fragmentBytes)
    outbox.append(SEED_DONE, seedDoneCodec.encode({ component: component.name, events, pending }), 0)
    outbox.onHeld(this.#held)
    outbox.setEpoch(this.#epoch, 0)
    this.#outbox = outbox
    this.#pending = seed.pending
  }

  /** A registration of the component's sources, whoever's. */
  onRegistered({ name, source }: SourceRegistered, nowUs: number): void {
    if (name !== seedSourceName(this.#options.component.name)) return
    this.source = source
    this.#registration.end()
    this.#outbox?.bind(source, nowUs)
  }

  /** An event of the source. @returns what is wrong with it, or undefined */
  onEvent(
    sequence: number,
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
    nowUs: number,
  ): SeqcastError | undefined {
    this.#events++
    this.#heardUs = nowUs
    const outbox = this.#outbox
    if (outbox === undefined || outbox.onEvent(sequence, bytes, at, lengthBytes, nowUs) === 'expected') {
      this.#look(nowUs)
      return undefined
    }
    return breachError(this.#options.component, outbox, sequence, bytes, at, lengthBytes)
  }

  onDone(event: SeedDone): void {
    this.#done = event
  }

  /** The session is open: what was pending follows. @param missing components whose seed did not come before */
  onOpened(missing: readonly string[], nowUs: number): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#isExcused = missing.includes(this.#options.component.name)
    const outbox = this.#outbox
    for (const { type, payload } of this.#pending) outbox?.append(type, payload, nowUs)
    outbox?.flush(nowUs)
    this.#look(nowUs)
  }

  /** This replica sends: it is active, or nobody is. */
  speak(nowUs: number): void {
    const outbox = this.#outbox
    if (outbox === undefined || outbox.isConnected || this.isComplete) return
    const { component, nonce } = this.#options
    if (this.source === 0) {
      const { name, schema } = component
      const wanted = {
        name: seedSourceName(name),
        nonce: nonce(),
        exclusive: false,
        component: name,
        schemaHash: schema.hash,
      }
      this.#registration.request(wanted, nowUs)
    }
    outbox.connect(nowUs)
  }

  /** This replica sends nothing any more. */
  hush(): void {
    this.#registration.end()
    this.#outbox?.disconnect()
    this.#heardUs = Number.NaN
  }

  onStable(stableSequence: number): void {
    const outbox = this.#outbox
    if (outbox === undefined) return
    outbox.onStable(stableSequence)
    // All of it is in the stream for good: nobody will ask for it again.
    if (this.isOver && outbox.commands === 0) this.#forget()
  }

  #forget(): void {
    this.hush()
    this.#outbox = undefined
    this.#pending = []
  }

  setEpoch(epoch: number, nowUs: number): void {
    this.#epoch = epoch
    this.#outbox?.setEpoch(epoch, nowUs)
  }

  onHeld(held: boolean): void {
    this.#held = held
    this.#outbox?.onHeld(held)
  }

  flush(nowUs: number): void {
    this.#outbox?.flush(nowUs)
  }

  /** Repeats what is due; speaks where nobody else does. @returns the next deadline */
  tick(nowUs: number): number {
    const outbox = this.#outbox
    if (outbox === undefined || this.isComplete) return Number.POSITIVE_INFINITY
    if (outbox.isConnected) return Math.min(outbox.tick(nowUs), this.#registration.tick(nowUs))
    if (Number.isNaN(this.#heardUs)) this.#heardUs = nowUs
    if (nowUs - this.#heardUs < SILENCE_US) return this.#heardUs + SILENCE_US
    const { component, session, logger } = this.#options
    logger.info(
      { session, component: component.name, events: this.#events },
      'seed: nobody sends it, so this replica does',
    )
    this.speak(nowUs)
    return this.tick(nowUs)
  }

  /** What the stream does not have of it, at the session's end: it goes into the next one. */
  left(): Pick<CarriedSeed, 'events' | 'effects' | 'pending'> {
    const { component } = this.#options
    const messages = this.#outbox?.unsequenced() ?? []
    if (!this.#isOpen && this.#outbox !== undefined) messages.push(...this.#pending)
    const doneAt = messages.findIndex(({ type }) => type === SEED_DONE)
    const before = messages.slice(0, Math.max(0, doneAt))
    return {
      events: before.filter(({ type }) => type !== EFFECT_OWED),
      effects: before.flatMap(({ type, payload }) => {
        const owed = type === EFFECT_OWED ? effectOwedCodec.decode(payload) : undefined
        return owed === undefined ? [] : [{ ...owed, component: component.name }]
      }),
      pending: messages.slice(doneAt + 1),
    }
  }

  capture(): object {
    const { predecessor, source } = this
    const done = this.#done === undefined ? null : { ...this.#done }
    const flags = {
      isOpen: this.#isOpen,
      isExcused: this.#isExcused,
      isAwaited: this.#isAwaited,
      isReady: this.#isReady,
    }
    return { predecessor, source, ...flags, events: this.#events, done }
  }

  restore(from: Fields): void {
    this.predecessor = from.text('predecessor')
    this.#isOpen = from.flag('isOpen')
    this.#isExcused = from.flag('isExcused')
    this.#isReady = from.flag('isReady')
    this.#isAwaited = from.flag('isAwaited')
    this.source = from.whole('source')
    this.#events = from.whole('events')
    const done = from.optionalFields('done')
    if (done === undefined) return
    this.#done = { component: done.text('component'), events: done.whole('events'), pending: done.whole('pending') }
  }

  #look(nowUs: number): void {
    if (this.#isReady || !this.#isOpen || !(this.isComplete || this.#isExcused)) return
    this.#isReady = true
    this.#output.ready(nowUs)
  }

  #total({ events, pending }: SeedDone): number {
    return events + 1 + pending
  }
}

function blocksOf(messages: readonly OutboxMessage[], fragmentBytes: number): number {
  return messages.reduce((sum, { payload }) => sum + Math.max(1, Math.ceil(payload.length / fragmentBytes)), 0)
}
