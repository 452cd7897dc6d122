/** The context of handlers, with a hash of all pending timers that is kept up to date. */
import type { UntypedContext } from '../../component/definition.js'
import { ValueHash } from './value-hash.js'

interface Pending {
  readonly a: number
  readonly b: number
}

const US_PER_MS = 1_000

export class WatchedContext implements UntypedContext {
  /** The one of the call that is under way. */
  inner: UntypedContext | undefined
  /** Sums over the pending timers. */
  a = 0
  b = 0
  readonly #pending = new Map<string, Pending>()
  readonly #hash = new ValueHash()

  get sequence(): number {
    return this.#context.sequence
  }

  get timeUs(): number {
    return this.#context.timeUs
  }

  send(name: string, payload: unknown): void {
    this.#context.send(name, payload)
  }

  startTimer(name: string, key: string, delayMs: number): void {
    this.#context.startTimer(name, key, delayMs)
    this.fired(name, key)
    this.#hash.take([name, key, this.timeUs + Math.round(delayMs * US_PER_MS)])
    const { a, b } = this.#hash
    this.#pending.set(idOf(name, key), { a, b })
    this.a = (this.a + a) | 0
    this.b = (this.b + b) | 0
  }

  cancelTimer(name: string, key: string): boolean {
    this.fired(name, key)
    return this.#context.cancelTimer(name, key)
  }

  random(): number {
    return this.#context.random()
  }

  /** A timer is no longer pending. */
  fired(name: string, key: string): void {
    const pending = this.#pending.get(idOf(name, key))
    if (pending === undefined) return
    this.#pending.delete(idOf(name, key))
    this.a = (this.a - pending.a) | 0
    this.b = (this.b - pending.b) | 0
  }

  get #context(): UntypedContext {
    if (this.inner === undefined) throw new Error('ctx was used outside of a handler')
    return this.inner
  }
}

const idOf = (name: string, key: string): string => `${name}\0${key}`
