/**
 * Events of recorded sessions: a range of one, or a session and those that follow it, as far as they are recorded.
 */
import { SeqcastError } from '../core/errors.js'
import type { EventLogReader } from '../protocol/event-log.js'
import type { Projection, ProjectionEvent } from './definition.js'
import { type Batch, EventDecoder } from './event-decoder.js'
import { beginningOf, type Position, successorOf } from './position.js'
import type { BatchSource } from './projector.js'

/** Of one transaction: long against what a commit costs, short against what a failure repeats. */
const BATCH_EVENTS = 1_000
const BATCH_PACKETS = 1_000

/** One recorded session. */
export interface RecordedSession extends EventLogReader {
  readonly firstSequence: number
  readonly committedSequence: number
  close(): Promise<void>
}

export interface RecordedSourceOptions {
  readonly projection: Projection
  readonly session: string
  /** The first event that handlers see; default 1. */
  readonly from?: number
  /** The last one; undefined: to the end, and on to the sessions that follow. */
  readonly to?: number | undefined
  /** Events of one transaction, about. */
  readonly batchEvents?: number
  /** @returns undefined where the session is not recorded */
  readonly openLog: (session: string) => Promise<RecordedSession | undefined>
  /** @throws SeqcastError where not all of what is recorded of a session that has not ended is stable */
  readonly check?: (session: string, log: RecordedSession) => void
}

/** @throws SeqcastError E_PROJECTION where the position does not fit the session or the range */
export async function openRecordedSource(
  options: RecordedSourceOptions,
  position: Position | undefined,
): Promise<RecordedSource> {
  const { projection, session, from = 1, to } = options
  const start = position ?? beginningOf(session, from)
  if (position !== undefined) checkContinues(projection, position, session, from, to)
  return RecordedSource.open(options, start)
}

export class RecordedSource implements BatchSource {
  readonly #options: RecordedSourceOptions
  #log: RecordedSession | undefined
  #decoder: EventDecoder
  #next = 1
  #isOver = false

  private constructor(options: RecordedSourceOptions, position: Position) {
    this.#options = options
    this.#decoder = new EventDecoder(options.projection, position, options.from)
  }

  static async open(options: RecordedSourceOptions, position: Position): Promise<RecordedSource> {
    const source = new RecordedSource(options, position)
    if (!(await source.#openSession(position)) && position.successor === undefined) throw notRecorded(position)
    return source
  }

  async next(): Promise<Batch | undefined> {
    while (!this.#isOver) {
      const batch = this.#read()
      if (batch !== undefined) return batch
      await this.#follow()
    }
    return undefined
  }

  async close(): Promise<void> {
    const log = this.#log
    this.#log = undefined
    await log?.close()
  }

  #read(): Batch | undefined {
    const log = this.#log
    const before = this.#decoder.position
    const { to = Number.POSITIVE_INFINITY, batchEvents = BATCH_EVENTS } = this.#options
    const events: ProjectionEvent[] = []
    // What is read again, up to the position, moves nothing.
    while (
      log !== undefined &&
      this.#next <= Math.min(to, log.committedSequence) &&
      this.#decoder.position === before
    ) {
      log.read(this.#next, BATCH_PACKETS, (sequence, count, bytes, start) => {
        const taken = Math.min(count, to - sequence + 1)
        for (const event of this.#decoder.take(sequence, taken, bytes, start).events) events.push(event)
        this.#next = sequence + taken
        return events.length < batchEvents && this.#next <= to
      })
    }
    const { position } = this.#decoder
    return position === before ? undefined : { events, position }
  }

  /** The session that comes next, where there is one; else it is over. */
  async #follow(): Promise<void> {
    const { position } = this.#decoder
    await this.close()
    this.#isOver = true
    if (this.#options.to !== undefined || position.successor === undefined || position.successor === '') return
    const next = successorOf(position, position.successor)
    this.#decoder = new EventDecoder(this.#options.projection, next)
    this.#isOver = !(await this.#openSession(next))
  }

  /** A recording that begins late is enough for a range that does. */
  #begin(session: string, log: RecordedSession): number {
    const { projection, from = 1 } = this.#options
    const { readFrom, position } = this.#decoder
    if (position.sequence > log.committedSequence) throw endsBefore(projection, position, log.committedSequence)
    if (readFrom >= log.firstSequence) return readFrom
    if (position.sequence === 0 && from >= log.firstSequence) return log.firstSequence
    throw new SeqcastError('E_PROJECTION', `the recording of session ${session} begins at event ${log.firstSequence}`, {
      hint: 'take a recording that has the beginning, or load a range of it: --from-seq with --reset',
      fields: { projection: projection.name, session, from, firstSequence: log.firstSequence },
    })
  }

  /** @returns false where it is not recorded */
  async #openSession({ session }: Position): Promise<boolean> {
    const log = await this.#options.openLog(session)
    if (log === undefined) return false
    this.#log = log
    this.#options.check?.(session, log)
    this.#next = this.#begin(session, log)
    return true
  }
}

/** Rows must have all events up to their position, and none twice. */
function checkContinues(
  { name }: Projection,
  position: Position,
  session: string,
  from: number,
  to: number | undefined,
): void {
  const { session: current, sequence, successor, earlier } = position
  if (current === session) {
    if (from <= sequence + 1) return
    throw new SeqcastError(
      'E_PROJECTION',
      `projection ${name} is at event ${sequence} of session ${session}: ${from} would leave a hole`,
      {
        hint: `begin at ${sequence + 1} or before; --reset loads just this range, beside the old rows`,
        fields: { projection: name, session, sequence, from },
      },
    )
  }
  const isPart = earlier.includes(session) && to === undefined
  if (isPart || successor === session) return
  throw new SeqcastError(
    'E_PROJECTION',
    `projection ${name} is at event ${sequence} of session ${current}, which does not lead to ${session}`,
    {
      hint: `go on with --session ${current}; --reset loads session ${session} instead, beside the old rows`,
      fields: { projection: name, session, current, sequence },
    },
  )
}

function notRecorded({ session, sequence }: Position): SeqcastError {
  const wanted = sequence === 0 ? '' : `, and the projection is at its event ${sequence}`
  return new SeqcastError('E_SESSION_UNKNOWN', `session ${session} is not recorded there${wanted}`, {
    hint: '`seqcast sessions --dir DIR` lists what is',
    fields: { session, sequence },
  })
}

function endsBefore({ name }: Projection, { session, sequence }: Position, last: number): SeqcastError {
  return new SeqcastError(
    'E_PROJECTION',
    `the recording of session ${session} ends at event ${last}, and projection ${name} is at ${sequence}`,
    {
      hint: 'it is an older copy, or another session of that name; --reset loads it anew, beside the old rows',
      fields: { projection: name, session, sequence, last },
    },
  )
}
