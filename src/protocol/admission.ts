/**
 * When commands are held back, and when no more: a window that is full of what is not yet stable, a continued session that has not
 * settled, a newer epoch that somebody has spoken of.
 */
import type { Logger } from '../core/log.js'
import type { Announcer } from './announcer.js'
import type { Neighbours } from './neighbours.js'
import type { Publication } from './publication.js'
import type { SequencerState } from './sequencer-types.js'
import type { SessionOpening } from './session-opening.js'

export interface AdmissionParts {
  readonly announcer: Announcer
  readonly neighbours: Neighbours
  readonly publication: Publication
  readonly opening: SessionOpening
  readonly logger: Logger
  state(): SequencerState
  nowUs(): number
  transition(next: SequencerState, reason: string): void
}

export class Admission {
  readonly #parts: AdmissionParts

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /** What a sequencer is now that begins, or is not held any more. */
  get state(): 'open' | 'seeding' | 'held' {
    if (!this.#isReady()) return 'held'
    return this.#parts.opening.isOpen ? 'open' : 'seeding'
  }

  /** A packet of events was sent. */
  published(): void {
    const { announcer, publication, nowUs } = this.#parts
    announcer.sent(nowUs())
    if (!publication.stability.hasVoters) this.release('the continued session has settled')
    else if (this.#isTaking && !publication.hasRoomForCommands) {
      this.#hold('the window is full of events that are not yet stable')
    }
  }

  /** Somebody may reign in a newer epoch. */
  doubted(fields: Readonly<Record<string, unknown>>): void {
    const { logger } = this.#parts
    logger.warn(fields, 'somebody says that a newer epoch has begun: no commands until the voters have spoken')
    if (this.#isTaking) this.#hold('a newer epoch may have begun')
  }

  /** Accepts commands again where nothing holds them back any more. */
  release(reason: string): void {
    if (this.#parts.state() !== 'held' || !this.#isReady()) return
    this.#parts.transition(this.state, reason)
    this.#parts.announcer.controlSoon(0)
  }

  get #isTaking(): boolean {
    const state = this.#parts.state()
    return state === 'open' || state === 'seeding'
  }

  #hold(reason: string): void {
    this.#parts.transition('held', reason)
    this.#parts.announcer.controlSoon(0)
  }

  #isReady(): boolean {
    const { announcer, neighbours, publication, nowUs } = this.#parts
    const isSettled = announcer.isSettled(nowUs()) && !neighbours.isInDoubt
    return isSettled && publication.hasRoomForCommands
  }
}
