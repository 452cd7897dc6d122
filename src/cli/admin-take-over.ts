/**
 * `seqcast admin take-over`: has a standby sequencer take over now, whether or not the active one is there. A majority of the
 * voters has to grant it, as always.
 */
import { SeqcastError } from '../core/errors.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import { randomIncarnation } from '../runtime/platform.js'
import type { Observer } from './observer.js'

const REPEAT_MS = 100
const TIMEOUT_MS = 5_000

export interface TakeOverResult {
  readonly sequencer: string
  readonly epoch: number
  /** The event that opened the epoch. */
  readonly sequence: number
  /** The one that reigned before, where it was heard; '' for none. */
  readonly before: string
  readonly epochBefore: number
}

/**
 * Resolves when the standby reigns.
 * @param name which one, as ADDRESS:REQUESTPORT; undefined: the one that has read furthest
 * @throws SeqcastError E_REFUSED where there is no such standby, E_TIMEOUT where it did not get a majority
 */
export async function takeOver(observer: Observer, name: string | undefined): Promise<TakeOverResult> {
  const { sequencers } = observer.heard
  const active = [...sequencers].find(([, { state }]) => isSequencing(state))
  const sender = chooseStandby(observer, name)
  const sequencer = observer.sequencerName(sender)
  const sequence = await order(observer, sender, sequencer)
  const epoch = await observer.until(TIMEOUT_MS, () => {
    const heard = sequencers.get(sender)
    return heard !== undefined && isSequencing(heard.state) ? heard.epoch : undefined
  })
  const before = active === undefined ? '' : observer.sequencerName(active[0])
  return { sequencer, epoch: epoch ?? 0, sequence, before, epochBefore: active?.[1].epoch ?? 0 }
}

function chooseStandby(observer: Observer, name: string | undefined): number {
  const heard = [...observer.heard.sequencers].filter(([, { state }]) => state !== 'stopped')
  const waiting = heard.filter(([, { state }]) => state === 'standby' || state === 'claiming')
  const furthestFirst = waiting.sort(([, a], [, b]) => b.nextSequence - a.nextSequence)
  const chosen = furthestFirst.find(([sender]) => name === undefined || observer.sequencerName(sender) === name)
  if (chosen !== undefined) return chosen[0]
  const all = heard.map(([sender, { state }]) => `${observer.sequencerName(sender)} is ${state}`).join(', ')
  const what = name === undefined ? 'no sequencer is in standby' : `sequencer ${name} is not in standby`
  throw new SeqcastError('E_REFUSED', `${what} (${all || 'none was heard'})`, {
    hint: 'start one with: seqcast sequencer --standby; seqcast status shows who is there',
  })
}

/** Repeats the order until the standby reigns; it is carried out only for as long as it is repeated. */
async function order(observer: Observer, incarnation: number, name: string): Promise<number> {
  const nonce = randomIncarnation()
  let sequence: number | undefined
  const unlisten = observer.control.listen(({ kind, body, sender }) => {
    if (kind === 'adminReply' && body.nonce === nonce && sender === incarnation) sequence = body.sequence
  })
  const request = { nonce, action: 'take-over', component: '', instance: '', incarnation, expectedTerm: 0 }
  const repeat = (): void => observer.control.send('adminRequest', { ...request, reason: 'decided by an operator' })
  repeat()
  const timer = setInterval(repeat, REPEAT_MS)
  const carriedOut = await observer.until(TIMEOUT_MS, () => sequence)
  clearInterval(timer)
  unlisten()
  if (carriedOut !== undefined) return carriedOut
  throw new SeqcastError('E_TIMEOUT', `sequencer ${name} did not take over within ${TIMEOUT_MS / 1_000} s`, {
    hint: 'a majority of the voters must be there and grant it: see seqcast status, and the log of that sequencer',
  })
}
