/** `seqcast admin roll-session`: has a session go on in another one, and waits until that is open. */
import { SeqcastError } from '../core/errors.js'
import { followingSession } from '../core/session.js'
import { decide } from './admin.js'
import { Observer } from './observer.js'

/** Seeds are taken from everybody who was active; one that is started anew reads the session first. */
const OPEN_MS = 30_000

export interface RolledOver {
  readonly session: string
  readonly successor: string
  /** The last event of the session. */
  readonly sequence: number
  /** Of the successor's sequencer, where it was heard; '' otherwise. */
  readonly state: string
  /** Components whose seed it waits for. */
  readonly awaited: readonly string[]
}

/** @throws SeqcastError E_REFUSED with the reason, E_CONFIG, E_TIMEOUT */
export async function rollOver(
  observer: Observer,
  session: string,
  named: string,
  reason: string,
): Promise<RolledOver> {
  const successor = named === '' ? followingSession(session) : named
  if (successor === undefined) {
    throw new SeqcastError('E_USAGE', `no session id follows from ${session}`, { hint: 'name the successor: --to ID' })
  }
  const next = await Observer.open({ ...observer.options, session: successor })
  try {
    const { sequence } = await decide(observer, 'roll-session', '', successor, reason)
    const heard = (): { state: string; awaited?: string[] } | undefined =>
      [...next.heard.sequencers.values()].find(({ state }) => state === 'open' || state === 'held')
    const open = await next.until(OPEN_MS, heard)
    const last = open ?? [...next.heard.sequencers.values()].at(-1)
    return { session, successor, sequence, state: last?.state ?? '', awaited: last?.awaited ?? [] }
  } finally {
    next.close()
  }
}

export function rollText({ session, successor, sequence, state, awaited }: RolledOver): string {
  const ended = `session ${session} ends with event ${sequence} and goes on in session ${successor}`
  if (state === 'open' || state === 'held') return `${ended}, which is open`
  if (state === '') return `${ended}; no sequencer of that one was heard yet`
  const waits = awaited.length === 0 ? '' : `, and waits for the seed of ${awaited.join(', ')}`
  return `${ended}, which is ${state}${waits}; seqcast status --session ${successor} shows more`
}
