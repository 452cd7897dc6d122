/**
 * Tests of a component without a socket: given these events, expect those commands, effects, timers, state and digest.
 *
 * ```ts
 * const kit = testComponent(component)
 * kit.given('InstrumentAdded', { symbol: 'AAPL' })
 * kit.given('OrderPending', { orderId: '1', symbol: 'AAPL', shares: 100 })
 * t.strictSame(kit.takeCommands(), [{ name: 'OrderAccepted', payload: { orderId: '1', shares: 100 } }])
 * kit.advance(30_000) // milliseconds of stream time: timers fire
 * kit.replay() // the recorded events give the same commands and the same digest, or it throws
 * ```
 *
 * The component runs in the host that it will run in, on the real sequencer: an active one sends its commands, they become
 * events, and it handles those that it knows.
 */
import { SeqcastError } from '../core/errors.js'
import type { Component } from './definition.js'
import { ComponentHost } from './host.js'
import type { ComponentState } from './lifecycle.js'
import type { EventName } from './schema.js'
import type { TestReplica } from './test-replica.js'
import { TestSession, type TestSessionOptions } from './test-session.js'

export interface TestKitOptions extends TestSessionOptions {
  /** `active` (default): commands are sent and become events, effects run. `standby`: commands are only computed. */
  readonly mode?: 'active' | 'standby'
  /** Catch the clock, randomness and timers of the machine inside handlers. Default true. */
  readonly guard?: boolean
}

/** A command of the component, by name; its payload has the type that the schema gives it. */
export type TestCommand<M extends object> = {
  [N in EventName<M>]: { readonly name: N; readonly payload: M[N] }
}[EventName<M>]

export interface TestTimer<Timer extends string> {
  readonly name: Timer
  readonly key: string
  /** Milliseconds of stream time from now. */
  readonly inMs: number
}

export interface TestReplay {
  readonly events: number
  readonly digest: string
  /** Digests in the stream that were compared. */
  readonly digestsVerified: number
}

const US_PER_MS = 1_000

/** Starts a component at the beginning of a session of its own. */
export function testComponent<S, M extends object, Timer extends string>(
  component: Component<S, M, Timer>,
  options: TestKitOptions = {},
): ComponentTest<S, M, Timer> {
  return new ComponentTest(component, options)
}

export class ComponentTest<S, M extends object, Timer extends string> {
  /** What is under it, for finer steps and for more replicas; another one after `roll`. */
  session: TestSession
  readonly replica: TestReplica
  readonly #component: Component<S, M, Timer>
  #commands: TestCommand<M>[] = []

  constructor(component: Component<S, M, Timer>, options: TestKitOptions) {
    this.#component = component
    this.session = new TestSession(options)
    this.replica = this.session.addReplica(component, {
      guard: options.guard ?? true,
      observer: { command: (_, type, payload) => this.#onCommand(type, payload) },
    })
    this.#settle()
    if ((options.mode ?? 'active') === 'active') this.activate()
  }

  /** The component's state. Look, don't touch. */
  get state(): S {
    return this.replica.host.applicationState as S // The host made it with this component's `state()`.
  }

  /** `standby` or `active`, until it is stopped or has failed. */
  get role(): ComponentState {
    return this.replica.host.state
  }

  /** Stream time now, in microseconds since the Unix epoch. */
  get timeUs(): number {
    return this.session.wallUs
  }

  /**
   * Sequences an event from outside of the component, and all that follows from it.
   * @returns its sequence
   * @throws SeqcastError with what the component failed of
   */
  given<N extends EventName<M>>(name: N, payload: M[N]): number {
    const { schema } = this.#component
    const type = schema.typeOf(name)
    if (type === undefined) throw new Error(`${name} is no event of the schema`)
    const sequence = this.session.publish(type, schema.encode(name, payload))
    this.#settle()
    return sequence
  }

  /** Lets stream time go on; then the timers that are due fire. */
  advance(ms: number): void {
    this.session.advance(ms * US_PER_MS)
    this.session.tick()
    this.#settle()
  }

  /** The commands that handlers issued since the last call, in order. */
  takeCommands(): TestCommand<M>[] {
    const commands = this.#commands
    this.#commands = []
    return commands
  }

  /** Timers that are running, in the order of firing. */
  timers(): TestTimer<Timer>[] {
    return this.replica.host.timers().map(({ name, key, dueUs }) => ({
      name: name as Timer, // Only names of `timers` can be started.
      key,
      inMs: (dueUs - this.timeUs) / US_PER_MS,
    }))
  }

  /** Keys of the effects that are owed: not yet run, or not yet known to be done. */
  effectsPending(): string[] {
    return this.replica.host.effectKeys()
  }

  /** The digest of the state. */
  digest(): string {
    return this.replica.host.digest()
  }

  activate(): void {
    this.session.activate(this.#component.name, this.replica)
    this.#settle()
  }

  passivate(): void {
    this.session.passivate(this.#component.name)
    this.#settle()
  }

  /**
   * Ends the session and goes on in the next one, as the same process.
   * @param successor the next session's name; default: the number at the end of the name, plus one
   * @returns the events that the component's `seed` sent for it, in order
   * @throws SeqcastError what `seed` failed of
   */
  roll(successor?: string): TestCommand<M>[] {
    this.session = this.session.roll(successor)
    const events = this.replica.carry?.seed.events ?? []
    this.#settle()
    return events.map(({ type, payload }) => this.#decode(type, payload))
  }

  /** Waits until asynchronous effects and input have nothing more to do. @throws SeqcastError */
  async settled(): Promise<void> {
    await this.session.settled()
    this.#throwFailure()
  }

  /**
   * Plays all that was recorded to a new instance of the component, and compares each command, each recorded digest, and
   * the digest at the end.
   * @throws SeqcastError E_NONDETERMINISM where they differ
   */
  replay(): TestReplay {
    let failure: SeqcastError | undefined
    const { session } = this.session
    const host = new ComponentHost(
      this.#component,
      { session, instance: 'replay', incarnation: 1, mode: 'replay' },
      {
        sendCommands: () => {},
        stateChanged: () => {},
        failed: (error) => {
          failure = error
        },
      },
    )
    this.session.log.read(1, Number.POSITIVE_INFINITY, (sequence, count, bytes, start, end) => {
      host.onRun(sequence, count, bytes, start, end, 0)
      return failure === undefined
    })
    if (failure !== undefined) throw failure
    const digest = host.digest()
    if (digest !== this.digest()) throw differs(this.#component.name, host.nextSequence - 1, this.digest(), digest)
    return { events: host.nextSequence - 1, digest, digestsVerified: host.status().counters.digestsVerified ?? 0 }
  }

  #onCommand(type: number, payload: Uint8Array): void {
    this.#commands.push(this.#decode(type, payload))
  }

  /** What `send` encoded with this schema has the type that the schema gives it. */
  #decode(type: number, payload: Uint8Array): TestCommand<M> {
    const { schema } = this.#component
    return { name: schema.nameOf(type), payload: schema.decode(type, payload, 0, payload.length) } as TestCommand<M>
  }

  #settle(): void {
    this.session.settle()
    this.#throwFailure()
  }

  #throwFailure(): void {
    const [error] = this.replica.errors
    if (error !== undefined) throw error
  }
}

function differs(component: string, sequence: number, live: string, replayed: string): SeqcastError {
  const message = `${component}: after event ${sequence} the state has digest ${live}, and in a replay ${replayed}`
  return new SeqcastError('E_NONDETERMINISM', message, {
    hint: 'a handler depends on something else than state, event and ctx, such as a variable outside of the state',
    fields: { component, sequence, live, replayed },
  })
}
