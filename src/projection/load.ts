/**
 * What `seqcast project` does: load what is to be loaded, beside the old rows where they are to be replaced, swap, and go on.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { Projection } from './definition.js'
import { openBeside, openTarget, type TargetAddress } from './open-target.js'
import type { Position } from './position.js'
import { type BatchSource, type ProjectorReport, runProjection } from './projector.js'
import { type BesideTarget, TargetLost } from './target.js'

export interface LoadOptions {
  readonly projection: Projection
  readonly address: TargetAddress
  /** Build it anew, and swap when `loadSource` has ended. The text says of which events, so that an interrupted reset of the same goes on. */
  readonly reset: string | false
  /** What is loaded; for a reset of a live projection it ends where the stream was when it began. */
  readonly loadSource: (position: Position | undefined) => Promise<BatchSource>
  /** What goes on after a reset; undefined: nothing does. */
  readonly liveSource?: (position: Position | undefined) => Promise<BatchSource>
  readonly logger: Logger
  readonly signal?: AbortSignal
  readonly progress?: (position: Position) => void
}

export interface LoadReport extends ProjectorReport {
  readonly swapped: boolean
}

const FIRST_WAIT_MS = 10
const LONGEST_WAIT_MS = 2_000

/** @throws SeqcastError E_PROJECTION, E_DATABASE, E_HANDLER, E_PAYLOAD, and what the source fails of */
export async function loadProjection(options: LoadOptions): Promise<LoadReport> {
  const { projection, address, logger, signal, progress } = options
  const common = {
    projection,
    logger,
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
  }
  if (options.reset === false) {
    const target = openTarget(projection, address, logger)
    return { ...(await runProjection({ ...common, target, openSource: options.loadSource })), swapped: false }
  }
  const beside = openBeside(projection, address, logger, options.reset)
  let report = await runProjection({ ...common, target: beside, openSource: options.loadSource })
  if (signal?.aborted ?? false) return { ...report, swapped: false }
  await swap(beside, options)
  logger.info(
    { projection: projection.name, position: report.position?.sequence },
    'projection: swapped, readers see the new rows',
  )
  if (options.liveSource !== undefined) {
    const target = openTarget(projection, address, logger)
    try {
      report = sum(report, await runProjection({ ...common, target, openSource: options.liveSource }))
    } catch (error) {
      if (!(error instanceof SeqcastError && error.code === 'E_STORE_HELD')) throw error
      logger.info(
        { projection: projection.name },
        'projection: the process that was there before goes on with the new rows',
      )
    }
  }
  return { ...report, swapped: true }
}

/** Until it is done: the rows are there, and only the server has to be. */
async function swap(beside: BesideTarget, { projection, logger }: LoadOptions): Promise<void> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      await beside.swap()
      return
    } catch (thrown) {
      if (!(thrown instanceof TargetLost)) throw thrown
      logger.warn(
        { projection: projection.name, error: messageOf(thrown) },
        'projection: the swap was interrupted, trying again',
      )
      await sleep(waitMs)
    } finally {
      await beside.close()
    }
  }
}

function sum(first: ProjectorReport, second: ProjectorReport): ProjectorReport {
  return {
    position: second.position ?? first.position,
    events: first.events + second.events,
    commits: first.commits + second.commits,
    reconnects: first.reconnects + second.reconnects,
  }
}
