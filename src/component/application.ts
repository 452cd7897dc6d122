/**
 * The deterministic part of a host: the component's state, its timers, and the calls of its handlers. What happens here
 * depends on the events alone, so it is the same on every replica and in every replay.
 *
 * Each method returns what went wrong, or undefined. After an error nothing may be called any more: the state may be half
 * changed.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import { readU32 } from '../wire/bytes.js'
import { EVENT_TIMESTAMP_AT, eventTimeUs } from '../wire/event.js'
import type { Fields } from './checkpoint-fields.js'
import { HandlerContext } from './context.js'
import type { Component } from './definition.js'
import { describePayload } from './describe.js'
import { digestOf } from './digest.js'
import { EventView } from './event-view.js'
import { guard, refusePromise } from './guard.js'
import { type LargeTables, requireNoFiles } from './large/large-tables.js'
import { type Timer, Timers } from './timers.js'

export interface ApplicationOptions {
  readonly component: Component
  readonly session: string
  /** Catch the machine's clock, randomness and timers inside handlers. */
  readonly guard: boolean
  /** Files behind the large maps of the state. */
  readonly large?: LargeTables
  /** Takes a command that a handler issued, under the event that is handled. @throws SeqcastError */
  readonly issue: (type: number, payload: Uint8Array) => void
  /** What `capture` of another one had returned: it goes on there. */
  readonly restored?: Fields
}

/** Errors that say all there is to say; anything else that a handler throws is the handler's. */
const PASSED_ON: ReadonlySet<string> = new Set(['E_OUTBOX_FULL', 'E_SOURCE_EXHAUSTED', 'E_STORE_CORRUPT'])

export class Application {
  readonly state: unknown
  readonly timers = new Timers()
  timersFired = 0
  /** The time of the event that is handled. A field, because a number of this size is boxed wherever it is passed. */
  timeUs = 0
  /** The stamp that `timeUs` was made of; 0 is the time 0. */
  #timestampHigh = 0
  #timestampLow = 0
  readonly #component: Component
  readonly #view: EventView
  readonly #context: HandlerContext
  readonly #fireTimer = (timer: Timer): void => this.#onTimer(timer)
  readonly #isGuarded: boolean
  #guarding = false
  #timerSequence = 0
  #timerError: SeqcastError | undefined

  constructor(options: ApplicationOptions) {
    const { component, session, issue, restored } = options
    this.#component = component
    this.#isGuarded = options.guard
    this.#view = new EventView(component.schema)
    this.#context = new HandlerContext({
      component: component.name,
      session,
      timers: this.timers,
      hasTimer: (name) => component.timers.has(name),
      send: (name, payload) => {
        const type = component.schema.typeOf(name)
        if (type === undefined) throw new Error(`'${name}' is no event of the schema of ${component.name}`)
        issue(type, component.schema.encode(name, payload))
      },
    })
    this.state = restored === undefined ? component.state() : component.checkpoint.load(restored.value('state'))
    if (options.large !== undefined) options.large.attach(this.state)
    else if (restored !== undefined) requireNoFiles(this.state)
    if (restored !== undefined) this.#restore(restored)
  }

  /** What `restored` takes. */
  capture(): object {
    return {
      state: this.#component.checkpoint.save(this.state),
      timeUs: this.timeUs,
      timestampHigh: this.#timestampHigh,
      timestampLow: this.#timestampLow,
      timers: this.timers.pending(),
    }
  }

  /** Whether an event of this type is for the component; the others are skipped. */
  wants(type: number): boolean {
    return this.#component.handlers[type] !== undefined || this.#component.effects[type] !== undefined
  }

  /** Gives the handler of `type` the event whose payload is `bytes[start, end)`, where there is one. */
  handle(
    sequence: number,
    source: number,
    type: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): SeqcastError | undefined {
    const handler = this.#component.handlers[type]
    if (handler === undefined) return undefined
    const view = this.#view
    view.timeUs = this.timeUs
    view.set(sequence, source, type, bytes, start, end)
    this.#context.timeUs = this.timeUs
    this.#enter(sequence)
    try {
      const returned = handler(this.state, view, this.#context)
      if (returned !== undefined) refusePromise(returned, `on.${view.name}`)
      return view.failure
    } catch (thrown) {
      return view.failure ?? this.#eventError(thrown, bytes, start, end)
    } finally {
      this.#context.leave()
      view.release()
    }
  }

  /** Takes the time of event `sequence`, which lies at `at`, and fires what is due at it; the event is not handled yet. */
  reachTime(sequence: number, bytes: Uint8Array, at: number): SeqcastError | undefined {
    this.#takeTime(bytes, at)
    if (this.timers.nextDueUs > this.timeUs) return undefined
    this.#timerSequence = sequence
    this.timers.fire(this.timeUs, this.#fireTimer)
    return this.#timerError
  }

  /** What one turn of the sequencer has stamped has one time: it is divided out for the first of these events only. */
  #takeTime(bytes: Uint8Array, at: number): void {
    const high = readU32(bytes, at + EVENT_TIMESTAMP_AT)
    const low = readU32(bytes, at + EVENT_TIMESTAMP_AT + 4)
    if (low === this.#timestampLow && high === this.#timestampHigh) return
    this.#timestampHigh = high
    this.#timestampLow = low
    this.timeUs = eventTimeUs(bytes, at)
  }

  /** Before anything that is not a handler runs: gives the machine's clock and randomness back. */
  rest(): void {
    if (!this.#guarding) return
    this.#guarding = false
    guard.leave()
  }

  /** SHA-256 over the canonical form of what the component's digest covers. @throws SeqcastError E_NONDETERMINISM, E_HANDLER */
  digest(): Uint8Array {
    const component = this.#component
    try {
      return digestOf(component.digestOf(this.state))
    } catch (thrown) {
      if (thrown instanceof SeqcastError) throw thrown
      throw new SeqcastError('E_HANDLER', `digestOf of ${component.name} failed: ${messageOf(thrown)}`, {
        fields: { component: component.name },
        cause: thrown,
      })
    }
  }

  #restore(from: Fields): void {
    this.timeUs = from.number('timeUs')
    this.#timestampHigh = from.whole('timestampHigh')
    this.#timestampLow = from.whole('timestampLow')
    for (const timer of from.list('timers')) {
      this.timers.start(timer.text('name'), timer.text('key'), timer.number('dueUs'))
    }
  }

  /** The guard stays on from one handler to the next, because switching it costs more than most handlers. */
  #enter(sequence: number): void {
    this.#context.enter(sequence)
    if (this.#guarding || !this.#isGuarded) return
    this.#guarding = true
    guard.enter()
  }

  #onTimer(timer: Timer): void {
    const handler = this.#component.timers.get(timer.name)
    if (handler === undefined || this.#timerError !== undefined) return
    this.timersFired++
    this.#context.timeUs = timer.dueUs
    this.#enter(this.#timerSequence)
    try {
      const returned = handler(this.state, timer.key, this.#context)
      if (returned !== undefined) refusePromise(returned, `timers.${timer.name}`)
    } catch (thrown) {
      this.#timerError = this.#timerErrorOf(timer, thrown)
    } finally {
      this.#context.leave()
    }
  }

  #eventError(thrown: unknown, bytes: Uint8Array, start: number, end: number): SeqcastError {
    const { sequence, timeUs, source, type, name } = this.#view
    const payload = describePayload(this.#component.schema, type, bytes, start, end)
    const what = `at event ${sequence} (${name})`
    return this.#handlerError(thrown, what, { sequence, event: { sequence, timeUs, source, type, name, payload } })
  }

  #timerErrorOf({ name, key, dueUs }: Timer, thrown: unknown): SeqcastError {
    const sequence = this.#timerSequence
    const what = `in timer '${name}' (${key}), before event ${sequence}`
    return this.#handlerError(thrown, what, { sequence, timer: { name, key, dueUs } })
  }

  #handlerError(thrown: unknown, what: string, fields: Readonly<Record<string, unknown>>): SeqcastError {
    if (thrown instanceof SeqcastError && PASSED_ON.has(thrown.code)) return thrown
    const component = this.#component.name
    const stack = thrown instanceof Error ? thrown.stack : undefined
    const isBreach = thrown instanceof SeqcastError && thrown.code === 'E_NONDETERMINISM'
    const hint = 'correct the handler and start again: the component rewinds and handles the event anew'
    const message = `${component} failed ${what}: ${messageOf(thrown)}`
    return new SeqcastError(isBreach ? 'E_NONDETERMINISM' : 'E_HANDLER', message, {
      hint: (isBreach ? thrown.hint : undefined) ?? hint,
      fields: { component, ...fields, stack },
      cause: thrown,
    })
  }
}
