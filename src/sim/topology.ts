/**
 * Who takes part in a run, and its settings: drawn from the seed, so that every seed is another system. Most are the usual
 * one: three voters, two or three sequencers, every component twice.
 */
import type { Prng } from '../core/prng.js'

export interface Topology {
  /** Ids of the voters; each is a store named `store-ID`. */
  readonly voters: readonly string[]
  /** Stores that have no vote. */
  readonly copies: readonly string[]
  readonly sequencers: readonly string[]
  /** Replicas by component: `NAME-1`, `NAME-2`, ... */
  readonly components: readonly { readonly name: string; readonly replicas: number }[]
  readonly datagramBytes: number
  readonly suspectUs: number
  /** A Tick event after this long without an event. */
  readonly tickUs: number
}

const VOTER_IDS = ['a', 'b', 'c', 'd', 'e']

export function drawTopology(
  prng: Prng,
  components: readonly { readonly name: string; readonly replicas: number }[],
): Topology {
  const size = prng.fraction()
  const voters = VOTER_IDS.slice(0, size < 0.8 ? 3 : size < 0.9 ? 5 : 1)
  const standbys = voters.length === 5 || prng.chance(0.4) ? 2 : 1
  return {
    voters,
    copies: prng.chance(0.25) ? ['copy'] : [],
    sequencers: Array.from({ length: 1 + standbys }, (_, at) => `sequencer-${at + 1}`),
    components: components.map(({ name, replicas }) => ({ name, replicas })),
    datagramBytes: prng.chance(0.3) ? prng.integer(400, 700) : 1_400,
    suspectUs: prng.integer(150, 350) * 1_000,
    tickUs: prng.integer(1, 5) * 100_000,
  }
}

export function storeOf(id: string): string {
  return `store-${id}`
}

export function stores({ voters, copies }: Topology): string[] {
  return [...voters, ...copies].map(storeOf)
}

export function replicas({ components }: Topology): string[] {
  return components.flatMap(({ name, replicas: count }) =>
    Array.from({ length: count }, (_, at) => replicaOf(name, at + 1)),
  )
}

export function replicaOf(component: string, number: number): string {
  return `${component}-${number}`
}

/** One line for people. */
export function describeTopology(topology: Topology): string {
  const { voters, copies, sequencers, components, datagramBytes, suspectUs } = topology
  return [
    `voters ${voters.join(' ')}`,
    ...(copies.length > 0 ? [`copies ${copies.join(' ')}`] : []),
    `${sequencers.length} sequencers`,
    components.map(({ name, replicas: count }) => `${count} x ${name}`).join(', '),
    `datagrams of ${datagramBytes} bytes`,
    `suspicion after ${suspectUs / 1000} ms`,
  ].join('; ')
}
