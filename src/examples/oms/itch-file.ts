/**
 * Reads a BinaryFILE of ITCH messages, a piece at a time, so that a file may be larger than memory.
 *
 * A file is read twice. The first reading (`scanItchFile`) checks all of it and collects its symbols, because static data
 * goes out before the first order. So a file that is damaged anywhere is refused before the first command is sent, and
 * nothing of it is half done.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { BinaryFileReader, type BinaryFileReason, SeqcastError } from 'seqcast'
import { type ItchMessage, MAX_ITCH_BYTES, parseItch } from './itch.js'

/** Some 500 messages: between two chunks the event loop turns, and everything else in the process gets its turn. */
const CHUNK_BYTES = 16 * 1024

/** A message and its number in the file, from 1. */
export interface NumberedMessage {
  readonly index: number
  readonly message: ItchMessage
}

export interface ItchScan {
  readonly messages: number
  /** Of the stock directory and of the orders, as they come in the file. */
  readonly symbols: readonly string[]
  /** Whether the file ends with a zero length; files in the field often don't, and that is no error. */
  readonly hasEndMarker: boolean
}

/**
 * Checks a whole file and collects what static data needs.
 * @throws SeqcastError E_FILE where it can't be read, E_FILE_FORMAT with message index and offset where it is damaged
 */
export async function scanItchFile(path: string): Promise<ItchScan> {
  const symbols = new Set<string>()
  let messages = 0
  const reading = readItchFile(path)
  for (;;) {
    const next = await reading.next()
    if (next.done === true) return { messages, symbols: [...symbols], hasEndMarker: next.value }
    for (const { message } of next.value) {
      messages += 1
      if (message.kind === 'add' || message.kind === 'directory') symbols.add(message.symbol)
    }
  }
}

/**
 * The messages of a file, some hundred at a time. Returns whether the file ended with a zero length.
 * @throws SeqcastError as `scanItchFile`
 */
export async function* readItchFile(path: string): AsyncGenerator<NumberedMessage[], boolean> {
  const file = await openFile(path)
  try {
    let batch: NumberedMessage[] = []
    let index = 0
    const reader = new BinaryFileReader((bytes, offsetBytes) => {
      index += 1
      const message = parseItch(bytes)
      if (typeof message === 'string') throw formatError(path, index, offsetBytes, message)
      batch.push({ index, message })
    }, MAX_ITCH_BYTES)
    const chunk = new Uint8Array(CHUNK_BYTES)
    for (;;) {
      const { bytesRead } = await read(file, path, chunk)
      if (bytesRead === 0) break
      const reason = reader.push(chunk.subarray(0, bytesRead))
      if (reason !== undefined) throw formatError(path, index + 1, reader.offsetBytes, EXPLANATIONS[reason])
      yield batch
      batch = []
    }
    const end = reader.finish()
    if (end === 'end-of-session' || end === 'no-end-marker') return end === 'end-of-session'
    throw formatError(path, index + 1, reader.offsetBytes, EXPLANATIONS[end])
  } finally {
    await file.close()
  }
}

const EXPLANATIONS: Readonly<Record<BinaryFileReason, string>> = {
  'truncated-length': 'the file ends in the middle of a length',
  'truncated-message': 'the file ends in the middle of a message',
  'overlong-message': `no message is longer than ${MAX_ITCH_BYTES} bytes, and this one is said to be`,
  'bytes-after-end': 'more bytes follow the zero length that ends the file',
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path)
  } catch (cause) {
    throw fileError(path, cause)
  }
}

async function read(file: FileHandle, path: string, chunk: Uint8Array): Promise<{ bytesRead: number }> {
  try {
    return await file.read(chunk, 0, chunk.length, null)
  } catch (cause) {
    throw fileError(path, cause)
  }
}

function fileError(path: string, cause: unknown): SeqcastError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SeqcastError('E_FILE', `cannot read the input file ${path}: ${why}`, { cause, fields: { path } })
}

function formatError(path: string, index: number, offsetBytes: number, what: string): SeqcastError {
  return new SeqcastError('E_FILE_FORMAT', `${path}: message ${index} at byte ${offsetBytes}: ${what}`, {
    hint: 'the input must be a BinaryFILE (u16 length before each message) of TotalView-ITCH 5.0; nothing of it was sent',
    fields: { path, index, offsetBytes },
  })
}
