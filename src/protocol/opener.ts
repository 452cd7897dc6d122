/** Takes a session through its opening (see session-opening.ts): sequences what it begins with, waits for the seeds, opens it. */
import type { SequencerState } from './sequencer-types.js'
import type { OpeningEvent, SessionOpening } from './session-opening.js'

export interface OpenerOutput {
  state(): SequencerState
  /** Sequences an event of the sequencer's own. @returns its sequence */
  sequence(event: OpeningEvent, nowUs: number, wallUs: number): number
  /** From here on commands of every source are taken. */
  opened(reason: string): void
}

/** So much is said at a time: the network is to have its turn. */
const EVENTS_A_TURN = 256

export class Opener {
  readonly #opening: SessionOpening
  readonly #output: OpenerOutput

  constructor(opening: SessionOpening, output: OpenerOutput) {
    this.#opening = opening
    this.#output = output
  }

  /** Goes on as far as there is room for it. @returns true where there is more to say at once */
  goOn(nowUs: number, wallUs: number): boolean {
    for (let i = 0; this.#output.state() === 'seeding'; i++) {
      if (i === EVENTS_A_TURN) return true
      const event = this.#opening.next()
      if (event === undefined) break
      this.#opening.sequenced(event, this.#output.sequence(event, nowUs, wallUs))
    }
    const last = this.#output.state() === 'seeding' ? this.#opening.openingEvent() : undefined
    if (last !== undefined) this.#open(last, nowUs, wallUs)
    return false
  }

  /** An operator does not wait for the seeds that have not come. @returns the sequence of the event that says so, or why not */
  openAnyway(reason: string, nowUs: number, wallUs: number): number | string {
    if (this.#opening.isOpen) return 'the session is open already'
    const event = this.#opening.openingEvent(reason)
    if (event === undefined) return 'the session still sequences what it begins with: ask again in a moment'
    return this.#open(event, nowUs, wallUs)
  }

  #open(event: OpeningEvent, nowUs: number, wallUs: number): number {
    const sequence = this.#output.sequence(event, nowUs, wallUs)
    this.#opening.opened()
    this.#output.opened('open for business')
    return sequence
  }
}
