/**
 * What a store says of sessions that it does not record any more: where each of them went on. Whoever is started with the id of one of them
 * follows from there. Whoever was cut off with a sequencer that lost its reign learns from the end of the session what of its stream was lost,
 * because no sequencer speaks of that any more.
 */
import { EpochNotice } from '../protocol/epoch-notice.js'
import type { EventLog } from '../protocol/event-log.js'
import type { SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import { startOfLog } from './last-event.js'

/** Supervisors start roles with the first id of a chain, or with a recent one. */
const FIRST_KEPT = 16
const LAST_KEPT = 16

/** The sessions that were dropped, each with the one that is still there. */
export function droppedWords(dropped: ReadonlyMap<string, string>, newest: string): ReadonlyMap<string, string> {
  const sessions = [...dropped.keys()]
  const kept =
    sessions.length <= FIRST_KEPT + LAST_KEPT
      ? sessions
      : [...sessions.slice(0, FIRST_KEPT), ...sessions.slice(-LAST_KEPT)]
  return new Map(kept.filter((session) => session !== newest).map((session) => [session, endOfChain(dropped, session)]))
}

/** It has nothing of the session. */
export function droppedStatus(
  says: Pick<StoreStatus, 'name' | 'voter' | 'requestPort' | 'rewindPort'>,
  successor: string,
): StoreStatus {
  const nothing = { epoch: 0, durableSequence: 0, committedSequence: 0, promised: 0, lastEpoch: 0, life: 0, lives: {} }
  return { ...says, ...nothing, state: DROPPED, counters: {}, successor }
}

/** It has nothing of the session, and waits until it is known that the one before it, which is recorded, may not go on itself. */
export function waitingStatus(
  says: Pick<StoreStatus, 'name' | 'voter' | 'requestPort' | 'rewindPort'>,
  predecessor: string,
): StoreStatus {
  // Its vote is in the session before.
  return { ...droppedStatus({ ...says, voter: '' }, ''), state: WAITING, predecessor }
}

/** Stores that have gone on say how a session has ended four times a second at the least: where none does for so long there is none. */
export const NOBODY_TELLS_US = 1_000_000

/** The state of a session of which nothing is recorded, while the one before it may yet go on itself. */
export const WAITING = 'waiting'

/** Speaks for a session that has ended, and whose end is known to be stable, from a log that has all of it. */
export class EndWords {
  readonly #end: SequencerHeartbeat
  readonly #notice: EpochNotice

  constructor(log: EventLog) {
    const { durableSequence, lastEpoch } = log
    this.#notice = new EpochNotice([...log.epochTable])
    this.#end = {
      epoch: lastEpoch,
      nextSequence: durableSequence + 1,
      stableSequence: durableSequence,
      publishedIsStable: startOfLog(log)?.voters.length === 0,
      epochTable: [],
      ...{ state: 'ending', held: false, requestPort: 0, counters: {} },
    }
  }

  /** @param withPage true at the steady pace */
  tell(withPage: boolean): SequencerHeartbeat {
    return { ...this.#end, ...this.#notice.tell(withPage) }
  }
}

/** The state of a session that was recorded, has gone on, and was dropped or put away: no record is at hand that says so. */
export const DROPPED = 'dropped'

function endOfChain(dropped: ReadonlyMap<string, string>, session: string): string {
  let at = session
  for (let left = dropped.size; left > 0; left--) {
    const next = dropped.get(at)
    if (next === undefined) break
    at = next
  }
  return at
}
