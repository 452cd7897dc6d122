/** Who else speaks on a control stream: told to a user whose own session is silent there. */
import { isSession } from '../core/session.js'
import type { ControlMessage } from '../wire/control.js'
import type { ControlLink } from './control-link.js'

/** Sessions that are named; a group that many share is no help. */
const MOST_SESSIONS = 5

export class OthersHeard {
  readonly #roles = new Map<string, Set<string>>()

  constructor(control: ControlLink) {
    control.onForeign = (message) => this.#note(message)
  }

  /** For the message of an error: `; heard there: sequencer of S2`. Nothing where nobody was heard. */
  get text(): string {
    const heard = [...this.#roles].map(([session, roles]) => `${[...roles].sort().join(' and ')} of ${session}`)
    return heard.length === 0 ? '' : `; heard there: ${heard.join(', ')}`
  }

  /** For the hint of an error: what to look at instead. */
  get hint(): string | undefined {
    const [first] = this.#roles.keys()
    return first === undefined
      ? undefined
      : `see it with: seqcast status --session ${first}; a session that has gone on is found by its first id only while a store says so`
  }

  #note({ kind, session }: ControlMessage): void {
    // Anything may come from the network, and this is printed.
    if ((kind !== 'sequencer' && kind !== 'store' && kind !== 'component') || !isSession(session)) return
    const roles = this.#roles.get(session)
    if (roles !== undefined) roles.add(kind)
    else if (this.#roles.size < MOST_SESSIONS) this.#roles.set(session, new Set([kind]))
  }
}
