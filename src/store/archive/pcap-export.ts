/**
 * A session as a pcap file: MoldUDP64 packets in UDP, the receive time as the time of the packet, so that any dissector
 * reads it.
 */
import { MAX_DATAGRAM_BYTES } from '../../core/limits.js'
import { sessionBytes } from '../../core/session.js'
import { readU16 } from '../../wire/bytes.js'
import { MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, writeMoldHeader } from '../../wire/moldudp64.js'
import {
  type ArchiveResult,
  type ArchiveSource,
  type ByteSink,
  type ExportOptions,
  exportRuns,
  rangeOf,
} from './archive-source.js'
import { type Endpoint, LINK_ETHERNET, LINK_RAW_IP, pcapFileHeader, pcapFrame } from './pcap-format.js'

export interface PcapExportOptions extends ExportOptions {
  /** Default 239.255.77.1:7701. */
  readonly group?: Endpoint
  /** Default 127.0.0.1:7701. */
  readonly sender?: Endpoint
  /** Default `ethernet`. */
  readonly link?: 'ethernet' | 'raw-ip'
}

const NOTHING = new Uint8Array(0)
const ROOM_BYTES = MAX_DATAGRAM_BYTES - MOLD_HEADER_BYTES

/** @throws SeqcastError E_SEQUENCE_PAST_END, E_STORE_CORRUPT */
export async function exportPcap(
  source: ArchiveSource,
  sink: ByteSink,
  options: PcapExportOptions = {},
): Promise<ArchiveResult> {
  const { to, toEnd } = rangeOf(source, options)
  const link = options.link === 'raw-ip' ? LINK_RAW_IP : LINK_ETHERNET
  const group = options.group ?? { address: '239.255.77.1', port: 7701 }
  const sender = options.sender ?? { address: '127.0.0.1', port: 7701 }
  const session = sessionBytes(source.session)
  let timeUs = 0
  const frame = (sequence: number, count: number, blocks: Uint8Array): Uint8Array => {
    const packet = new Uint8Array(MOLD_HEADER_BYTES + blocks.length)
    writeMoldHeader(packet, 0, session, sequence, count)
    packet.set(blocks, MOLD_HEADER_BYTES)
    return pcapFrame(link, sender, group, packet, timeUs)
  }
  const encode = (
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    receivedUs: number,
  ): Uint8Array => {
    timeUs = receivedUs
    return end - start <= ROOM_BYTES
      ? frame(sequence, count, bytes.subarray(start, end))
      : Buffer.concat(datagrams(sequence, count, bytes, start, frame))
  }
  const result = await exportRuns(source, sink, options, encode, pcapFileHeader(link), NOTHING)
  if (options.ended !== true || !toEnd) return result
  const mark = frame(to + 1, MOLD_END_OF_SESSION, NOTHING)
  await sink(mark)
  return { events: result.events, bytes: result.bytes + mark.length }
}

/** A run that was rewound may be longer than a datagram. */
function datagrams(
  sequence: number,
  count: number,
  bytes: Uint8Array,
  start: number,
  frame: (sequence: number, count: number, blocks: Uint8Array) => Uint8Array,
): Uint8Array[] {
  const frames: Uint8Array[] = []
  let first = 0
  let from = start
  let at = start
  for (let i = 0; i < count; i++) {
    const next = at + 2 + readU16(bytes, at)
    if (next - from > ROOM_BYTES) {
      frames.push(frame(sequence + first, i - first, bytes.subarray(from, at)))
      first = i
      from = at
    }
    at = next
  }
  frames.push(frame(sequence + first, count - first, bytes.subarray(from, at)))
  return frames
}
