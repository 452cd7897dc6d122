/**
 * Compares two versions of a component over one recorded session: finds the first event after which their states, their pending timers
 * or their commands differ, and what differs there. States that differ and meet again have differed.
 *
 * Both are played with a watched state, which is as fast as they are; chains of hashes find the event. Then both are played
 * up to it, plain, and looked at. Where the two ways disagree, or a state can't be watched, both are played again with
 * the hash of the whole state after each event, which is slow and right.
 */
import { type Difference, diffValues } from '../state-diff.js'
import type { StatePath } from '../state-path.js'
import { ChainMatcher } from './chain-matcher.js'
import { IgnoredPaths } from './ignored-paths.js'
import { united } from './large-look.js'
import type { Moment, PlayEnd, PlayRequest, Side } from './side.js'
import { versionDifferences } from './version-differences.js'

export interface CompareOptions {
  readonly old: Side
  readonly fresh: Side
  readonly ignore?: readonly string[]
  /** Called now and then with the last event that is equal in both. */
  readonly progress?: (sequence: number) => void
  /** Both are played again, slowly. */
  readonly again?: () => void
}

/** The first event after which they differ, and how. */
export interface FirstDifference {
  /** 0: the initial states differ. */
  readonly sequence: number
  readonly old: Moment
  readonly fresh: Moment
  /** From OLD to NEW. */
  readonly state: Difference
  readonly timersDiffer: boolean
  readonly commandsDiffer: boolean
}

export interface Comparison {
  /** `unstable`: a version gives another result each time it is played, so nothing can be said. */
  readonly outcome: 'same' | 'different' | 'both-failed' | 'unstable'
  /** The last event that both have played with the same result. */
  readonly equalThrough: number
  readonly difference: FirstDifference | undefined
  /** What both failed of at the event after `equalThrough`. */
  readonly failure: PlayEnd['failure']
  /** Commands that are equal, where all of them are. */
  readonly commands: number
  readonly component: string
  /** How the versions differ before anything is played: a sentence each. */
  readonly versions: readonly string[]
}

/** Compares two versions of a component. */
export async function compareSides(options: CompareOptions): Promise<Comparison> {
  const [old, fresh] = await Promise.all([options.old.describe(), options.fresh.describe()])
  const byName = old.schemaHash !== fresh.schemaHash
  const common = { component: fresh.component, versions: versionDifferences(old, fresh) }
  const first = await compareOnce(options, { mode: 'watched', byName })
  if (first !== undefined) return { ...common, ...first }
  options.again?.()
  const second = await compareOnce(options, { mode: 'full', byName })
  if (second !== undefined) return { ...common, ...second }
  const nothing = { equalThrough: -1, difference: undefined, failure: undefined, commands: 0 }
  return { ...common, ...nothing, outcome: 'unstable' }
}

type Result = Omit<Comparison, 'component' | 'versions'>

/** @returns undefined where what it found does not hold */
async function compareOnce(options: CompareOptions, request: PlayRequest): Promise<Result | undefined> {
  const { old, fresh, progress } = options
  const matcher = new ChainMatcher()
  const play = (side: Side, index: 0 | 1): Promise<PlayEnd> =>
    side.play(request, (stretch) => {
      const goesOn = matcher.take(index, stretch)
      progress?.(Math.max(0, matcher.equalThrough))
      return goesOn
    })
  const [oldEnd, freshEnd] = await Promise.all([play(old, 0), play(fresh, 1)])
  const { firstDifference, equalThrough } = matcher
  if (!oldEnd.isSound || !freshEnd.isSound) return undefined
  if (firstDifference !== undefined) {
    const difference = await lookAt(options, firstDifference, request.byName)
    if (difference === undefined) return undefined
    return { outcome: 'different', equalThrough, difference, failure: undefined, commands: 0 }
  }
  const { failure, commands } = freshEnd
  const end = { difference: undefined, failure, commands }
  if (failure !== undefined) return { ...end, outcome: 'both-failed', equalThrough: equalThrough - 1 }
  return { ...end, outcome: 'same', equalThrough }
}

/** @returns undefined where nothing differs there, or something differed before */
async function lookAt(
  options: CompareOptions,
  sequence: number,
  byName: boolean,
): Promise<FirstDifference | undefined> {
  const moments = await momentsAt(options, sequence)
  if (moments === undefined) return undefined
  const [old, fresh] = moments
  const ignored = IgnoredPaths.of(options.ignore ?? [])
  const state = differenceWithout(ignored, diffValues(old.state, fresh.state))
  const timersDiffer = diffValues(old.timers, fresh.timers).total > 0
  const commandsOf = (moment: Moment): unknown =>
    moment.commands.map(({ name, payload, comparable }) => (byName ? comparable : [name, payload]))
  const commandsDiffer = diffValues(commandsOf(old), commandsOf(fresh)).total > 0
  const oneFailed = (old.failure === undefined) !== (fresh.failure === undefined)
  const differs = state.total > 0 || timersDiffer || commandsDiffer || oneFailed
  const isFirst = sequence === 0 || old.hashBefore === fresh.hashBefore
  return differs && isFirst ? { sequence, old, fresh, state, timersDiffer, commandsDiffer } : undefined
}

/** Twice: what a version changes in large maps is known after the first time. @returns undefined where it is another moment then */
async function momentsAt(
  { old, fresh }: CompareOptions,
  sequence: number,
): Promise<readonly [Moment, Moment] | undefined> {
  const [oldFirst, freshFirst] = await Promise.all([old.moment(sequence, {}), fresh.moment(sequence, {})])
  const keys = united(oldFirst.largeKeys, freshFirst.largeKeys)
  const [oldMoment, freshMoment] = await Promise.all([old.moment(sequence, keys), fresh.moment(sequence, keys)])
  return areOne(oldFirst, oldMoment) && areOne(freshFirst, freshMoment) ? [oldMoment, freshMoment] : undefined
}

function areOne(first: Moment, second: Moment): boolean {
  const isSame = first.hashBefore === second.hashBefore && first.hashAfter === second.hashAfter
  return isSame && diffValues(first.commands, second.commands, 0).total === 0
}

function differenceWithout(ignored: IgnoredPaths | undefined, difference: Difference): Difference {
  if (ignored === undefined) return difference
  const changes = difference.changes.filter(({ path }) => !isIgnored(ignored, path))
  const uncounted = difference.total - difference.changes.length
  return { changes, total: changes.length + uncounted }
}

function isIgnored(ignored: IgnoredPaths, path: StatePath): boolean {
  let below: IgnoredPaths | undefined = ignored
  for (const step of path) {
    below = below?.below(step.kind === 'name' ? step.name : step.kind === 'index' ? step.index : step.value)
    if (below?.isWhole) return true
  }
  return false
}
