/**
 * A MoldUDP64 stream out of a pcap file. A capture may hold other traffic, repeats, and packets out of order; what it lacks
 * is an error with its range, never a silence.
 */
import { REORDER_PACKETS } from '../../core/limits.js'
import { readAscii, readU16 } from '../../wire/bytes.js'
import { EVENT_HEADER_BYTES } from '../../wire/event.js'
import {
  BLOCK_LENGTH_BYTES,
  blocksEnd,
  checkDownstream,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_HEARTBEAT,
  MOLD_SEQUENCE_AT,
  moldCount,
  moldSequence,
} from '../../wire/moldudp64.js'
import { blockAt } from '../record-format.js'
import type { ArchiveResult } from './archive-source.js'
import {
  type ArchiveTarget,
  type ByteSource,
  badFile,
  chunksOf,
  type ImportOptions,
  PacketGatherer,
} from './archive-target.js'
import { type Datagram, datagramOf, type Endpoint } from './pcap-format.js'
import { PcapReader } from './pcap-reader.js'

export interface PcapImportOptions extends ImportOptions {
  /** Only datagrams to this group, or port, are looked at; default all. */
  readonly group?: Partial<Endpoint>
  /** The session to take; default the first one in the file. */
  readonly session?: string
}

/** Frames that were not taken, by reason. */
export type SkipReason = 'not-udp' | 'other-group' | 'not-moldudp64' | 'other-session' | 'repeat'

export interface PcapImportResult extends ArchiveResult {
  /** The id in the packets, without padding. */
  readonly session: string
  /** An end of session was in the file. */
  readonly ended: boolean
  readonly skipped: Readonly<Record<SkipReason, number>>
}

/** What must be known before the log to import into can be opened. */
export interface PcapStart {
  readonly session: string
  readonly firstSequence: number
  /** Tells what kind of stream it is. */
  readonly firstMessage: Uint8Array
  readonly receivedUs: number
}

interface Held {
  readonly packet: Uint8Array
  readonly receivedUs: number
  readonly offsetBytes: number
}

/**
 * Looks for the first packet with messages. The source is read no further.
 * @returns undefined where there is none
 * @throws SeqcastError E_FILE_FORMAT
 */
export async function peekPcap(source: ByteSource, options: PcapImportOptions = {}): Promise<PcapStart | undefined> {
  const name = options.name ?? 'the pcap file'
  let start: PcapStart | undefined
  const stream = new MoldStream(options)
  const reader = new PcapReader((link, frame, receivedUs) => {
    const packet = start === undefined ? stream.packetOf(link, frame) : undefined
    if (packet === undefined || moldCount(packet) === MOLD_HEARTBEAT || moldCount(packet) === MOLD_END_OF_SESSION)
      return
    const end = blockAt(packet, MOLD_HEADER_BYTES, packet.length, 1)
    const firstMessage = packet.slice(MOLD_HEADER_BYTES + BLOCK_LENGTH_BYTES, end)
    start = { session: stream.session ?? '', firstSequence: moldSequence(packet), firstMessage, receivedUs }
  })
  for await (const chunk of chunksOf(source, name)) {
    const reason = reader.push(chunk)
    if (start !== undefined) return start
    if (reason !== undefined) throw badFile(name, reader.offsetBytes, reason)
  }
  return start
}

/** @throws SeqcastError E_FILE_FORMAT with offset and reason, also where events are missing; what came before is imported */
export async function importPcap(
  source: ByteSource,
  target: ArchiveTarget,
  options: PcapImportOptions = {},
): Promise<PcapImportResult> {
  const name = options.name ?? 'the pcap file'
  const gatherer = new PacketGatherer(target, options)
  const stream = new MoldStream(options)
  const order = new Order(target, () => stream.skipped.repeat++)
  const reader = new PcapReader((link, frame, receivedUs, offsetBytes) => {
    const packet = stream.packetOf(link, frame)
    if (packet !== undefined) order.take({ packet, receivedUs, offsetBytes })
  })
  const check = (reason: string | undefined): void => {
    if (order.failure !== undefined) throw badFile(name, order.failure.offsetBytes, order.failure.reason)
    if (reason !== undefined) throw badFile(name, reader.offsetBytes, reason)
  }
  for await (const chunk of chunksOf(source, name)) {
    check(reader.push(chunk))
    await gatherer.breathe(reader.offsetBytes)
  }
  const reason = reader.finish()
  order.finish()
  check(reason)
  gatherer.report(reader.offsetBytes)
  const { session = '', ended, skipped } = stream
  return { events: gatherer.events, bytes: reader.offsetBytes, session, ended, skipped }
}

/** Finds one session's packets among the frames. */
class MoldStream {
  readonly skipped: Record<SkipReason, number> = {
    'not-udp': 0,
    'other-group': 0,
    'not-moldudp64': 0,
    'other-session': 0,
    repeat: 0,
  }
  session: string | undefined
  ended = false
  readonly #group: Partial<Endpoint>

  constructor(options: PcapImportOptions) {
    this.#group = options.group ?? {}
    this.session = options.session?.trim()
  }

  packetOf(link: number, frame: Uint8Array): Uint8Array | undefined {
    const datagram = datagramOf(link, frame)
    const reason = datagram === undefined ? 'not-udp' : this.#refuse(datagram)
    if (datagram === undefined || reason !== undefined) {
      if (reason !== undefined) this.skipped[reason]++
      return undefined
    }
    if (moldCount(datagram.payload) === MOLD_END_OF_SESSION) this.ended = true
    return datagram.payload
  }

  #refuse({ address, port, payload }: Datagram): SkipReason | undefined {
    const { address: wantedAddress = address, port: wantedPort = port } = this.#group
    if (address !== wantedAddress || port !== wantedPort) return 'other-group'
    if (checkDownstream(payload) !== undefined) return 'not-moldudp64'
    const session = readAscii(payload, 0, MOLD_SEQUENCE_AT).trim()
    this.session ??= session
    return session === this.session ? undefined : 'other-session'
  }
}

/** Appends packets in the order of their sequences; what comes too early is kept, up to a bound. */
class Order {
  failure: { readonly offsetBytes: number; readonly reason: string } | undefined
  readonly #target: ArchiveTarget
  readonly #repeated: () => void
  readonly #held = new Map<number, Held>()

  constructor(target: ArchiveTarget, repeated: () => void) {
    this.#target = target
    this.#repeated = repeated
  }

  take(held: Held): void {
    const count = moldCount(held.packet)
    if (this.failure !== undefined || count === MOLD_HEARTBEAT || count === MOLD_END_OF_SESSION) return
    const sequence = moldSequence(held.packet)
    if (sequence > this.#target.nextSequence) {
      if (this.#held.size >= REORDER_PACKETS) this.#missing()
      else this.#held.set(sequence, { ...held, packet: held.packet.slice() })
      return
    }
    this.#append(held, sequence, count)
    this.#appendHeld()
  }

  /** To be called at the end of the file: what is still kept came after a hole. */
  finish(): void {
    if (this.failure === undefined && this.#held.size > 0) this.#missing()
  }

  #appendHeld(): void {
    while (this.#held.size > 0 && this.failure === undefined) {
      const next = Math.min(...this.#held.keys())
      const held = this.#held.get(next)
      if (held === undefined || next > this.#target.nextSequence) return
      this.#held.delete(next)
      this.#append(held, next, moldCount(held.packet))
    }
  }

  #append({ packet, receivedUs, offsetBytes }: Held, sequence: number, count: number): void {
    const skip = this.#target.nextSequence - sequence
    if (skip >= count) {
      this.#repeated()
      return
    }
    const end = blocksEnd(packet, MOLD_HEADER_BYTES, count)
    const start = blockAt(packet, MOLD_HEADER_BYTES, end, skip)
    if (this.#target.kind === 'events' && !areEvents(packet, start, end)) {
      this.failure = {
        offsetBytes,
        reason: 'the messages are not events; import them into a session of a foreign stream',
      }
      return
    }
    this.#target.append(sequence + skip, count - skip, packet, start, end, receivedUs)
  }

  #missing(): void {
    const next = Math.min(...this.#held.keys())
    const offsetBytes = this.#held.get(next)?.offsetBytes ?? 0
    const { nextSequence } = this.#target
    this.failure = {
      offsetBytes,
      reason: `events ${nextSequence} to ${next - 1} are not in the file before this packet`,
    }
  }
}

function areEvents(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 2 + readU16(bytes, at)) if (readU16(bytes, at) < EVENT_HEADER_BYTES) return false
  return true
}
