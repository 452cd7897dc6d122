/** The file of an import, compressed by gzip or not: exchanges publish theirs compressed. */
import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import type { ByteSource } from '../store/archive/archive-target.js'

export interface ArchiveInput {
  /** Its content, from the start. */
  readonly source: ByteSource
  /** Bytes of the file that were read so far; compressed, where it is. */
  readBytes(): number
  close(): void
}

/** @throws SeqcastError E_FILE */
export function openInput(path: string): ArchiveInput {
  const isCompressed = isGzip(path)
  const file = createReadStream(path)
  const content = isCompressed ? file.pipe(createGunzip()) : file
  if (content !== file) file.on('error', (error) => content.destroy(error))
  return {
    source: content,
    readBytes: () => file.bytesRead,
    close: () => {
      file.destroy()
      content.destroy()
    },
  }
}

/** @throws SeqcastError E_FILE also where it is no plain file: an import reads it twice */
export function fileBytesOf(path: string): number {
  let stat: ReturnType<typeof statSync>
  try {
    stat = statSync(path)
  } catch (error) {
    throw unreadable(path, error)
  }
  if (stat?.isFile()) return stat.size
  throw new SeqcastError('E_FILE', `${path} is not a plain file`, {
    hint: 'an import reads its file twice: save the content in a file first',
    fields: { path },
  })
}

function isGzip(path: string): boolean {
  const start = new Uint8Array(2)
  try {
    const file = openSync(path, 'r')
    try {
      readSync(file, start)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw unreadable(path, error)
  }
  return start[0] === 0x1f && start[1] === 0x8b
}

function unreadable(path: string, error: unknown): SeqcastError {
  return new SeqcastError('E_FILE', `${path} can't be read: ${systemCodeOf(error) ?? messageOf(error)}`, {
    hint: 'check the path and its permissions',
    fields: { path },
    cause: error,
  })
}
