/**
 * A MoldUDP64 stream out of a capture, pcap or pcapng. A capture may hold other traffic, repeats, and packets out of order; what it
 * lacks is an error with its range, never a silence.
 */
import {
  BLOCK_LENGTH_BYTES,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_HEARTBEAT,
  moldCount,
  moldSequence,
  skipBlocks,
} from '../../wire/moldudp64.js'
import type { ArchiveResult } from './archive-source.js'
import {
  type ArchiveTarget,
  type ByteSource,
  badFile,
  chunksOf,
  type ImportOptions,
  PacketGatherer,
} from './archive-target.js'
import { CaptureReader } from './capture-reader.js'
import type { Endpoint } from './frames.js'
import { MoldStream, type Skipped } from './mold-stream.js'
import { PacketOrder } from './packet-order.js'

export interface PcapImportOptions extends ImportOptions {
  /** Only datagrams to this group, or port, are looked at; default all. */
  readonly group?: Partial<Endpoint>
  /** The session to take; default the first one in the file. */
  readonly session?: string
}

export interface PcapImportResult extends ArchiveResult {
  /** The id in the packets, without padding. */
  readonly session: string
  /** An end of session was in the file. */
  readonly ended: boolean
  /** Frames and packets that were not taken, by reason. */
  readonly skipped: Readonly<Skipped>
  /** Some of the sessions that were left out. */
  readonly otherSessions: readonly string[]
  /** Events that were in the file and that a failover took back. */
  readonly revoked: number
}

/** What must be known before the log to import into can be opened. */
export interface PcapStart {
  readonly session: string
  readonly firstSequence: number
  /** Tells what kind of stream it is. */
  readonly firstMessage: Uint8Array
  readonly receivedUs: number
}

/** How far packets are looked for that came late and begin before the first one. */
const LOOK_AHEAD_PACKETS = 64

/**
 * Looks for the first packet with messages, and whether those right before it follow. The source is read no further.
 * @returns undefined where there is none
 * @throws SeqcastError E_FILE_FORMAT
 */
export async function peekPcap(source: ByteSource, options: PcapImportOptions = {}): Promise<PcapStart | undefined> {
  const name = options.name ?? 'the capture'
  const stream = new MoldStream(options)
  const seen: (PcapStart & { readonly count: number })[] = []
  const reader = new CaptureReader((frame) => {
    const packet = seen.length < LOOK_AHEAD_PACKETS ? stream.packetOf(frame) : undefined
    const count = packet === undefined ? 0 : moldCount(packet)
    if (packet === undefined || count === MOLD_HEARTBEAT || count === MOLD_END_OF_SESSION) return
    const end = skipBlocks(packet, MOLD_HEADER_BYTES, 1)
    const firstMessage = packet.slice(MOLD_HEADER_BYTES + BLOCK_LENGTH_BYTES, end)
    const { session = '' } = stream
    seen.push({ session, firstSequence: moldSequence(packet), count, firstMessage, receivedUs: frame.timeUs })
  })
  try {
    for await (const chunk of chunksOf(source, name)) {
      const reason = reader.push(chunk)
      if (reason !== undefined) throw badFile(name, reader.offsetBytes, reason, 'nothing was imported')
      if (seen.length >= LOOK_AHEAD_PACKETS) break
    }
  } catch (error) {
    // What comes before the damage can be imported: the import itself then says where it is.
    if (seen.length === 0) throw error
  }
  return earliest(seen)
}

function earliest(seen: (PcapStart & { readonly count: number })[]): PcapStart | undefined {
  const [start] = seen
  if (start === undefined) return undefined
  const before = (at: PcapStart): PcapStart => {
    const found = seen.find(
      ({ firstSequence, count }) => firstSequence < at.firstSequence && firstSequence + count >= at.firstSequence,
    )
    return found === undefined ? at : before(found)
  }
  return before(start)
}

/** @throws SeqcastError E_FILE_FORMAT with offset and reason, also where events are missing; what came before is imported */
export async function importPcap(
  source: ByteSource,
  target: ArchiveTarget,
  options: PcapImportOptions = {},
): Promise<PcapImportResult> {
  const name = options.name ?? 'the capture'
  const gatherer = new PacketGatherer(target, options)
  const stream = new MoldStream(options, (next, { offsetBytes }) => order.announce(next, offsetBytes))
  const order: PacketOrder = new PacketOrder(target, stream.skipped)
  const reader = new CaptureReader((frame) => {
    const packet = stream.packetOf(frame)
    if (packet !== undefined) order.take(packet, frame)
  })
  const check = (reason: string | undefined): void => {
    if (order.failure !== undefined) {
      throw badFile(name, order.failure.offsetBytes, order.failure.reason, hintOf(stream.skipped))
    }
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
  const { session = '', skipped, otherSessions } = stream
  const { ended, revoked } = order
  const { events } = gatherer
  return { events, bytes: reader.offsetBytes, session, ended, skipped, otherSessions: [...otherSessions], revoked }
}

/** Where packets were in the file and could not be taken, that is likely what is missing. */
function hintOf(skipped: Readonly<Skipped>): string | undefined {
  const { 'ip-fragment': fragments, 'cut-short': cut } = skipped
  if (fragments + cut === 0) return undefined
  return `the capture lacks parts of datagrams: ${fragments} IP fragments are without their others, ${cut} frames were cut short`
}
