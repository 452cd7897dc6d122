/**
 * The application's events, on their way to the handlers: skipped where the component does not know them, put together
 * where they came in fragments, and followed by what they cause: an effect that is owed, a digest that is due.
 */
import { type Counters, createCounters } from '../core/counters.js'
import type { SeqcastError } from '../core/errors.js'
import { EVENT_HEADER_BYTES, eventEpoch, eventFlags, WHOLE_MESSAGE } from '../wire/event.js'
import type { Application } from './application.js'
import type { Fields } from './checkpoint-fields.js'
import type { Component } from './definition.js'
import { nameOfType } from './describe.js'
import type { Effects } from './effects.js'
import { FragmentAssembler } from './fragments.js'
import { effectsBoundError, payloadError } from './host-errors.js'

const COUNTERS = ['handled', 'skipped', 'fragments', 'brokenFragments', 'effectsOwed'] as const

export type MessageCounter = (typeof COUNTERS)[number]

/** What decodes to no message, so that whoever reads it says so. */
const NOTHING = new Uint8Array([0xff])

export class Messages {
  readonly counters: Counters<MessageCounter> = createCounters(COUNTERS)
  readonly #component: Component
  readonly #application: Application
  readonly #effects: Effects
  readonly #fragments = new FragmentAssembler()

  constructor(component: Component, application: Application, effects: Effects) {
    this.#component = component
    this.#application = application
    this.#effects = effects
  }

  /** Messages of which the end is missing. */
  get partials(): number {
    return this.#fragments.partials
  }

  /** A source was closed: what it began will not be completed. */
  onSourceClosed(source: number): void {
    this.#fragments.drop(source)
  }

  /** Takes a fragment of the runtime's own. @returns the message, where it is whole with this */
  join(source: number, type: number, flags: number, fragment: Uint8Array): Uint8Array | undefined {
    const verdict = this.#fragments.add(source, type, flags, fragment, 0, fragment.length)
    if (verdict === 'complete') return this.#fragments.message.subarray(0, this.#fragments.messageBytes)
    return verdict === 'waiting' ? undefined : NOTHING
  }

  capture(): object {
    return this.#fragments.capture()
  }

  restore(from: Fields): void {
    this.#fragments.restore(from)
  }

  /** Takes one block. @returns what went wrong, or undefined */
  onBlock(
    sequence: number,
    type: number,
    source: number,
    bytes: Uint8Array,
    at: number,
    lengthBytes: number,
  ): SeqcastError | undefined {
    if (!this.#application.wants(type)) {
      this.counters.skipped++
      return undefined
    }
    const start = at + EVENT_HEADER_BYTES
    const end = at + lengthBytes
    const flags = eventFlags(bytes, at)
    const epoch = eventEpoch(bytes, at)
    if (flags === WHOLE_MESSAGE) return this.#handle(sequence, epoch, source, type, bytes, start, end)
    this.counters.fragments++
    switch (this.#fragments.add(source, type, flags, bytes, start, end)) {
      case 'complete': {
        const { message, messageBytes } = this.#fragments
        return this.#handle(sequence, epoch, source, type, message, 0, messageBytes)
      }
      case 'too-long': {
        const cause = new Error('its fragments exceed the bound of memory for them')
        return payloadError(sequence, type, nameOfType(this.#component.schema, type), cause)
      }
      case 'broken':
        this.counters.brokenFragments++
        return undefined
      case 'waiting':
        return undefined
    }
  }

  #handle(
    sequence: number,
    epoch: number,
    source: number,
    type: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): SeqcastError | undefined {
    this.counters.handled++
    const error = this.#application.handle(sequence, source, type, bytes, start, end)
    if (error !== undefined || this.#component.effects[type] === undefined) return error
    const name = nameOfType(this.#component.schema, type)
    this.counters.effectsOwed++
    if (this.#effects.add(sequence, epoch, this.#application.timeUs, type, name, bytes.slice(start, end)))
      return undefined
    return effectsBoundError(this.#component.name, sequence, this.#effects.size)
  }
}
