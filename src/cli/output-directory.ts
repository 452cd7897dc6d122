/** The directory that a flag names for output: made and tried before the work begins, so that a wrong path costs no run. */
import { mkdtempSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, SeqcastError } from '../core/errors.js'
import { makeDirectorySynced } from '../store/synced-file.js'

/** @throws SeqcastError E_FILE where it can't be made or written */
export function prepareDirectory(flag: string, path: string): void {
  try {
    makeDirectorySynced(path)
    // Root may write anywhere by its permissions, and yet nobody can write below /proc: only trying tells.
    rmdirSync(mkdtempSync(join(path, '.seqcast-')))
  } catch (cause) {
    throw new SeqcastError('E_FILE', `${flag} ${path} can't be written: ${messageOf(cause)}`, {
      hint: 'name a directory that can be written; it is made where it is missing',
      fields: { path },
      cause,
    })
  }
}
