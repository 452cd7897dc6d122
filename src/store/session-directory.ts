/**
 * Where a session lies: `DIR/<session>/`, with `session.json` (what it is), lmdb's two files, and the lock. A session is
 * dropped by removing its directory.
 *
 * Ids of foreign sessions may hold any ASCII character, so all but letters and digits are written as `%` and two hex digits.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { SeqcastError } from '../core/errors.js'
import { makeDirectorySynced, writeFileSynced } from './synced-file.js'
import type { BlockKind } from './time-index.js'

const ABOUT_FILE = 'session.json'
const FORMAT_VERSION = 1

/** What is known about a session beside its events. */
export interface SessionAbout {
  readonly session: string
  readonly kind: BlockKind
  /** An end of session was received after the last event; our own sessions also end by an event. */
  readonly ended: boolean
}

/** The directory's name for an id; an id of spaces only is '%'. */
export function directoryNameOf(session: string): string {
  const name = session.trim().replace(/[^A-Za-z0-9]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return name === '' ? '%' : name
}

/** The id of a directory's name, or undefined where no session has that name. */
export function sessionOfDirectory(name: string): string | undefined {
  if (name === '%') return ''
  return /^(?:[A-Za-z0-9]|%[0-9a-f]{2})+$/.test(name)
    ? name.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    : undefined
}

/** Whether a recording is, or was, there: what else lies under a session's id (its checkpoints alone) is no recording. */
export function isSessionDirectory(path: string): boolean {
  return existsSync(join(path, ABOUT_FILE)) || existsSync(join(path, 'data.mdb'))
}

/** The ids of all that is recorded there; none where there is no such directory. */
export function recordedSessions(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory).flatMap((name) => {
    const session = sessionOfDirectory(name)
    return session !== undefined && isSessionDirectory(join(directory, name)) ? [session] : []
  })
}

export function sessionPath(directory: string, session: string): string {
  return join(directory, directoryNameOf(session))
}

/** @returns undefined where no session is recorded at `path`. @throws SeqcastError E_STORE_CORRUPT */
export function readAbout(path: string): SessionAbout | undefined {
  const file = join(path, ABOUT_FILE)
  if (!existsSync(file)) return undefined
  try {
    const about: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isAbout(about)) return { session: about.session, kind: about.kind, ended: about.ended }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new SeqcastError('E_STORE_CORRUPT', `${file} does not describe a session of format ${FORMAT_VERSION}`, {
    hint: 'restore the file, or move the directory away',
    fields: { path: file },
  })
}

/** What is known of the session at `path`; one that is new is written down. @throws SeqcastError E_STORE_CORRUPT */
export function claimAbout(path: string, session: string, kind: BlockKind): SessionAbout {
  const found = readAbout(path)
  if (found !== undefined) return found
  const about = { session, kind, ended: false }
  writeAbout(path, about)
  return about
}

export function writeAbout(path: string, about: SessionAbout): void {
  makeDirectorySynced(path)
  writeFileSynced(join(path, ABOUT_FILE), `${JSON.stringify({ format: FORMAT_VERSION, ...about })}\n`)
}

/** @throws SeqcastError E_SESSION_FOREIGN where the directory holds, or is, something else than `session` */
export function checkOwner(directory: string, session: string): void {
  const inside = readAbout(directory)
  if (inside !== undefined) {
    throw new SeqcastError('E_SESSION_FOREIGN', `${directory} is the recording of session '${inside.session}' itself`, {
      hint: `give the directory above it: ${dirname(directory)}`,
      fields: { directory, session: inside.session },
    })
  }
  const path = sessionPath(directory, session)
  const about = readAbout(path)
  if (about === undefined || about.session === session.trim()) return
  throw new SeqcastError('E_SESSION_FOREIGN', `${path} belongs to session '${about.session}', not to '${session}'`, {
    hint: `rename ${basename(path)} back to ${directoryNameOf(about.session)}, or choose another directory`,
    fields: { directory, session: about.session, wanted: session },
  })
}

function isAbout(value: unknown): value is SessionAbout {
  if (typeof value !== 'object' || value === null) return false
  if (!('format' in value && 'session' in value && 'kind' in value && 'ended' in value)) return false
  return (
    value.format === FORMAT_VERSION &&
    typeof value.session === 'string' &&
    (value.kind === 'events' || value.kind === 'opaque') &&
    typeof value.ended === 'boolean'
  )
}
