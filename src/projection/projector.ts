/**
 * The loop of a projection: a batch of events from the source, their handlers one by one, one transaction. Whatever happens to the
 * database's connection ends in the same place as a start: open, read the position, read on from there.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { BatchRows } from './batch-rows.js'
import type { Projection, ProjectionEvent } from './definition.js'
import type { Batch } from './event-decoder.js'
import type { Position } from './position.js'
import { type Target, TargetLost } from './target.js'

/** Events in order, from a position on. */
export interface BatchSource {
  /** Waits for events. @returns undefined where there are no more, or as soon as the projector is stopped */
  next(): Promise<Batch | undefined>
  close(): Promise<void>
}

export interface ProjectorOptions {
  readonly projection: Projection
  readonly target: Target
  /** Called at the start and after each failure. @param position undefined where nothing was loaded yet */
  readonly openSource: (position: Position | undefined) => Promise<BatchSource>
  readonly logger: Logger
  /** Stops it between two batches. */
  readonly signal?: AbortSignal
  /** Called after each commit. */
  readonly progress?: (position: Position) => void
}

export interface ProjectorReport {
  /** Where the rows are; undefined where there was nothing to load and nothing was loaded. */
  readonly position: Position | undefined
  /** Events that were handed to handlers and committed. */
  readonly events: number
  readonly commits: number
  /** How often the database was lost and found again. */
  readonly reconnects: number
}

const FIRST_WAIT_MS = 10
const LONGEST_WAIT_MS = 2_000

/** Runs until the source ends. @throws SeqcastError what a handler, the database or the stream failed of */
export function runProjection(options: ProjectorOptions): Promise<ProjectorReport> {
  return new Projector(options).run()
}

class Projector {
  readonly #options: ProjectorOptions
  #position: Position | undefined
  #events = 0
  #commits = 0
  #reconnects = 0
  #waitMs = FIRST_WAIT_MS

  constructor(options: ProjectorOptions) {
    this.#options = options
  }

  async run(): Promise<ProjectorReport> {
    const { target } = this.#options
    try {
      while (!this.#isStopped) {
        const outcome = await this.#attempt()
        if (outcome === 'ended') break
        if (outcome === 'lost') await this.#wait()
      }
    } finally {
      await target.close()
    }
    return {
      position: this.#position,
      events: this.#events,
      commits: this.#commits,
      reconnects: this.#reconnects,
    }
  }

  get #isStopped(): boolean {
    return this.#options.signal?.aborted ?? false
  }

  async #attempt(): Promise<'ended' | 'lost' | 'moved'> {
    const { target, openSource, logger, projection } = this.#options
    let source: BatchSource | undefined
    try {
      const position = await target.open()
      this.#position = position
      this.#waitMs = FIRST_WAIT_MS
      const { session = '', sequence = 0 } = position ?? {}
      logger.info({ projection: projection.name, target: target.title, session, sequence }, 'projection: begins')
      source = await openSource(position)
      return await this.#pump(source, position)
    } catch (thrown) {
      if (!(thrown instanceof TargetLost)) throw thrown
      this.#reconnects += 1
      const fields = { projection: projection.name, target: target.title, error: messageOf(thrown) }
      logger.warn(fields, 'projection: the database is gone, trying again')
      return 'lost'
    } finally {
      await source?.close()
    }
  }

  async #pump(source: BatchSource, from: Position | undefined): Promise<'ended' | 'moved'> {
    const { projection, target, logger, progress } = this.#options
    const rows = new BatchRows(projection, target, from === undefined)
    for (;;) {
      const batch = await source.next()
      if (batch === undefined) return 'ended'
      for (const event of batch.events) await this.#handle(event, rows)
      if (!(await target.commit(rows.changes(), batch.position))) {
        logger.warn(
          { projection: projection.name, target: target.title },
          'projection: somebody else has moved the position',
        )
        return 'moved'
      }
      rows.committed()
      this.#position = batch.position
      this.#events += batch.events.length
      this.#commits += 1
      progress?.(batch.position)
    }
  }

  async #handle(event: ProjectionEvent, rows: BatchRows): Promise<void> {
    const { projection } = this.#options
    const handler = projection.handlers[projection.schema.typeOf(event.name) ?? 0]
    try {
      const returned = handler?.(event, rows.tables)
      if (returned !== undefined) await returned
      rows.check()
    } catch (thrown) {
      if (thrown instanceof TargetLost || thrown instanceof SeqcastError) throw thrown
      throw handlerError(projection, event, thrown)
    }
  }

  async #wait(): Promise<void> {
    const waitMs = this.#waitMs
    this.#waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#options.signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, waitMs)
      this.#options.signal?.addEventListener('abort', done)
    })
  }
}

function handlerError({ name }: Projection, event: ProjectionEvent, thrown: unknown): SeqcastError {
  const at = `event ${event.sequence} of session ${event.session} (${event.name})`
  return new SeqcastError('E_HANDLER', `projection ${name} failed on ${at}: ${messageOf(thrown)}`, {
    hint: 'correct the handler and start again: nothing of the batch was committed, and it goes on with that batch',
    fields: { projection: name, session: event.session, sequence: event.sequence },
    cause: thrown,
  })
}
