/** What the rollover bench has found: the result for machines, and the text for people. */
import { SeqcastError } from '../../../core/errors.js'
import { count, plural, table } from '../../output.js'
import type { Spread } from '../failover/report.js'
import { Values } from '../failover/spread.js'
import type { ChainReport, Rollover } from './chain-check.js'

export interface RolloverResult {
  readonly bench: 'rollover'
  readonly rollovers: readonly Rollover[]
  /** Wanted, and what came while scans were sequenced. */
  readonly rate: number
  readonly commandsPerSecond: number
  readonly voters: number
  /** From the last scan of a session to the first one of the next, in milliseconds. */
  readonly pauseMs: Spread
  /** Parts of it: until the next session begins, and until it is open. */
  readonly endMs: Spread
  readonly seedMs: Spread
  readonly events: number
  readonly scans: number
  /** Shipments that were carried over, of all rollovers; and commands and effects that a session left to the next one. */
  readonly carried: number
  readonly lateAnswers: number
  readonly effectsOwed: number
  readonly repeats: number
  readonly effectsRepeated: number
  readonly verified: boolean
  readonly problems: readonly string[]
}

export function resultOf(
  report: ChainReport,
  { rate, voters }: { readonly rate: number; readonly voters: readonly string[] },
): RolloverResult {
  const { rollovers, shipments, effects, events, commandsPerSecond, problems } = report
  const sum = (of: 'carried' | 'late' | 'repeats'): number =>
    shipments.sessions.reduce((total, session) => total + session[of], 0)
  return {
    bench: 'rollover',
    rollovers,
    rate,
    commandsPerSecond,
    voters: voters.length,
    pauseMs: spread(rollovers.map(({ pauseMs }) => pauseMs)),
    endMs: spread(rollovers.map(({ endMs }) => endMs)),
    seedMs: spread(rollovers.map(({ seedMs }) => seedMs)),
    events,
    scans: shipments.scans,
    carried: sum('carried'),
    lateAnswers: sum('late'),
    effectsOwed: effects.owed,
    repeats: sum('repeats'),
    effectsRepeated: effects.repeated,
    verified: problems.length === 0,
    problems,
  }
}

export function rolloverText(result: RolloverResult): string {
  const { rollovers, rate, commandsPerSecond, voters, pauseMs, endMs, seedMs } = result
  const head = `rollover: ${plural(rollovers.length, 'time')} at ${count(rate)} commands a second (${count(commandsPerSecond)} came), ${plural(voters, 'voter')}`
  const times = table(
    ['ms', 'least', 'p50', 'p90', 'max'],
    [
      row('pause: from the last scan of a session to the first of the next', pauseMs),
      row('of it: from the end of the one to the beginning of the other', endMs),
      row('of it: from there to the opening', seedMs),
    ],
  )
  return `${head}\n\n${times}\n\n${proofText(result)}`
}

function proofText(result: RolloverResult): string {
  const { scans, repeats, carried, lateAnswers, effectsOwed, effectsRepeated, events, problems } = result
  if (problems.length > 0) return ['NOT VERIFIED', ...problems.map((problem) => `PROBLEM  ${problem}`)].join('\n')
  return [
    'verified: read from the logs of all stores, which are equal',
    `${count(events)} events; ${count(scans)} scans, each once and in order; ${plural(repeats, 'repeat')} that had to be dropped`,
    `${count(carried)} times a shipment was carried over, and its history went on; ${plural(lateAnswers, 'answer')} came in the session after`,
    `${plural(effectsOwed, 'effect')} owed over the end of a session, each done under its own key; ${effectsRepeated} repeated`,
  ].join('\n')
}

export function benchError(what: string): SeqcastError {
  return new SeqcastError('E_BENCH', `the bench can't go on: ${what}`, {
    hint: 'is the machine busy with something else?',
  })
}

function spread(values: readonly number[]): Spread {
  const all = new Values()
  all.addAll(values)
  return all.spread()
}

function row(name: string, { count: times, min, p50, p90, max }: Spread): string[] {
  return [name, ...(times === 0 ? ['-', '-', '-', '-'] : [min, p50, p90, max].map((value) => value.toFixed(1)))]
}
