/**
 * Records one MoldUDP64 stream, of whomever: the blocks are taken as they are. The session is the first packet's unless it was
 * named; gaps are filled from a request server where there is one; what can't be had ends the recording, because a
 * recording with a hole would pass for a whole one.
 */
import { SeqcastError } from '../core/errors.js'
import { STORE_PENDING_PACKETS } from '../core/limits.js'
import type { GroupAddress } from '../net/interfaces.js'
import { MulticastReceiver, UnicastSocket } from '../net/udp.js'
import { Receiver } from '../protocol/receiver.js'
import { type Agent, DutyCycle } from '../runtime/duty-cycle.js'
import type { Role, RoleOptions } from '../runtime/options.js'
import { Outcome } from '../runtime/outcome.js'
import { randomIncarnation, systemPlatform } from '../runtime/platform.js'
import { LmdbEventLog } from '../store/lmdb-event-log.js'
import type { BlockKind } from '../store/time-index.js'
import { readAscii, readU16 } from '../wire/bytes.js'
import {
  BLOCK_LENGTH_BYTES,
  checkDownstream,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_HEARTBEAT,
  moldCount,
  moldSequence,
} from '../wire/moldudp64.js'
import { looksLikeEvent } from './archive-files.js'

/** Without a request server a hole can only be closed by what is late. */
const REORDERING_US = 1_000_000
const REQUESTING_US = 10_000_000
const SESSION_CHARACTERS = 10
/** While the log opens. */
const MAX_WAITING_PACKETS = 65_536

export interface RecordOptions extends Pick<RoleOptions, 'interfaceAddress' | 'idle' | 'logger'> {
  readonly group: GroupAddress
  readonly directory: string
  /** Undefined: that of the first packet. */
  readonly session: string | undefined
  readonly requestServer: { readonly address: string; readonly port: number } | undefined
  /** Where a new recording begins; undefined: at 1 where a server can give it, else at the first packet. */
  readonly from: number | undefined
  /** Undefined: as the first message looks. */
  readonly kind: BlockKind | undefined
}

export interface RecordSummary {
  readonly session: string
  readonly firstSequence: number
  readonly lastSequence: number
  readonly events: number
  /** The stream said that it is over, and all of it is recorded. */
  readonly ended: boolean
  /** Known of and not recorded when the recording stopped. */
  readonly missing: { readonly from: number; readonly to: number } | undefined
  readonly counters: Readonly<Record<string, number>>
}

interface Recording {
  readonly log: LmdbEventLog
  readonly receiver: Receiver
  readonly startedAt: number
}

export class StreamRecorder implements Role, Agent {
  readonly #options: RecordOptions
  readonly #cycle: DutyCycle
  readonly #outcome = new Outcome()
  #state: 'waiting' | 'opening' | 'recording' | 'closed' = 'waiting'
  #waiting: Uint8Array[] = []
  #recording: Recording | undefined
  #multicast: MulticastReceiver | undefined
  #requests: UnicastSocket | undefined
  #malformed = 0
  #heardSession: string | undefined
  #heardSequence = Number.POSITIVE_INFINITY

  constructor(options: RecordOptions) {
    this.#options = options
    this.#cycle = new DutyCycle(systemPlatform(), options.idle)
  }

  get done(): Promise<void> {
    return this.#outcome.promise
  }

  /** The id that was heard; undefined before the first packet. */
  get session(): string | undefined {
    return this.#heardSession
  }

  async stop(): Promise<void> {
    this.#outcome.stopped()
  }

  /** Makes durable what was received. @returns what came of it; undefined where nothing was heard */
  async close(): Promise<RecordSummary | undefined> {
    this.#state = 'closed'
    this.#cycle.stop()
    this.#multicast?.close()
    this.#requests?.close()
    const recording = this.#recording
    if (recording === undefined) return undefined
    const { log, receiver, startedAt } = recording
    const ended = receiver.state === 'ended'
    if (ended) log.markEnded()
    await log.close()
    const known = receiver.knownNextSequence
    return {
      session: log.session,
      firstSequence: log.firstSequence,
      lastSequence: log.nextSequence - 1,
      events: log.nextSequence - startedAt,
      ended,
      missing: known > log.nextSequence ? { from: log.nextSequence, to: known - 1 } : undefined,
      counters: { ...receiver.counters, malformed: this.#malformed },
    }
  }

  flush(): void {}

  tick(nowUs: number): number {
    return this.#recording?.receiver.tick(nowUs) ?? Number.POSITIVE_INFINITY
  }

  /** @throws SeqcastError E_GROUP, E_INTERFACE. A named session also as `LmdbEventLog.open` */
  async open(): Promise<void> {
    const { group, interfaceAddress, requestServer, session, logger } = this.#options
    const onError = (error: SeqcastError): void => this.#outcome.failed(error)
    this.#cycle.start()
    this.#cycle.add(this)
    if (requestServer !== undefined) {
      this.#requests = await UnicastSocket.open({ port: 0, interfaceAddress, onError }, (packet) =>
        this.#onPacket(packet),
      )
    }
    this.#multicast = await MulticastReceiver.open({ ...group, interfaceAddress, onError }, (packet) =>
      this.#onPacket(packet),
    )
    logger.info({ ...group, session }, 'record: listening')
  }

  #onPacket(packet: Uint8Array): void {
    if (this.#state === 'recording') this.#recording?.receiver.onPacket(packet, this.#cycle.enter())
    else if (checkDownstream(packet) !== undefined) this.#malformed += 1
    else if (this.#state === 'opening') this.#wait(packet)
    else if (this.#state === 'waiting') this.#onFirstPacket(packet)
  }

  #wait(packet: Uint8Array): void {
    if (this.#waiting.length < MAX_WAITING_PACKETS) this.#waiting.push(packet)
  }

  /** The log can be opened when a message was seen; a heartbeat before it may tell of an earlier one. */
  #onFirstPacket(packet: Uint8Array): void {
    const session = readAscii(packet, 0, SESSION_CHARACTERS).trimEnd()
    if (this.#options.session !== undefined && session !== this.#options.session) return
    this.#heardSession ??= session
    if (session !== this.#heardSession) return
    this.#heardSequence = Math.min(this.#heardSequence, moldSequence(packet))
    const count = moldCount(packet)
    if (count === MOLD_HEARTBEAT) return
    this.#state = 'opening'
    this.#wait(packet)
    const kind = count === MOLD_END_OF_SESSION ? undefined : kindOf(packet)
    this.#begin(session, kind ?? 'opaque').catch((error: Error) => this.#outcome.failed(error))
  }

  async #begin(session: string, seenKind: BlockKind): Promise<void> {
    const { directory, logger, requestServer, from } = this.#options
    const firstSequence = from ?? (requestServer === undefined ? this.#heardSequence : 1)
    const kind = this.#options.kind ?? seenKind
    const log = await LmdbEventLog.open({ directory, session, firstSequence, kind, logger })
    log.onFailure((error) => this.#outcome.failed(error))
    const receiver = this.#createReceiver(log)
    this.#recording = { log, receiver, startedAt: log.nextSequence }
    this.#state = 'recording'
    logger.info({ session, kind: log.kind, nextSequence: log.nextSequence, directory }, 'record: recording')
    for (const packet of this.#waiting.splice(0)) receiver.onPacket(packet, this.#cycle.enter())
    this.#cycle.enter()
  }

  #createReceiver(log: LmdbEventLog): Receiver {
    const { logger, requestServer } = this.#options
    const receiver: Receiver = new Receiver(
      {
        session: log.session,
        nextSequence: log.nextSequence,
        servers: requestServer === undefined ? 0 : 1,
        seed: randomIncarnation(),
        startRewinding: false,
        // There is no rewind here: however wide, a gap is asked for.
        gapRewindEvents: Number.POSITIVE_INFINITY,
        lossTimeoutUs: requestServer === undefined ? REORDERING_US : REQUESTING_US,
        opaque: log.kind === 'opaque',
        logger,
      },
      {
        deliver: (sequence, count, bytes, start, end) => this.#append(log, sequence, count, bytes, start, end),
        request: (packet) => {
          if (requestServer !== undefined) this.#requests?.send(packet, requestServer.address, requestServer.port)
        },
        startRewind: () => queueMicrotask(() => receiver.onRewindEnd('there is no rewind server', this.#cycle.enter())),
        stopRewind: () => {},
        stateChanged: (state) => {
          if (state === 'ended') this.#outcome.stopped()
        },
        lost: (from, to, reason) => this.#outcome.failed(this.#lost(log.session, from, to, reason)),
      },
    )
    return receiver
  }

  #append(log: LmdbEventLog, sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    if (log.pendingPackets < STORE_PENDING_PACKETS) {
      log.append(sequence, count, bytes, start, end, this.#cycle.wallUs)
      return
    }
    this.#outcome.failed(
      new SeqcastError('E_STORE_IO', `the disk does not keep up: ${log.pendingPackets} packets wait to be synced`, {
        hint: 'use a faster disk',
        fields: { session: log.session, sequence },
      }),
    )
  }

  #lost(session: string, from: number, to: number, reason: string): SeqcastError {
    return new SeqcastError('E_LOST', `events ${from} to ${to} of session ${session} can't be recovered: ${reason}`, {
      hint:
        this.#options.requestServer === undefined
          ? 'name a server that answers requests: --request-server ADDRESS:PORT; the recording ends before the hole'
          : 'the recording ends before the hole; run it again while the server still has them',
      fields: { session, from, to },
    })
  }
}

function kindOf(packet: Uint8Array): BlockKind {
  const at = MOLD_HEADER_BYTES + BLOCK_LENGTH_BYTES
  return looksLikeEvent(packet.subarray(at, at + readU16(packet, MOLD_HEADER_BYTES))) ? 'events' : 'opaque'
}
