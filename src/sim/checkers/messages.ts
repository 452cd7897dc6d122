/**
 * What the checkers read of the control stream and of the runtime's own events: the few fields that they need, by the numbers
 * of docs/PROTOCOL.md.
 */
import { Fields } from './reading.js'

/** Which epoch begins at which sequence. */
export interface Span {
  readonly epoch: number
  readonly sequence: number
}

export type Table = readonly Span[]

interface Says {
  readonly session: string
  readonly sender: number
}

export interface SequencerSays extends Says {
  readonly kind: 'sequencer'
  readonly epoch: number
  readonly nextSequence: number
  readonly stableSequence: number
  readonly table: Table
  readonly state: string
}

export interface StoreSays extends Says {
  readonly kind: 'store'
  readonly voter: string
  /** The reign that it acknowledges under, or 0. */
  readonly epoch: number
  readonly durableSequence: number
  /** The session that goes on, where the store says that this one is over; else ''. */
  readonly successor: string
}

export interface GrantSays extends Says {
  readonly kind: 'grant'
  readonly epoch: number
  readonly candidate: number
  readonly voter: string
}

/** Somebody wants to reign. */
export interface ClaimSays extends Says {
  readonly kind: 'claim'
}

export interface OtherSays extends Says {
  readonly kind: 'other'
}

export type ControlSays = SequencerSays | StoreSays | GrantSays | ClaimSays | OtherSays

export function readControl(bytes: Uint8Array): ControlSays {
  const message = new Fields(bytes)
  const who = { session: message.text(1), sender: message.number(2) }
  if (message.has(3)) return readSequencer(who, new Fields(message.bytes(3)))
  if (message.has(4)) {
    const body = new Fields(message.bytes(4))
    const [voter, epoch, durableSequence] = [body.text(2), body.number(3), body.number(4)]
    return { kind: 'store', ...who, voter, epoch, durableSequence, successor: body.text(14) }
  }
  if (message.has(9)) return { kind: 'claim', ...who }
  if (message.has(10)) {
    const body = new Fields(message.bytes(10))
    return { kind: 'grant', ...who, epoch: body.number(1), candidate: body.number(2), voter: body.text(3) }
  }
  return { kind: 'other', ...who }
}

function readSequencer(who: Says, body: Fields): SequencerSays {
  return {
    kind: 'sequencer',
    ...who,
    epoch: body.number(1),
    nextSequence: body.number(2),
    stableSequence: body.number(3),
    table: body.messages(4).map((entry) => ({ epoch: entry.number(1), sequence: entry.number(2) })),
    state: body.text(5),
  }
}

/** A sequencer that gives numbers, or holds back. */
export function reigns({ state }: SequencerSays): boolean {
  return state === 'open' || state === 'held' || state === 'seeding' || state === 'ending'
}

export const SESSION_STARTED = 1
export const SOURCE_REGISTERED = 2
export const ACTIVATED = 4
export const PASSIVATED = 5
export const EFFECT_DONE = 6
export const DIGEST_TAKEN = 8
export const SESSION_ENDED = 9
export const REGISTER_SOURCE = 10
export const EPOCH_OPENED = 11
export const SESSION_OPENED = 12
export const SEED_DONE = 13
export const EFFECT_OWED = 14
export const FIRST_APPLICATION_TYPE = 256

export interface Registered {
  readonly name: string
  readonly nonce: number
  readonly component: string
  readonly source: number
  readonly closes: number
}

export function readRegistered(payload: Uint8Array): Registered {
  const f = new Fields(payload)
  const [name, nonce, component] = [f.text(1), f.number(2), f.text(4)]
  return { name, nonce, component, source: f.number(6), closes: f.number(7) }
}

/** Of `Activated`, or of `Passivated`, which names nobody. */
export interface RoleEvent {
  readonly component: string
  readonly instance: string
  readonly incarnation: number
  readonly term: number
}

export function readRoleEvent(type: number, payload: Uint8Array): RoleEvent {
  const f = new Fields(payload)
  if (type === PASSIVATED) return { component: f.text(1), instance: '', incarnation: 0, term: f.number(2) }
  return { component: f.text(1), instance: f.text(2), incarnation: f.number(3), term: f.number(4) }
}

export interface Done {
  readonly component: string
  readonly sequence: number
  readonly index: number
  readonly epoch: number
}

export function readEffectDone(payload: Uint8Array): Done {
  const f = new Fields(payload)
  return { component: f.text(1), sequence: f.number(2), index: f.number(3), epoch: f.number(4) }
}

export interface Taken {
  readonly component: string
  readonly sequence: number
  readonly digest: Uint8Array
}

export function readDigestTaken(payload: Uint8Array): Taken {
  const f = new Fields(payload)
  return { component: f.text(1), sequence: f.number(2), digest: f.bytes(3) }
}

export interface Started {
  readonly session: string
  /** The session that it goes on from, and the end of that one; '' and 0 for a first one. */
  readonly predecessor: string
  readonly predecessorSequence: number
  readonly seeders: readonly string[]
}

export function readStarted(payload: Uint8Array): Started {
  const f = new Fields(payload)
  return { session: f.text(1), predecessor: f.text(6), predecessorSequence: f.number(7), seeders: f.texts(8) }
}

/** The session that goes on from an end, or ''. */
export function readSuccessor(payload: Uint8Array): string {
  return new Fields(payload).text(2)
}

/** Whose seed a session was opened without. */
export function readMissing(payload: Uint8Array): readonly string[] {
  return new Fields(payload).texts(2)
}

export interface Seeded {
  readonly component: string
  readonly events: number
  readonly pending: number
}

export function readSeeded(payload: Uint8Array): Seeded {
  const f = new Fields(payload)
  return { component: f.text(1), events: f.number(2), pending: f.number(3) }
}

/** An effect that goes over, and the event that it is for. */
export interface CarriedEffect {
  readonly component: string
  readonly key: string
  readonly session: string
  readonly sequence: number
  readonly type: number
  readonly payload: Uint8Array
}

export function readCarriedEffect(payload: Uint8Array): CarriedEffect {
  const f = new Fields(payload)
  const [component, key, session] = [f.text(1), f.text(2), f.text(3)]
  return { component, key, session, sequence: f.number(4), type: f.number(7), payload: f.bytes(8) }
}

/** The name of a request to register a source. */
export function readRequestedName(payload: Uint8Array): string {
  return new Fields(payload).text(1)
}

/** The component whose seed the source of this name carries; '' where it carries none. */
export function seedComponentOf(source: string): string {
  return source.endsWith('/seed') ? source.slice(0, -'/seed'.length) : ''
}
