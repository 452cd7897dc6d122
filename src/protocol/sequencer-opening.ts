/**
 * How a sequencer begins: with the first event of a new session, with the event that opens its epoch after the log that it has
 * adopted, or, without voters, by just going on.
 */
import { SeqcastError } from '../core/errors.js'
import { MAX_EPOCH } from '../core/limits.js'
import {
  EPOCH_OPENED,
  epochOpenedCodec,
  SESSION_STARTED,
  type SessionStarted,
  sessionStartedCodec,
} from '../wire/runtime-events.js'
import { encodeWithReason } from './admin-desk.js'
import { FIRST_EPOCH, type SequencerState } from './sequencer-types.js'

export interface OpeningOptions {
  readonly started: SessionStarted
  /** The process that begins. */
  readonly incarnation: number
  readonly epoch: number
  /** The epoch of the last event, or 0. */
  readonly lastEpoch: number
  readonly nextSequence: number
  /** Why, as people shall read it in the stream. */
  readonly reason: string
}

export interface Opening {
  /** The event to sequence first, if any. */
  readonly event: { readonly type: number; readonly payload: Uint8Array } | undefined
  /** For the log. */
  readonly reason: string
}

export function openingOf(options: OpeningOptions): Opening {
  const { started, incarnation, epoch, lastEpoch, nextSequence, reason } = options
  const hasVoters = started.voters.length > 0
  const isAllowed = hasVoters ? epoch > lastEpoch && epoch <= MAX_EPOCH : epoch === FIRST_EPOCH
  if (!isAllowed) throw new Error(`epoch ${epoch} cannot be opened after epoch ${lastEpoch}`)
  if (nextSequence === 1) {
    const event = { type: SESSION_STARTED, payload: sessionStartedCodec.encode(started) }
    return { event, reason: epoch === FIRST_EPOCH ? 'new session' : `new session in epoch ${epoch}` }
  }
  if (!hasVoters) return { event: undefined, reason: `continued at ${nextSequence}` }
  const body = { epoch, incarnation, reason }
  const payload = encodeWithReason(epochOpenedCodec, body, started.fragmentBytes)
  return { event: { type: EPOCH_OPENED, payload }, reason: `epoch ${epoch} opened at ${nextSequence}` }
}

/** Only a sequencer that has not begun yet can begin. @throws SeqcastError E_SECOND_SEQUENCER where it heard another one */
export function requireRebuilding(state: SequencerState, session: string): void {
  if (state === 'stopped') {
    throw new SeqcastError('E_SECOND_SEQUENCER', `session ${session} has a sequencer that runs`, {
      hint: 'stop it first, or choose another session id',
      fields: { session },
    })
  }
  if (state !== 'rebuilding') throw new Error(`a sequencer that is ${state} cannot be opened`)
}
