/**
 * What an active component brings in from the outside world. Such commands are not deterministic, so they go out under an
 * exclusive source, registered anew at each activation; that closes the one before. When the registration is delivered,
 * everything that the earlier process ever got sequenced has been delivered too, so input and effects resume exactly
 * there.
 *
 * Where events are revoked, the commands that are not stable are kept for the successor of the replica in this process, whose
 * input and effects begin when all of them are events of the branch that lives.
 *
 * `closed` -> `registering` -> `open` -> `closed`
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { Outbox } from '../protocol/outbox.js'
import type { OutboxMessage, OutboxVerdict } from '../protocol/outbox-types.js'
import { FIRST_APPLICATION_TYPE } from '../wire/event.js'
import type { SourceRegistered } from '../wire/runtime-events.js'
import type { Fields } from './checkpoint-fields.js'
import type { Component } from './definition.js'
import { KeptOutside, type LastSpoken, OutsideOutlet, type OutsideOutput, type OutsideSource } from './kept-outside.js'
import { createPort } from './outside-port.js'
import { Registration } from './registration.js'

export interface OutsideOptions {
  readonly component: Component
  readonly session: string
  readonly capacityCommands: number
  readonly tagBytes: number
  readonly logger: Logger
  /** What an earlier host of this process had not seen to its end when events were revoked. */
  readonly kept?: KeptOutside
  /** What this process held at the end of the session before, and was not sequenced there. */
  readonly carried?: readonly OutboxMessage[]
  /** True where the session takes commands from outside; later `onSeeded` says so. */
  readonly isReady: () => boolean
  /** Until then the input of that session is about to return. */
  readonly inputEnded?: Promise<void>
  /** Monotonic microseconds, for what is issued outside of a turn of the host. */
  readonly nowUs: () => number
}

const NOBODY: LastSpoken = { nonce: 0, events: 0 }

interface OpenOutside extends OutsideSource {
  readonly aborter: AbortController
}

/** The name of the exclusive source of a component. */
export function outsideSourceName(component: string): string {
  return `${component}/outside`
}

export class Outside {
  readonly #options: OutsideOptions
  readonly #output: OutsideOutput
  readonly #registration: Registration
  #open: OpenOutside | undefined
  #kept: KeptOutside | undefined
  /** Of the session before, or of a source that a late packet has closed; entered first. */
  #carried: readonly OutboxMessage[]
  /** While an input runs, or is about to return. */
  #inputEnded: Promise<void> | undefined
  #held = false
  #epoch = 0
  /** Of the newest source of the component, whoever's: its registration, and its events. */
  #newestNonce = 0
  #events = 0
  /** Of those before it. */
  #spokenBefore: LastSpoken = NOBODY
  /** By outboxes that are closed. */
  #resentBefore = 0
  /** Commands that were revoked and could not be sent again. */
  droppedAfterRevocation = 0
  /** Commands of the session before that were not entered into this one. */
  droppedAtRollover = 0

  constructor(options: OutsideOptions, output: OutsideOutput) {
    this.#options = options
    this.#output = output
    this.#kept = options.kept
    this.#carried = options.carried ?? []
    this.#inputEnded = options.inputEnded
    this.#registration = new Registration(options.session, (packet) => output.sendCommands(packet))
  }

  get state(): 'closed' | 'registering' | 'open' {
    if (this.#open !== undefined) return 'open'
    return this.#registration.nonce === 0 ? 'closed' : 'registering'
  }

  /** The source of which events are expected; 0 where there is none. */
  get source(): number {
    return this.#open?.outbox.source ?? this.#kept?.source ?? 0
  }

  /** It is open, and whatever was kept has become events: input and effects may begin. */
  get isDrained(): boolean {
    return this.#open !== undefined && this.#open.outbox.outstanding === 0
  }

  get nonce(): number {
    return this.#registration.nonce
  }

  get commands(): number {
    return ((this.#open ?? this.#kept)?.outbox.commands ?? 0) + this.#carried.length
  }

  /** While an input of this process runs, or is about to return. */
  get inputEnded(): Promise<void> | undefined {
    return this.#inputEnded
  }

  /** What of the session before has not been entered yet. */
  get carried(): readonly OutboxMessage[] {
    return this.#carried
  }

  /** What input has issued and the stream does not have, as whole messages: it goes into the next session. */
  unsequenced(): OutboxMessage[] {
    const kept = this.#kept?.verdict(this.#lastSpoken) === 'overtaken' ? undefined : this.#kept
    const messages = (this.#open ?? kept)?.outbox.unsequenced() ?? []
    return [...messages.filter(({ type }) => type >= FIRST_APPLICATION_TYPE), ...this.#carried]
  }

  /** How many were sent again, because they did not come back in time. */
  get resent(): number {
    return this.#resentBefore + (this.#open?.outbox.counters.resentCommands ?? 0)
  }

  get canSend(): boolean {
    return this.#open !== undefined && !this.#open.outbox.isFull
  }

  /** The replica is active: goes on with what was kept, or asks for a source. @param nonce one that nobody else uses */
  begin(nonce: number, nowUs: number): void {
    const kept = this.#kept
    const verdict = kept?.verdict(this.#lastSpoken)
    if (this.#wasOvertaken()) this.#dropCarried()
    if (kept === undefined || verdict === 'overtaken') {
      if (kept !== undefined) this.dropKept()
      this.register(nonce, nowUs)
    } else if (verdict === 'revoked') this.register(kept.nonce, nowUs)
    else this.#openKept(kept, nowUs)
  }

  /** Asks for a source, closing what is open. @param nonce one that nobody else uses */
  register(nonce: number, nowUs: number): void {
    this.close()
    const { component } = this.#options
    const name = outsideSourceName(component.name)
    const wanted = {
      name,
      nonce,
      exclusive: true,
      component: component.name,
      schemaHash: component.schema.hash,
    }
    this.#registration.request(wanted, nowUs)
  }

  /** A late packet closed the present source: what is not sequenced by now never will be under it, and comes first under the next one. */
  reregister(nonce: number, nowUs: number): void {
    this.#carried = this.unsequenced()
    this.register(nonce, nowUs)
  }

  /** A registration of the component's outside source, whoever's. */
  onRegistered(event: SourceRegistered, nowUs: number): void {
    this.#spokenBefore = this.#lastSpoken
    this.#newestNonce = event.nonce
    this.#events = 0
    if (this.#open === undefined) this.#kept?.onRegistered(event, nowUs)
  }

  /** An event of the newest source of the component, whoever's. */
  countEvent(): void {
    this.#events++
  }

  /** What the stream has said of the sources of commands from outside. */
  capture(): object {
    return { events: this.#events, spokenBefore: { ...this.#spokenBefore } }
  }

  /** @param registrations of the component's outside sources, whoever's, in order */
  restore(from: Fields, registrations: readonly { readonly nonce: number; readonly number: number }[]): void {
    const before = from.fields('spokenBefore')
    this.#newestNonce = registrations.at(-1)?.nonce ?? 0
    this.#events = from.whole('events')
    this.#spokenBefore = { nonce: before.whole('nonce'), events: before.whole('events') }
    this.#kept?.restore(registrations, this.#events)
  }

  /** The stream granted the source; the outbox can send. */
  open(source: number, datagramBytes: number, fragmentBytes: number, nowUs: number): void {
    const nonce = this.#registration.nonce
    this.#registration.end()
    const kept = this.#kept
    if (kept !== undefined && kept.nonce === nonce) {
      this.#openKept(kept, nowUs)
      return
    }
    const { session, capacityCommands, tagBytes, logger } = this.#options
    const outlet = new OutsideOutlet(this.#output)
    const outbox = new Outbox(
      { session, source, firstSourceSequence: 1, datagramBytes, tagBytes, fragmentBytes, capacityCommands, logger },
      outlet,
    )
    for (const { type, payload } of this.#carried) outbox.append(type, payload, nowUs)
    this.#carried = []
    this.#connect({ outbox, outlet, nonce, after: this.#spokenBefore }, nowUs)
  }

  /**
   * Events were revoked: input is told to end, and nothing more is sent from here.
   * @param stableSequence events up to here can't be revoked
   * @returns what the successor of this replica has to see to its end
   */
  revoked(stableSequence: number): KeptOutside | undefined {
    this.#registration.end()
    const last = this.#open ?? this.#kept?.from
    if (last === undefined) return undefined
    last.outbox.revoke(stableSequence + 1)
    this.#open?.aborter.abort(new Error(`${this.#options.component.name} has to read another branch of the session`))
    this.#open = undefined
    this.#kept = undefined
    return last.outbox.commands === 0 ? undefined : new KeptOutside(last)
  }

  /** Starts the component's input, where it has one. */
  startInput(state: unknown): void {
    const { component } = this.#options
    const open = this.#open
    if (open === undefined || component.input === undefined) return
    const last = this.#inputEnded
    if (last === undefined) {
      this.#runInput(open, component.input, state)
      return
    }
    // One that is about to return may hold what this one needs, a port for instance.
    void last.then(() => {
      if (this.#inputEnded === last) this.#inputEnded = undefined
      if (this.#open === open) this.startInput(state)
    })
  }

  #runInput(open: OpenOutside, input: NonNullable<Component['input']>, state: unknown): void {
    const { component, nowUs } = this.#options
    const { signal } = open.aborter
    const failed = (thrown: unknown): void => {
      if (!signal.aborted) this.#output.failed(inputError(component.name, thrown))
    }
    try {
      const port = createPort(component, open.outbox, signal, nowUs, () => this.#output.wantsFlush())
      const ended = Promise.resolve(input(port, state)).catch(failed)
      this.#inputEnded = ended
      void ended.then(() => {
        if (this.#inputEnded === ended) this.#inputEnded = undefined
      })
    } catch (thrown) {
      failed(thrown)
    }
  }

  /** The session has ended and another one goes on: input is told to end, nothing more is sent, and what is left is kept. */
  finish(): void {
    this.#registration.end()
    this.#open?.outbox.disconnect()
    this.#open?.aborter.abort(new Error(`session ${this.#options.session} has ended, and another one goes on`))
  }

  /**
   * Passive: input is told to end. What was issued so far is sent a last time, so that what is done is known to be done;
   * where that is lost, or comes after the next registration, it is issued again by whoever is active next.
   */
  close(): void {
    this.#registration.end()
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    open.outbox.flush(this.#options.nowUs())
    open.outbox.disconnect()
    this.#resentBefore += open.outbox.counters.resentCommands
    open.aborter.abort(new Error(`${this.#options.component.name} is no longer active`))
  }

  /** Another process has spoken for the component: its input went on after the last key that it had found in the stream. */
  dropKept(): void {
    this.#dropCarried()
    const dropped = this.#kept?.outbox.outstanding ?? 0
    this.#kept = undefined
    if (dropped === 0) return
    this.droppedAfterRevocation += dropped
    this.#options.logger.warn(
      { component: this.#options.component.name, commands: dropped },
      'commands from outside are not sent again after a revocation, because another process was active since',
    )
  }

  get #lastSpoken(): LastSpoken {
    return this.#events > 0 ? { nonce: this.#newestNonce, events: this.#events } : this.#spokenBefore
  }

  /** Another process has spoken for the component in this session: this one did not, as long as it has something to carry over. */
  #wasOvertaken(): boolean {
    return this.#lastSpoken.events > 0
  }

  #dropCarried(): void {
    const dropped = this.#carried.length
    this.#carried = []
    if (dropped === 0) return
    this.droppedAtRollover += dropped
    this.#options.logger.warn(
      { component: this.#options.component.name, commands: dropped },
      'commands from outside are not taken over from the session before, because another process is active in this one',
    )
  }

  append(type: number, payload: Uint8Array): void {
    this.#open?.outbox.append(type, payload, this.#options.nowUs())
  }

  onEvent(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number, nowUs: number): OutboxVerdict {
    const taker = this.#open?.outbox ?? this.#kept
    return taker?.onEvent(sequence, bytes, at, lengthBytes, nowUs) ?? 'unknown'
  }

  onStable(stableSequence: number): void {
    const last = this.#open ?? this.#kept
    last?.outbox.onStable(stableSequence)
  }

  /** The reign of the newest event: what was sent under another one and is no event goes out again. */
  setEpoch(epoch: number, nowUs: number): void {
    this.#epoch = epoch
    this.#registration.setEpoch(epoch, nowUs)
    this.#open?.outbox.setEpoch(epoch, nowUs)
  }

  /** The session takes commands from here on. */
  onSeeded(nowUs: number): void {
    this.#open?.outbox.connect(nowUs)
  }

  onHeld(held: boolean): void {
    this.#held = held
    this.#open?.outbox.onHeld(held)
  }

  flush(nowUs: number): void {
    this.#open?.outbox.flush(nowUs)
  }

  tick(nowUs: number): number {
    const deadlineUs = this.#registration.tick(nowUs)
    return Math.min(deadlineUs, this.#open?.outbox.tick(nowUs) ?? Number.POSITIVE_INFINITY)
  }

  #openKept({ from, outbox }: KeptOutside, nowUs: number): void {
    this.#kept = undefined
    this.#options.logger.info(
      { component: this.#options.component.name, source: outbox.source, commands: outbox.outstanding },
      'commands from outside that were revoked are sent again',
    )
    from.outlet.to = this.#output
    this.#connect(from, nowUs)
  }

  #connect(source: OutsideSource, nowUs: number): void {
    const { outbox } = source
    outbox.onHeld(this.#held)
    outbox.setEpoch(this.#epoch, nowUs)
    if (this.#options.isReady()) outbox.connect(nowUs)
    this.#open = { ...source, aborter: new AbortController() }
  }
}

function inputError(component: string, thrown: unknown): SeqcastError {
  return new SeqcastError('E_INPUT', `the input of ${component} failed: ${messageOf(thrown)}`, {
    hint: 'the component is stopped; activate another replica, which resumes after the last sequenced command',
    fields: { component },
    cause: thrown,
  })
}
