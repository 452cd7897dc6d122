/**
 * The store's TCP side: one rewind session a connection, over the log that the store records. Serving never blocks
 * recording: each session reads in bounded batches and waits while its client does.
 */
import type { Logger } from '../core/log.js'
import type { TcpConnection, TcpHandlers, TcpServer } from '../net/network.js'
import type { EventLog } from '../protocol/event-log.js'
import { RewindSession } from '../protocol/rewind-server.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { endsSession } from './last-event.js'

/** More clients than this are refused: each holds a buffer and a place in the reading order. */
const MAX_CLIENTS = 256

export class RewindListener implements Agent {
  readonly #cycle: DutyCycle
  readonly #log: EventLog
  readonly #logger: Logger
  readonly #sessions = new Set<RewindSession>()
  #listener: TcpServer | undefined
  #announcedSequence = 0
  /** The session's last event; infinity while it goes on. Clients are told of the end when it is committed. */
  #lastSequence = Number.POSITIVE_INFINITY
  refusedClients = 0

  private constructor(log: EventLog, cycle: DutyCycle, logger: Logger) {
    this.#log = log
    this.#cycle = cycle
    this.#logger = logger
  }

  static async open(
    at: { address: string; port: number },
    log: EventLog,
    cycle: DutyCycle,
    logger: Logger,
  ): Promise<RewindListener> {
    const server = new RewindListener(log, cycle, logger)
    if (endsSession(log)) server.#lastSequence = log.committedSequence
    server.#listener = await cycle.platform.network.listenTcp(at, (connection) => server.#accept(connection))
    cycle.add(server)
    return server
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  get clients(): number {
    return this.#sessions.size
  }

  /** New events can be read. */
  onCommitted(nowUs: number): void {
    if (this.#log.committedSequence === this.#announcedSequence) return
    this.#announcedSequence = this.#log.committedSequence
    for (const session of this.#sessions) {
      if (this.#isEnded()) session.onSessionEnded(nowUs)
      else session.onCommitted(nowUs)
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
    for (const session of [...this.#sessions]) session.onTruncated(fromSequence, nowUs)
  }

  flush(nowUs: number): void {
    this.onCommitted(nowUs)
  }

  tick(nowUs: number): number {
    let deadlineUs = Number.POSITIVE_INFINITY
    for (const session of this.#sessions) deadlineUs = Math.min(deadlineUs, session.tick(nowUs))
    return deadlineUs
  }

  async close(): Promise<void> {
    this.#cycle.remove(this)
    await this.#listener?.close()
  }

  #accept(connection: TcpConnection): TcpHandlers | undefined {
    if (this.#sessions.size >= MAX_CLIENTS) {
      this.refusedClients += 1
      return undefined
    }
    const session = new RewindSession(
      { log: this.#log, session: this.#log.session },
      {
        send: (bytes) => connection.send(bytes),
        close: (reason) => {
          this.#logger.debug({ client: connection.remote, reason }, 'rewind: closing')
          connection.close()
        },
        bufferedBytes: () => connection.bufferedBytes(),
      },
    )
    this.#sessions.add(session)
    if (this.#isEnded()) session.onSessionEnded(this.#cycle.enter())
    return {
      bytes: (bytes) => session.onBytes(bytes, this.#cycle.enter()),
      drained: () => session.onDrained(this.#cycle.enter()),
      closed: () => this.#sessions.delete(session),
    }
  }

  #isEnded(): boolean {
    return this.#log.committedSequence >= this.#lastSequence
  }
}
