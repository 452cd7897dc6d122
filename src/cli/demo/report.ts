/**
 * What the demo ends with: a short table for a person, one object for a machine.
 */
import type { OmsReport } from '../../examples/oms/oms-report.js'
import type { LatencySummary } from '../latency.js'
import { bold, count, dim, green, red, table } from '../output.js'

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

export function demoText(result: DemoResult): string {
  const { openShares, counters } = result
  const facts: [string, string][] = [
    ['messages in the file', count(result.messages)],
    [
      'orders',
      `${count(result.orders)}  (${count(result.accepted)} accepted, ${count(result.rejected)} requests rejected)`,
    ],
    ['executions', `${count(result.executions)}  (${count(result.executedShares)} shares)`],
    ['cancels, replaces', `${count(result.cancels)}, ${count(result.replaces)}`],
    ['unknown references', count(result.unknown)],
    [
      'open at the end',
      `${count(result.openOrders)} orders  (${count(openShares.buy)} to buy, ${count(openShares.sell)} to sell)`,
    ],
    [
      'as the exchange did',
      `${count(result.exchangeAgrees)} of ${count(result.exchangeAgrees + result.exchangeDiffers)}`,
    ],
    ['events', `${count(result.events)}  (${count(result.events / Math.max(result.seconds, 0.001))} a second)`],
    [
      'loss and recovery',
      `${counters.gaps} gaps, ${counters.requests} requests, ${counters.rewinds} rewinds, ${counters.commandsResent} commands resent, ${counters.lostEvents} events lost`,
    ],
    ['processes restarted', String(result.restarts)],
  ]
  const width = Math.max(...facts.map(([name]) => name.length))
  return [
    bold(`session ${result.session}`),
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    '',
    latencyTable(result),
    '',
    ...proofLines(result),
  ].join('\n')
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
      `${green('verified')}: replicas agree, both recordings are clean, a replay gives the same digests`,
      ...digests,
      `  ${'final book'.padEnd(18)} ${result.bookDigest.slice(0, 16)}`,
      dim(`recorded in ${result.directory}; try: npx seqcast sessions --dir ${result.directory}/store-a`),
    ]
  }
  return [red('NOT VERIFIED'), ...result.problems.map((problem) => `  ${problem}`), ...digests]
}
