/** What became of a sender's commands: how many are events, and which ones, session by session. */

/** Commands of the source that became events of one session. */
export interface SentRange {
  readonly session: string
  readonly events: number
  readonly firstSequence: number
  readonly lastSequence: number
}

export class SentEvents {
  session: string
  /** Of this session; 0 where none is an event. */
  firstSequence = 0
  lastSequence = 0
  /** In all sessions. */
  total = 0
  readonly #before: SentRange[] = []
  #totalBefore = 0

  constructor(session: string) {
    this.session = session
  }

  /** One came back. */
  returned(sequence: number): void {
    if (this.firstSequence === 0) this.firstSequence = sequence
    this.lastSequence = sequence
    this.total += 1
  }

  /** Events from here on were taken back. @param left how many of the source's are left in this session */
  revoked(from: number, left: number): void {
    this.total = this.#totalBefore + left
    if (this.firstSequence >= from) this.firstSequence = 0
    this.lastSequence = Math.min(this.lastSequence, from - 1)
  }

  /** Another session goes on. */
  goOn(session: string): void {
    this.#before.splice(0, this.#before.length, ...this.ranges)
    this.#totalBefore = this.total
    this.firstSequence = 0
    this.lastSequence = 0
    this.session = session
  }

  /** Sessions without any are left out. */
  get ranges(): readonly SentRange[] {
    const { session, firstSequence, lastSequence } = this
    const events = this.total - this.#totalBefore
    return events === 0 ? [...this.#before] : [...this.#before, { session, events, firstSequence, lastSequence }]
  }
}
