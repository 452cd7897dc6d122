/**
 * The runtime's own events (types below 256) and their payloads, in protobuf. They are what a standby sequencer, a store
 * and a component rebuild the session from: who may speak, who is active, where digests were taken.
 *
 * `RegisterSource` is the one command that never becomes an event itself: `SourceRegistered` answers it.
 */
import { type Codec, codecOf, schemaRoot } from './protobuf.js'

export const SESSION_STARTED = 1
export const SOURCE_REGISTERED = 2
export const TICK = 3
export const ACTIVATED = 4
export const PASSIVATED = 5
export const EFFECT_DONE = 6
export const DIGEST_REQUESTED = 7
export const DIGEST_TAKEN = 8
export const SESSION_ENDED = 9
export const REGISTER_SOURCE = 10
export const EPOCH_OPENED = 11

export const RUNTIME_EVENT_NAMES: Readonly<Record<number, string>> = {
  [SESSION_STARTED]: 'SessionStarted',
  [SOURCE_REGISTERED]: 'SourceRegistered',
  [TICK]: 'Tick',
  [ACTIVATED]: 'Activated',
  [PASSIVATED]: 'Passivated',
  [EFFECT_DONE]: 'EffectDone',
  [DIGEST_REQUESTED]: 'DigestRequested',
  [DIGEST_TAKEN]: 'DigestTaken',
  [SESSION_ENDED]: 'SessionEnded',
  [REGISTER_SOURCE]: 'RegisterSource',
  [EPOCH_OPENED]: 'EpochOpened',
}

/** Runtime types that a registered source may send as commands; all others are the sequencer's. */
export const COMMANDABLE_RUNTIME_TYPES: ReadonlySet<number> = new Set([EFFECT_DONE, DIGEST_TAKEN])

/** The first event of a session, and the opening event of epoch 1. */
export interface SessionStarted {
  session: string
  protocolVersion: number
  /** Largest UDP payload; every packet of the session fits. */
  datagramBytes: number
  /** Largest payload of one block; the numbering of commands depends on it. */
  fragmentBytes: number
  /** Ids of the stores whose majority makes events stable; none: published is stable. */
  voters: string[]
}

export interface RegisterSource {
  name: string
  /** Random, chosen by the asker; the same nonce is the same request. A safe integer above 0. */
  nonce: number
  /**
   * False: shared, one source for all replicas of a component, whose commands are deterministic; registering it again is no
   * event. True: new for each process start; registering the name again closes the earlier source.
   */
  exclusive: boolean
  component: string
  schemaHash: string
}

export interface SourceRegistered extends RegisterSource {
  source: number
  /** The source number that this registration closes, or 0. */
  closes: number
}

/** Which replica of a component is active from this event on. The one it replaces becomes passive here. */
export interface Activated {
  component: string
  instance: string
  /** The process of that instance: a restarted one has another. */
  incarnation: number
  /** Grows by one with each `Activated` or `Passivated` of the component. */
  term: number
  reason: string
}

export interface Passivated {
  component: string
  term: number
  reason: string
}

/** The effect of handler `index` for the event at `sequence` is done and must not be repeated. */
export interface EffectDone {
  component: string
  sequence: number
  index: number
  /** The epoch of birth of that event, which tells it from one of that number on another branch; 0: not said. */
  epoch: number
}

/** Every replica takes its digest after this event. */
export interface DigestRequested {
  /** '' asks all components. */
  component: string
  nonce: number
}

/** A deterministic command of every replica: where two differ, determinism is lost. */
export interface DigestTaken {
  component: string
  /** The state after this event was hashed. */
  sequence: number
  digest: Uint8Array
}

export interface SessionEnded {
  reason: string
}

/** The first event of an epoch after the first: what came before it is the log that its sequencer has adopted. */
export interface EpochOpened {
  epoch: number
  /** The process that reigns: the `sender` of its control messages. */
  incarnation: number
  reason: string
}

/** A sequenced moment while nothing else happens; its content is its timestamp. */
export type Tick = Record<string, never>

const string = { type: 'string' }
const uint32 = { type: 'uint32' }
const uint64 = { type: 'uint64' }
const bool = { type: 'bool' }

/** Numbers the fields of a message in the order in which they are listed, from 1. */
export function message(fields: Record<string, { type: string; rule?: string; keyType?: string }>): {
  fields: Record<string, { type: string; id: number; rule?: string; keyType?: string }>
} {
  return {
    fields: Object.fromEntries(Object.entries(fields).map(([name, field], i) => [name, { ...field, id: i + 1 }])),
  }
}

const registration = { name: string, nonce: uint64, exclusive: bool, component: string, schemaHash: string }

export const RUNTIME_EVENT_SCHEMA = {
  nested: {
    SessionStarted: message({
      session: string,
      protocolVersion: uint32,
      datagramBytes: uint32,
      fragmentBytes: uint32,
      voters: { type: 'string', rule: 'repeated' },
    }),
    RegisterSource: message(registration),
    SourceRegistered: message({ ...registration, source: uint32, closes: uint32 }),
    Tick: message({}),
    Activated: message({ component: string, instance: string, incarnation: uint64, term: uint32, reason: string }),
    Passivated: message({ component: string, term: uint32, reason: string }),
    EffectDone: message({ component: string, sequence: uint64, index: uint32, epoch: uint32 }),
    DigestRequested: message({ component: string, nonce: uint64 }),
    DigestTaken: message({ component: string, sequence: uint64, digest: { type: 'bytes' } }),
    SessionEnded: message({ reason: string }),
    EpochOpened: message({ epoch: uint32, incarnation: uint64, reason: string }),
  },
}

const root = schemaRoot(RUNTIME_EVENT_SCHEMA)

export const sessionStartedCodec: Codec<SessionStarted> = codecOf(root, 'SessionStarted')
export const registerSourceCodec: Codec<RegisterSource> = codecOf(root, 'RegisterSource')
export const sourceRegisteredCodec: Codec<SourceRegistered> = codecOf(root, 'SourceRegistered')
export const activatedCodec: Codec<Activated> = codecOf(root, 'Activated')
export const passivatedCodec: Codec<Passivated> = codecOf(root, 'Passivated')
export const effectDoneCodec: Codec<EffectDone> = codecOf(root, 'EffectDone')
export const digestRequestedCodec: Codec<DigestRequested> = codecOf(root, 'DigestRequested')
export const digestTakenCodec: Codec<DigestTaken> = codecOf(root, 'DigestTaken')
export const sessionEndedCodec: Codec<SessionEnded> = codecOf(root, 'SessionEnded')
export const epochOpenedCodec: Codec<EpochOpened> = codecOf(root, 'EpochOpened')

const CODEC_BY_TYPE: Readonly<Record<number, Codec<object>>> = {
  [SESSION_STARTED]: sessionStartedCodec as Codec<object>,
  [SOURCE_REGISTERED]: sourceRegisteredCodec as Codec<object>,
  [TICK]: codecOf(root, 'Tick'),
  [ACTIVATED]: activatedCodec as Codec<object>,
  [PASSIVATED]: passivatedCodec as Codec<object>,
  [EFFECT_DONE]: effectDoneCodec as Codec<object>,
  [DIGEST_REQUESTED]: digestRequestedCodec as Codec<object>,
  [DIGEST_TAKEN]: digestTakenCodec as Codec<object>,
  [SESSION_ENDED]: sessionEndedCodec as Codec<object>,
  [EPOCH_OPENED]: epochOpenedCodec as Codec<object>,
}

/** The payload of any runtime event, for tools that print it; undefined for an unknown type or bytes that are not one. */
export function decodeRuntimeEvent(type: number, payload: Uint8Array): object | undefined {
  return CODEC_BY_TYPE[type]?.decode(payload)
}
