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
export const SESSION_OPENED = 12
export const SEED_DONE = 13
export const EFFECT_OWED = 14

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
  [SESSION_OPENED]: 'SessionOpened',
  [SEED_DONE]: 'SeedDone',
  [EFFECT_OWED]: 'EffectOwed',
}

/** Runtime types that a registered source may send as commands; all others are the sequencer's. */
export const COMMANDABLE_RUNTIME_TYPES: ReadonlySet<number> = new Set([
  EFFECT_DONE,
  DIGEST_TAKEN,
  SEED_DONE,
  EFFECT_OWED,
])
/** Those of them that only a component's seed may send: the source `COMPONENT/seed`. */
export const SEED_RUNTIME_TYPES: ReadonlySet<number> = new Set([SEED_DONE, EFFECT_OWED])

const SEED_SUFFIX = '/seed'

/** The name of the source under which all replicas of a component send what it carries over into a session. */
export function seedSourceName(component: string): string {
  return component + SEED_SUFFIX
}

/** The component whose seed a source of this name carries; undefined where it carries none. */
export function seedComponentOf(sourceName: string): string | undefined {
  const lengthOfName = sourceName.length - SEED_SUFFIX.length
  return lengthOfName > 0 && sourceName.endsWith(SEED_SUFFIX) ? sourceName.slice(0, lengthOfName) : undefined
}

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
  /** The session that this one goes on from, and the sequence of its last event; '' and 0 for a first session. */
  predecessor: string
  predecessorSequence: number
  /** Components whose seed is awaited before the session is open. */
  seeders: string[]
  /** How many static events follow, fragments counted, and the SHA-256 of them in hexadecimal; 0 and '' for none. */
  staticEvents: number
  staticHash: string
  /** Components that were taken out of service earlier in the chain, and are passive, in term 1. Absent is none. */
  retired?: string[]
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
  /** It is out of service: no session waits for its seed until it is activated again. Absent is false. */
  retired?: boolean
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
  /** The session that goes on from here; '' for none. It opens when this event is stable, and not before. */
  successor: string
}

/**
 * Open for business: from here on commands of every source are taken. It comes in a session with static events or seeders; any
 * other one is open from its first event on.
 */
export interface SessionOpened {
  reason: string
  /** Seeders that an operator decided not to wait for. */
  missing: string[]
}

/** A component has said with what it begins the session. From its source `COMPONENT/seed` only. */
export interface SeedDone {
  component: string
  /** Events of that source before this one. */
  events: number
  /** Commands of that source that follow when the session is open: what was issued in the last one and not sequenced there. */
  pending: number
}

/** An effect of an earlier session that is not known to be done. From the source `COMPONENT/seed` only. */
export interface EffectOwed {
  component: string
  /** The idempotency key that it has had from the beginning. */
  key: string
  /** The event whose handler had the effect: its session, sequence and time, and which of its effects it is. */
  session: string
  sequence: number
  timeUs: number
  index: number
  /** That event's type and payload. */
  type: number
  payload: Uint8Array
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
const bytes = { type: 'bytes' }
const strings = { type: 'string', rule: 'repeated' }

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
      voters: strings,
      predecessor: string,
      predecessorSequence: uint64,
      seeders: strings,
      staticEvents: uint32,
      staticHash: string,
      retired: strings,
    }),
    RegisterSource: message(registration),
    SourceRegistered: message({ ...registration, source: uint32, closes: uint32 }),
    Tick: message({}),
    Activated: message({ component: string, instance: string, incarnation: uint64, term: uint32, reason: string }),
    Passivated: message({ component: string, term: uint32, reason: string, retired: bool }),
    EffectDone: message({ component: string, sequence: uint64, index: uint32, epoch: uint32 }),
    DigestRequested: message({ component: string, nonce: uint64 }),
    DigestTaken: message({ component: string, sequence: uint64, digest: bytes }),
    SessionEnded: message({ reason: string, successor: string }),
    EpochOpened: message({ epoch: uint32, incarnation: uint64, reason: string }),
    SessionOpened: message({ reason: string, missing: strings }),
    SeedDone: message({ component: string, events: uint32, pending: uint32 }),
    EffectOwed: message({
      component: string,
      key: string,
      session: string,
      sequence: uint64,
      timeUs: uint64,
      index: uint32,
      type: uint32,
      payload: bytes,
    }),
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
export const sessionOpenedCodec: Codec<SessionOpened> = codecOf(root, 'SessionOpened')
export const seedDoneCodec: Codec<SeedDone> = codecOf(root, 'SeedDone')
export const effectOwedCodec: Codec<EffectOwed> = codecOf(root, 'EffectOwed')

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
  [SESSION_OPENED]: sessionOpenedCodec as Codec<object>,
  [SEED_DONE]: seedDoneCodec as Codec<object>,
  [EFFECT_OWED]: effectOwedCodec as Codec<object>,
}

/** The payload of any runtime event, for tools that print it; undefined for an unknown type or bytes that are not one. */
export function decodeRuntimeEvent(type: number, payload: Uint8Array): object | undefined {
  return CODEC_BY_TYPE[type]?.decode(payload)
}
