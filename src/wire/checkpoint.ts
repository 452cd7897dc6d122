/**
 * A checkpoint as it is kept and sent: a header, in protobuf, and a body, which is the component's host as bytes (see
 * component/checkpoint.ts). The header says what it is of and carries the hash of the body, so that a checkpoint can be refused before
 * anything of it is used.
 */
import type { EpochTableEntry } from './control.js'
import { isEpochTable } from './epoch-entries.js'
import { type Codec, codecOf, schemaRoot } from './protobuf.js'
import { message } from './runtime-events.js'

/** Of header and body. Another one is refused. */
export const CHECKPOINT_FORMAT = 1
/** SHA-256. */
export const CHECKPOINT_HASH_BYTES = 32

export interface CheckpointHeader {
  readonly session: string
  readonly component: string
  readonly schemaHash: string
  /** Of the component's own code: another one may come to another state. */
  readonly codeHash: string
  /** The state is the one after this event. */
  readonly sequence: number
  /** Of that event's birth. */
  readonly epoch: number
  /** Of that event, microseconds since the Unix epoch. */
  readonly timeUs: number
  /** The digest of the state, as `DigestTaken` has it. */
  readonly digest: Uint8Array
  /** The hash of that event's bytes: a stream that has another event there is another branch. */
  readonly eventHash: Uint8Array
  /** Where each epoch up to that event begins. */
  readonly epochTable: readonly EpochTableEntry[]
  /** The session has voters: what is stable was durable at a majority of them. */
  readonly hasVoters: boolean
  readonly bodyBytes: number
  readonly bodyHash: Uint8Array
}

export interface Checkpoint {
  readonly header: CheckpointHeader
  readonly body: Uint8Array
}

interface HeaderMessage extends Omit<CheckpointHeader, 'epochTable'> {
  readonly format: number
  readonly epochs: readonly number[]
  readonly openings: readonly number[]
}

const string = { type: 'string' }
const uint64 = { type: 'uint64' }
const bytes = { type: 'bytes' }
export const CHECKPOINT_SCHEMA = {
  nested: {
    CheckpointHeader: message({
      format: { type: 'uint32' },
      session: string,
      component: string,
      schemaHash: string,
      codeHash: string,
      sequence: uint64,
      epoch: { type: 'uint32' },
      timeUs: uint64,
      digest: bytes,
      eventHash: bytes,
      hasVoters: { type: 'bool' },
      bodyBytes: uint64,
      bodyHash: bytes,
      epochs: { type: 'uint32', rule: 'repeated' },
      openings: { type: 'uint64', rule: 'repeated' },
    }),
  },
}
const codec: Codec<HeaderMessage> = codecOf(schemaRoot(CHECKPOINT_SCHEMA), 'CheckpointHeader')

export function encodeCheckpointHeader({ epochTable, ...header }: CheckpointHeader): Uint8Array {
  return codec.encode({
    format: CHECKPOINT_FORMAT,
    ...header,
    epochs: epochTable.map(({ epoch }) => epoch),
    openings: epochTable.map(({ sequence }) => sequence),
  })
}

/** @returns undefined where the bytes are no header of this format */
export function decodeCheckpointHeader(encoded: Uint8Array): CheckpointHeader | undefined {
  const decoded = codec.decode(encoded)
  if (decoded === undefined || decoded.format !== CHECKPOINT_FORMAT) return undefined
  const { format: _format, epochs, openings, ...header } = decoded
  if (epochs.length !== openings.length || header.sequence < 1) return undefined
  const epochTable = epochs.map((epoch, i) => ({ epoch, sequence: openings[i] ?? 0 }))
  if (!isEpochTable(epochTable)) return undefined
  const digest = Uint8Array.from(header.digest)
  const eventHash = Uint8Array.from(header.eventHash)
  const bodyHash = Uint8Array.from(header.bodyHash)
  if (![digest, eventHash, bodyHash].every(({ length }) => length === CHECKPOINT_HASH_BYTES)) return undefined
  return { ...header, epochTable, digest, eventHash, bodyHash }
}
