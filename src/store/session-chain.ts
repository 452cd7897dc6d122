/**
 * How the sessions of a directory hang together: a session begins by naming the one that it goes on from, and ends by naming the one
 * that goes on. Both words are events; whether they agree is checked here.
 */
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventFlags, eventType, WHOLE_MESSAGE } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import {
  EPOCH_OPENED,
  SESSION_ENDED,
  SESSION_STARTED,
  sessionEndedCodec,
  sessionStartedCodec,
} from '../wire/runtime-events.js'
import type { Recording } from './recording.js'

export interface SessionLinks {
  /** '' where the session is the first of its chain, or its beginning is not recorded. */
  readonly predecessor: string
  /** The last event of the predecessor; 0 where there is none. */
  readonly predecessorSequence: number
  /** '' where the session has not ended, or nothing goes on from it. */
  readonly successor: string
  /** The event that has ended it; the last one where it goes on. Reigns that came later may have said the end again. */
  readonly endSequence: number
  /** The last event says that the session is over. */
  readonly hasEnded: boolean
}

const NOBODY = { predecessor: '', predecessorSequence: 0, successor: '' }

/** @throws SeqcastError E_STORE_CORRUPT where the first or the last record is damaged */
export function linksOf(log: Recording): SessionLinks {
  const lastSequence = log.committedSequence
  const isNone = log.kind === 'opaque' || lastSequence < log.firstSequence
  if (isNone) return { ...NOBODY, endSequence: lastSequence, hasEnded: false }
  const started = eventAt(log, 1)
  const ended = eventAt(log, lastSequence)
  const { predecessor, predecessorSequence } =
    (started?.type === SESSION_STARTED ? sessionStartedCodec.decode(started.payload) : undefined) ?? NOBODY
  const { successor } = (ended?.type === SESSION_ENDED ? sessionEndedCodec.decode(ended.payload) : undefined) ?? NOBODY
  const hasEnded = ended?.type === SESSION_ENDED
  const endSequence = hasEnded ? firstEnd(log, lastSequence) : lastSequence
  return { predecessor, predecessorSequence, successor, endSequence, hasEnded }
}

/** Whoever reigns next, and does not know that the end is stable, says it once more behind the opening of its reign. */
function firstEnd(log: Recording, lastSequence: number): number {
  let end = lastSequence
  while (eventAt(log, end - 1)?.type === EPOCH_OPENED && eventAt(log, end - 2)?.type === SESSION_ENDED) end -= 2
  return end
}

/** An event that is one whole message; undefined where there is none at that sequence. */
function eventAt(log: Recording, sequence: number): { type: number; payload: Uint8Array } | undefined {
  let found: { type: number; payload: Uint8Array } | undefined
  log.read(sequence, 1, (_sequence, _count, bytes, start) => {
    const at = start + BLOCK_LENGTH_BYTES
    const end = at + readU16(bytes, start)
    if (end - at < EVENT_HEADER_BYTES || eventFlags(bytes, at) !== WHOLE_MESSAGE) return false
    found = { type: eventType(bytes, at), payload: bytes.slice(at + EVENT_HEADER_BYTES, end) }
    return false
  })
  return found
}

/** What is known of a session that may be part of a chain. */
export interface ChainLink extends Omit<SessionLinks, 'hasEnded'> {
  readonly session: string
  readonly ended: boolean
  readonly firstSequence: number
  readonly lastSequence: number
  readonly firstTimeUs: number
  readonly lastTimeUs: number
}

export interface ChainProblem {
  readonly session: string
  readonly sequence: number
  readonly reason: 'chain'
  readonly detail: string
}

/** Where two sessions of one directory contradict each other. What is not there, because it was dropped, contradicts nothing. */
export function chainProblems(sessions: readonly ChainLink[]): ChainProblem[] {
  const bySession = new Map(sessions.map((link) => [link.session, link]))
  return sessions.flatMap((link) => [
    ...(link.predecessor === '' ? [] : sinceProblems(link, bySession.get(link.predecessor))),
    ...(link.successor === '' ? [] : successorProblems(link, bySession.get(link.successor))),
  ])
}

function sinceProblems(link: ChainLink, before: ChainLink | undefined): ChainProblem[] {
  const problem = (detail: string): ChainProblem[] => [{ session: link.session, sequence: 1, reason: 'chain', detail }]
  if (before === undefined) return []
  const { session, lastSequence, endSequence, ended, successor } = before
  const goesOn = `it goes on from event ${link.predecessorSequence} of ${session}`
  if (lastSequence < link.predecessorSequence) return problem(`${goesOn}, of which ${lastSequence} are recorded`)
  if (!ended || endSequence > link.predecessorSequence) return problem(`${goesOn}, which is not its end`)
  if (successor !== link.session) return problem(`${goesOn}, which names ${successor || 'nobody'} as its successor`)
  const isLastEnd = lastSequence === link.predecessorSequence
  if (isLastEnd && link.firstTimeUs < before.lastTimeUs) return problem(`it begins earlier than ${session} ends`)
  return []
}

function successorProblems(link: ChainLink, after: ChainLink | undefined): ChainProblem[] {
  if (after === undefined || after.firstSequence > 1 || after.predecessor === link.session) return []
  if (after.lastSequence < after.firstSequence) return []
  const detail = `its successor ${after.session} goes on from ${after.predecessor || 'no session'}`
  return [{ session: link.session, sequence: link.lastSequence, reason: 'chain', detail }]
}
