/**
 * The first message of a file, before a log is opened for it: its sequence, and whether it is an event of ours.
 */
import { SeqcastError, systemCodeOf } from '../core/errors.js'
import { MAX_LINE_BYTES } from '../store/archive/json-lines.js'
import type { PcapImportOptions } from '../store/archive/pcap-import.js'
import type { BlockKind } from '../store/time-index.js'
import { BinaryFileReader } from '../wire/binaryfile.js'
import { type Format, looksLikeEvent } from './archive-files.js'
import { fileBytesOf, openInput } from './archive-input.js'

export interface FileStart {
  /** Only the packets of a pcap name it. */
  readonly session: string | undefined
  readonly firstSequence: number
  readonly kind: BlockKind
  readonly fileBytes: number
}

type Found = Omit<FileStart, 'fileBytes'>

/** @throws SeqcastError E_FILE, E_FILE_FORMAT where a pcap holds no such packet */
export async function peekFile(path: string, format: Format, options: PcapImportOptions): Promise<FileStart> {
  const fileBytes = fileBytesOf(path)
  const found =
    format === 'pcap'
      ? await peekPcapFile(path, options)
      : format === 'jsonl'
        ? await peekLine(path)
        : await peekRecord(path)
  return { ...found, fileBytes }
}

async function peekPcapFile(path: string, options: PcapImportOptions): Promise<Found> {
  const { peekPcap } = await import('../store/archive/pcap-import.js')
  const input = openInput(path)
  try {
    const start = await peekPcap(input.source, { ...options, name: path })
    if (start !== undefined) {
      const { session, firstSequence, firstMessage } = start
      return { session, firstSequence, kind: kindOf(firstMessage) }
    }
  } finally {
    input.close()
  }
  throw new SeqcastError('E_FILE_FORMAT', `${path} holds no MoldUDP64 packet with messages`, {
    hint: 'check --group; seqcast export writes such files',
    fields: { path },
  })
}

async function peekRecord(path: string): Promise<Found> {
  let first: Uint8Array | undefined
  const reader = new BinaryFileReader((message) => {
    first ??= message.slice()
  })
  await readSome(path, (chunk) => reader.push(chunk) === undefined && first === undefined)
  return { session: undefined, firstSequence: 1, kind: kindOf(first) }
}

/** A line that can't be read is the import's to report, with its place. */
async function peekLine(path: string): Promise<Found> {
  let text = ''
  await readSome(path, (chunk) => {
    text += Buffer.from(chunk).toString('latin1')
    return !text.trimStart().includes('\n') && text.length <= MAX_LINE_BYTES
  })
  const found: Found = { session: undefined, firstSequence: 1, kind: 'events' }
  try {
    const fields: unknown = JSON.parse(text.trimStart().split('\n', 1)[0] ?? '')
    if (typeof fields !== 'object' || fields === null) return found
    const sequence = 'sequence' in fields && typeof fields.sequence === 'number' ? fields.sequence : 1
    return { ...found, firstSequence: Math.max(1, sequence), kind: 'message' in fields ? 'opaque' : 'events' }
  } catch {
    return found
  }
}

/** Reads until the taker has enough. What is wrong with the file is the import's to say, with the place. */
async function readSome(path: string, take: (chunk: Uint8Array) => boolean): Promise<void> {
  const input = openInput(path)
  try {
    for await (const chunk of input.source) if (!take(chunk)) return
  } catch (error) {
    if (systemCodeOf(error)?.startsWith('Z_') !== true) throw error
  } finally {
    input.close()
  }
}

function kindOf(message: Uint8Array | undefined): BlockKind {
  return message !== undefined && looksLikeEvent(message) ? 'events' : 'opaque'
}
