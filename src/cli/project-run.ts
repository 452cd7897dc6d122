/** A projection from a recording, or live: what is loaded, from where, and what is said about it. */
import { SeqcastError } from '../core/errors.js'
import { parseSession } from '../core/session.js'
import type { Projection } from '../projection/definition.js'
import { openLiveSource } from '../projection/live-source.js'
import { type LoadReport, loadProjection } from '../projection/load.js'
import type { TargetAddress } from '../projection/open-target.js'
import { openRecordedSource, type RecordedSession } from '../projection/recorded-source.js'
import { endsSession } from '../runtime/last-event.js'
import { readIdentity } from '../store/identity.js'
import { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventType } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { SESSION_STARTED, sessionStartedCodec } from '../wire/runtime-events.js'
import { type Configuration, roleOptions } from './configuration.js'
import { createLogger } from './logger.js'
import { count, plural, print } from './output.js'
import { startProgress } from './progress-bar.js'
import { type Range, rangeOf } from './range.js'

export interface ProjectJob {
  readonly projection: Projection
  readonly address: TargetAddress
  readonly reset: boolean
  readonly configuration: Configuration
}

/** @throws SeqcastError what loading it fails of */
export async function projectRecording(job: ProjectJob, dir: string): Promise<void> {
  const { projection, address, reset, configuration } = job
  const session = parseSession(configuration.session)
  const logger = createLogger({ name: projection.name, level: configuration.logLevel, json: configuration.json })
  const { fromSeq, toSeq, fromTime, toTime, asRecorded = false } = configuration
  const isRange = [fromSeq, toSeq, fromTime, toTime].some((end) => end !== undefined)
  const range = isRange ? await recordedRange(dir, session, configuration) : undefined
  const bar = startProgress('projecting', 'events', await lastSequence(dir, session, range), configuration.json)
  try {
    await untilStopped(async (signal) => {
      const report = await loadProjection({
        ...{ projection, address, logger, signal },
        reset: reset && `${session} from ${range?.from ?? 1} to ${range?.to ?? 'the end'}`,
        loadSource: (position) =>
          openRecordedSource(
            {
              ...{ projection, session, from: range?.from ?? 1, to: range?.to },
              openLog: (id) => openRecorded(dir, id),
              check: (id, log) => checkStable(dir, id, log, asRecorded),
            },
            position,
          ),
        progress: (position) => {
          if (position.session === session) bar.update(position.sequence)
        },
      })
      bar.stop()
      say(job, report)
    })
  } finally {
    bar.stop()
  }
}

/** Runs until it is stopped, or the last session has ended. @throws SeqcastError what it fails of */
export async function projectLive(job: ProjectJob): Promise<void> {
  const { projection, address, reset, configuration } = job
  const { fromSeq, toSeq, fromTime, toTime, localStore } = configuration
  if ([fromSeq, toSeq, fromTime, toTime].some((end) => end !== undefined)) {
    throw new SeqcastError('E_USAGE', 'a range is a part of a recording', {
      hint: 'give --dir, the directory of the recorded sessions',
    })
  }
  const options = roleOptions(configuration, projection.name)
  await untilStopped(async (signal) => {
    const live = { ...options, projection, signal, ...(localStore === undefined ? {} : { localStore }) }
    const report = await loadProjection({
      ...{ projection, address, logger: options.logger, signal },
      reset: reset && `${options.session} live`,
      loadSource: (position) => openLiveSource({ ...live, untilCaughtUp: reset }, position),
      liveSource: (position) => openLiveSource(live, position),
    })
    say(job, report)
  })
}

/** The first signal stops it between two transactions, the second at once. */
async function untilStopped(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    process.once(signal, () => process.exit(1))
    stop.abort()
  }
  const onParentGone = (): void => stop.abort()
  process.once('SIGTERM', onSignal)
  process.once('SIGINT', onSignal)
  process.once('disconnect', onParentGone)
  try {
    await work(stop.signal)
  } finally {
    process.removeListener('disconnect', onParentGone)
    if (process.connected) process.disconnect()
  }
}

async function recordedRange(dir: string, session: string, configuration: Configuration): Promise<Range> {
  const log = await LmdbLogReader.open(dir, session)
  try {
    return rangeOf(log, configuration)
  } finally {
    await log.close()
  }
}

/** For the bar. @throws SeqcastError E_SESSION_UNKNOWN, E_SESSION_FOREIGN, E_FILE_FORMAT for a foreign stream */
async function lastSequence(dir: string, session: string, range: Range | undefined): Promise<number> {
  const log = await openRecorded(dir, session)
  const last = range?.to ?? log?.committedSequence ?? 0
  await log?.close()
  return last
}

/** @returns undefined where it is not recorded there */
async function openRecorded(dir: string, session: string): Promise<LmdbLogReader | undefined> {
  try {
    const log = await LmdbLogReader.open(dir, session)
    if (log.kind === 'events') return log
    await log.close()
  } catch (error) {
    if (error instanceof SeqcastError && error.code === 'E_SESSION_UNKNOWN') return undefined
    throw error
  }
  throw new SeqcastError(
    'E_SESSION_FOREIGN',
    `session ${session} in ${dir} is a foreign stream: it has no events of ours`,
    {
      hint: 'project a session that seqcast has sequenced',
      fields: { session, dir },
    },
  )
}

/**
 * Rows are never taken back, so they are made of stable events only. One copy of a session that goes on does not tell which those are,
 * unless there is no voter, or it is the only voter's.
 */
function checkStable(dir: string, session: string, log: RecordedSession, asRecorded: boolean): void {
  if (asRecorded || endsSession(log)) return
  const voters = votersOf(log)
  if (voters.length === 0 || (voters.length === 1 && readIdentity(dir)?.voter === voters[0])) return
  throw new SeqcastError(
    'E_PROJECTION',
    `session ${session} has not ended, and ${dir} alone does not tell which of its events are stable`,
    {
      hint: 'leave out --dir and project it live, or say --as-recorded where nobody goes on with it any more',
      fields: { session, dir },
    },
  )
}

function votersOf(log: RecordedSession): readonly string[] {
  let voters: readonly string[] = []
  log.read(log.firstSequence, 1, (_sequence, _count, bytes, start) => {
    const at = start + BLOCK_LENGTH_BYTES
    const payload = bytes.subarray(at + EVENT_HEADER_BYTES, at + readU16(bytes, start))
    if (eventType(bytes, at) === SESSION_STARTED) voters = sessionStartedCodec.decode(payload)?.voters ?? []
    return false
  })
  return voters
}

function say({ projection, configuration }: ProjectJob, report: LoadReport): void {
  const { position, events, commits, reconnects, swapped } = report
  const { session = '', sequence = 0 } = position ?? {}
  const fields = { projection: projection.name, session, sequence, events, commits, reconnects, swapped }
  print(configuration.json, fields, () => {
    const at =
      position === undefined ? 'nothing was there to load' : `at event ${count(sequence)} of session ${session}`
    const lost = reconnects === 0 ? '' : `; the database was lost ${plural(reconnects, 'time')}`
    return `${projection.name} is ${at}: ${plural(events, 'event')} in ${plural(commits, 'transaction')}${lost}${swapped ? '; swapped' : ''}`
  })
}
