/** What every kind of inspection is given, and how it plays the recording. */
import type { Component } from '../component/definition.js'
import { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { EventReader, keepEvent, type RecordedEvent } from '../replay/event-reader.js'
import { Player } from '../replay/player.js'
import type { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { readU16 } from '../wire/bytes.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { startProgress } from './progress-bar.js'
import { beginAt } from './recording.js'

export interface InspectJob {
  readonly dir: string
  readonly session: string
  readonly log: LmdbLogReader
  readonly components: readonly Component[]
  readonly json: boolean
  readonly guard: boolean
  readonly path: string | undefined
  readonly checkpoints: string | undefined
  readonly fromCheckpoint: string | true | undefined
  readonly limit: number
  readonly logger: Logger
}

const SLICE_RUNS = 256

/** A player at the first event, or at checkpoints at or before `atMost`. @throws SeqcastError E_LOST, E_CHECKPOINT */
export async function createPlayer(job: InspectJob, atMost: number): Promise<Player> {
  const { log, session, guard, logger } = job
  const components = await beginAt(log, job.components, { ...job, atMost }, logger)
  return new Player({ session, log, components, guard, logger })
}

/**
 * Plays up to an event, with a bar.
 * @throws SeqcastError what a component failed of; E_USAGE where the replay began after the event
 */
export async function playTo(job: InspectJob, player: Player, sequence: number): Promise<void> {
  if (player.parts.some(({ next }) => next - 1 > sequence)) {
    throw new SeqcastError('E_USAGE', `the checkpoint is later than event ${sequence}`, {
      hint: 'give an earlier one, or --from-checkpoint without a sequence',
    })
  }
  const bar = startProgress(`replaying ${job.session}`, 'events', sequence, job.json)
  try {
    while (player.playRuns(sequence, SLICE_RUNS)) {
      bar.update(player.next - 1)
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    bar.stop()
  }
  for (const { failure } of player.parts) if (failure !== undefined) throw withMoment(failure)
}

/** The last state that there is to look at is the one before the failure. */
function withMoment(failure: SeqcastError): SeqcastError {
  const { code, message, hint, fields, cause } = failure
  if (typeof fields.sequence !== 'number') return failure
  const before = `--at ${fields.sequence - 1} shows the state before it`
  return new SeqcastError(code, message, { hint: hint === undefined ? before : `${before}; ${hint}`, fields, cause })
}

/** A recorded event; undefined before the first. */
export function eventAt(job: InspectJob, player: Player, sequence: number): RecordedEvent | undefined {
  const schemas = player.parts.map(({ component }) => component.schema)
  const reader = new EventReader(schemas, (source) => player.sourceName(source))
  let event: RecordedEvent | undefined
  job.log.read(sequence, 1, (_sequence, _count, bytes, start) => {
    event = keepEvent(reader.read(sequence, bytes, start + BLOCK_LENGTH_BYTES, readU16(bytes, start)))
    return false
  })
  return event
}
