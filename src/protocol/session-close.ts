/**
 * The end of a session: the event that says so, and the time until everybody can know it. Whoever hears of the end of a session that goes
 * on in another one may go on at once: so that is not announced before nobody can take it back. And it is announced until the
 * successor runs, because before that nobody else can tell who is late that the end is stable.
 */
import { type SessionEnded, sessionEndedCodec } from '../wire/runtime-events.js'
import { encodeWithReason } from './admin-desk.js'
import type { Announcer } from './announcer.js'
import type { SessionEnd } from './session-rebuild.js'

export interface SessionCloseOutput {
  transition(next: 'ending' | 'ended', reason: string): void
  /** Sequences the last event, and sends it. @returns its sequence */
  sequence(payload: Uint8Array, nowUs: number, wallUs: number): number
  /** Everything up to here is stable. */
  stableSequence(): number
}

export class SessionClose {
  readonly #announcer: Announcer
  readonly #payloadBytes: number
  readonly #output: SessionCloseOutput
  #end: SessionEnd | undefined
  #isSucceeded = false

  /** @param payloadBytes the longest payload of an event */
  constructor(announcer: Announcer, payloadBytes: number, output: SessionCloseOutput) {
    this.#announcer = announcer
    this.#payloadBytes = payloadBytes
    this.#output = output
  }

  /** The end that this sequencer has sequenced, if it has. */
  get end(): SessionEnd | undefined {
    return this.#end
  }

  /** No command is taken after it. @returns its sequence */
  begin({ reason, successor }: SessionEnded, nowUs: number, wallUs: number): number {
    this.#output.transition('ending', reason)
    const payload = encodeWithReason(sessionEndedCodec, { reason, successor }, this.#payloadBytes)
    const sequence = this.#output.sequence(payload, nowUs, wallUs)
    this.#end = { reason, successor, sequence }
    if (successor === '') this.#announcer.end(nowUs)
    else this.onStable(nowUs)
    this.#announcer.controlSoon(0)
    return sequence
  }

  /** More is stable than before. */
  onStable(nowUs: number): void {
    if (this.#end === undefined || this.#output.stableSequence() < this.#end.sequence) return
    if (!this.#announcer.isEnding) this.#announcer.end(nowUs)
    this.#announcer.controlSoon(0)
  }

  /** The successor runs: the end is said as long as any other one, and not longer. */
  succeeded(nowUs: number): void {
    if (this.#end === undefined || this.#isSucceeded) return
    this.#isSucceeded = true
    this.#announcer.end(nowUs)
  }

  /** Ends it all where it was said long enough. */
  finish(nowUs: number): void {
    if (this.#end === undefined || (this.#end.successor !== '' && !this.#isSucceeded)) return
    const unstable = this.#end.sequence - this.#output.stableSequence()
    if (!this.#announcer.isEndHeard(nowUs, unstable === 0)) return
    this.#output.transition('ended', unstable === 0 ? 'all events are stable' : `${unstable} events are not stable`)
  }
}
