/** One session that a store serves by rewind: its log, its clients, and when they are told of news and of the end. */
import type { RewindLog, RewindSession, RewindTarget } from '../protocol/rewind-server.js'

export class ServedLog {
  readonly session: string
  readonly log: RewindLog
  readonly #clients = new Set<RewindSession>()
  #announcedSequence = 0
  /** The session's last event; infinity while it goes on. Clients are told of the end when it is committed. */
  #lastSequence: number

  constructor(session: string, log: RewindLog, hasEnded: boolean) {
    this.session = session
    this.log = log
    this.#lastSequence = hasEnded ? log.committedSequence : Number.POSITIVE_INFINITY
  }

  get clients(): number {
    return this.#clients.size
  }

  /** What a login to this session is given. */
  get target(): RewindTarget {
    return { log: this.log, session: this.session, ended: this.#isEnded() }
  }

  add(client: RewindSession): void {
    this.#clients.add(client)
  }

  remove(client: RewindSession): void {
    this.#clients.delete(client)
  }

  /** New events can be read. */
  onCommitted(nowUs: number): void {
    if (this.log.committedSequence === this.#announcedSequence) return
    this.#announcedSequence = this.log.committedSequence
    for (const client of this.#clients) {
      if (this.#isEnded()) client.onSessionEnded(nowUs)
      else client.onCommitted(nowUs)
    }
  }

  /** The session's last event is accepted for recording: clients are told of the end after they have read it. */
  onSessionEnded(lastSequence: number): void {
    this.#lastSequence = lastSequence
  }

  /** The log has taken back its events from here on: who has read some of them has to begin again. */
  onTruncated(fromSequence: number, nowUs: number): void {
    if (fromSequence <= this.#lastSequence) this.#lastSequence = Number.POSITIVE_INFINITY
    this.#announcedSequence = Math.min(this.#announcedSequence, fromSequence - 1)
    for (const client of [...this.#clients]) client.onTruncated(fromSequence, nowUs)
  }

  #isEnded(): boolean {
    return this.log.committedSequence >= this.#lastSequence
  }
}
