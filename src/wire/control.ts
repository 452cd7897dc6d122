/**
 * The control stream: one protobuf message a datagram, multicast by everybody to everybody. Nothing here is on the hot path;
 * everything here may be lost, repeated or late, so each message is either a full statement of its sender's present
 * (heartbeats, status, acknowledgements) or a request that is repeated under the same nonce until it is answered.
 */
import { type Codec, codecOf, schemaRoot } from './protobuf.js'
import { message } from './runtime-events.js'

/** For each epoch the sequence of its opening event. */
export interface EpochTableEntry {
  epoch: number
  sequence: number
}

export interface SequencerHeartbeat {
  epoch: number
  /** The sequence of the next event. */
  nextSequence: number
  /** Everything up to here is stable. */
  stableSequence: number
  /** No voters are configured: every event is stable as soon as it is published, and `stableSequence` lags behind. */
  publishedIsStable: boolean
  epochTable: EpochTableEntry[]
  state: string
  /** Commands are held back because the window is full: outboxes slow down. */
  held: boolean
  requestPort: number
  counters: Record<string, number>
}

/** Status and acknowledgement in one: what the store has, and what it may be counted on for. */
export interface StoreStatus {
  name: string
  /** '' where the store is a copy and has no vote. */
  voter: string
  /** The reign under which the acknowledgement counts. */
  epoch: number
  /** Everything from 1 to here is synced to disk. */
  durableSequence: number
  /** Everything from 1 to here can be read. */
  committedSequence: number
  requestPort: number
  rewindPort: number
  state: string
  counters: Record<string, number>
}

export interface ComponentStatus {
  component: string
  instance: string
  state: string
  reason: string
  term: number
  /** The next sequence that the component will handle. */
  nextSequence: number
  /** The newest digest that was taken, and after which event. */
  digestSequence: number
  digest: Uint8Array
  outboxCommands: number
  counters: Record<string, number>
}

export type AdminAction = 'activate' | 'passivate' | 'digest' | 'end-session'

export interface AdminRequest {
  nonce: number
  action: string
  component: string
  instance: string
  /** `activate`: the process to activate; 0 where an operator names the instance only. */
  incarnation: number
  /** `activate`: only if the component's term is still this one; 0 for any. */
  expectedTerm: number
  reason: string
}

export interface AdminReply {
  nonce: number
  /** '' or what was wrong. */
  error: string
  /** The event that carries the decision, or 0. */
  sequence: number
}

/** A registration that the sequencer will not grant. */
export interface RegistrationRefused {
  nonce: number
  reason: string
}

export interface ControlBodies {
  sequencer: SequencerHeartbeat
  store: StoreStatus
  component: ComponentStatus
  adminRequest: AdminRequest
  adminReply: AdminReply
  refused: RegistrationRefused
}

export type ControlKind = keyof ControlBodies

/** Exactly one body is present, the one that `kind` names. */
export type ControlMessage = {
  [K in ControlKind]: { session: string; sender: number; kind: K; body: ControlBodies[K] }
}[ControlKind]

const string = { type: 'string' }
const uint32 = { type: 'uint32' }
const uint64 = { type: 'uint64' }
const bool = { type: 'bool' }
const counters = { keyType: 'string', type: 'uint64' }

export const CONTROL_SCHEMA = {
  nested: {
    Control: {
      ...message({
        session: string,
        sender: uint64,
        sequencer: { type: 'SequencerHeartbeat' },
        store: { type: 'StoreStatus' },
        component: { type: 'ComponentStatus' },
        adminRequest: { type: 'AdminRequest' },
        adminReply: { type: 'AdminReply' },
        refused: { type: 'RegistrationRefused' },
      }),
      oneofs: { kind: { oneof: ['sequencer', 'store', 'component', 'adminRequest', 'adminReply', 'refused'] } },
    },
    EpochTableEntry: message({ epoch: uint32, sequence: uint64 }),
    SequencerHeartbeat: message({
      epoch: uint32,
      nextSequence: uint64,
      stableSequence: uint64,
      epochTable: { type: 'EpochTableEntry', rule: 'repeated' },
      state: string,
      held: bool,
      requestPort: uint32,
      counters,
      publishedIsStable: bool,
    }),
    StoreStatus: message({
      name: string,
      voter: string,
      epoch: uint32,
      durableSequence: uint64,
      committedSequence: uint64,
      requestPort: uint32,
      rewindPort: uint32,
      state: string,
      counters,
    }),
    ComponentStatus: message({
      component: string,
      instance: string,
      state: string,
      reason: string,
      term: uint32,
      nextSequence: uint64,
      digestSequence: uint64,
      digest: { type: 'bytes' },
      outboxCommands: uint32,
      counters,
    }),
    AdminRequest: message({
      nonce: uint64,
      action: string,
      component: string,
      instance: string,
      incarnation: uint64,
      expectedTerm: uint32,
      reason: string,
    }),
    AdminReply: message({ nonce: uint64, error: string, sequence: uint64 }),
    RegistrationRefused: message({ nonce: uint64, reason: string }),
  },
}

type WireControl = { session: string; sender: number; kind?: ControlKind } & Partial<ControlBodies>

const codec: Codec<WireControl> = codecOf(schemaRoot(CONTROL_SCHEMA), 'Control')

export function encodeControl(control: ControlMessage): Uint8Array {
  return codec.encode({ session: control.session, sender: control.sender, [control.kind]: control.body })
}

/** What every control datagram of a sender begins with, so that its own, which come back to it, need no decoding. */
export function controlPrefix(session: string, sender: number): Uint8Array {
  return codec.encode({ session, sender })
}

/** @returns the message, or undefined where the datagram is not one */
export function decodeControl(datagram: Uint8Array): ControlMessage | undefined {
  const wire = codec.decode(datagram)
  if (wire?.kind === undefined) return undefined
  const body = wire[wire.kind]
  if (body === undefined || body === null) return undefined
  // The oneof names the body that is present; the compiler can't relate the two fields.
  return { session: wire.session, sender: wire.sender, kind: wire.kind, body } as ControlMessage
}
