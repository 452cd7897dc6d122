/**
 * What a store says of sessions that it does not record any more: where each of them went on. Whoever is started with the id of one of them
 * follows from there.
 */
import type { StoreStatus } from '../wire/control.js'

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

/** The state of a session of which nothing is recorded, while the one before it may yet go on itself. */
export const WAITING = 'waiting'

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
