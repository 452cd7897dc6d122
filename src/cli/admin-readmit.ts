/**
 * `seqcast admin readmit`: has a voter vote again that has lost its data, where no majority of the others is left that could give it back what it
 * had promised and recorded. That may lose what was stable, and so is said in full.
 */
import { SeqcastError } from '../core/errors.js'
import { randomIncarnation } from '../runtime/platform.js'
import type { AdminReply, StoreStatus } from '../wire/control.js'
import type { Observer } from './observer.js'
import { count, plural } from './output.js'

const REPEAT_MS = 100
const TIMEOUT_MS = 5_000
/** Where others are heard that vote, it takes over what they have first. */
const VOTES_MS = 10_000

export interface Readmission {
  readonly voter: string
  /** What it had when that was decided. */
  readonly sequence: number
  /** Whether it votes; otherwise it will when its log is as new as that of the voters that are heard. */
  readonly votes: boolean
  /** Its last durable event, and the last stable one that the sequencer tells of. */
  readonly durableSequence: number
  readonly stableSequence: number
}

/** @throws SeqcastError E_USAGE where nobody has accepted the loss, E_REFUSED where there is nothing to decide, E_TIMEOUT */
export async function readmit(
  observer: Observer,
  voter: string,
  reason: string,
  isAccepted: boolean,
): Promise<Readmission> {
  if (!isAccepted) {
    throw new SeqcastError(
      'E_USAGE',
      `voter ${voter} would vote with what it has, and what only lost disks had is lost`,
      {
        hint: 'first try to bring back the other voters: it then recovers by itself. To decide it all the same: --accept-loss',
        fields: { voter },
      },
    )
  }
  const { sequence, error } = await ask(observer, voter, reason)
  if (error !== '') {
    throw new SeqcastError('E_REFUSED', `voter ${voter} was not readmitted: ${error}`, {
      hint: 'seqcast status shows which voter is recovering',
      fields: { voter },
    })
  }
  const voting = await observer.until(VOTES_MS, () => {
    const status = statusOf(observer, voter)
    return status !== undefined && (status.life ?? 0) > 0 ? status : undefined
  })
  const durableSequence = (voting ?? statusOf(observer, voter))?.durableSequence ?? 0
  const stable = [...observer.heard.sequencers.values()].map(({ stableSequence }) => stableSequence)
  return { voter, sequence, votes: voting !== undefined, durableSequence, stableSequence: Math.max(0, ...stable) }
}

export function readmissionText({ voter, votes, durableSequence, stableSequence }: Readmission): string {
  const has = `it has ${plural(durableSequence, 'event')}`
  if (!votes) return `voter ${voter} votes as soon as its log is as new as that of the voters that are heard; ${has}`
  const lacks =
    durableSequence < stableSequence ? `, and ${count(stableSequence)} were stable: it asks for the rest` : ''
  return `voter ${voter} votes again; ${has}${lacks}`
}

function statusOf(observer: Observer, voter: string): StoreStatus | undefined {
  return [...observer.heard.stores.values()].find((status) => status.voter === voter && status.state !== 'stopped')
}

/** Repeats the decision under one nonce until the voter has taken it. */
async function ask(observer: Observer, voter: string, reason: string): Promise<AdminReply> {
  const nonce = randomIncarnation()
  let reply: AdminReply | undefined
  const unlisten = observer.control.listen(({ kind, body }) => {
    if (kind === 'adminReply' && body.nonce === nonce) reply = body
  })
  const request = { nonce, action: 'readmit', component: '', instance: voter, incarnation: 0, expectedTerm: 0, reason }
  const repeat = (): void => observer.control.send('adminRequest', request)
  repeat()
  const timer = setInterval(repeat, REPEAT_MS)
  const answer = await observer.until(TIMEOUT_MS, () => reply)
  clearInterval(timer)
  unlisten()
  if (answer !== undefined) return answer
  throw new SeqcastError('E_TIMEOUT', `voter ${voter} did not answer within ${TIMEOUT_MS / 1_000} s`, {
    hint: 'start its store first: seqcast store --dir DIR --voter ID; seqcast status shows who is there',
    fields: { voter },
  })
}
