/**
 * The first message of a file, before a log is opened for it: its sequence, and whether it is an event of ours.
 */
import { createReadStream, statSync } from 'node:fs'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import type { PcapImportOptions } from '../store/archive/pcap-import.js'
import type { BlockKind } from '../store/time-index.js'
import { BinaryFileReader } from '../wire/binaryfile.js'
import { type Format, looksLikeEvent } from './archive-files.js'

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
  const fileBytes = sizeOf(path)
  const found =
    format === 'pcap'
      ? await peekPcapFile(path, options)
      : format === 'jsonl'
        ? await peekLine(path)
        : await peekRecord(path)
  return { ...found, fileBytes }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function peekPcapFile(path: string, options: PcapImportOptions): Promise<Found> {
  const { peekPcap } = await import('../store/archive/pcap-import.js')
  const source = createReadStream(path)
  try {
    const start = await peekPcap(source, { ...options, name: path })
    if (start !== undefined) {
      const { session, firstSequence, firstMessage } = start
      return { session, firstSequence, kind: kindOf(firstMessage) }
    }
  } finally {
    source.destroy()
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
  for await (const chunk of createReadStream(path)) {
    if (reader.push(chunk) !== undefined || first !== undefined) break
  }
  return { session: undefined, firstSequence: 1, kind: kindOf(first) }
}

/** A line that can't be read is the import's to report, with its place. */
async function peekLine(path: string): Promise<Found> {
  const { createInterface } = await import('node:readline')
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line.trim() === '') continue
    try {
      const fields: unknown = JSON.parse(line)
      if (typeof fields !== 'object' || fields === null) break
      const sequence = 'sequence' in fields && typeof fields.sequence === 'number' ? fields.sequence : 1
      return {
        session: undefined,
        firstSequence: Math.max(1, sequence),
        kind: 'message' in fields ? 'opaque' : 'events',
      }
    } catch {
      break
    }
  }
  return { session: undefined, firstSequence: 1, kind: 'events' }
}

function kindOf(message: Uint8Array | undefined): BlockKind {
  return message !== undefined && looksLikeEvent(message) ? 'events' : 'opaque'
}

function unreadable(path: string, error: unknown): SeqcastError {
  return new SeqcastError('E_FILE', `${path} can't be read: ${systemCodeOf(error) ?? messageOf(error)}`, {
    hint: 'check the path and its permissions',
    fields: { path },
    cause: error,
  })
}
