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

export interface SequencerSays {
  readonly kind: 'sequencer'
  readonly sender: number
  readonly epoch: number
  readonly nextSequence: number
  readonly stableSequence: number
  readonly table: Table
  readonly state: string
}

export interface StoreSays {
  readonly kind: 'store'
  readonly sender: number
  readonly voter: string
  /** The reign that it acknowledges under, or 0. */
  readonly epoch: number
  readonly durableSequence: number
}

export interface GrantSays {
  readonly kind: 'grant'
  readonly sender: number
  readonly epoch: number
  readonly candidate: number
  readonly voter: string
}

export interface OtherSays {
  readonly kind: 'other'
  readonly sender: number
}

export type ControlSays = SequencerSays | StoreSays | GrantSays | OtherSays

export function readControl(bytes: Uint8Array): ControlSays {
  const message = new Fields(bytes)
  const sender = message.number(2)
  if (message.has(3)) return readSequencer(sender, new Fields(message.bytes(3)))
  if (message.has(4)) {
    const body = new Fields(message.bytes(4))
    const [voter, epoch, durableSequence] = [body.text(2), body.number(3), body.number(4)]
    return { kind: 'store', sender, voter, epoch, durableSequence }
  }
  if (message.has(10)) {
    const body = new Fields(message.bytes(10))
    return { kind: 'grant', sender, epoch: body.number(1), candidate: body.number(2), voter: body.text(3) }
  }
  return { kind: 'other', sender }
}

function readSequencer(sender: number, body: Fields): SequencerSays {
  return {
    kind: 'sequencer',
    sender,
    epoch: body.number(1),
    nextSequence: body.number(2),
    stableSequence: body.number(3),
    table: body.messages(4).map((entry) => ({ epoch: entry.number(1), sequence: entry.number(2) })),
    state: body.text(5),
  }
}

/** A sequencer that gives numbers, or holds back. */
export function reigns({ state }: SequencerSays): boolean {
  return state === 'open' || state === 'held' || state === 'ending'
}

export const SESSION_STARTED = 1
export const SOURCE_REGISTERED = 2
export const ACTIVATED = 4
export const PASSIVATED = 5
export const EFFECT_DONE = 6
export const DIGEST_TAKEN = 8
export const REGISTER_SOURCE = 10
export const EPOCH_OPENED = 11
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
