/** What is wrong with a session, in sentences that say what to do, from what its roles say of themselves. */

import { MAX_EPOCH } from '../core/limits.js'
import { isCandidate } from '../protocol/sequencer-states.js'
import type { ComponentStatus, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import type { Heard } from './observer.js'
import { count, plural } from './output.js'

export interface Situation {
  readonly heard: Heard
  /** The stable sequence when the listening began. */
  readonly stableBefore: number
  /** Of the session; empty where they were not asked for, or nobody knows them. */
  readonly voters: readonly string[]
}

/** Counters of what did not arrive, or was not believed. */
const LOSSES = /(^|[.-])(lost-events|gaps|overflow)$|malformed|unauthenticated|diverged/i
/** A store that syncs a few times a second under full load is behind by less. */
const STORE_FAR_BEHIND_EVENTS = 10_000
/** From here on a session should be ended while somebody can still sequence its end. */
const LATE_EPOCH = 65_000

export function lossesOf(counters: Readonly<Record<string, number>>): [name: string, value: number][] {
  return Object.entries(counters).filter(([name, value]) => value > 0 && LOSSES.test(name))
}

/** @returns one sentence a problem; none where all is well */
export function problemsOf(situation: Situation): string[] {
  const { heard } = situation
  const speaking = [...heard.sequencers.values()].filter(({ state }) => state !== 'stopped')
  const sequencers = speaking.filter(({ state }) => !isCandidate(state))
  const stores = [...heard.stores.values()].filter(({ state }) => state !== 'stopped')
  // A session that is over needs nobody to be active.
  const isRecorded = stores.length > 0 && stores.every(({ state }) => state === 'ended')
  const isOver = isRecorded || sequencers.some(({ state }) => state === 'ending' || state === 'ended')
  const newest = Math.max(0, ...sequencers.map(({ nextSequence }) => nextSequence - 1))
  return [
    ...etcdProblems(speaking, sequencers.length > 0),
    ...(isRecorded && sequencers.length === 0
      ? []
      : sequencerProblems(sequencers, speaking.length - sequencers.length, stores, situation)),
    ...(stores.length === 0 ? ['no store was heard: nothing is recorded'] : []),
    ...stores.flatMap((store) => storeProblems(store, newest)),
    ...(isOver ? [] : activityProblems([...heard.components.values()], sequencers)),
    ...[...heard.components.values()].flatMap(replicaProblems),
  ]
}

function sequencerProblems(
  sequencers: readonly SequencerHeartbeat[],
  standbys: number,
  stores: readonly StoreStatus[],
  { stableBefore, voters }: Situation,
): string[] {
  if (sequencers.length === 0 && standbys > 0) {
    return [
      `no sequencer is active, and ${plural(standbys, 'standby', 'standbys')} did not take over: are a majority of the voters there? One with --manual needs: seqcast admin take-over`,
    ]
  }
  if (sequencers.length === 0) return ['no sequencer was heard; start it with: seqcast sequencer']
  const problems = sequencers.length > 1 ? [`${sequencers.length} sequencers were heard; stop all but one`] : []
  for (const { nextSequence, stableSequence, held, epoch, lives, state, awaited = [] } of sequencers) {
    if (state === 'seeding' && awaited.length > 0) {
      problems.push(
        `the session is not open yet, it waits for the seed of ${awaited.join(', ')}: start it with seqcast run MODULE; or take it out of service: seqcast admin retire COMPONENT; or open the session without it: seqcast admin open-session`,
      )
    }
    if (epoch >= LATE_EPOCH) {
      const used = `${count(epoch)} of its ${count(MAX_EPOCH)} epochs`
      problems.push(`the session has used ${used}: end it with seqcast admin end-session, and begin another`)
    }
    const unstable = nextSequence - 1 - stableSequence
    const isStuck = unstable > 0 && stableSequence === stableBefore
    // A session with a life of each of its voters names them all.
    const all = voters.length > 0 ? voters : Object.keys(lives ?? {})
    const silent = all.filter((voter) => !stores.some((store) => store.voter === voter)).sort()
    if (!held && !isStuck) {
      problems.push(...missingVoters(all.length, silent))
      continue
    }
    const why = silent.length === 0 ? 'the voters are slow' : `${voterText(silent)} not heard`
    problems.push(
      `sequencer ${held ? 'is held' : 'waits'}: ${why}, ${plural(unstable, 'event')} ${unstable === 1 ? 'is' : 'are'} not stable`,
    )
  }
  return problems
}

/** All goes on, and a second look would show nothing else: who is gone has to be told before the next one goes. */
function missingVoters(voters: number, silent: readonly string[]): string[] {
  if (silent.length === 0) return []
  const spare = Math.floor((voters - 1) / 2) - silent.length
  const next =
    spare <= 0 ? 'if one more goes, nothing becomes stable' : `${spare} more may go, then nothing becomes stable`
  return [`${voterText(silent)} not heard: ${next}; start it with: seqcast store`]
}

/** Where an etcd chooses who sequences, one that does not answer is the first thing to mend. */
function etcdProblems(speaking: readonly SequencerHeartbeat[], isActive: boolean): string[] {
  if (!speaking.some(({ counters }) => (counters['etcd.unanswered'] ?? 0) > 0)) return []
  const what = isActive ? 'if the active sequencer dies, no other one is chosen' : 'no sequencer is chosen'
  return [`no etcd answers: until one does, ${what}; the log of the sequencer names them`]
}

const voterText = (names: readonly string[]): string =>
  names.length === 1 ? `voter ${names[0]} is` : `voters ${names.join(', ')} are`

function storeProblems({ name, voter, state, committedSequence, counters }: StoreStatus, newest: number): string[] {
  const behind = newest - committedSequence
  const recovers = 'it recovers from a majority of the others; where none is left'
  return [
    ...(state === 'recovering'
      ? [`voter ${voter} has lost its data; ${recovers}: seqcast admin readmit ${voter}`]
      : []),
    ...(behind > STORE_FAR_BEHIND_EVENTS ? [`store ${name} is ${count(behind)} events behind`] : []),
    ...lostEvents(`store ${name}`, counters),
  ]
}

/** Of a component that is out of service nobody is to be active. */
function activityProblems(replicas: readonly ComponentStatus[], sequencers: readonly SequencerHeartbeat[]): string[] {
  const retired = new Set(sequencers.flatMap((sequencer) => sequencer.retired ?? []))
  const active = sequencers.flatMap((sequencer) => sequencer.active ?? [])
  const named = new Set([...replicas.map(({ component }) => component), ...active])
  const inService = [...named].filter((component) => !retired.has(component))
  return inService.sort().flatMap((component) => {
    const states = replicas.filter((replica) => replica.component === component).map(({ state }) => state)
    if (states.includes('active')) return []
    const problem = `${component} has no active replica`
    if (states.includes('standby')) return [`${problem}; mend it with: seqcast admin activate ${component}`]
    if (states.includes('rewinding')) return [`${problem}; one is rewinding`]
    if (states.length > 0) return [`${problem}; start one with: seqcast run MODULE`]
    const out = `or, where it is out of service for good: seqcast admin retire ${component}`
    return [`${component} was active, and no replica of it is heard; start one with: seqcast run MODULE; ${out}`]
  })
}

function replicaProblems({ component, instance, state, reason, counters }: ComponentStatus): string[] {
  const name = `${component}/${instance}`
  return [...(state === 'failed' ? [`${name} has failed: ${reason}`] : []), ...lostEvents(name, counters)]
}

function lostEvents(name: string, counters: Readonly<Record<string, number>>): string[] {
  const lost = counters['lost-events'] ?? 0
  return lost === 0 ? [] : [`${name} has lost ${plural(lost, 'event')}`]
}
