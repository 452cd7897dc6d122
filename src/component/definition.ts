/**
 * What an application writes: a component is a name, a schema, a state and handlers. `defineComponent` types them end to
 * end, so that a misspelt event, field or timer does not compile, checks at run time what the compiler could not see, and
 * returns the form that the host drives.
 *
 * Handlers are pure functions of (state, event): the same code runs live, standby, rewound, replayed and simulated. They
 * change the state in place and take time, timers and randomness from `ctx`, never from the machine.
 */
import { MAX_NAME_BYTES } from '../core/limits.js'
import type { EventName, Schema, UntypedSchema } from './schema.js'

/**
 * What a handler may return: anything but a promise, and it is ignored. A handler that waits would see a later event
 * before it has finished with this one.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a plain `void` would let async functions in.
export type Synchronous = void | undefined | null | boolean | number | string | (object & { readonly then?: never })

/**
 * One event as a handler sees it. It is one object that the host uses again for every event: valid during the call.
 * Keep what you need (`payload` itself may be kept: it is decoded afresh for each event, and only when it is read).
 */
export interface ComponentEvent<Name extends string = string, Payload = unknown> {
  /** The number of the event in its session, from 1. */
  readonly sequence: number
  /** When it was sequenced: microseconds since the Unix epoch, never decreasing. */
  readonly timeUs: number
  /** The number of the source whose command it was. */
  readonly source: number
  readonly name: Name
  /** Decoded at the first read. @throws SeqcastError E_PAYLOAD where the bytes are not one */
  readonly payload: Payload
}

/** What a handler may use besides its state: everything here comes from the stream. Valid during the call. */
export interface Context<M extends object, Timer extends string> {
  /** The number of the event that is handled. */
  readonly sequence: number
  /** Stream time: microseconds since the Unix epoch. For a timer, the time at which it was due. */
  readonly timeUs: number
  /**
   * Issues a command; it becomes an event after this one. Every replica computes it, the active one sends it.
   * @throws SeqcastError E_PAYLOAD naming the field where the payload does not fit the schema
   */
  send<N extends EventName<M>>(name: N, payload: M[N]): void
  /** Calls `timers[name]` with `key` once `delayMs` of stream time have passed. The same name and key again: starts anew. */
  startTimer(name: Timer, key: string, delayMs: number): void
  /** Forgets a timer. @returns false where none of that name and key was running */
  cancelTimer(name: Timer, key: string): boolean
  /** A fraction in [0, 1), the same on every replica. */
  random(): number
}

/** One thing to do in the outside world, for one event. It is not reused: it may be kept and awaited. */
export interface Effect<Name extends string = string, Payload = unknown> {
  /**
   * `session/sequence/index`, and `/epoch` after it where the event was born in a later epoch than the first: the same whenever the
   * effect is repeated, and never that of another event, revoked ones included. Use it to remove repeats.
   */
  readonly key: string
  readonly session: string
  readonly sequence: number
  readonly timeUs: number
  readonly name: Name
  readonly payload: Payload
}

/** When an effect may run: as soon as its event is delivered (fastest), or once it can't be lost. */
export type EffectAfter = 'published' | 'stable'

/** What a component begins its next session with; see `seed` in {@link ComponentDefinition}. Valid during the call. */
export interface Seed<M extends object, Timer extends string> {
  /** The session that begins. */
  readonly session: string
  /** The one that has ended; '' where the chain begins here. */
  readonly predecessor: string
  /** Stream time: microseconds since the Unix epoch. Of the last event of the predecessor, or of the first one of this session. */
  readonly timeUs: number
  /** One event of the new session; they come in this order. @throws SeqcastError E_PAYLOAD */
  send<N extends EventName<M>>(name: N, payload: M[N]): void
  /** Timers that were running when the predecessor ended, in the order of firing: they do not go over by themselves. */
  timers(): readonly SeedTimer<Timer>[]
}

export interface SeedTimer<Timer extends string = string> {
  readonly name: Timer
  readonly key: string
  /** Stream time at which it would have fired, microseconds since the Unix epoch. */
  readonly dueUs: number
}

/** Where the outside world comes in, while the component is active. */
export interface Port<M extends object> {
  /**
   * Issues a command under a source of this process. Put a key of the caller's into the payload (an order id, an index):
   * after an activation the next process resumes after the last key that was sequenced.
   * @throws SeqcastError E_PAYLOAD
   * @throws Error where `ready()` was not awaited and the outbox is full, or where the component is no longer active
   */
  send<N extends EventName<M>>(name: N, payload: M[N]): void
  /** Resolves when there is room for more commands: await it before `send`. */
  ready(): Promise<void>
  /** Aborted when the component becomes passive or stops. */
  readonly signal: AbortSignal
}

/** What the author of a component writes. `S` is the state, `M` the schema's messages, `Timer` the names in `timers`. */
export interface ComponentDefinition<S, M extends object, Timer extends string> {
  /** Unique in the session; its commands go out under a source of this name. */
  readonly name: string
  readonly schema: Schema<M>
  /** Makes the state at the beginning of a session: plain data, Map and Set. */
  readonly state: () => S
  /** By the name of the event. Events without a handler are skipped and counted. */
  readonly on: {
    readonly [N in EventName<NoInfer<M>>]?: (
      state: NoInfer<S>,
      event: ComponentEvent<N, NoInfer<M>[N]>,
      ctx: Context<NoInfer<M>, NoInfer<Timer>>,
    ) => Synchronous
  }
  /** Called with the key that `startTimer` was given, when its stream time has come. */
  readonly timers?: {
    readonly [T in Timer]: (state: NoInfer<S>, key: string, ctx: Context<NoInfer<M>, NoInfer<Timer>>) => Synchronous
  }
  /** Run on the active replica only, at least once; a promise is awaited before the effect counts as done. */
  readonly effects?: {
    readonly [N in EventName<NoInfer<M>>]?: {
      readonly after: EffectAfter
      readonly run: (effect: Effect<N, NoInfer<M>[N]>) => unknown
    }
  }
  /** Started at each activation; brings in the outside world. It must return when `port.signal` is aborted. */
  readonly input?: (port: Port<NoInfer<M>>, state: NoInfer<S>) => Promise<void>
  /**
   * Called with the state at the end of a session, sends the events with which the next one begins: one for each entity that lives on,
   * and facts that others rely on. In a session without predecessor that awaits this component: with the initial state. The new session
   * begins with a fresh `state()`, which these events fill. Deterministic, as a handler; it changes nothing.
   */
  readonly seed?: (state: NoInfer<S>, seed: Seed<NoInfer<M>, NoInfer<Timer>>) => Synchronous
  /**
   * True: while one replica is active all are, and each command is taken from whichever comes first: the death of one is no pause. Only
   * without `effects` and `input`.
   */
  readonly hotHot?: boolean
  /** How a checkpoint holds the state; absent: as it is, which plain data, Map, Set and bytes allow. */
  readonly checkpoint?: StateCheckpoint<NoInfer<S>>
  /** Take a digest of the state after every so many events; 0 or absent: only when asked and at activation. */
  readonly digestEvery?: number
  /** The part of the state that the digest covers; absent: all of it. */
  readonly digestOf?: (state: NoInfer<S>) => unknown
}

/** How a state becomes part of a checkpoint, and comes back. What comes back must behave as what was saved. */
export interface StateCheckpoint<S> {
  /**
   * Change it where other code (a function that handlers call) makes another state of the same events: checkpoints of an earlier version
   * are not used. What handlers, timers and `state` say themselves is compared without it.
   */
  readonly version?: number | string
  /** Plain data, Map, Set and bytes that hold the whole state. */
  readonly save?: (state: S) => unknown
  /** The state of what `save` had returned. */
  readonly load?: (saved: unknown) => S
}

/** The untyped forms, as the host calls them: the definition's types have already vouched for them. */
export type UntypedContext = {
  readonly sequence: number
  readonly timeUs: number
  send(name: string, payload: unknown): void
  startTimer(name: string, key: string, delayMs: number): void
  cancelTimer(name: string, key: string): boolean
  random(): number
}
export type UntypedPort = {
  send(name: string, payload: unknown): void
  ready(): Promise<void>
  readonly signal: AbortSignal
}
export type UntypedSeed = {
  readonly session: string
  readonly predecessor: string
  readonly timeUs: number
  send(name: string, payload: unknown): void
  timers(): readonly SeedTimer[]
}
export type UntypedSeeder = (state: unknown, seed: UntypedSeed) => unknown
export type UntypedHandler = (state: unknown, event: ComponentEvent, ctx: UntypedContext) => unknown
export type UntypedTimerHandler = (state: unknown, key: string, ctx: UntypedContext) => unknown
export interface UntypedEffect {
  readonly after: EffectAfter
  readonly run: (effect: Effect) => unknown
}

/**
 * A checked component, in the form that a host drives: tables by type number. Every `Component<…>` is a `Component`, so
 * hosts, roles and tools take the plain one; the type parameters are for the test kit.
 */
export interface Component<S = unknown, M extends object = object, Timer extends string = string> {
  readonly name: string
  readonly schema: UntypedSchema
  readonly state: () => S
  /** By event type number; undefined where the component has no handler. */
  readonly handlers: readonly (UntypedHandler | undefined)[]
  readonly timers: ReadonlyMap<string, UntypedTimerHandler>
  /** By event type number. */
  readonly effects: readonly (UntypedEffect | undefined)[]
  readonly input: ((port: UntypedPort, state: unknown) => Promise<void>) | undefined
  /** Sends what the next session begins with. */
  readonly seed: UntypedSeeder | undefined
  readonly hotHot: boolean
  readonly checkpoint: Required<StateCheckpoint<unknown>>
  /** 0: only when asked and at activation. */
  readonly digestEvery: number
  readonly digestOf: (state: unknown) => unknown
  /** Never present; carries the types. */
  readonly types?: { readonly state: S; readonly messages: M; readonly timers: Timer }
}

/**
 * Defines a component. See {@link ComponentDefinition} for the fields.
 * @throws Error where the definition is wrong in a way that the compiler could not see (plain JavaScript, a name too long)
 */
export function defineComponent<S, M extends object, Timer extends string = never>(
  definition: ComponentDefinition<S, M, Timer>,
): Component<S, M, Timer> {
  const {
    name,
    schema,
    on,
    timers,
    effects,
    input,
    seed,
    hotHot = false,
    checkpoint,
    digestEvery,
    digestOf,
  } = definition
  checkName(name)
  if (hotHot && (input !== undefined || Object.keys(effects ?? {}).length > 0)) {
    throw new Error(`component ${name}: hotHot is for handlers only; effects and input need one active replica`)
  }
  if (digestEvery !== undefined && !(Number.isSafeInteger(digestEvery) && digestEvery >= 0)) {
    throw new Error(`component ${name}: digestEvery is ${digestEvery}; it counts events: a whole number from 0`)
  }
  if (typeof definition.state !== 'function') throw new Error(`component ${name}: state must be a function`)
  if (seed !== undefined && typeof seed !== 'function') throw new Error(`component ${name}: seed must be a function`)
  // From here on the types are erased: the compiler has checked the definition, and the host calls by type number.
  return {
    name,
    schema,
    state: definition.state,
    handlers: tableByType(name, schema, 'on', on, isHandler),
    timers: new Map(entriesOf(name, 'timers', timers ?? {}, isTimerHandler)),
    effects: tableByType(name, schema, 'effects', effects ?? {}, isEffect),
    input: input as Component['input'],
    seed: seed as Component['seed'],
    hotHot,
    checkpoint: {
      version: 0,
      save: wholeState,
      load: wholeState,
      ...(checkpoint as StateCheckpoint<unknown> | undefined),
    },
    digestEvery: digestEvery ?? 0,
    digestOf: (digestOf as Component['digestOf'] | undefined) ?? wholeState,
  }
}

/** True for what `defineComponent` returned, however it was loaded: two copies of this package may be in one process. */
export function isComponent(value: unknown): value is Component {
  if (typeof value !== 'object' || value === null) return false
  if (!('name' in value && 'handlers' in value && 'timers' in value && 'schema' in value)) return false
  return typeof value.name === 'string' && Array.isArray(value.handlers)
}

const wholeState = (state: unknown): unknown => state

const isHandler = (value: unknown): value is UntypedHandler => typeof value === 'function'
const isTimerHandler = (value: unknown): value is UntypedTimerHandler => typeof value === 'function'

function isEffect(value: unknown): value is UntypedEffect {
  if (typeof value !== 'object' || value === null || !('after' in value && 'run' in value)) return false
  return (value.after === 'published' || value.after === 'stable') && typeof value.run === 'function'
}

function checkName(name: string): void {
  // '/' separates the outside source of a component from its name.
  if (typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name.length <= MAX_NAME_BYTES - 8) return
  throw new Error(
    `component name '${name}' must be 1 to ${MAX_NAME_BYTES - 8} letters, digits, '.', '_' and '-', and begin with a letter or digit`,
  )
}

function entriesOf<V>(
  component: string,
  part: string,
  record: object,
  accepts: (value: unknown) => value is V,
): [string, V][] {
  const entries: [string, V][] = []
  for (const [key, value] of Object.entries(record)) {
    if (!accepts(value)) throw new Error(`component ${component}: ${part}.${key} is not what ${part} takes`)
    entries.push([key, value])
  }
  return entries
}

function tableByType<V>(
  component: string,
  schema: UntypedSchema,
  part: string,
  record: object,
  accepts: (value: unknown) => value is V,
): (V | undefined)[] {
  const table: (V | undefined)[] = []
  for (const [name, value] of entriesOf(component, part, record, accepts)) {
    const type = schema.typeOf(name)
    if (type === undefined) throw new Error(`component ${component}: ${part}.${name} is no event of its schema`)
    while (table.length <= type) table.push(undefined)
    table[type] = value
  }
  return table
}
