/**
 * Events of the live stream, from a position on: rewound from the stores, then as they become stable, and on through the sessions that
 * follow. A database that is slower than the stream sends it back to rewinding, at the database's pace; nobody else notices.
 */
import { SeqcastError } from '../core/errors.js'
import { ControlLink } from '../runtime/control-link.js'
import { DutyCycle } from '../runtime/duty-cycle.js'
import { EventLink } from '../runtime/event-link.js'
import type { RoleOptions } from '../runtime/options.js'
import { systemPlatform } from '../runtime/platform.js'
import type { Projection } from './definition.js'
import { type Batch, EventDecoder } from './event-decoder.js'
import { beginningOf, type Position, successorOf } from './position.js'
import type { BatchSource } from './projector.js'
import { StableQueue } from './stable-queue.js'

const BATCH_EVENTS = 1_000
/** With more waiting, a live stream is left, and a rewind waits. */
const QUEUE_EVENTS = 50_000
/** A position that moves without a row is stored this often. */
const IDLE_COMMIT_MS = 1_000

export interface LiveSourceOptions extends RoleOptions {
  readonly projection: Projection
  /** End where the stream was when it was first caught up with. */
  readonly untilCaughtUp?: boolean
  readonly localStore?: string
  readonly signal: AbortSignal
}

/** @throws SeqcastError E_PROJECTION where the position is of other sessions; E_GROUP, E_INTERFACE */
export async function openLiveSource(options: LiveSourceOptions, position: Position | undefined): Promise<BatchSource> {
  const { session, projection } = options
  const start = position ?? beginningOf(session)
  if (![start.session, start.successor, ...start.earlier].includes(session))
    throw otherSessions(projection, start, session)
  const source = new LiveSource(options, start)
  try {
    await source.open()
  } catch (error) {
    await source.close()
    throw error
  }
  return source
}

class LiveSource implements BatchSource {
  readonly #options: LiveSourceOptions
  readonly #cycle: DutyCycle
  readonly #onAbort = (): void => this.#wake()
  #decoder: EventDecoder
  #queue = new StableQueue()
  #control: ControlLink | undefined
  #events: EventLink | undefined
  #failure: SeqcastError | undefined
  /** The stream's last event when it was first caught up with. */
  #caughtUpAt: number | undefined
  /** What was handed on; delivered again after a revocation, it is not. */
  #handed: Position
  #handedAtMs = 0
  #reopenAt: string | undefined
  #waiting: (() => void) | undefined

  constructor(options: LiveSourceOptions, position: Position) {
    this.#options = options
    this.#cycle = new DutyCycle(systemPlatform(), options.idle)
    this.#decoder = new EventDecoder(options.projection, position)
    this.#handed = position
    options.signal.addEventListener('abort', this.#onAbort)
  }

  async open(): Promise<void> {
    this.#cycle.start()
    if (this.#handed.successor !== undefined) await this.#follow()
    else await this.#join(this.#handed)
  }

  async next(): Promise<Batch | undefined> {
    for (;;) {
      if (this.#options.signal.aborted || this.#isCaughtUp()) return undefined
      if (this.#failure !== undefined) throw this.#failure
      const batch = this.#take()
      if (batch !== undefined) return batch
      if (this.#isThrough()) {
        if (this.#handed.successor === '') return undefined
        await this.#follow()
      } else await this.#news()
    }
  }

  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#leave()
    this.#cycle.stop()
  }

  #take(): Batch | undefined {
    const batch = this.#queue.take(BATCH_EVENTS)
    if (batch === undefined) return undefined
    this.#handed = batch.position
    const isDue = performance.now() - this.#handedAtMs >= IDLE_COMMIT_MS
    if (batch.events.length === 0 && !isDue && !this.#isThrough() && !this.#isCaughtUp()) return undefined
    this.#handedAtMs = performance.now()
    return batch
  }

  #isCaughtUp(): boolean {
    const { untilCaughtUp = false } = this.#options
    // A session that another one goes on from is not where the stream is.
    if ((this.#handed.successor ?? '') !== '') return false
    return untilCaughtUp && this.#caughtUpAt !== undefined && this.#handed.sequence >= this.#caughtUpAt
  }

  /** All of the session was handed on: its end is stable, for nothing else is. */
  #isThrough(): boolean {
    return this.#handed.successor !== undefined
  }

  async #follow(): Promise<void> {
    const { successor = '' } = this.#handed
    this.#leave()
    this.#caughtUpAt = undefined
    const next = successorOf(this.#handed, successor)
    this.#options.logger.info(
      { session: next.session, predecessor: this.#handed.session },
      'projection: on to the next session',
    )
    this.#handed = next
    await this.#join(next)
  }

  async #join(position: Position): Promise<void> {
    this.#decoder = new EventDecoder(this.#options.projection, position)
    this.#queue = new StableQueue()
    const { localStore, ...options } = this.#options
    const session = position.session
    const incarnation = this.#cycle.platform.random()
    const fail = (error: SeqcastError): void => this.#fail(error)
    const control = await ControlLink.open({ ...options, session }, incarnation, this.#cycle, fail)
    this.#control = control
    const queue = this.#queue
    control.listen((message) => {
      if (message.kind === 'store') queue.onStore(message.body)
    })
    this.#events = await EventLink.open(
      {
        ...{ ...options, session, nextSequence: this.#decoder.readFrom, startRewinding: true, askSequencer: false },
        seed: incarnation,
        ...(localStore === undefined ? {} : { localStore }),
      },
      this.#cycle,
      control,
      {
        deliver: (sequence, count, bytes, start) => this.#deliver(sequence, count, bytes, start),
        mustWait: () => this.#queue.size >= QUEUE_EVENTS,
        stateChanged: (state) => this.#onState(state),
        lost: (first, last, reason) => fail(lost(session, first, last, reason)),
        revoked: (nextSequence, reason) => this.#onRevoked(nextSequence, reason),
        sequencerHeard: ({ nextSequence, stableSequence }) => {
          if (stableSequence < nextSequence) this.#queue.onStable(stableSequence)
          this.#wake()
        },
      },
      fail,
    )
    if (this.#reopenAt !== undefined) this.#reopen(this.#reopenAt)
    else this.#onEnd()
  }

  #leave(): void {
    this.#events?.close()
    this.#control?.close()
    this.#events = undefined
    this.#control = undefined
  }

  #deliver(sequence: number, count: number, bytes: Uint8Array, start: number): void {
    if (this.#failure !== undefined || this.#reopenAt !== undefined) return
    try {
      const before = this.#decoder.position
      const batch = this.#decoder.take(sequence, count, bytes, start)
      if (batch.position !== before) this.#queue.push(batch)
      if (before.successor === undefined) this.#onEnd()
    } catch (error) {
      if (!(error instanceof SeqcastError)) throw error
      this.#fail(error)
    }
    // Not within a delivery: the receiver is at work on it.
    if (this.#queue.size >= QUEUE_EVENTS && this.#events?.receiver.state === 'live') {
      this.#reopenLater('the database is slower than the stream')
    }
    this.#wake()
  }

  /** The session has ended, with another one to go on: whether its end is stable, that one's sequencer tells, too. */
  #onEnd(): void {
    const { successor = '', sequence } = this.#decoder.position
    if (successor === '') return
    const queue = this.#queue
    this.#events?.expect(successor, sequence, () => {
      queue.onAllStable()
      this.#wake()
    })
  }

  #onState(state: string): void {
    if (state === 'live') this.#caughtUpAt ??= this.#decoder.position.sequence
    if (state === 'ended') {
      this.#caughtUpAt ??= this.#decoder.position.sequence
      // The end of a session that names another one is told when it is stable.
      if ((this.#decoder.position.successor ?? '') !== '') this.#queue.onAllStable()
    }
    this.#wake()
  }

  /** What is stable is never taken back: what is in the rows stays. What was queued behind it may be of a branch that lost. */
  #onRevoked(nextSequence: number, reason: string): void {
    if (nextSequence <= this.#handed.sequence)
      this.#fail(takenBack(this.#options.projection, this.#handed, nextSequence))
    else this.#reopenLater(reason)
  }

  #reopenLater(reason: string): void {
    if (this.#reopenAt !== undefined) return
    this.#reopenAt = reason
    this.#cycle.platform.timers.defer(() => this.#reopen(reason))
  }

  /** Reads again from what was handed on. */
  #reopen(reason: string): void {
    if (this.#events === undefined) return
    this.#reopenAt = undefined
    this.#queue.forget()
    this.#decoder = new EventDecoder(this.#options.projection, this.#handed)
    this.#events.reopen(this.#decoder.readFrom, true, reason)
    this.#wake()
  }

  #fail(error: SeqcastError): void {
    this.#failure ??= error
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }

  /** Resolves at the next delivery, heartbeat or failure; a voter's word is looked at now and then. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(), IDLE_COMMIT_MS / 4)
      this.#waiting = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function otherSessions({ name }: Projection, { session, sequence }: Position, wanted: string): SeqcastError {
  return new SeqcastError(
    'E_PROJECTION',
    `projection ${name} is at event ${sequence} of session ${session}, which does not follow ${wanted}`,
    {
      hint: `go on with --session ${session}; --reset loads session ${wanted} instead, beside the old rows`,
      fields: { projection: name, session, sequence, wanted },
    },
  )
}

function takenBack({ name }: Projection, { session, sequence }: Position, nextSequence: number): SeqcastError {
  return new SeqcastError(
    'E_PROJECTION',
    `session ${session} goes on at event ${nextSequence}, and projection ${name} has its event ${sequence}`,
    {
      hint: 'the session was begun anew, or its end was lost; --reset loads it anew, beside the old rows',
      fields: { projection: name, session, sequence, nextSequence },
    },
  )
}

function lost(session: string, from: number, to: number, reason: string): SeqcastError {
  return new SeqcastError('E_LOST', `events ${from} to ${to} of session ${session} can't be had: ${reason}`, {
    hint: 'start a store that has them (seqcast status shows who is there); the projection stopped before the hole',
    fields: { session, from, to },
  })
}
