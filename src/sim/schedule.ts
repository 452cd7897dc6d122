/**
 * The faults of a run, as an explicit list. It is drawn from the seed, and then only played: a failure is minimised by
 * leaving entries out and playing the rest again. Each entry heals what it has done, so that any part of a schedule is a
 * schedule.
 *
 * A fault may name a role instead of a node: `@sequencer` is whoever reigns at that moment, `@active:NAME` the active replica of
 * a component. Those are the ones whose death hurts.
 */
import type { Prng } from '../core/prng.js'
import { replicaOf, replicas, storeOf, stores, type Topology } from './topology.js'

/** Whoever reigns when the fault is played. */
export const REIGNING = '@sequencer'

/** The nodes and roles that a fault names. */
export function namesIn(fault: Fault): readonly string[] {
  switch (fault.kind) {
    case 'cut':
      return [...fault.from, ...fault.to]
    case 'partition':
      return fault.side
    case 'noise':
    case 'roll':
      return []
    case 'activate':
      return [fault.instance]
    default:
      return [fault.node]
  }
}

interface Timed {
  readonly atUs: number
}
interface Lasting extends Timed {
  readonly forUs: number
}
interface AtNode extends Lasting {
  readonly node: string
}

export interface Noise {
  /** Probabilities for each datagram and receiver. */
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  /** Delays are drawn up to this. */
  readonly delayUs: number
}

export type Fault =
  /** As by `kill -9`, after so many more packets and writes; started again after `forUs`. */
  | (AtNode & { readonly kind: 'kill'; readonly outputs: number })
  /** Asked to stop in order, as by SIGTERM; started again after `forUs`. */
  | (AtNode & { readonly kind: 'stop' })
  /** Killed, and its disk is gone. Not played where a majority of the voters would have lost theirs. */
  | (AtNode & { readonly kind: 'empty' })
  /** Stopped and continued, as by a scheduler or a collector. */
  | (AtNode & { readonly kind: 'pause' })
  /** Everything that it does takes up to `workUs`: a loaded machine. */
  | (AtNode & { readonly kind: 'busy'; readonly workUs: number })
  /** What these send does not reach those; the other direction works. */
  | (Lasting & { readonly kind: 'cut'; readonly from: readonly string[]; readonly to: readonly string[] })
  /** These and all others do not hear each other. */
  | (Lasting & { readonly kind: 'partition'; readonly side: readonly string[] })
  | (Lasting & Noise & { readonly kind: 'noise' })
  /** The wall clock jumps, and stays. */
  | (Timed & { readonly kind: 'clock'; readonly node: string; readonly byUs: number })
  | (AtNode & { readonly kind: 'slow-disk'; readonly syncUs: number })
  | (AtNode & { readonly kind: 'full-disk' })
  /** An operator activates a replica. */
  | (Timed & { readonly kind: 'activate'; readonly component: string; readonly instance: string })
  /** An operator has the session go on in the one that is so many steps after it: 1 for the next. */
  | (Timed & { readonly kind: 'roll'; readonly steps: 1 | 2 })

export type FaultKind = Fault['kind']

/** Weights: what is drawn more often is what breaks more. */
const KINDS: readonly (readonly [Exclude<FaultKind, 'roll'>, number])[] = [
  ['kill', 8],
  ['stop', 1],
  ['pause', 5],
  ['partition', 5],
  ['cut', 4],
  ['noise', 5],
  ['empty', 3],
  ['slow-disk', 3],
  ['busy', 2],
  ['activate', 3],
  ['clock', 2],
  ['full-disk', 1],
]

/** How often it is this instead. */
const HALF_DEAF = 0.08

/** Faults begin in this part of a run; what lasts longer is healed at its end. */
export interface ScheduleSpan {
  readonly fromUs: number
  readonly toUs: number
}

/** Faults come in clusters: two that meet break more than two that follow each other. */
export function drawSchedule(prng: Prng, topology: Topology, span: ScheduleSpan): Fault[] {
  const faults: Fault[] = []
  const clusters = prng.integer(2, 4)
  for (let cluster = 0; cluster < clusters; cluster++) {
    const aroundUs = prng.integer(span.fromUs, span.toUs)
    const members = prng.integer(1, 4)
    // Within a takeover of each other, or almost at once.
    const spreadUs = prng.chance(0.5) ? topology.suspectUs * 2 : 20_000
    for (let member = 0; member < members; member++) {
      const atUs = Math.min(span.toUs, aroundUs + prng.integer(0, spreadUs))
      if (topology.voters.length > 1 && prng.chance(HALF_DEAF)) faults.push(...drawHalfDeaf(prng, topology, atUs))
      else faults.push(drawFault(prng, topology, atUs))
    }
  }
  return faults.sort((a, b) => a.atUs - b.atUs)
}

/** In so many runs sessions go on in one another. */
const ROLLED = 0.4
/** Of the rolls so many meet a fault just after. */
const MET = 0.65
/** From the request to the first events of the next session it takes some milliseconds where nothing is wrong. */
const MEETS_FROM_US = 200
const MEETS_TO_US = 200_000
/** Before that hardly a system has come up. */
const FIRST_ROLL_US = 700_000

/**
 * Rolls of the session, in some of the runs; some of them close to faults of the schedule, some with a fault of their own in their midst,
 * some almost at once with another one. Drawn apart from it, so that all else is as it is without.
 */
export function drawRolls(prng: Prng, topology: Topology, span: ScheduleSpan, faults: readonly Fault[]): Fault[] {
  if (!prng.chance(ROLLED)) return []
  const rolls: Fault[] = []
  const fromUs = Math.min(span.toUs, Math.max(span.fromUs, FIRST_ROLL_US))
  const count = prng.chance(0.6) ? 1 : prng.integer(2, 3)
  for (let at = 0; at < count; at++) {
    const near = prng.chance(0.5) ? faults[prng.integer(0, Math.max(0, faults.length - 1))] : undefined
    const wantedUs = near === undefined ? prng.integer(fromUs, span.toUs) : near.atUs + prng.integer(-50_000, 50_000)
    const atUs = Math.min(span.toUs, Math.max(fromUs, wantedUs))
    rolls.push({ kind: 'roll', atUs, steps: 1 })
    if (prng.chance(0.15)) rolls.push({ kind: 'roll', atUs: atUs + prng.integer(0, 10_000), steps: 2 })
    for (let met = prng.chance(MET) ? prng.integer(1, 2) : 0; met > 0; met--) {
      rolls.push(drawFault(prng, topology, atUs + drawDuration(prng, MEETS_FROM_US, MEETS_TO_US)))
    }
  }
  return rolls
}

/**
 * Whoever reigns is heard by a minority of the voters only, and soon these hear no sequencer at all, while all others hear
 * them: they go on in the old reign, with events that nobody else has.
 */
function drawHalfDeaf(prng: Prng, topology: Topology, atUs: number): Fault[] {
  const { voters, sequencers, suspectUs } = topology
  const deaf = drawSome(prng, voters, prng.integer(1, Math.floor(voters.length / 2))).map(storeOf)
  const others = stores(topology).filter((name) => !deaf.includes(name))
  const forUs = prng.integer(suspectUs * 2, suspectUs * 8)
  // Before whoever suspects it may reign.
  const afterUs = prng.integer(Math.floor(suspectUs * 0.1), Math.floor(suspectUs * 0.9))
  return [
    { kind: 'cut', atUs, from: [REIGNING], to: [...sequencers, ...others], forUs },
    { kind: 'cut', atUs: atUs + afterUs, from: [...sequencers], to: deaf, forUs },
  ]
}

function drawFault(prng: Prng, topology: Topology, atUs: number): Fault {
  const hasComponents = topology.components.length > 0
  const kind = drawWeighted(prng, hasComponents ? KINDS : KINDS.filter(([name]) => name !== 'activate'))
  // Half of them last about as long as a takeover takes: that is where two reigns meet.
  const { suspectUs } = topology
  const forUs = prng.chance(0.5) ? drawDuration(prng, suspectUs, suspectUs * 8) : drawDuration(prng, 20_000, 3_000_000)
  switch (kind) {
    case 'kill':
      return { kind, atUs, node: drawNode(prng, topology), outputs: prng.chance(0.5) ? 0 : prng.integer(1, 12), forUs }
    case 'stop':
    case 'pause':
      return { kind, atUs, node: drawNode(prng, topology), forUs }
    case 'busy':
      return { kind, atUs, node: drawNode(prng, topology), workUs: drawDuration(prng, 20, 3_000), forUs }
    case 'empty':
      return {
        kind,
        atUs,
        node: drawOne(prng, topology.voters.map(storeOf)),
        forUs: drawDuration(prng, 20_000, 800_000),
      }
    case 'cut':
      return { kind, atUs, ...drawCut(prng, topology), forUs }
    case 'partition':
      return { kind, atUs, side: drawSide(prng, topology), forUs }
    case 'noise':
      return {
        kind,
        atUs,
        loss: prng.chance(0.7) ? prng.integer(1, 30) / 100 : 0,
        duplicate: prng.chance(0.5) ? prng.integer(1, 30) / 100 : 0,
        reorder: prng.chance(0.5) ? prng.integer(1, 50) / 100 : 0,
        delayUs: drawDuration(prng, 100, 20_000),
        forUs,
      }
    case 'clock':
      return {
        kind,
        atUs,
        node: drawNode(prng, topology),
        byUs: (prng.chance(0.5) ? 1 : -1) * drawDuration(prng, 1_000, 3_600_000_000),
      }
    case 'slow-disk':
      return { kind, atUs, node: drawOne(prng, stores(topology)), syncUs: drawDuration(prng, 5_000, 400_000), forUs }
    case 'full-disk':
      return { kind, atUs, node: drawOne(prng, stores(topology)), forUs }
    case 'activate': {
      const { name, replicas: count } = drawOne(prng, topology.components)
      return { kind, atUs, component: name, instance: replicaOf(name, prng.integer(1, count)) }
    }
  }
}

/** Long ones are rare, and short ones are not all alike. */
function drawDuration(prng: Prng, lowUs: number, highUs: number): number {
  return Math.round(lowUs * (highUs / lowUs) ** prng.fraction())
}

function drawNode(prng: Prng, topology: Topology): string {
  const which = prng.fraction()
  if (which < 0.4) return REIGNING
  if (which < 0.5) return drawOne(prng, topology.sequencers)
  if (which < 0.75 || topology.components.length === 0) return drawOne(prng, stores(topology))
  if (which < 0.88) return `@active:${drawOne(prng, topology.components).name}`
  return drawOne(prng, replicas(topology))
}

/** Who reigns with a minority of the voters, or anybody else with anybody else. */
function drawSide(prng: Prng, topology: Topology): string[] {
  const { voters, sequencers } = topology
  if (prng.chance(0.6)) {
    const minority = prng.integer(0, Math.floor(voters.length / 2))
    return [REIGNING, ...drawSome(prng, voters, minority).map(storeOf), ...drawSome(prng, replicas(topology), 1)]
  }
  const all = [...sequencers, ...stores(topology), ...replicas(topology)]
  return drawSome(prng, all, prng.integer(1, Math.max(1, Math.floor(all.length / 2))))
}

function drawCut(prng: Prng, topology: Topology): { from: string[]; to: string[] } {
  const standbys = topology.sequencers
  const others = prng.fraction()
  const to =
    others < 0.35
      ? topology.voters.map(storeOf)
      : others < 0.6
        ? [...standbys]
        : drawSome(prng, [...stores(topology), ...replicas(topology), ...standbys], prng.integer(1, 4))
  const from = prng.chance(0.6) ? [REIGNING] : drawSome(prng, [...stores(topology), ...standbys], prng.integer(1, 2))
  return prng.chance(0.5) ? { from, to } : { from: to, to: from }
}

function drawOne<T>(prng: Prng, from: readonly T[]): T {
  const one = from[prng.integer(0, from.length - 1)]
  if (one === undefined) throw new Error('nothing to draw from')
  return one
}

function drawSome<T>(prng: Prng, from: readonly T[], count: number): T[] {
  const left = [...from]
  const some: T[] = []
  while (some.length < count && left.length > 0) some.push(...left.splice(prng.integer(0, left.length - 1), 1))
  return some
}

function drawWeighted<T>(prng: Prng, weighted: readonly (readonly [T, number])[]): T {
  let at = prng.fraction() * weighted.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [what, weight] of weighted) {
    at -= weight
    if (at < 0) return what
  }
  throw new Error('no weights')
}
