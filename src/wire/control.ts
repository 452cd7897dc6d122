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
  /** The newest entries, to the last; see `tableOmitted`. */
  epochTable: EpochTableEntry[]
  state: string
  /** Commands are held back because the window is full: outboxes slow down. */
  held: boolean
  requestPort: number
  counters: Record<string, number>
  /** The newest life that is known of each voter; empty without voters. Absent is empty. */
  lives?: Record<string, number>
  /** How many older entries the epoch table has, and the hash of those (see epoch-entries.ts). Absent is 0. */
  tableOmitted?: number
  tableHash?: number
  /** Some of those, from this index on. Absent is none. */
  olderFrom?: number
  older?: EpochTableEntry[]
  /** While it is `seeding`: components whose seed has not come yet. Absent is none. */
  awaited?: string[]
  /** Components that an operator has taken out of service. Absent is none. */
  retired?: string[]
  /** Components of which a replica is active by the stream, whether it is there or not; told with the counters. Absent is none. */
  active?: string[]
}

/** Status and acknowledgement in one: what the store has, and what it may be counted on for. */
export interface StoreStatus {
  name: string
  /** '' where the store is a copy and has no vote. */
  voter: string
  /** The reign under which the acknowledgement counts; 0 where it counts under none. */
  epoch: number
  /** Everything from 1 to here is synced to disk. */
  durableSequence: number
  /** Everything from 1 to here can be read. */
  committedSequence: number
  requestPort: number
  rewindPort: number
  state: string
  counters: Record<string, number>
  /** The greatest epoch that the voter has promised, or 0: it takes part in no older reign. */
  promised: number
  /** The epoch of birth of the last event of its log, or 0. */
  lastEpoch: number
  /** The life that a voter speaks from: another one after it has lost its disk. 0 or absent where it has no vote now. */
  life?: number
  /** The newest life that it knows of each voter; empty where it does not know that the session was founded. Absent is empty. */
  lives?: Record<string, number>
  /** The session has ended, which is known to be stable, and this one goes on, which the store records. '' or absent: no. */
  successor?: string
  /**
   * With `successor`, the end of the session as its last sequencer would say it: the whole of its stream is known to be stable. Absent where the
   * store has no record of it any more.
   */
  end?: SequencerHeartbeat
  /** Nothing of the session is recorded yet, and this one, which is, has ended with going on in it. '' or absent: no. */
  predecessor?: string
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

/** `offer` is a replica's own, which found nobody active: it counts in the expected term only, also where that is 0. */
export type AdminAction =
  | 'activate'
  | 'offer'
  | 'passivate'
  | 'retire'
  | 'digest'
  | 'end-session'
  | 'roll-session'
  | 'open-session'
  | 'prepare-session'
  | 'take-over'
  | 'readmit'

export interface AdminRequest {
  nonce: number
  action: string
  component: string
  /** `readmit`: the voter; `roll-session`, `prepare-session`: the successor; '' for the one that follows. */
  instance: string
  /** `activate`, `offer`: the process to activate; 0 where an operator names the instance only. */
  incarnation: number
  /** Only if the component's term is still this one; 0 for any, except in an offer. */
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

/** A would-be sequencer, the message's sender, asks the voters for an epoch. Repeated until a majority has answered. */
export interface Claim {
  epoch: number
  name: string
}

/** A voter's promise, which is durable: it takes part in no reign before this epoch, and in this one for the candidate only. */
export interface Grant {
  epoch: number
  /** The `sender` of the claim. */
  candidate: number
  voter: string
  /** The epoch of birth of the last event of its log, or 0. */
  lastEpoch: number
  /** Everything from 1 to here is synced to disk. */
  durableSequence: number
  epochTable: EpochTableEntry[]
  /** Where the log can be fetched. */
  requestPort: number
  rewindPort: number
  /** As in a status. */
  life: number
  lives: Record<string, number>
}

/** A voter's no to a claim. */
export interface ClaimRefused {
  epoch: number
  /** The `sender` of the claim. */
  candidate: number
  voter: string
  /** The greatest epoch that the voter has promised. */
  promised: number
  reason: string
}

export interface ControlBodies {
  sequencer: SequencerHeartbeat
  store: StoreStatus
  component: ComponentStatus
  adminRequest: AdminRequest
  adminReply: AdminReply
  refused: RegistrationRefused
  claim: Claim
  grant: Grant
  claimRefused: ClaimRefused
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
const numbers = { keyType: 'string', type: 'uint64' }

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
        claim: { type: 'Claim' },
        grant: { type: 'Grant' },
        claimRefused: { type: 'ClaimRefused' },
      }),
      oneofs: {
        kind: {
          oneof: [
            'sequencer',
            'store',
            'component',
            'adminRequest',
            'adminReply',
            'refused',
            'claim',
            'grant',
            'claimRefused',
          ],
        },
      },
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
      counters: numbers,
      publishedIsStable: bool,
      lives: numbers,
      tableOmitted: uint32,
      tableHash: uint32,
      olderFrom: uint32,
      older: { type: 'EpochTableEntry', rule: 'repeated' },
      awaited: { type: 'string', rule: 'repeated' },
      retired: { type: 'string', rule: 'repeated' },
      active: { type: 'string', rule: 'repeated' },
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
      counters: numbers,
      promised: uint32,
      lastEpoch: uint32,
      life: uint64,
      lives: numbers,
      successor: string,
      predecessor: string,
      end: { type: 'SequencerHeartbeat' },
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
      counters: numbers,
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
    Claim: message({ epoch: uint32, name: string }),
    Grant: message({
      epoch: uint32,
      candidate: uint64,
      voter: string,
      lastEpoch: uint32,
      durableSequence: uint64,
      epochTable: { type: 'EpochTableEntry', rule: 'repeated' },
      requestPort: uint32,
      rewindPort: uint32,
      life: uint64,
      lives: numbers,
    }),
    ClaimRefused: message({ epoch: uint32, candidate: uint64, voter: string, promised: uint32, reason: string }),
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
  // A message that is not there is read as null.
  if ('end' in body && body.end === null) delete body.end
  // The oneof names the body that is present; the compiler can't relate the two fields.
  return { session: wire.session, sender: wire.sender, kind: wire.kind, body } as ControlMessage
}
