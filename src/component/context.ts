/**
 * What a handler may use besides its state. One object for a whole host, set anew for each call; outside of a call every
 * use of it is an error, which is how a handler that goes on after its return is caught.
 */
import { Prng } from '../core/prng.js'
import type { UntypedContext } from './definition.js'
import type { Timers } from './timers.js'

export interface ContextOptions {
  readonly component: string
  readonly session: string
  readonly timers: Timers
  readonly hasTimer: (name: string) => boolean
  readonly send: (name: string, payload: unknown) => void
}

const US_PER_MS = 1_000

export class HandlerContext implements UntypedContext {
  readonly #options: ContextOptions
  readonly #sessionSeed: number
  sequence = 0
  /** To be set before `enter`. */
  timeUs = 0
  #inside = false
  #prng: Prng | undefined
  #prngSequence = 0

  constructor(options: ContextOptions) {
    this.#options = options
    this.#sessionSeed = hashOf(options.session)
  }

  enter(sequence: number): void {
    this.sequence = sequence
    this.#inside = true
  }

  leave(): void {
    this.#inside = false
  }

  send(name: string, payload: unknown): void {
    this.#mustBeInside('send')
    this.#options.send(name, payload)
  }

  startTimer(name: string, key: string, delayMs: number): void {
    this.#mustBeInside('startTimer')
    const { component, hasTimer, timers } = this.#options
    if (!hasTimer(name)) throw new Error(`${component} has no timer '${name}'`)
    if (typeof key !== 'string') throw new Error(`${component}: the key of timer '${name}' must be a string`)
    if (!(delayMs >= 0 && delayMs <= Number.MAX_SAFE_INTEGER)) {
      throw new Error(`${component}: timer '${name}' with a delay of ${delayMs} ms`)
    }
    timers.start(name, key, this.timeUs + Math.round(delayMs * US_PER_MS))
  }

  cancelTimer(name: string, key: string): boolean {
    this.#mustBeInside('cancelTimer')
    return this.#options.timers.cancel(name, key)
  }

  random(): number {
    this.#mustBeInside('random')
    if (this.#prng === undefined || this.#prngSequence !== this.sequence) {
      this.#prngSequence = this.sequence
      this.#prng = new Prng((this.#sessionSeed * 0x20_0000 + this.sequence) % Number.MAX_SAFE_INTEGER)
    }
    return this.#prng.fraction()
  }

  #mustBeInside(what: string): void {
    if (!this.#inside) throw new Error(`${this.#options.component}: ctx.${what} after the handler had returned`)
  }
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c_9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193)
  return hash >>> 0
}
