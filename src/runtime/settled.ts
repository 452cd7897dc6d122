/**
 * Whether all that is recorded of a session that nobody sequences is stable, as the voters' statuses prove it. Then a session that has ended
 * need not be ended once more by a new reign, which would add to it each time.
 *
 * A voter whose last durable event is of the epoch that is its promise on disk has acknowledged that event under that very reign, whether or
 * not anybody heard it: it had promised no newer one. Where a majority has the same last event, every later reign finds it in one of its
 * grants, and no log is newer than that one. A voter that has promised more proves nothing: it may have recorded the event after its
 * grant told of a log without it.
 */
import { Lives } from '../protocol/lives.js'
import { Stability } from '../protocol/stability.js'
import type { HeardStore } from './session-start.js'

/** @returns a voter that has all of it; undefined where that much is not proven */
export function settledVoter(stores: readonly HeardStore[], voters: readonly string[]): HeardStore | undefined {
  const newest = stores.filter(({ voter }) => voters.includes(voter)).sort(newestFirst)[0]
  if (newest === undefined || stores.some((store) => mayWait(store, newest.durableSequence))) return undefined
  const { lastEpoch: epoch = 0, durableSequence: last } = newest
  const lives = new Lives()
  for (const store of stores) lives.merge(store.lives ?? {})
  if (last === 0 || lives.voters === 0) return undefined
  const stability = new Stability(voters)
  stability.open(epoch, last, 0, lives.entries)
  stability.published(last)
  for (const { voter, lastEpoch, promised, durableSequence, life = 0 } of stores) {
    const isUnder = life > 0 && lastEpoch === epoch && promised === epoch
    if (isUnder) stability.acknowledge({ voter, epoch, durableSequence, life })
  }
  return stability.stableSequence === last ? newest : undefined
}

/** One that follows the stream was not told of an end; one that has more has what is not stable. */
function mayWait({ state, committedSequence }: HeardStore, last: number): boolean {
  return state === 'live' || state === 'gap' || committedSequence > last
}

function newestFirst(a: HeardStore, b: HeardStore): number {
  return (b.lastEpoch ?? 0) - (a.lastEpoch ?? 0) || b.durableSequence - a.durableSequence
}
