/**
 * BinaryFILE: the same length-prefixed blocks as in the log, one after the other; a zero length ends the session. It holds neither
 * session id nor sequences nor times: an import gets them from its caller.
 */
import { SeqcastError } from '../../core/errors.js'
import { BinaryFileReader, binaryFileEnd } from '../../wire/binaryfile.js'
import { readU16 } from '../../wire/bytes.js'
import {
  type ArchiveResult,
  type ArchiveSource,
  type ByteSink,
  type ExportOptions,
  exportRuns,
  rangeOf,
} from './archive-source.js'
import {
  type ArchiveTarget,
  type ByteSource,
  badFile,
  chunksOf,
  type ImportOptions,
  PacketGatherer,
} from './archive-target.js'

/**
 * @throws SeqcastError E_SEQUENCE_PAST_END; E_FILE_FORMAT where a foreign session has an empty message, which would end the
 * file; E_STORE_CORRUPT
 */
export async function exportBinaryFile(
  source: ArchiveSource,
  sink: ByteSink,
  options: ExportOptions = {},
): Promise<ArchiveResult> {
  const { toEnd } = rangeOf(source, options)
  const after = options.ended === true && toEnd ? binaryFileEnd() : new Uint8Array(0)
  const encode = (sequence: number, count: number, bytes: Uint8Array, start: number, end: number): Uint8Array => {
    let at = start
    for (let i = 0; i < count; i++) {
      if (readU16(bytes, at) === 0) throw emptyMessage(source.session, sequence + i)
      at += 2 + readU16(bytes, at)
    }
    return Buffer.from(bytes.subarray(start, end))
  }
  return exportRuns(source, sink, options, encode, new Uint8Array(0), after)
}

export interface BinaryFileImportOptions extends ImportOptions {
  /** Receive time of all messages, microseconds since the epoch, which the file does not hold. */
  readonly receivedUs: number
  /** A longer message is taken for damage; default 65,535. */
  readonly maxMessageBytes?: number
}

export interface BinaryFileImportResult extends ArchiveResult {
  /** The file had the zero length that ends a session. */
  readonly ended: boolean
}

/** @throws SeqcastError E_FILE_FORMAT with the offset and the reason; what came before it is imported */
export async function importBinaryFile(
  source: ByteSource,
  target: ArchiveTarget,
  options: BinaryFileImportOptions,
): Promise<BinaryFileImportResult> {
  const name = options.name ?? 'the BinaryFILE'
  const gatherer = new PacketGatherer(target, options)
  let refused: SeqcastError | undefined
  const reader = new BinaryFileReader((message, offsetBytes) => {
    if (refused !== undefined) return
    const reason = gatherer.add(message, options.receivedUs)
    if (reason !== undefined) refused = badFile(name, offsetBytes, reason)
  }, options.maxMessageBytes)
  let failure: SeqcastError | undefined
  for await (const chunk of chunksOf(source, name)) {
    const reason = reader.push(chunk)
    failure = refused ?? (reason === undefined ? undefined : badFile(name, reader.offsetBytes, reason))
    if (failure !== undefined) break
    await gatherer.breathe(reader.offsetBytes)
  }
  gatherer.flush()
  if (failure !== undefined) throw failure
  const end = reader.finish()
  if (end !== 'end-of-session' && end !== 'no-end-marker') throw badFile(name, reader.offsetBytes, end)
  gatherer.report(reader.offsetBytes)
  return { events: gatherer.events, bytes: reader.offsetBytes, ended: end === 'end-of-session' }
}

function emptyMessage(session: string, sequence: number): SeqcastError {
  return new SeqcastError(
    'E_FILE_FORMAT',
    `session '${session}', event ${sequence} is empty: a BinaryFILE can't hold it`,
    {
      hint: 'export to pcap or JSON Lines, or end the range before it',
      fields: { session, sequence },
    },
  )
}
