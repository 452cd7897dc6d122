/**
 * A rewind straight from the files of a store on this machine: several processes may map one environment, and nothing comes
 * between the recording and the receiver. The contract is that of a rewind over TCP: in order, without hole, at the pace
 * of who takes it, and then on with what is committed meanwhile.
 *
 * The files may be another process's present, or an old copy. Where they have nothing more while the stream is known to go
 * on, the rewind ends after a short wait, and the caller goes on over TCP.
 */
import { messageOf } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { LmdbLogReader } from '../store/lmdb-log-reader.js'
import type { DutyCycle } from './duty-cycle.js'
import { endsSession } from './last-event.js'
import type { RewindListener } from './rewind-link.js'

/** Events handed on before sockets and timers have their turn: long against what a turn costs, short against a heartbeat. */
const EVENTS_PER_TURN = 8_192
/** Packets without an end: the number of events bounds a turn. */
const PACKETS_PER_TURN = 1_024
/** Everything was read: new commits are looked for this often. */
const LOOK_EVERY_US = 10_000
/** The store of this machine is never so far behind the stream for long; an old copy stays behind. */
const BEHIND_FOR_US = 150_000

export interface LocalRewindListener extends RewindListener {
  /** Everything that is recorded was handed on. */
  caughtUp(nowUs: number): void
  /** True while the stream is known to reach further than what was taken. */
  isBehind(): boolean
  /** The files can't serve this rewind; nothing was handed on. */
  unavailable(fromSequence: number, reason: string): void
}

export class LocalRewind {
  readonly #directory: string
  readonly #session: string
  readonly #cycle: DutyCycle
  readonly #listener: LocalRewindListener
  readonly #logger: Logger
  #state: 'idle' | 'opening' | 'reading' | 'waiting' = 'idle'
  #reader: LmdbLogReader | undefined
  #next = 0
  #eventsLeft = 0
  #isScheduled = false
  #lookAtUs = Number.POSITIVE_INFINITY
  #behindSinceUs = Number.POSITIVE_INFINITY
  /** Counts starts, so that an opening that was given up is known when it is done. */
  #attempt = 0

  constructor(directory: string, session: string, cycle: DutyCycle, listener: LocalRewindListener, logger: Logger) {
    this.#directory = directory
    this.#session = session
    this.#cycle = cycle
    this.#listener = listener
    this.#logger = logger
  }

  /** True while what was read can't be taken. */
  get isWaiting(): boolean {
    return this.#state === 'reading' && (this.#listener.mustWait?.() ?? false)
  }

  start(fromSequence: number): void {
    this.stop()
    const attempt = this.#attempt
    this.#next = fromSequence
    this.#transition('opening', `from ${fromSequence}`)
    LmdbLogReader.open(this.#directory, this.#session).then(
      (reader) => {
        if (attempt === this.#attempt) this.#begin(reader)
        else closeReader(reader, this.#logger)
      },
      (error: unknown) => {
        if (attempt === this.#attempt) this.#refuse(messageOf(error))
      },
    )
  }

  /** Ends a rewind without telling the listener. */
  stop(): void {
    this.#attempt += 1
    if (this.#state === 'idle') return
    this.#transition('idle', 'stopped')
    this.#lookAtUs = Number.POSITIVE_INFINITY
    const reader = this.#reader
    this.#reader = undefined
    // Not within a read of it, which may be what has led here.
    if (reader !== undefined) this.#cycle.platform.timers.defer(() => closeReader(reader, this.#logger))
  }

  /** @returns when to call again, in microseconds */
  tick(nowUs: number): number {
    if (this.#state === 'reading') this.#schedule()
    else if (this.#state === 'waiting' && nowUs >= this.#lookAtUs) this.#look(nowUs)
    return this.#lookAtUs
  }

  #begin(reader: LmdbLogReader): void {
    this.#reader = reader
    const from = this.#next
    if (reader.kind !== 'events') this.#refuse('it is a recording of a foreign stream')
    else if (from < reader.firstSequence) this.#refuse(`it begins at ${reader.firstSequence}`)
    else if (from > reader.committedSequence) this.#refuse(`it ends at ${reader.committedSequence}`)
    else {
      const throughSequence = reader.committedSequence
      this.#logger.info({ directory: this.#directory, fromSequence: from, throughSequence }, 'rewind: from local files')
      this.#listener.started(from, this.#cycle.enter())
      this.#transition('reading', 'opened')
      this.#schedule()
    }
  }

  #refuse(reason: string): void {
    const fromSequence = this.#next
    this.stop()
    this.#listener.unavailable(fromSequence, `${this.#directory}: ${reason}`)
  }

  #schedule(): void {
    if (this.#isScheduled || (this.#listener.mustWait?.() ?? false)) return
    this.#isScheduled = true
    this.#cycle.platform.timers.defer(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isScheduled = false
    const reader = this.#reader
    if (this.#state !== 'reading' || reader === undefined) return
    const nowUs = this.#cycle.enter()
    this.#eventsLeft = EVENTS_PER_TURN
    try {
      reader.read(this.#next, PACKETS_PER_TURN, this.#visit)
      if (!this.#isReading()) return
      if (this.#next > reader.committedSequence) this.#onRead(reader, nowUs)
      else this.#schedule()
    } catch (error) {
      this.#end(messageOf(error), nowUs)
    }
  }

  readonly #visit = (sequence: number, count: number, bytes: Uint8Array, start: number, end: number): boolean => {
    this.#next = sequence + count
    this.#eventsLeft -= count
    this.#listener.run(sequence, count, bytes, start, end, this.#cycle.enter())
    return this.#eventsLeft > 0 && this.#isReading() && !this.isWaiting
  }

  /** All of the snapshot was handed on. */
  #onRead(reader: LmdbLogReader, nowUs: number): void {
    if (reader.refresh() >= this.#next) {
      this.#schedule()
      return
    }
    if (endsSession(reader)) {
      this.stop()
      this.#listener.sessionEnded(nowUs)
      return
    }
    this.#transition('waiting', `all to ${this.#next - 1} was read`)
    this.#lookAtUs = nowUs + LOOK_EVERY_US
    this.#behindSinceUs = nowUs
    this.#listener.caughtUp(nowUs)
  }

  #look(nowUs: number): void {
    if (this.#reader === undefined) return
    this.#lookAtUs = nowUs + LOOK_EVERY_US
    if (this.#reader.refresh() >= this.#next) {
      this.#lookAtUs = Number.POSITIVE_INFINITY
      this.#transition('reading', 'more was committed')
      this.#schedule()
    } else if (!this.#listener.isBehind()) this.#behindSinceUs = nowUs
    else if (nowUs - this.#behindSinceUs >= BEHIND_FOR_US) this.#end(`the local files end at ${this.#next - 1}`, nowUs)
  }

  #isReading(): boolean {
    return this.#state === 'reading'
  }

  #end(reason: string, nowUs: number): void {
    this.stop()
    this.#listener.ended(reason, nowUs)
  }

  #transition(next: 'idle' | 'opening' | 'reading' | 'waiting', reason: string): void {
    this.#logger.debug({ from: this.#state, to: next, reason, nextSequence: this.#next }, 'local rewind')
    this.#state = next
  }
}

/** Reading is over, so a failure loses nothing; it may tell of a disk that is failing. */
function closeReader(reader: LmdbLogReader, logger: Logger): void {
  reader
    .close()
    .catch((error: unknown) => logger.warn({ error: messageOf(error) }, 'closing the files of a store failed'))
}
