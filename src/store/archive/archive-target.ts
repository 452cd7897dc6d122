/**
 * What every import has in common: messages are gathered into packets and appended to a log, which is waited for when it has too
 * much that is not yet durable.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf, SeqcastError, systemCodeOf } from '../../core/errors.js'
import {
  DEFAULT_DATAGRAM_BYTES,
  MAX_BLOCK_BYTES,
  MAX_PACKET_COUNT,
  MAX_SEQUENCE,
  STORE_PENDING_PACKETS,
} from '../../core/limits.js'
import type { EventLog } from '../../protocol/event-log.js'
import { copyBytes, writeU16 } from '../../wire/bytes.js'
import { BLOCK_LENGTH_BYTES, MOLD_HEADER_BYTES } from '../../wire/moldudp64.js'
import type { BlockKind } from '../time-index.js'
import type { ArchiveProgress } from './archive-source.js'
import { EventGuard } from './event-guard.js'

/** A log to import into: empty, or ending right before the first event that comes. */
export interface ArchiveTarget extends EventLog {
  readonly kind: BlockKind
}

/** The bytes of an archive, in order: a file's read stream is one. */
export type ByteSource = AsyncIterable<Uint8Array>

export interface ImportOptions {
  /** Names the input in errors. */
  readonly name?: string
  /** Messages are gathered into packets of at most so many bytes; default 1,400. */
  readonly datagramBytes?: number
  readonly onProgress?: (progress: ArchiveProgress) => void
  readonly signal?: AbortSignal
}

const PROGRESS_EVERY_EVENTS = 10_000

/** A file that is not what it should be, with the place. */
export function badFile(name: string, offsetBytes: number, reason: string, hint?: string): SeqcastError {
  return new SeqcastError('E_FILE_FORMAT', `${name}, byte ${offsetBytes}: ${reason}`, {
    hint: hint ?? 'nothing from there on was imported; everything before was',
    fields: { name, offsetBytes, reason },
  })
}

export class PacketGatherer {
  readonly #target: ArchiveTarget
  readonly #options: ImportOptions
  readonly #packet: Uint8Array
  readonly #roomBytes: number
  readonly #first: number
  #used = 0
  #count = 0
  #receivedUs = 0
  #receivedNs = 0
  readonly #guard: EventGuard
  #reported = 0

  constructor(target: ArchiveTarget, options: ImportOptions) {
    this.#target = target
    this.#options = options
    this.#roomBytes = (options.datagramBytes ?? DEFAULT_DATAGRAM_BYTES) - MOLD_HEADER_BYTES
    this.#packet = new Uint8Array(Math.max(this.#roomBytes, MAX_BLOCK_BYTES + BLOCK_LENGTH_BYTES))
    this.#first = target.nextSequence
    this.#guard = new EventGuard(target.kind, this.#first === 1)
  }

  /** The sequence that the next message gets. */
  get nextSequence(): number {
    return this.#target.nextSequence + this.#count
  }

  get events(): number {
    return this.nextSequence - this.#first
  }

  /** @returns why the target can't hold the message, or undefined */
  add(message: Uint8Array, receivedUs: number, receivedNs = 0): string | undefined {
    if (message.length > MAX_BLOCK_BYTES)
      return `a message of ${message.length} bytes is longer than ${MAX_BLOCK_BYTES}`
    if (this.nextSequence > MAX_SEQUENCE) return `event ${this.nextSequence} can't be numbered`
    const needs = BLOCK_LENGTH_BYTES + message.length
    const sameTime = receivedUs === this.#receivedUs && receivedNs === this.#receivedNs
    if (this.#count > 0 && (!sameTime || this.#used + needs > this.#roomBytes || this.#count === MAX_PACKET_COUNT)) {
      this.flush()
    }
    writeU16(this.#packet, this.#used, message.length)
    copyBytes(message, 0, message.length, this.#packet, this.#used + BLOCK_LENGTH_BYTES)
    const reason = this.#guard.check(this.nextSequence, 1, this.#packet, this.#used)
    if (reason !== undefined) return reason
    this.#receivedUs = receivedUs
    this.#receivedNs = receivedNs
    this.#used += needs
    this.#count++
    return undefined
  }

  flush(): void {
    if (this.#count === 0) return
    const count = this.#count
    this.#count = 0
    this.#target.append(
      this.#target.nextSequence,
      count,
      this.#packet,
      0,
      this.#used,
      this.#receivedUs,
      this.#receivedNs,
    )
    this.#used = 0
  }

  /** Waits while the log has much that is not durable. Every import calls it between the chunks of its input. */
  async breathe(bytes: number): Promise<void> {
    if (this.events - this.#reported >= PROGRESS_EVERY_EVENTS) this.report(bytes)
    this.#options.signal?.throwIfAborted()
    while (this.#target.pendingPackets > STORE_PENDING_PACKETS / 4) await delay(1)
  }

  report(bytes: number): void {
    this.#reported = this.events
    this.#options.onProgress?.({ events: this.events, totalEvents: undefined, bytes })
  }
}

/** The input, cut so that no chunk makes more packets than the log takes at once. @throws SeqcastError E_FILE, E_FILE_FORMAT */
export async function* chunksOf(source: ByteSource, name: string): AsyncGenerator<Uint8Array> {
  let offsetBytes = 0
  try {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += CHUNK_BYTES) yield chunk.subarray(at, at + CHUNK_BYTES)
      offsetBytes += chunk.length
    }
  } catch (cause) {
    if (cause instanceof SeqcastError || (cause instanceof Error && cause.name === 'AbortError')) throw cause
    if (systemCodeOf(cause)?.startsWith('Z_')) {
      throw badFile(
        name,
        offsetBytes,
        `the compressed file is damaged after this byte of its content: ${messageOf(cause)}`,
      )
    }
    throw new SeqcastError('E_FILE', `${name} can't be read: ${messageOf(cause)}`, { cause, fields: { name } })
  }
}

/** Even one packet for each three bytes stays below the bound of pending packets. */
const CHUNK_BYTES = 65_536
