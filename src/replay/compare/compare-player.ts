/**
 * Plays a session to one version of a component, and hashes after each event its state, its pending timers and the commands that it
 * issued; at the end, what it carries over into the next session. Nothing is compared with the recording: the version need not be the one that was recorded, and what it would have sent
 * is not in the stream.
 *
 * The hashes are chained: each covers all before it, so states that differ and meet again stay different.
 */
import { Application } from '../../component/application.js'
import { collectSeed } from '../../component/carry.js'
import type { Component, UntypedContext } from '../../component/definition.js'
import { nameOfType } from '../../component/describe.js'
import { FragmentAssembler } from '../../component/fragments.js'
import { payloadError } from '../../component/host-errors.js'
import type { Timer } from '../../component/timers.js'
import { SeqcastError } from '../../core/errors.js'
import { readU16 } from '../../wire/bytes.js'
import {
  EVENT_HEADER_BYTES,
  eventFlags,
  eventSource,
  eventType,
  FIRST_APPLICATION_TYPE,
  WHOLE_MESSAGE,
} from '../../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../wire/moldudp64.js'
import {
  SESSION_ENDED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  sessionEndedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../../wire/runtime-events.js'
import { CommandHash } from './command-hash.js'
import type { IgnoredPaths } from './ignored-paths.js'
import { mixA, mixB, ValueHash } from './value-hash.js'
import { WatchedContext } from './watched-context.js'
import { WatchedState } from './watched-state.js'

/**
 * `watched`: after each event what was touched is hashed. `full`: all of the state is, which is slow and misses nothing. `plain`: the
 * state is hashed when asked, and handlers get it as it is.
 */
export type CompareMode = 'watched' | 'full' | 'plain'

export interface ComparePlayerOptions {
  readonly component: Component
  readonly session: string
  readonly mode: CompareMode
  readonly ignored?: IgnoredPaths | undefined
  /** Commands are compared by the names of their fields: the schemas differ. */
  readonly byName: boolean
  readonly guard: boolean
  /** Is shown each command of the handlers. The payload is valid during the call. */
  readonly command?: (type: number, payload: Uint8Array) => void
}

const FAILED = 0x0bad

export class ComparePlayer {
  /** The chain of hashes, after the event that was played last. */
  a = 0
  b = 0
  nextSequence = 1
  failure: SeqcastError | undefined
  readonly #options: ComparePlayerOptions
  readonly #component: Component
  readonly #application: Application
  readonly #context = new WatchedContext()
  readonly #fragments = new FragmentAssembler()
  readonly #commands: CommandHash
  readonly #watched: WatchedState | undefined
  readonly #hash = new ValueHash()

  constructor(options: ComparePlayerOptions) {
    const { component, session, mode, ignored, guard } = options
    this.#options = options
    this.#commands = new CommandHash(component.schema, options.byName)
    const state = component.state()
    this.#watched = mode === 'watched' ? new WatchedState(state, ignored) : undefined
    this.#component = this.#watching(component, state, this.#watched?.view ?? state)
    this.#application = new Application({
      ...{ component: this.#component, session, guard },
      issue: (type, payload) => this.#issued(type, payload),
    })
    this.#chain()
  }

  get state(): unknown {
    return this.#application.state
  }

  get timeUs(): number {
    return this.#application.timeUs
  }

  /** What is pending, in the order of firing. */
  timers(): Timer[] {
    return this.#application.timers.pending()
  }

  /** False where a change may have been missed: only a `full` one is right then. */
  get isTrusted(): boolean {
    return this.#watched?.isTrusted ?? true
  }

  /** Whether the hash that was kept up to date is the one of the whole state. */
  check(): boolean {
    if (this.#watched === undefined || this.failure !== undefined) return this.isTrusted
    this.#takeWhole()
    return this.isTrusted && this.#hash.a === this.#watched.a && this.#hash.b === this.#watched.b
  }

  /** The chain with the state of now in it, so that it can be compared with that of a `plain` one. */
  finalHash(): string {
    this.#takeWhole()
    const { a, b } = this.#hash
    const { a: timersA, b: timersB } = this.#context
    return [a, b, timersA, timersB, this.#commands.totalA, this.#commands.totalB].join(' ')
  }

  /** The hash of state and timers now. A state that has none is a failure. */
  stateHash(): string {
    this.#takeWhole()
    return [this.#hash.a, this.#hash.b, this.#context.a, this.#context.b].join(' ')
  }

  /** Plays the first `count` blocks of a run. @param after is called after each event; the run ends where a handler failed */
  onRun(sequence: number, count: number, bytes: Uint8Array, start: number, after: () => void): void {
    if (sequence !== this.nextSequence) throw new Error(`event ${sequence} given where ${this.nextSequence} is next`)
    let at = start
    try {
      for (let i = 0; i < count && this.failure === undefined; i++) {
        const lengthBytes = readU16(bytes, at)
        at += BLOCK_LENGTH_BYTES
        this.#commands.begin()
        this.failure = this.#play(sequence + i, bytes, at, lengthBytes)
        at += lengthBytes
        this.nextSequence = sequence + i + 1
        this.#chain()
        after()
      }
    } finally {
      this.#application.rest()
    }
  }

  #play(sequence: number, bytes: Uint8Array, at: number, lengthBytes: number): SeqcastError | undefined {
    if (lengthBytes < EVENT_HEADER_BYTES) return undefined
    const error = this.#application.reachTime(sequence, bytes, at)
    if (error !== undefined) return error
    const type = eventType(bytes, at)
    const start = at + EVENT_HEADER_BYTES
    const end = at + lengthBytes
    if (type < FIRST_APPLICATION_TYPE) return this.#onRuntimeEvent(type, bytes.subarray(start, end))
    if (!this.#application.wants(type)) return undefined
    const source = eventSource(bytes, at)
    const flags = eventFlags(bytes, at)
    if (flags === WHOLE_MESSAGE) return this.#application.handle(sequence, source, type, bytes, start, end)
    const verdict = this.#fragments.add(source, type, flags, bytes, start, end)
    if (verdict === 'too-long') {
      const cause = new Error('its fragments exceed the bound of memory for them')
      return payloadError(sequence, type, nameOfType(this.#component.schema, type), cause)
    }
    if (verdict !== 'complete') return undefined
    const { message, messageBytes } = this.#fragments
    return this.#application.handle(sequence, source, type, message, 0, messageBytes)
  }

  #onRuntimeEvent(type: number, payload: Uint8Array): SeqcastError | undefined {
    const { session } = this.#options
    if (type === SOURCE_REGISTERED) {
      const closes = sourceRegisteredCodec.decode(payload)?.closes ?? 0
      if (closes !== 0) this.#fragments.drop(closes)
    } else if (type === SESSION_STARTED) {
      const started = sessionStartedCodec.decode(payload)
      const isFirst = started?.predecessor === ''
      if (isFirst && started.seeders.includes(this.#component.name)) return this.#seed(session, '')
    } else if (type === SESSION_ENDED) {
      const successor = sessionEndedCodec.decode(payload)?.successor ?? ''
      if (successor !== '') return this.#seed(successor, session)
    }
    return undefined
  }

  /** What the component begins a session with is as good as a command. */
  #seed(session: string, predecessor: string): SeqcastError | undefined {
    const { guard: isGuarded } = this.#options
    try {
      const messages = collectSeed(this.#component, this.#application, { session, predecessor, isGuarded })
      for (const { type, payload } of messages) this.#issued(type, payload)
      return undefined
    } catch (thrown) {
      if (thrown instanceof SeqcastError) return thrown
      throw thrown
    }
  }

  #issued(type: number, payload: Uint8Array): void {
    this.#commands.add(type, payload)
    this.#options.command?.(type, payload)
  }

  #chain(): void {
    if (this.#options.mode === 'plain') return
    const hash = this.#hash
    this.#guarded(() => this.#takeState())
    const failed = this.failure === undefined ? 0 : FAILED
    this.a = mixA(mixA(mixA(mixA(this.a, hash.a), this.#context.a), this.#commands.a), failed)
    this.b = mixB(mixB(mixB(mixB(this.b, hash.b), this.#context.b), this.#commands.b), failed)
  }

  #takeWhole(): void {
    this.#guarded(() => this.#hash.take(this.state, this.#options.ignored))
  }

  #guarded(hash: () => void): void {
    try {
      hash()
    } catch (thrown) {
      if (!(thrown instanceof SeqcastError)) throw thrown
      this.failure ??= thrown
    }
  }

  #takeState(): void {
    const watched = this.#watched
    if (watched === undefined) this.#takeWhole()
    else {
      watched.settle()
      this.#hash.a = watched.a
      this.#hash.b = watched.b
    }
  }

  /** The component with handlers that get the watched state, and a context that notes timers. */
  #watching(component: Component, state: unknown, view: unknown): Component {
    const context = this.#context
    const watch = (inner: UntypedContext): UntypedContext => {
      context.inner = inner
      return context
    }
    return {
      ...component,
      state: () => state,
      handlers: component.handlers.map((handler) =>
        handler === undefined ? undefined : (_, event, ctx) => handler(view, event, watch(ctx)),
      ),
      timers: new Map(
        [...component.timers].map(([name, handler]) => [
          name,
          (_, key, ctx) => {
            context.fired(name, key)
            return handler(view, key, watch(ctx))
          },
        ]),
      ),
      // What goes out is not played.
      effects: [],
    }
  }
}
