/**
 * Answers RegisterSource, the one command that comes from source 0: with an event that binds name and number, with a refusal on
 * the control stream, or, where the stream has the answer already, with nothing.
 */
import type { Counters } from '../core/counters.js'
import { commandCount, commandFirst } from '../wire/command.js'
import type { RegistrationRefused } from '../wire/control.js'
import { EVENT_HEADER_BYTES, eventFlags, eventType, WHOLE_MESSAGE } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES } from '../wire/moldudp64.js'
import {
  REGISTER_SOURCE,
  type RegisterSource,
  registerSourceCodec,
  sourceRegisteredCodec,
} from '../wire/runtime-events.js'
import type { SequencerCounterName } from './sequencer-types.js'
import type { SourceTable } from './source-table.js'

export type RegistrationOutcome =
  /** The payload of the SourceRegistered event to sequence; the source is bound. */
  { readonly payload: Uint8Array } | { readonly refused: RegistrationRefused } | undefined

export class Registrar {
  readonly #sources: SourceTable
  readonly #counters: Counters<SequencerCounterName>
  readonly #payloadBytes: number

  /** @param payloadBytes the longest payload of an event */
  constructor(sources: SourceTable, counters: Counters<SequencerCounterName>, payloadBytes: number) {
    this.#sources = sources
    this.#counters = counters
    this.#payloadBytes = payloadBytes
  }

  /** Handles a command packet of source 0 that was checked. */
  handle(packet: Uint8Array): RegistrationOutcome {
    const request = decodeRegistration(packet)
    if (request === undefined) {
      this.#counters['bad-registration']++
      return undefined
    }
    const verdict = this.#sources.judge(request)
    switch (verdict.kind) {
      case 'repeat':
        this.#counters['repeated-registrations']++
        return undefined
      case 'refused':
        return this.#refuse(request.nonce, verdict.reason)
      case 'new': {
        const payload = sourceRegisteredCodec.encode(verdict.registered)
        if (payload.length > this.#payloadBytes) {
          return this.#refuse(request.nonce, 'names and schema hash do not fit a datagram of the session')
        }
        this.#sources.bind(verdict.registered)
        return { payload }
      }
    }
  }

  #refuse(nonce: number, reason: string): RegistrationOutcome {
    this.#counters['refused-registrations']++
    return { refused: { nonce, reason } }
  }
}

function decodeRegistration(packet: Uint8Array): RegisterSource | undefined {
  const event = MOLD_HEADER_BYTES + BLOCK_LENGTH_BYTES
  if (commandFirst(packet) !== 1 || commandCount(packet) !== 1) return undefined
  if (eventType(packet, event) !== REGISTER_SOURCE || eventFlags(packet, event) !== WHOLE_MESSAGE) return undefined
  return registerSourceCodec.decode(packet.subarray(event + EVENT_HEADER_BYTES))
}
