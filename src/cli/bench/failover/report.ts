/** What the failover bench has found: the result for machines, and the text for people. */
import { count, durationText, plural, table } from '../../output.js'
import type { Quantiles } from '../histogram.js'

/** How the reign of the active sequencer is ended each time. */
export const ENDINGS = ['kill', 'stop', 'take-over'] as const
export type Ending = (typeof ENDINGS)[number]

/** Milliseconds, or a count; over all takeovers. */
export interface Spread {
  readonly count: number
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** One level: a client that waits for its commands to be published, or to be stable. */
export interface Level {
  /** From the end of the reign to the first command of the next one at this level. */
  readonly takeoverMs: Spread
  /** Commands of the client that were under way when the reign ended: how many each time. */
  readonly outstanding: Spread
  /** How long after the end of the reign each of them was there. */
  readonly backMs: Spread
}

/** One takeover, in milliseconds from the end of the reign. */
export interface TakeoverLine {
  readonly bench: 'failover'
  readonly takeover: number
  readonly epoch: number
  readonly claimedMs: number
  readonly publishedMs: number
  readonly stableMs: number
  /** From the last command of the old reign to the first of the new one. */
  readonly pauseMs: number
  readonly outstandingPublished: number
  readonly outstandingStable: number
}

export interface QuietResult {
  readonly minutes: number
  /** Must be 0. */
  readonly takeovers: number
  /** Of all cores, in the quiet time. */
  readonly busyPercent: number
  readonly cores: number
  readonly commandsPerSecond: number
  /** The longest time without a sign of the active sequencer. */
  readonly longestSilenceMs: number
  readonly publishedUs: Quantiles
  readonly stableUs: Quantiles
}

export interface FailoverResult {
  readonly bench: 'failover'
  readonly idle: 'block'
  readonly ending: Ending
  readonly takeovers: number
  readonly commandsPerSecond: number
  readonly bytes: number
  readonly datagram: number
  readonly voters: number
  readonly suspectMs: number
  readonly chosenBy: 'voters' | 'etcd'
  /** From the end of the reign to the first claim of the next one. */
  readonly detectionMs: Spread
  readonly pauseMs: Spread
  readonly published: Level
  readonly stable: Level
  /** Replies that the component owed when the reign ended, and when they were events. */
  readonly replies: { readonly outstanding: Spread; readonly backMs: Spread }
  readonly revokedAfterPublished: number
  readonly lostAfterStable: number
  /** Reigns that nobody had asked for. */
  readonly unaskedTakeovers: number
  readonly quiet: QuietResult | undefined
  readonly record: {
    readonly events: number
    readonly epochs: number
    readonly orders: number
    readonly replies: number
    readonly logs: number
    /** How often what was said to be stable was noted, and found again in each log. */
    readonly stableNotes: number
  }
  readonly digest: {
    readonly sequence: number
    readonly digest: string
    readonly replicas: number
    readonly equal: boolean
    readonly replayEqual: boolean
  }
  /** How long the client had to wait because its outbox was full. */
  readonly heldBackMs: number
  readonly verified: boolean
  readonly problems: readonly string[]
}

const ENDED: Readonly<Record<Ending, string>> = {
  kill: 'kill -9 of the active sequencer',
  stop: 'SIGTERM to the active sequencer',
  'take-over': 'seqcast admin take-over',
}

export function failoverText(result: FailoverResult): string {
  const { commandsPerSecond, voters, suspectMs, chosenBy } = result
  const head = `failover: ${count(commandsPerSecond)} commands a second, half of a client and half of a component, ${voters} voters${chosenBy === 'etcd' ? ', chosen by etcd' : ''}, suspected after ${suspectMs} ms`
  const parts = [head, ...(result.takeovers > 0 ? [takeoverText(result)] : [])]
  if (result.quiet !== undefined) parts.push(quietText(result.quiet))
  return [...parts, proofText(result)].join('\n\n')
}

function takeoverText(result: FailoverResult): string {
  const { detectionMs, pauseMs, published, stable, replies } = result
  const times = table(
    ['ms', 'least', 'p50', 'p90', 'p99', 'max'],
    [
      row('from there to the first claim', detectionMs),
      row('to the first new command, published', published.takeoverMs),
      row('to the first new command, stable', stable.takeoverMs),
      row('pause between two commands', pauseMs),
      row('client: what was not published came back', published.backMs),
      row('client: what was not stable was stable', stable.backMs),
      row('component: what it owed was published', replies.backMs),
    ],
  )
  const commands = table(
    ['commands under way, each time', 'least', 'p50', 'p90', 'p99', 'max'],
    [
      row('client: not published', published.outstanding, 0),
      row('client: not stable', stable.outstanding, 0),
      row('component: not published', replies.outstanding, 0),
    ],
  )
  const revoked = `revoked after published: ${plural(result.revokedAfterPublished, 'event')}; takeovers that nobody asked for: ${count(result.unaskedTakeovers)}`
  return `${ENDED[result.ending]}, ${plural(result.takeovers, 'time')}\n\n${times}\n\n${commands}\n\n${revoked}`
}

function quietText(quiet: QuietResult): string {
  const { minutes, takeovers, busyPercent, cores, commandsPerSecond, longestSilenceMs, publishedUs, stableUs } = quiet
  const latency = (name: string, q: Quantiles): string =>
    `${name} ${durationText(Math.round(q.p50))} (p50), ${durationText(Math.round(q.p99))} (p99), ${durationText(Math.round(q.max))} (max)`
  return [
    `${minutes} ${minutes === 1 ? 'minute' : 'minutes'} without a fault, ${cores} cores ${busyPercent.toFixed(0)} % busy: ${plural(takeovers, 'takeover')}`,
    `${count(commandsPerSecond)} commands a second; the longest silence of the sequencer was ${longestSilenceMs.toFixed(0)} ms`,
    `order to event: ${latency('published', publishedUs)}; ${latency('stable', stableUs)}`,
  ].join('\n')
}

function proofText(result: FailoverResult): string {
  const { record, digest, lostAfterStable, problems } = result
  const lines = [
    `lost after stable: ${plural(lostAfterStable, 'event')}; ${count(record.stableNotes)} notes of what was stable, held against each log`,
    `${plural(record.orders, 'order')} and ${plural(record.replies, 'reply', 'replies')}, each once and in order; ${record.logs} equal logs of ${plural(record.events, 'event')} in ${plural(record.epochs, 'epoch')}`,
    `digest after event ${count(digest.sequence)}: ${digest.replicas} replicas ${digest.equal ? 'equal' : 'DIFFERENT'}, a replay of the log ${digest.replayEqual ? 'equal' : 'DIFFERENT'}`,
  ]
  if (problems.length === 0) return ['verified', ...lines].join('\n')
  return ['NOT VERIFIED', ...problems.map((problem) => `PROBLEM  ${problem}`)].join('\n')
}

function row(name: string, spread: Spread, digits = 1): string[] {
  const { min, p50, p90, p99, max } = spread
  if (spread.count === 0) return [name, '-', '-', '-', '-', '-']
  return [name, ...[min, p50, p90, p99, max].map((value) => value.toFixed(digits))]
}
