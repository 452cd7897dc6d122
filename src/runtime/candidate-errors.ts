/** What a user is told where a sequencer of a session with voters can't go on. */
import { SeqcastError } from '../core/errors.js'
import type { SequencerRoleOptions } from './sequencer-role.js'

type Wanted = Pick<SequencerRoleOptions, 'session' | 'voters' | 'etcd'>

/**
 * @param refusals why, by voter
 * @param copies stores without a vote that have events, and how many
 */
export function notGranted(
  { session, voters }: Wanted,
  timeoutMs: number,
  refusals: Iterable<readonly [string, string]>,
  copies: Iterable<readonly [string, number]>,
): SeqcastError {
  const who = `the voters (${voters.join(', ')}) of session ${session}`
  const said = [
    ...Array.from(refusals, ([voter, reason]) => `; voter ${voter}: ${reason}`),
    ...Array.from(copies, ([store, events]) => `; store ${store} has ${events} events of it`),
  ]
  return new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `${who} did not make this sequencer the active one within ${timeoutMs / 1000} s${said.join('')}`,
    {
      hint: 'the logs of the stores say why; a voter that has lost its data recovers from a majority of the others first, or by seqcast admin readmit',
      fields: { session },
    },
  )
}

export function notElected({ session, etcd }: Wanted, timeoutMs: number): SeqcastError {
  const where = etcd?.endpoints.join(', ')
  return new SeqcastError(
    'E_ETCD',
    `no etcd of ${where} answered within ${timeoutMs / 1000} s: without it no sequencer is chosen for session ${session}`,
    {
      hint: 'start the etcd, or correct --etcd; the log above says what each one answered. Without --etcd the voters alone decide',
      fields: { session },
    },
  )
}

/** The start has found the end of the session, and that is stable now. */
export function hasEnded({ session }: Wanted): SeqcastError {
  return new SeqcastError('E_SESSION_EXISTS', `session ${session} has ended and cannot be continued`, {
    hint: 'choose a new id, for example --session 20261121A, the same for every role',
    fields: { session },
  })
}

/** What was to be adopted is empty, and a store has events. */
export function begunElsewhere({ session }: Wanted, store: string, events: number): SeqcastError {
  return new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `store ${store} has ${events} events of session ${session}, and its voters have none`,
    {
      hint: 'the voters have lost their data: export it from that store, import it for a voter, and see seqcast admin readmit; or choose another --session',
      fields: { session, store, events },
    },
  )
}

/** The store that is read from has taken back what it had granted. */
export function otherLog({ session }: Wanted, voter: string): SeqcastError {
  return new SeqcastError('E_SESSION_NEEDS_STORE', `the log of voter ${voter} is not any more what it granted`, {
    hint: 'it is claimed again',
    fields: { session, voter },
  })
}
