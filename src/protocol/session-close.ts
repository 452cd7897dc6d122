/**
 * The end of a session, from the event that says so until everybody can know it. Whoever hears of the end of a session that goes on in
 * another one may go on at once: so that is not announced before nobody can take it back. And it is announced until the successor
 * runs, because before that nobody else can tell who is late that the end is stable.
 */
import type { Announcer } from './announcer.js'
import type { SessionEnd } from './session-rebuild.js'

export class SessionClose {
  readonly #announcer: Announcer
  #end: SessionEnd | undefined
  #isSucceeded = false

  constructor(announcer: Announcer) {
    this.#announcer = announcer
  }

  /** The event that this sequencer has sequenced, if it has. */
  get end(): SessionEnd | undefined {
    return this.#end
  }

  begin(end: SessionEnd, stableSequence: number, nowUs: number): void {
    this.#end = end
    if (end.successor === '') this.#announcer.end(nowUs)
    else this.onStable(stableSequence, nowUs)
    this.#announcer.controlSoon(0)
  }

  /** Everything up to here is stable. */
  onStable(stableSequence: number, nowUs: number): void {
    if (this.#end === undefined || stableSequence < this.#end.sequence) return
    if (!this.#announcer.isEnding) this.#announcer.end(nowUs)
    this.#announcer.controlSoon(0)
  }

  /** The successor runs: the end is said as long as any other one, and not longer. */
  succeeded(nowUs: number): void {
    if (this.#end === undefined || this.#isSucceeded) return
    this.#isSucceeded = true
    this.#announcer.end(nowUs)
  }

  /** True where it was said long enough. */
  isHeard(nowUs: number, isAllStable: boolean): boolean {
    if (this.#end?.successor !== '' && !this.#isSucceeded) return false
    return this.#announcer.isEndHeard(nowUs, isAllStable)
  }
}
