/** `seqcast admin roll-session`: has a session go on in another one, and waits until that is open. */
import { SeqcastError } from '../core/errors.js'
import { followingSession, isSession } from '../core/session.js'
import { isCandidate } from '../protocol/sequencer-states.js'
import { decide } from './admin.js'
import { Observer } from './observer.js'

/** Seeds are taken from everybody who was active; one that is started anew reads the session first. */
const OPEN_MS = 30_000
/** Whoever is there says so ten times a second. */
const HEAR_MS = 1_000

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

/**
 * @param anyway also where the successor would wait for a component that nobody hears
 * @throws SeqcastError E_REFUSED with the reason, E_USAGE, E_CONFIG, E_TIMEOUT
 */
export async function rollOver(
  observer: Observer,
  session: string,
  named: string,
  reason: string,
  anyway: boolean,
): Promise<RolledOver> {
  const successor = named === '' ? followingSession(session) : named
  if (successor === undefined) {
    throw new SeqcastError('E_USAGE', `no session id follows from ${session}`, { hint: 'name the successor: --to ID' })
  }
  if (!isSession(successor)) {
    throw new SeqcastError('E_USAGE', `'${successor}' is no session id`, { hint: 'one has 1 to 10 letters and digits' })
  }
  if (!anyway) await requireHeard(observer, successor)
  const next = await Observer.open({ ...observer.options, session: successor })
  try {
    const { sequence } = await decide(observer, 'roll-session', '', successor, reason)
    const heard = (): { state: string; awaited?: string[] } | undefined =>
      [...next.heard.sequencers.values()].find(({ state }) => state === 'open' || state === 'held')
    const open = await next.until(OPEN_MS, heard)
    const all = [...next.heard.sequencers.values()]
    const last = open ?? all.find(({ state }) => !isCandidate(state)) ?? all.at(-1)
    return { session, successor, sequence, state: last?.state ?? '', awaited: last?.awaited ?? [] }
  } finally {
    next.close()
  }
}

/** Components that are active by the stream, and of which nobody is heard. */
function unheard({ heard }: Observer): string[] {
  const there = new Set([...heard.components.values()].map(({ component }) => component))
  const active = [...heard.sequencers.values()].flatMap((sequencer) => sequencer.active ?? [])
  return active.filter((component) => !there.has(component))
}

/** The next session takes no commands before each of them has said what it carries over. */
async function requireHeard(observer: Observer, successor: string): Promise<void> {
  const isTold = (): boolean =>
    [...observer.heard.sequencers.values()].some(
      ({ state, counters }) => !isCandidate(state) && Object.keys(counters).length > 0,
    )
  const all = await observer.until(HEAR_MS, () => (isTold() && unheard(observer).length === 0 ? true : undefined))
  const missing = unheard(observer)
  if (all === true || missing.length === 0) return
  const names = missing.join(', ')
  throw new SeqcastError(
    'E_REFUSED',
    `session ${successor} would take no commands before ${names} ${missing.length === 1 ? 'has' : 'have'} carried over, and nobody of ${missing.length === 1 ? 'it' : 'them'} is heard`,
    {
      hint: `start it with: seqcast run MODULE; or take it out of service: seqcast admin retire ${missing[0]}; or roll all the same: --anyway`,
      fields: { successor, missing: names },
    },
  )
}

/** Whether commands are taken. */
export const isOpen = ({ state }: Pick<RolledOver, 'state'>): boolean => state === 'open' || state === 'held'

export function rollText({ session, successor, sequence, state, awaited }: RolledOver): string {
  const ended = `session ${session} ends with event ${sequence} and goes on in session ${successor}`
  if (isOpen({ state })) return `${ended}, which is open`
  if (state === '') return `${ended}; no sequencer of that one was heard yet`
  const waits = awaited.length === 0 ? '' : `, and waits for the seed of ${awaited.join(', ')}`
  return `${ended}, which is ${state}${waits}; seqcast status --session ${successor} shows more`
}
