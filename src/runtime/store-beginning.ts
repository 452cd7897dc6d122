/** Which session a recording goes on from, as its store knows from the one before, and whether its first event says the same. */
import type { Logger } from '../core/log.js'
import type { EventLog } from '../protocol/event-log.js'
import { startOfLog } from './last-event.js'

export class StoreBeginning {
  readonly #session: string
  readonly #log: EventLog
  readonly #predecessor: string
  readonly #logger: Logger
  #isChecked = false

  /** @param predecessor '' where it is not known */
  constructor(session: string, log: EventLog, predecessor: string, logger: Logger) {
    this.#session = session
    this.#log = log
    this.#predecessor = predecessor
    this.#logger = logger
  }

  /** Said while nothing is recorded: whoever begins the session has to know; '' later, and where it is not known. */
  get predecessor(): string {
    return this.#log.durableSequence === 0 ? this.#predecessor : ''
  }

  /** A sequencer that heard no store may have begun it anew, and what is carried over is missing then. */
  onDurable(): void {
    const expected = this.#predecessor
    if (this.#isChecked || expected === '' || this.#log.durableSequence === 0) return
    this.#isChecked = true
    const predecessor = startOfLog(this.#log)?.predecessor ?? ''
    if (predecessor === expected) return
    this.#logger.error(
      { session: this.#session, expected, predecessor },
      `store: session ${this.#session} was begun without what session ${expected} carries over, which ended with going on in it`,
    )
  }
}
