/**
 * Reads a session that has events already, so that a restarted sequencer continues it: who may speak with which next number,
 * who is active, the sequencer's own numbering, the epochs and the last time. What does not fit together is not continued.
 */
import { SeqcastError } from '../core/errors.js'
import { readU16, readU32 } from '../wire/bytes.js'
import type { EpochTableEntry } from '../wire/control.js'
import {
  EVENT_HEADER_BYTES,
  EVENT_TIMESTAMP_AT,
  eventEpoch,
  eventFlags,
  eventSource,
  eventSourceSequence,
  eventTimeUs,
  eventType,
  FIRST_APPLICATION_TYPE,
} from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import {
  ACTIVATED,
  activatedCodec,
  EPOCH_OPENED,
  epochOpenedCodec,
  PASSIVATED,
  passivatedCodec,
  SEED_DONE,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  type SessionEnded,
  type SessionStarted,
  SOURCE_REGISTERED,
  seedDoneCodec,
  sessionEndedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../wire/runtime-events.js'
import type { ActivationTable } from './activation-table.js'
import { PROTOCOL_VERSION, type SequencerOptions } from './sequencer-types.js'
import type { OpeningFields, SessionOpening } from './session-opening.js'
import { continueMessage, OWN_SOURCE, type SourceTable } from './source-table.js'
import type { Timestamper } from './timestamper.js'

/** How a session ended: the event that says so. */
export interface SessionEnd extends SessionEnded {
  readonly sequence: number
}

export class SessionRebuild {
  readonly #expected: SessionStarted
  readonly #sources: SourceTable
  readonly #activations: ActivationTable
  readonly #time: Timestamper
  readonly #epochs: EpochTableEntry[]
  readonly #opening: SessionOpening
  #lastEpoch = 0
  #nextSequence = 1
  #started: SessionStarted | undefined
  #end: SessionEnd | undefined

  /**
   * @param expected the first event as this sequencer would have written it
   * @param epochs each epoch that is read is added
   */
  constructor(
    expected: SessionStarted,
    sources: SourceTable,
    activations: ActivationTable,
    time: Timestamper,
    epochs: EpochTableEntry[],
    opening: SessionOpening,
  ) {
    this.#expected = expected
    this.#sources = sources
    this.#activations = activations
    this.#time = time
    this.#epochs = epochs
    this.#opening = opening
  }

  /** The sequence after the last event that was read. */
  get nextSequence(): number {
    return this.#nextSequence
  }

  /** The first event as it was read. */
  get started(): SessionStarted | undefined {
    return this.#started
  }

  /** How the session ended, as it was read; undefined where it goes on. */
  get end(): SessionEnd | undefined {
    return this.#end
  }

  /**
   * How the session ended; undefined where it goes on. With voters the end may have been read before it was stable: a successor makes it so.
   * @throws SeqcastError E_SESSION_EXISTS where it has ended and there is no more to do
   */
  ended(): SessionEnd | undefined {
    const { session, voters } = this.#expected
    if (this.#end === undefined || voters.length > 0) return this.#end
    throw new SeqcastError('E_SESSION_EXISTS', `session ${session} has ended and cannot be continued`, {
      hint: 'choose a new id, for example --session 20261121A, the same for every role',
      fields: { session, nextSequence: this.#nextSequence },
    })
  }

  /** Reads a run of blocks. @throws SeqcastError where it does not continue the session as it was configured */
  read(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    if (sequence !== this.#nextSequence) {
      throw this.#damaged(
        `the record goes on at ${sequence}`,
        'let the store fill its gaps, or use one that has it all',
      )
    }
    let at = start
    for (let i = 0; i < count; i++) {
      const lengthBytes = at + BLOCK_LENGTH_BYTES <= end ? readU16(bytes, at) : 0
      at += BLOCK_LENGTH_BYTES
      if (lengthBytes < EVENT_HEADER_BYTES || at + lengthBytes > end) throw this.#damaged('a block is cut short')
      this.#readEvent(bytes, at, lengthBytes)
      if (lengthBytes - EVENT_HEADER_BYTES > this.#expected.fragmentBytes) throw this.#damaged('a block is too long')
      at += lengthBytes
      this.#nextSequence++
    }
  }

  #readEvent(bytes: Uint8Array, at: number, lengthBytes: number): void {
    const type = eventType(bytes, at)
    if ((type === SESSION_STARTED) !== (this.#nextSequence === 1)) {
      throw this.#damaged('the session does not begin with SessionStarted, or has a second one')
    }
    this.#readEpoch(type, eventEpoch(bytes, at))
    const source = eventSource(bytes, at)
    const sourceSequence = eventSourceSequence(bytes, at)
    if (sourceSequence !== this.#sources.next(source)) {
      throw this.#damaged(`number ${sourceSequence} of source ${source} comes instead of ${this.#sources.next(source)}`)
    }
    const openType = continueMessage(this.#sources.openType(source), type, eventFlags(bytes, at))
    if (openType < 0) throw this.#damaged(`source ${source} breaks its fragmented message`)
    this.#sources.advance(source, sourceSequence + 1, openType)
    const timestampAt = at + EVENT_TIMESTAMP_AT
    this.#time.resume(readU32(bytes, timestampAt), readU32(bytes, timestampAt + 4), eventTimeUs(bytes, at))
    if (type >= FIRST_APPLICATION_TYPE) {
      if (source === OWN_SOURCE) this.#opening.readStatic()
    } else if (type === SEED_DONE)
      this.#readSeedDone(source, sourceSequence, bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes))
    else this.#readOwn(type, bytes.subarray(at + EVENT_HEADER_BYTES, at + lengthBytes))
  }

  #readSeedDone(source: number, sourceSequence: number, payload: Uint8Array): void {
    const component = this.#sources.seedOf(source)
    const { pending } = this.#decoded(seedDoneCodec.decode(payload))
    if (component !== undefined) this.#opening.seeded(component, source, sourceSequence, pending)
  }

  /** An epoch begins with its opening event, and nowhere else. */
  #readEpoch(type: number, epoch: number): void {
    const isOpening = type === SESSION_STARTED || type === EPOCH_OPENED
    if (isOpening ? epoch <= this.#lastEpoch : epoch !== this.#lastEpoch) {
      throw this.#damaged(`epoch ${epoch} follows epoch ${this.#lastEpoch} without being opened`)
    }
    if (!isOpening) return
    this.#lastEpoch = epoch
    this.#epochs.push({ epoch, sequence: this.#nextSequence })
  }

  #readOwn(type: number, payload: Uint8Array): void {
    switch (type) {
      case SESSION_STARTED:
        this.#started = this.#decoded(sessionStartedCodec.decode(payload))
        this.#compare(this.#started)
        this.#opening.started(this.#started)
        break
      case SOURCE_REGISTERED:
        if (!this.#sources.bind(this.#decoded(sourceRegisteredCodec.decode(payload)))) {
          throw this.#damaged('a source is registered twice')
        }
        break
      case ACTIVATED:
        this.#activations.activated(this.#decoded(activatedCodec.decode(payload)), this.#nextSequence)
        break
      case PASSIVATED: {
        const event = this.#decoded(passivatedCodec.decode(payload))
        this.#activations.passivated(event, this.#nextSequence)
        if (event.retired === true) this.#opening.retired(event.component)
        break
      }
      case EPOCH_OPENED:
        if (this.#decoded(epochOpenedCodec.decode(payload)).epoch !== this.#lastEpoch) {
          throw this.#damaged('an epoch is opened by the event of another one')
        }
        break
      case SESSION_ENDED:
        this.#end = { ...this.#decoded(sessionEndedCodec.decode(payload)), sequence: this.#nextSequence }
        break
      case SESSION_OPENED:
        this.#opening.opened()
        break
    }
  }

  #decoded<T>(event: T | undefined): T {
    if (event === undefined) throw this.#damaged('the payload of a runtime event does not decode')
    return event
  }

  #compare(started: SessionStarted): void {
    for (const field of ['session', 'protocolVersion', 'datagramBytes', 'fragmentBytes', 'voters'] as const) {
      const was = JSON.stringify(started[field])
      const is = JSON.stringify(this.#expected[field])
      if (was === is) continue
      throw new SeqcastError(
        'E_CONFIG',
        `session ${this.#expected.session} was started with ${field} ${was}, not ${is}`,
        {
          hint: `configure ${field} as ${was}, or choose a new session id`,
          fields: { field, was: started[field], is: this.#expected[field] },
        },
      )
    }
  }

  #damaged(what: string, hint = 'verify the store'): SeqcastError {
    const { session } = this.#expected
    const message = `session ${session} cannot be continued: at event ${this.#nextSequence} ${what}`
    return new SeqcastError('E_STORE_CORRUPT', message, { hint, fields: { session, sequence: this.#nextSequence } })
  }
}

/** The first event of a session. @throws SeqcastError E_CONFIG where the names in it do not fit one datagram */
export function firstEvent(options: SequencerOptions, payloadBytes: number, opening: OpeningFields): SessionStarted {
  const started = {
    session: options.session,
    protocolVersion: PROTOCOL_VERSION,
    datagramBytes: options.datagramBytes,
    fragmentBytes: payloadBytes,
    voters: [...options.voters],
    ...opening,
  }
  if (sessionStartedCodec.encode(started).length <= payloadBytes) return started
  throw new SeqcastError(
    'E_CONFIG',
    `the names of ${started.voters.length} voters and ${started.seeders.length} seeders do not fit one datagram`,
    {
      hint: 'use shorter names or larger datagrams',
    },
  )
}
