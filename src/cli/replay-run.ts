/** `seqcast replay --run`: a recording through components, compared with what they did. */
import type { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { PlayedComponent } from '../replay/player.js'
import { type ReplayReport, replaySystem } from '../replay/replay.js'
import type { LmdbLogReader } from '../store/lmdb-log-reader.js'
import type { Configuration } from './configuration.js'
import { createLogger } from './logger.js'
import { bold, plural, print, red, table } from './output.js'
import { startProgress } from './progress-bar.js'
import { type Range, rangeOf } from './range.js'
import { beginAt, loadComponents, openEvents } from './recording.js'
import { type PaceReport, Pacer } from './replay-pacer.js'
import type { Stops } from './replay-stops.js'

/** Flags that may be given more than once, or without a value. */
export interface RunFlags {
  readonly run: unknown
  readonly fromCheckpoint: unknown
  readonly stops: Stops
}

/** @throws SeqcastError */
export async function runRecording(flags: RunFlags, configuration: Configuration): Promise<void> {
  const { dir = '', session, option = [], checkpoints, json, logLevel: level } = configuration
  const logger = createLogger({ name: 'replay', level, json })
  const log = await openEvents(dir, session)
  try {
    const range = rangeOf(log, configuration)
    const components = await loadComponents(flags.run, option)
    const fromCheckpoint =
      typeof flags.fromCheckpoint === 'string' ? flags.fromCheckpoint : flags.fromCheckpoint === true
    const begin = (atMost: number): Promise<PlayedComponent[]> =>
      beginAt(log, components, { dir, checkpoints, fromCheckpoint: fromCheckpoint || undefined, atMost }, logger)
    const { step, expressions, types, paths } = flags.stops
    if (step || expressions.length + types.length + paths.length > 0) {
      const { stepThrough } = await import('./replay-step.js')
      await stepThrough({ log, begin, range, logger, configuration, stops: flags.stops })
    } else await playThrough(log, await begin(latestBeginning(range, configuration)), range, configuration, logger)
  } finally {
    await log.close()
  }
}

/** Where a part is asked for it is played from its first event on; otherwise the newest checkpoint leaves least to be played. */
function latestBeginning({ from, to }: Range, { fromSeq, fromTime }: Configuration): number {
  return fromSeq === undefined && fromTime === undefined ? to : from - 1
}

async function playThrough(
  log: LmdbLogReader,
  components: readonly PlayedComponent[],
  range: Range,
  { json, session, speed = 'max', guard = true }: Configuration,
  logger: Logger,
): Promise<void> {
  const aborter = new AbortController()
  const onSignal = (): void => aborter.abort()
  process.once('SIGINT', onSignal)
  const pacer = speed === 'max' ? undefined : new Pacer(speed, { signal: aborter.signal })
  const bar = startProgress(`replaying ${session}`, 'events', range.to, json)
  const startedMs = performance.now()
  const reports = await replaySystem({
    ...{ session, components, log, guard, logger, signal: aborter.signal },
    fromSequence: range.from,
    toSequence: range.to,
    progress: (sequence) => bar.update(sequence),
    ...(pacer === undefined ? {} : { pace: (timeUs: number) => pacer.until(timeUs) }),
  }).finally(() => {
    bar.stop()
    process.removeListener('SIGINT', onSignal)
  })
  const seconds = (performance.now() - startedMs) / 1000
  const played = reports.map((report, i): Played => ({ report, ...identityOf(components[i]) }))
  if (json) for (const each of played) print(true, jsonOf(session, range, each, seconds, pacer?.report()), () => '')
  else process.stdout.write(`${textOf(session, range, played, seconds, pacer?.report())}\n`)
  if (aborter.signal.aborted) process.exitCode = 130
  const failure = failureOf(played)
  if (failure !== undefined) throw failure
}

interface Played {
  readonly name: string
  /** The last event before it began: that of its checkpoint, or 0. */
  readonly after: number
  readonly report: ReplayReport
}

function identityOf(played: PlayedComponent | undefined): Omit<Played, 'report'> {
  return { name: played?.component.name ?? '', after: played?.checkpoint?.header.sequence ?? 0 }
}

function failureOf(played: readonly Played[]): SeqcastError | undefined {
  return played.map(({ report }) => report.failure).find((failure) => failure !== undefined)
}

function jsonOf(
  session: string,
  { from, to }: Range,
  { name, after, report }: Played,
  seconds: number,
  pace: PaceReport | undefined,
): object {
  const { sequence, timeUs, digest, commandsVerified, digestsVerified, commandsLeft, ended, counters } = report
  return {
    ...{
      session,
      component: name,
      ended,
      from,
      to,
      after,
      sequence,
      timeUs,
      digest,
      events: eventsIn(from, after, sequence),
    },
    ...{ commandsVerified, digestsVerified, commandsLeft, seconds },
    ...(pace === undefined ? {} : { paceSeconds: pace.seconds, paceDueSeconds: pace.dueSeconds }),
    counters,
  }
}

/** Of the range: what lies before it is played, too, for the state. */
const eventsIn = (from: number, after: number, sequence: number): number =>
  Math.max(0, sequence - Math.max(after, from - 1))

function textOf(
  session: string,
  range: Range,
  played: readonly Played[],
  seconds: number,
  pace: PaceReport | undefined,
): string {
  const [only] = played
  const lines =
    only !== undefined && played.length === 1
      ? oneText(session, range, only, seconds)
      : allText(session, played, seconds)
  return [...lines.slice(0, 1), ...paceLine(pace), ...lines.slice(1)].join('\n')
}

function oneText(session: string, { from: first }: Range, { name, after, report }: Played, seconds: number): string[] {
  const { sequence, digest, commandsVerified, digestsVerified, failure, ended } = report
  if (failure !== undefined) return [`${name}: stopped after event ${sequence} of session ${session}`]
  const from = after === 0 ? '' : ` from the checkpoint after event ${after} on`
  const isCut = ended === 'aborted' ? ', and ended there' : ''
  const events = eventsIn(first, after, sequence)
  const earlier = sequence - after - events
  const before = earlier === 0 ? '' : `, after ${plural(earlier, 'event')} before the range`
  return [
    `${name}: ${plural(events, 'event')} of session ${session} replayed${from}${before} in ${seconds.toFixed(2)} s${isCut}`,
    commandsVerified === 0
      ? `nothing was compared: ${after === 0 ? 'the session' : 'what was played'} has no command of ${name}`
      : `${plural(commandsVerified, 'command')} and ${plural(digestsVerified, 'digest')} as recorded`,
    `digest after event ${sequence}: ${digest}`,
  ]
}

function allText(session: string, played: readonly Played[], seconds: number): string[] {
  const rows = played.map(({ name, after, report }) => [
    bold(name),
    after,
    report.sequence,
    report.commandsVerified,
    report.digestsVerified,
    report.digest === undefined ? red(report.failure?.code ?? 'failed') : report.digest.slice(0, 16),
  ])
  const last = Math.max(0, ...played.map(({ report }) => report.sequence))
  return [
    `${plural(played.length, 'component')}: events of session ${session} replayed up to ${last} in ${seconds.toFixed(2)} s`,
    table(['component', 'after', 'to', 'commands', 'digests', 'digest'], rows),
  ]
}

/** Whether the components kept up with the pace. */
function paceLine(pace: PaceReport | undefined): string[] {
  if (pace === undefined) return []
  const late = pace.seconds - pace.dueSeconds
  const isLate = late > Math.max(0.05 * pace.dueSeconds, 0.1)
  const verdict = isLate ? red(`${late.toFixed(2)} s late: the components did not keep up`) : 'on time'
  return [`at the pace: ${pace.seconds.toFixed(2)} s for ${pace.dueSeconds.toFixed(2)} s, ${verdict}`]
}
