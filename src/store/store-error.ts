/**
 * What went wrong with a store, in the words of a user: which session, at which sequence, and what to do.
 */
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'

/** Words of the system and of lmdb for a disk, a quota, a file-size limit or a map that is full. */
const FULL = /ENOSPC|EDQUOT|EFBIG|MDB_MAP_FULL|No space left|quota exceeded|File too large/i

/** Writing failed: everything before `sequence` is durable, from there on nothing is. */
export function writeFailure(cause: unknown, session: string, sequence: number): SeqcastError {
  const message = messageOf(cause)
  const fields = { session, sequence }
  if (isFull(cause)) {
    return new SeqcastError(
      'E_STORE_FULL',
      `no room to record session '${session}' from event ${sequence} on: ${message}`,
      {
        hint: 'free some space (or raise the limit) and start the store again: it goes on where it stopped',
        fields,
        cause,
      },
    )
  }
  return new SeqcastError(
    'E_STORE_IO',
    `session '${session}' can't be recorded from event ${sequence} on: ${message}`,
    {
      hint: 'check the disk, then start the store again: it goes on where it stopped',
      fields,
      cause,
    },
  )
}

/** Opening failed before anything was known of what is recorded. */
export function openFailure(cause: unknown, session: string, path: string): SeqcastError {
  const message = `session '${session}' can't be opened for recording in ${path}: ${messageOf(cause)}`
  return startFailure(cause, message, { session, path })
}

/** The files of a session, or of tables, can't be opened or made. */
export function environmentFailure(cause: unknown, path: string): SeqcastError {
  return startFailure(cause, `the files in ${path} can't be opened: ${messageOf(cause)}`, { path })
}

/** The store's own directory can't be made, read or written. */
export function directoryFailure(cause: unknown, path: string): SeqcastError {
  return startFailure(cause, `the store's directory ${path} can't be used: ${messageOf(cause)}`, { path })
}

function startFailure(cause: unknown, message: string, fields: Readonly<Record<string, unknown>>): SeqcastError {
  const [code, hint] = isFull(cause)
    ? (['E_STORE_FULL', 'free some space, then start again'] as const)
    : (['E_STORE_IO', 'check that the directory is one, lies on a sound disk and can be written'] as const)
  return new SeqcastError(code, message, { hint, fields, cause })
}

/** A recorded value is not what was written. */
export function corruptRecord(session: string, sequence: number, reason: string): SeqcastError {
  return new SeqcastError(
    'E_STORE_CORRUPT',
    `session '${session}', event ${sequence}: the record is damaged (${reason})`,
    {
      hint: 'move the session directory away and let the store fill itself from another store; `seqcast verify` lists all damage',
      fields: { session, sequence, reason },
    },
  )
}

function isFull(cause: unknown): boolean {
  return FULL.test(systemCodeOf(cause) ?? '') || FULL.test(messageOf(cause))
}
