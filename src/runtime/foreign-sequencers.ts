/** Other sessions on the same control stream that are sequenced: one of them is nobody's successor. */
import { isSequencing } from '../protocol/sequencer-states.js'
import type { ControlMessage } from '../wire/control.js'

/** Without a key anybody can send one datagram; a sequencer speaks ten times a second. */
const SPEAKS_FOR_US = 50_000
const SILENT_AFTER_US = 500_000
/** Of what strangers invent no more is kept. */
const MAX_SESSIONS = 16

export class ForeignSequencers {
  readonly #heard = new Map<string, { readonly sinceUs: number; readonly heardUs: number }>()

  onForeign({ kind, session, body }: ControlMessage, nowUs: number): void {
    if (kind !== 'sequencer' || !isSequencing(body.state)) return
    const before = this.#heard.get(session)
    const goesOn = before !== undefined && nowUs - before.heardUs < SILENT_AFTER_US
    if (before === undefined && this.#heard.size >= MAX_SESSIONS) this.#heard.clear()
    this.#heard.set(session, { sinceUs: goesOn ? before.sinceUs : nowUs, heardUs: nowUs })
  }

  /** True where somebody sequences that session. */
  has(session: string, nowUs: number): boolean {
    const heard = this.#heard.get(session)
    if (heard === undefined || nowUs - heard.heardUs >= SILENT_AFTER_US) return false
    return heard.heardUs - heard.sinceUs >= SPEAKS_FOR_US
  }
}
