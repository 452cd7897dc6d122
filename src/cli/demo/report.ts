/**
 * What the demo ends with: a short table for a person, one object for a machine.
 */
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import type { OmsReport } from '../../examples/oms/oms-report.js'
import type { LatencySummary } from '../latency.js'
import { bold, count, dim, green, plural, red, table } from '../output.js'
import { COMPONENTS, STORES, VOTER } from './topology.js'

/** The sequencer, the stores, and two replicas of each component. */
const PROCESSES = 1 + STORES.length + 2 * COMPONENTS.length

export interface DemoResult extends OmsReport {
  events: number
  session: string
  /** From the first order to the closing of the book, in stream time. */
  seconds: number
  /** Per component: the digest of its state after one event that all replicas have handled. */
  digests: Record<string, { sequence: number; digest: string; replicas: number; equal: boolean }>
  /** Microseconds. */
  latency: { commandToEvent: LatencySummary; orderToExecution: LatencySummary }
  counters: {
    gaps: number
    requests: number
    rewinds: number
    duplicates: number
    lostEvents: number
    commandsResent: number
  }
  restarts: number
  directory: string
  verified: boolean
  problems: string[]
}

/** @param wallSeconds from the first process to the end of the proof */
export function demoText(result: DemoResult, wallSeconds: number): string {
  const width = Math.max(...factsOf(result, wallSeconds).map(([name]) => name.length))
  return [
    bold(`session ${result.session}`),
    ...factsOf(result, wallSeconds).map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    '',
    latencyTable(result),
    ...(result.restarts === 0 ? [] : [dim('what killed processes had measured is missing in it')]),
    dim(`throughput run on ${plural(availableParallelism(), 'core')}, idle block; for latency: npm run bench -- rtt`),
    '',
    ...proofLines(result),
  ].join('\n')
}

function factsOf(result: DemoResult, wallSeconds: number): [string, string][] {
  const { openShares, counters } = result
  const executed = result.exchangeAgrees + result.exchangeDiffers
  return [
    ['messages in the file', count(result.messages)],
    [
      'orders',
      `${count(result.orders)}  (${count(result.accepted)} accepted, ${count(result.rejected)} requests rejected)`,
    ],
    ['executions', `${count(result.executions)}  (${count(result.executedShares)} shares)`],
    ['cancels, replaces', `${count(result.cancels)}, ${count(result.replaces)}`],
    ['unknown references', `${count(result.unknown)}  (about orders that the file never added)`],
    [
      'open at the end',
      `${count(result.openOrders)} orders  (${count(openShares.buy)} to buy, ${count(openShares.sell)} to sell)`,
    ],
    ['as the exchange did', `${count(result.exchangeAgrees)} of ${count(executed)}  (same order, same shares)`],
    ['events', `${count(result.events)}  (${count(result.events / Math.max(result.seconds, 0.001))} a second)`],
    ['lost on the way', `${plural(counters.gaps, 'gap')}, ${count(counters.lostEvents)} events lost for good`],
    [
      'recovered by',
      `${plural(counters.requests, 'request')}, ${count(counters.rewinds)} late joins and rewinds, ` +
        `${count(counters.commandsResent)} commands resent`,
    ],
    ['processes', `${count(PROCESSES)}, ${count(result.restarts)} restarted`],
    ['time', `${result.seconds.toFixed(1)} s of orders, ${wallSeconds.toFixed(1)} s with start and proof`],
  ]
}

function latencyTable({ latency }: DemoResult): string {
  const row = (name: string, q: LatencySummary): (string | number)[] => [
    name,
    q.count,
    ...[q.p50, q.p90, q.p99, q['p99.9'], q.max].map((value) => Math.round(value)),
  ]
  return table(
    ['latency, us', 'count', 'p50', 'p90', 'p99', 'p99.9', 'max'],
    [row('command -> event', latency.commandToEvent), row('order -> execution', latency.orderToExecution)],
  )
}

function proofLines(result: DemoResult): string[] {
  const digests = Object.entries(result.digests).map(
    ([name, { digest, equal }]) =>
      `  ${name.padEnd(18)} ${digest.slice(0, 16)}  ${equal ? 'active = standby' : red('active and standby differ')}`,
  )
  if (result.verified) {
    return [
      `${green('verified')}: replicas agree, recordings are clean, replays give the same digests`,
      ...digests,
      `  ${'final book'.padEnd(18)} ${result.bookDigest.slice(0, 16)}`,
      dim(`recorded; try: npx seqcast sessions --dir ${join(shortPath(result.directory), VOTER)}`),
    ]
  }
  return [red('NOT VERIFIED'), ...result.problems.map((problem) => `  ${problem}`), ...digests]
}

/** Relative where that is shorter to type. */
function shortPath(path: string): string {
  const near = relative('', path)
  return near.startsWith('..') ? path : near
}
