/**
 * A standby sequencer is a passive reader of the session: every event from the first on goes into a machine, which is then
 * able to go on at once. What was delivered on a branch that does not live on can't be taken out of a machine again: the
 * owner then reads anew, with a new one.
 */
import { nonZero } from '../core/counters.js'
import { SeqcastError } from '../core/errors.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { ControlLink } from './control-link.js'
import type { DutyCycle } from './duty-cycle.js'
import { EventLink } from './event-link.js'
import type { RoleOptions } from './options.js'

/** Holes that nobody can fill are the tail of a sequencer that has died: its successor settles them, or an operator does. */
const LOSS_TIMEOUT_US = 3_600_000_000

export interface StandbyOwner {
  /** Events of the stream were read; not of its history. */
  read(nowUs: number): void
  /** The reading can't go on: it has to begin anew. */
  readAnew(reason: string): void
  /** The session is over. */
  ended(): void
  failed(error: SeqcastError): void
}

export class StandbyReader {
  readonly #sequencer: Sequencer
  readonly #owner: StandbyOwner
  #link: EventLink | undefined
  #isOver = false

  /** @param sequencer its `rebuild` is called with every event of the session */
  constructor(sequencer: Sequencer, owner: StandbyOwner) {
    this.#sequencer = sequencer
    this.#owner = owner
  }

  /** Begins to read; one that is closed meanwhile reads nothing. */
  async open(options: RoleOptions, cycle: DutyCycle, control: ControlLink): Promise<void> {
    const owner = this.#owner
    const link = await EventLink.open(
      {
        ...options,
        nextSequence: 1,
        startRewinding: true,
        askSequencer: true,
        seed: control.sender,
        lossTimeoutUs: LOSS_TIMEOUT_US,
      },
      cycle,
      control,
      {
        deliver: (sequence, count, bytes, start, end, nowUs) => {
          if (!this.#isOver) this.#read(sequence, count, bytes, start, end, nowUs)
        },
        stateChanged: (state) => {
          if (state === 'ended') this.#over(() => owner.ended())
        },
        lost: (from, to, reason) => this.#over(() => owner.readAnew(`events ${from} to ${to} are lost: ${reason}`)),
        revoked: (nextSequence, reason) =>
          this.#over(() => owner.readAnew(`events from ${nextSequence} on were revoked: ${reason}`)),
      },
      (error) => this.#over(() => owner.failed(error)),
    )
    this.#link = link
    if (this.#isOver) link.close()
  }

  /** What the reading has met that is worth telling. */
  get counters(): Record<string, number> {
    return nonZero(this.#link?.receiver.counters ?? {})
  }

  #read(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void {
    try {
      this.#sequencer.rebuild(sequence, count, bytes, start, end)
      // A store that is read says nothing about the sequencer.
      if (this.#link !== undefined && this.#link.receiver.state !== 'rewinding') this.#owner.read(nowUs)
    } catch (error) {
      if (!(error instanceof SeqcastError)) throw error
      this.#over(() => this.#owner.failed(error))
    }
  }

  #over(tell: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    // Told from inside the receiver, which is still at work.
    queueMicrotask(() => {
      this.close()
      tell()
    })
  }

  /** Reads no more; the machine is the owner's. */
  close(): void {
    this.#isOver = true
    this.#link?.close()
  }
}
