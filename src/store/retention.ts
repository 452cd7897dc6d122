/**
 * Which recorded sessions may go, by age and by size, and why the others stay. Whole sessions only, the oldest first; what somebody
 * writes, or still needs to go on from, is never dropped.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemCodeOf } from '../core/errors.js'
import { IMPORT_PREFIX } from './archive/import-place.js'
import type { SessionSummary, UnreadableSession } from './catalogue.js'
import { noteDropped, wasDropped } from './dropped-sessions.js'
import { LmdbLogReader } from './lmdb-log-reader.js'
import { directoryNameOf, isSessionDirectory, sessionOfDirectory, sessionPath } from './session-directory.js'
import { acquireLock, holderPid } from './session-lock.js'
import { type SeedState, seedStateOf } from './session-seed.js'
import { syncDirectory } from './synced-file.js'

/** A file of this name in a session's directory keeps the session; what is in it is shown as the reason. */
export const PIN_FILE = 'keep'
/** What replicas keep of a session: checkpoints (checkpoint-store.ts), and states that are too large for the memory. */
const KEPT_OF_REPLICAS: readonly string[] = ['checkpoints', 'large']
const DROPPED_PREFIX = '.dropped-'
/** An import that has not begun to record is younger than this. */
const LEFT_BEHIND_MS = 3_600_000

export interface RetentionLimits {
  /** Sessions whose last event is older than this time, microseconds since the epoch, are to go. */
  readonly olderThanUs?: number
  /** The oldest are to go until all together have no more bytes than this. */
  readonly largerThanBytes?: number
  /** Sessions that never ended may go, too; else somebody may yet go on with them. */
  readonly includeOpen?: boolean
}

export interface Decision {
  readonly session: string
  /** The session that goes on from it; '' for none. */
  readonly successor: string
  readonly drop: boolean
  /** Why it goes, or why it stays. */
  readonly reason: string
  /** All files of its directory. */
  readonly bytes: number
  /** Of its last event, microseconds since the epoch; 0 where it can't be read or is empty. */
  readonly lastTimeUs: number
}

/** What is known of a directory's sessions. */
export interface Recordings {
  readonly sessions: readonly SessionSummary[]
  readonly unreadable: readonly UnreadableSession[]
}

/** What may go, or not. */
interface Candidate extends Pick<Decision, 'session' | 'successor' | 'bytes' | 'lastTimeUs'> {
  /** Why it has to stay; undefined where it may go. */
  needed(): Promise<string | undefined>
}

/** Decides for each session of a directory. Nothing is changed. */
export async function planRetention(
  directory: string,
  { sessions, unreadable }: Recordings,
  limits: RetentionLimits,
): Promise<Decision[]> {
  const decisions: Decision[] = unreadable.map(({ session, problem }) => ({
    ...{ session, successor: '', drop: false, reason: `it can't be read: ${problem}`, lastTimeUs: 0 },
    bytes: bytesOf(sessionPath(directory, session)),
  }))
  const recorded = [...sessions].sort(oldestFirst)
  const candidates: Candidate[] = recorded.map((summary) => ({
    ...{ session: summary.session, successor: summary.successor, lastTimeUs: summary.lastTimeUs },
    bytes: bytesOf(sessionPath(directory, summary.session)),
    needed: () => needOf(directory, summary, recorded, limits),
  }))
  candidates.push(...checkpointsAlone(directory))
  let leftBytes = [...decisions, ...candidates].reduce((sum, { bytes }) => sum + bytes, 0)
  for (const candidate of candidates.sort(oldestFirst)) {
    const { session, successor, bytes, lastTimeUs } = candidate
    const wish = wishOf(lastTimeUs, leftBytes, limits)
    const need = wish.drop ? await candidate.needed() : undefined
    const drop = wish.drop && need === undefined
    if (drop) leftBytes -= bytes
    decisions.push({ session, successor, drop, reason: need ?? wish.reason, bytes, lastTimeUs })
  }
  return decisions
}

function oldestFirst(
  a: Pick<Candidate, 'session' | 'lastTimeUs'>,
  b: Pick<Candidate, 'session' | 'lastTimeUs'>,
): number {
  return a.lastTimeUs - b.lastTimeUs || (a.session < b.session ? -1 : 1)
}

/** Of replicas on machines without a store. The newest are where a restart begins. */
function checkpointsAlone(directory: string): Candidate[] {
  const found = readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    const session = entry.isDirectory() ? sessionOfDirectory(entry.name) : undefined
    if (session === undefined || isSessionDirectory(path)) return []
    if (!KEPT_OF_REPLICAS.some((name) => existsSync(join(path, name)))) return []
    return [{ session, lastTimeUs: Math.floor(lastWrittenMs(path) * 1000), path }]
  })
  const newest = found.sort(oldestFirst).at(-1)
  return found.map(({ session, lastTimeUs, path }) => ({
    ...{ session, successor: '', lastTimeUs, bytes: bytesOf(path) },
    needed: async () => {
      const pin = pinOf(path)
      return pin !== undefined ? `pinned: ${pin}` : session === newest?.session ? 'the newest checkpoints' : undefined
    },
  }))
}

function wishOf(
  lastTimeUs: number,
  allBytes: number,
  { olderThanUs = 0, largerThanBytes = Number.POSITIVE_INFINITY }: RetentionLimits,
): { drop: boolean; reason: string } {
  if (lastTimeUs < olderThanUs) return { drop: true, reason: 'older than the limit' }
  if (allBytes > largerThanBytes) return { drop: true, reason: 'all sessions together are larger than the limit' }
  return { drop: false, reason: 'within the limits' }
}

/** Why a session that is to go has to stay; undefined where it may go. */
async function needOf(
  directory: string,
  summary: SessionSummary,
  recorded: readonly SessionSummary[],
  { includeOpen = false }: RetentionLimits,
): Promise<string | undefined> {
  const { session, heldByPid, ended, successor } = summary
  const pin = pinOf(sessionPath(directory, session))
  if (pin !== undefined) return `pinned: ${pin}`
  if (heldByPid !== undefined) return `process ${heldByPid} has it open for writing`
  if (summary === recorded.at(-1)) return 'the newest session'
  if (!ended && !includeOpen) return 'it has not ended, so it may be gone on with (--include-open)'
  if (successor === '' || wasDropped(directory, successor)) return undefined
  const next = recorded.find((other) => other.session === successor)
  if (next === undefined) return `its successor ${successor} is not recorded here, and may have to read it`
  const seed = await seedOf(directory, successor)
  return seed.isComplete ? undefined : `its successor ${successor} still needs it: ${seed.reason}`
}

async function seedOf(directory: string, session: string): Promise<SeedState> {
  const reader = await LmdbLogReader.open(directory, session)
  try {
    return seedStateOf(reader)
  } finally {
    await reader.close()
  }
}

function pinOf(path: string): string | undefined {
  const file = join(path, PIN_FILE)
  if (!existsSync(file)) return undefined
  return readFileSync(file, 'utf8').trim() || `the file ${PIN_FILE} is in its directory`
}

/**
 * Removes a session, and notes which one goes on from it. It is renamed first, so that a crash leaves nothing that passes for a session.
 * @throws SeqcastError E_STORE_HELD where somebody has begun to write it
 */
export function dropSession(directory: string, { session, successor }: Pick<Decision, 'session' | 'successor'>): void {
  const path = sessionPath(directory, session)
  lock(path)
  noteDropped(directory, session, successor)
  const aside = join(directory, `${DROPPED_PREFIX}${directoryNameOf(session)}-${process.pid}`)
  renameSync(path, aside)
  syncDirectory(directory)
  rmSync(aside, { recursive: true, force: true })
}

/** The lock is a file: on a disk that is full, which is when sessions are dropped, it can't be made. */
function lock(path: string): void {
  try {
    acquireLock(path)
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOSPC' || holderPid(path) !== undefined) throw error
  }
}

/** Clears away what a drop or an import left behind when it was killed. @returns the names of the directories */
export function clearLeftBehind(directory: string, nowMs: number): string[] {
  const names = readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  )
  const left = names.filter((name) => name.startsWith(DROPPED_PREFIX) || isDeadImport(directory, name, nowMs))
  for (const name of left) rmSync(join(directory, name), { recursive: true, force: true })
  return left
}

function isDeadImport(directory: string, name: string, nowMs: number): boolean {
  if (!name.startsWith(IMPORT_PREFIX)) return false
  const path = join(directory, name)
  const inside = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  if (inside.some((entry) => holderPid(join(path, entry.name)) !== undefined)) return false
  return nowMs - statSync(path).mtimeMs > LEFT_BEHIND_MS
}

/** What a directory takes on disk. */
function bytesOf(path: string): number {
  return filesBelow(path).reduce((bytes, { stat }) => bytes + stat.blocks * 512, 0)
}

/** Whoever opens an environment writes its lock file. */
function lastWrittenMs(path: string): number {
  const written = filesBelow(path).filter(({ name }) => name !== 'lock.mdb')
  return Math.max(0, ...written.map(({ stat }) => stat.mtimeMs))
}

function filesBelow(path: string): { readonly name: string; readonly stat: Stats }[] {
  return readdirSync(path, { withFileTypes: true, recursive: true }).flatMap((entry) => {
    const stat = entry.isFile() ? statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false }) : undefined
    return stat === undefined ? [] : [{ name: entry.name, stat }]
  })
}
