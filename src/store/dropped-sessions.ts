/**
 * What remains of sessions that were dropped: which one went on from each. Whoever is started with such a session must not begin it
 * anew beside the one that goes on, so the log refuses, and names the successor.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SeqcastError } from '../core/errors.js'
import { writeFileSynced } from './synced-file.js'

const FILE = 'dropped.json'

/** Notes it before the session is removed. */
export function noteDropped(directory: string, session: string, successor: string): void {
  if (successor === '') return
  writeFileSynced(join(directory, FILE), `${JSON.stringify({ ...readDropped(directory), [session]: successor })}\n`)
}

/** True where the session is noted: it was complete, and another one went on from it. */
export function wasDropped(directory: string, session: string): boolean {
  return readDropped(directory)[session] !== undefined
}

/** Each session that was dropped here, and the one that went on from it. */
export function droppedSessions(directory: string): ReadonlyMap<string, string> {
  return new Map(Object.entries(readDropped(directory)))
}

/** The session in which the chain of a dropped one goes on here; undefined where the session was not dropped. */
export function successorOfDropped(directory: string, session: string): string | undefined {
  const dropped = droppedSessions(directory)
  const seen = new Set<string>()
  let at = session
  for (let next = dropped.get(at); next !== undefined && !seen.has(next); next = dropped.get(at)) {
    seen.add(next)
    at = next
  }
  return at === session ? undefined : at
}

/** @throws SeqcastError E_SESSION_EXISTS where the session was recorded here, went on in another one, and was dropped */
export function refuseDropped(directory: string, session: string): void {
  const successor = successorOfDropped(directory, session)
  if (successor === undefined) return
  throw new SeqcastError('E_SESSION_EXISTS', `session ${session} has ended; it was dropped from ${directory}`, {
    hint: `its chain goes on in ${successor}: give --session ${successor}`,
    fields: { session, successor, directory },
  })
}

function readDropped(directory: string): Record<string, string> {
  const file = join(directory, FILE)
  if (!existsSync(file)) return {}
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      )
    }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new SeqcastError('E_STORE_CORRUPT', `${file} does not say which sessions were dropped`, {
    hint: 'restore the file; or remove it, where no role is started with a session that was dropped',
    fields: { path: file },
  })
}
