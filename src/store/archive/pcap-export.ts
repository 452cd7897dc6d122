/**
 * A session as a pcap file: MoldUDP64 packets in UDP, the receive time as the time of the packet, to the nanosecond, so that any
 * dissector reads it.
 */
import { SeqcastError } from '../../core/errors.js'
import { MAX_DATAGRAM_BYTES } from '../../core/limits.js'
import { sessionBytes } from '../../core/session.js'
import { MOLD_END_OF_SESSION, MOLD_HEADER_BYTES, skipBlocks, writeMoldHeader } from '../../wire/moldudp64.js'
import {
  type ArchiveResult,
  type ArchiveSource,
  type ByteSink,
  type ExportOptions,
  exportRuns,
  rangeOf,
} from './archive-source.js'
import { type Endpoint, LINK_ETHERNET, LINK_RAW_IP } from './frames.js'
import { PCAP_LATEST_US, pcapFileHeader, pcapFrame } from './pcap-format.js'

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

type EncodeFrame = (sequence: number, count: number, blocks: Uint8Array) => Uint8Array

/** @throws SeqcastError E_SEQUENCE_PAST_END, E_STORE_CORRUPT; E_FILE_FORMAT where a pcap can't hold a message or a time */
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
  let [timeUs, timeNs] = [0, 0]
  const frame: EncodeFrame = (sequence, count, blocks) => {
    if (blocks.length > ROOM_BYTES)
      throw unfit(source.session, sequence, `of ${blocks.length - 2} bytes fits no datagram`)
    if (timeUs > PCAP_LATEST_US) throw unfit(source.session, sequence, 'was received after the year 2106')
    const packet = new Uint8Array(MOLD_HEADER_BYTES + blocks.length)
    writeMoldHeader(packet, 0, session, sequence, count)
    packet.set(blocks, MOLD_HEADER_BYTES)
    return pcapFrame(link, sender, group, packet, timeUs, timeNs)
  }
  const encode = (
    sequence: number,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    receivedUs: number,
    receivedNs = 0,
  ): Uint8Array => {
    timeUs = receivedUs
    timeNs = receivedNs
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
  frame: EncodeFrame,
): Uint8Array[] {
  const frames: Uint8Array[] = []
  let first = 0
  let from = start
  let at = start
  for (let i = 0; i < count; i++) {
    const next = skipBlocks(bytes, at, 1)
    if (next - from > ROOM_BYTES && i > first) {
      frames.push(frame(sequence + first, i - first, bytes.subarray(from, at)))
      first = i
      from = at
    }
    at = next
  }
  frames.push(frame(sequence + first, count - first, bytes.subarray(from, at)))
  return frames
}

function unfit(session: string, sequence: number, what: string): SeqcastError {
  return new SeqcastError('E_FILE_FORMAT', `session '${session}', event ${sequence} ${what}: a pcap can't hold it`, {
    hint: 'export to BinaryFILE or JSON Lines, or another range',
    fields: { session, sequence },
  })
}
