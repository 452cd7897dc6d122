/**
 * The sessions of a store's directory. Each is looked into read-only, so that a live store is not disturbed.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, SeqcastError, systemCodeOf } from '../core/errors.js'
import { LmdbLogReader } from './lmdb-log-reader.js'
import { linksOf } from './session-chain.js'
import { isSessionDirectory, sessionOfDirectory, sessionPath } from './session-directory.js'
import { holderPid } from './session-lock.js'
import { type BlockKind, blockTimeUs } from './time-index.js'

export interface SessionSummary {
  readonly session: string
  readonly kind: BlockKind
  readonly firstSequence: number
  /** `firstSequence - 1` where nothing is recorded. */
  readonly lastSequence: number
  readonly events: number
  readonly packets: number
  /** Bytes on disk of the pages in use. */
  readonly bytes: number
  /** Time of the first and of the last event (of foreign streams: receive time), microseconds since the epoch; 0 if none. */
  readonly firstTimeUs: number
  readonly lastTimeUs: number
  readonly ended: boolean
  /** The session that this one goes on from, and the one that goes on from it; '' for none. */
  readonly predecessor: string
  readonly predecessorSequence: number
  readonly successor: string
  /** The event that has ended it: the last one, but where a later reign said the end again. */
  readonly endSequence: number
  /** The live process that records it, or undefined. */
  readonly heldByPid: number | undefined
}

export interface UnreadableSession {
  readonly session: string
  readonly problem: string
}

export interface SessionList {
  /** By time of the first event. */
  readonly sessions: readonly SessionSummary[]
  readonly unreadable: readonly UnreadableSession[]
}

export class Catalogue {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** @throws SeqcastError E_FILE where the directory can't be read */
  async list(): Promise<SessionList> {
    const sessions: SessionSummary[] = []
    const unreadable: UnreadableSession[] = []
    for (const session of this.#names()) {
      try {
        sessions.push(await this.describe(session))
      } catch (error) {
        unreadable.push({ session, problem: messageOf(error) })
      }
    }
    sessions.sort((a, b) => a.firstTimeUs - b.firstTimeUs || (a.session < b.session ? -1 : 1))
    return { sessions, unreadable }
  }

  /** @throws SeqcastError E_SESSION_UNKNOWN, E_SESSION_FOREIGN, E_STORE_IO, E_STORE_CORRUPT */
  async describe(session: string): Promise<SessionSummary> {
    const reader = await LmdbLogReader.open(this.#directory, session)
    try {
      const { packets, usedBytes } = reader.statistics()
      const { hasEnded, ...links } = linksOf(reader)
      return {
        session: reader.session,
        kind: reader.kind,
        firstSequence: reader.firstSequence,
        lastSequence: reader.committedSequence,
        events: reader.committedSequence - reader.firstSequence + 1,
        packets,
        bytes: usedBytes,
        firstTimeUs: timeOf(reader, reader.firstSequence),
        lastTimeUs: timeOf(reader, reader.committedSequence),
        ended: reader.about.ended || hasEnded,
        ...links,
        heldByPid: holderPid(sessionPath(this.#directory, session)),
      }
    } finally {
      await reader.close()
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory, { withFileTypes: true }).flatMap((entry) => {
        const session = entry.isDirectory() ? sessionOfDirectory(entry.name) : undefined
        return session === undefined || !isSessionDirectory(join(this.#directory, entry.name)) ? [] : [session]
      })
    } catch (cause) {
      const path = this.#directory
      const why = systemCodeOf(cause) === 'ENOENT' ? 'does not exist' : `can't be read: ${messageOf(cause)}`
      throw new SeqcastError('E_FILE', `the store directory ${path} ${why}`, {
        hint: 'give the directory that the store was started with',
        cause,
        fields: { directory: path },
      })
    }
  }
}

function timeOf(reader: LmdbLogReader, sequence: number): number {
  let timeUs = 0
  reader.read(sequence, 1, (_sequence, _count, bytes, start, end, receivedUs) => {
    timeUs = reader.kind === 'events' ? blockTimeUs(bytes, start, end, receivedUs) : receivedUs
    return false
  })
  return timeUs
}
