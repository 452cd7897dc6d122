/**
 * Where an import records until it is whole: in a directory beside the sessions, which is renamed to the session's at the end. So an
 * import that was killed leaves nothing that passes for a session, and the next one of that session clears it away.
 */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { SeqcastError } from '../../core/errors.js'
import { checkOwner, directoryNameOf, sessionPath } from '../session-directory.js'
import { holderPid } from '../session-lock.js'
import { makeDirectorySynced, syncDirectory } from '../synced-file.js'

/** Directories whose name begins so are imports that are running, or were killed. */
export const IMPORT_PREFIX = '.import-'

export class ImportPlace {
  /** To be given to the log as its directory. */
  readonly directory: string
  readonly #into: string
  readonly #session: string

  /** @throws SeqcastError E_SESSION_EXISTS, E_SESSION_FOREIGN; E_STORE_HELD where the same session is being imported */
  static open(into: string, session: string): ImportPlace {
    checkOwner(into, session)
    const path = sessionPath(into, session)
    if (existsSync(path)) throw exists(into, session, path)
    const place = new ImportPlace(into, session)
    place.#clear()
    return place
  }

  private constructor(into: string, session: string) {
    this.#into = into
    this.#session = session
    this.directory = join(into, `${IMPORT_PREFIX}${directoryNameOf(session)}`)
  }

  /** To be called when the log is closed: from now on the session is there. @throws SeqcastError E_SESSION_EXISTS */
  keep(): void {
    const path = sessionPath(this.#into, this.#session)
    if (existsSync(path)) throw exists(this.#into, this.#session, path)
    syncDirectory(this.directory)
    renameSync(sessionPath(this.directory, this.#session), path)
    makeDirectorySynced(this.#into)
    syncDirectory(this.#into)
    this.discard()
  }

  discard(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #clear(): void {
    const path = sessionPath(this.directory, this.#session)
    const pid = existsSync(path) ? holderPid(path) : undefined
    if (pid === undefined) {
      this.discard()
      return
    }
    throw new SeqcastError('E_STORE_HELD', `session ${this.#session} is being imported by process ${pid}`, {
      hint: 'wait for it, or stop that process',
      fields: { session: this.#session, pid },
    })
  }
}

function exists(into: string, session: string, path: string): SeqcastError {
  return new SeqcastError('E_SESSION_EXISTS', `session ${session} is in ${into} already, in ${basename(path)}`, {
    hint: 'choose another --dir, or another --session where the file does not name its own',
    fields: { session, dir: into },
  })
}
