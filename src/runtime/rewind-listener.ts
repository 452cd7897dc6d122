/**
 * The store's TCP side: one rewind session a connection. The login names the session: the one that is recorded now, one that the
 * store has recorded since it was started, or any other one of its archive. Serving never blocks recording: each connection reads
 * in bounded batches and waits while its client does.
 */
import { messageOf } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import type { TcpConnection, TcpHandlers, TcpServer } from '../net/network.js'
import { type RewindLog, RewindSession } from '../protocol/rewind-server.js'
import type { Agent, DutyCycle } from './duty-cycle.js'
import { endsSession } from './last-event.js'
import { ServedLog } from './served-log.js'

/** More clients than this are refused: each holds a buffer and a place in the reading order. */
const MAX_CLIENTS = 256
/** Of the archive, so many sessions are open at a time; one that nobody reads any more makes room. */
const MAX_ARCHIVED = 16

/** Sessions that were recorded earlier. */
export interface Archive {
  /** Opens a session for reading, whether or not it is recorded now. @returns undefined where there is no such session */
  open(session: string): Promise<ArchivedLog | undefined>
}

export interface ArchivedLog extends RewindLog {
  close(): Promise<void>
}

interface Archived {
  readonly served: ServedLog
  readonly log: ArchivedLog
}

export class RewindListener implements Agent {
  readonly #cycle: DutyCycle
  readonly #logger: Logger
  readonly #archive: Archive | undefined
  readonly #clients = new Set<RewindSession>()
  readonly #served = new Map<string, ServedLog>()
  readonly #archived = new Map<string, Archived>()
  #current: ServedLog | undefined
  #listener: TcpServer | undefined
  refusedClients = 0

  private constructor(cycle: DutyCycle, logger: Logger, archive: Archive | undefined) {
    this.#cycle = cycle
    this.#logger = logger
    this.#archive = archive
  }

  static async open(
    at: { address: string; port: number },
    cycle: DutyCycle,
    logger: Logger,
    archive?: Archive,
  ): Promise<RewindListener> {
    const server = new RewindListener(cycle, logger, archive)
    server.#listener = await cycle.platform.network.listenTcp(at, (connection) => server.#accept(connection))
    cycle.add(server)
    return server
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  get clients(): number {
    return this.#clients.size
  }

  /** Serves a log from now on; a login that names no session is one to the last that was added. */
  serve(session: string, log: RewindLog): ServedLog {
    const served = new ServedLog(session, log, endsSession(log))
    this.#served.set(session, served)
    this.#current = served
    return served
  }

  /** The log will be closed. */
  forget(session: string): void {
    this.#served.delete(session)
  }

  flush(nowUs: number): void {
    for (const served of this.#served.values()) served.onCommitted(nowUs)
  }

  tick(nowUs: number): number {
    let deadlineUs = Number.POSITIVE_INFINITY
    for (const client of this.#clients) deadlineUs = Math.min(deadlineUs, client.tick(nowUs))
    return deadlineUs
  }

  async close(): Promise<void> {
    this.#cycle.remove(this)
    await this.#listener?.close()
    await Promise.all([...this.#archived.values()].map(({ log }) => log.close()))
    this.#archived.clear()
  }

  #accept(connection: TcpConnection): TcpHandlers | undefined {
    if (this.#clients.size >= MAX_CLIENTS) {
      this.refusedClients += 1
      return undefined
    }
    let served: ServedLog | undefined
    const client: RewindSession = new RewindSession(
      {
        find: (session, found) => {
          const take = (one: ServedLog | undefined): void => {
            served = this.#clients.has(client) ? one : undefined
            served?.add(client)
            found(served?.target)
          }
          const known = session === '' ? this.#current : this.#served.get(session)
          if (known !== undefined) take(known)
          else this.#find(session, take)
        },
      },
      {
        send: (bytes) => connection.send(bytes),
        close: (reason) => {
          this.#logger.debug({ client: connection.remote, reason }, 'rewind: closing')
          connection.close()
        },
        bufferedBytes: () => connection.bufferedBytes(),
      },
    )
    this.#clients.add(client)
    return {
      bytes: (bytes) => client.onBytes(bytes, this.#cycle.enter()),
      drained: () => client.onDrained(this.#cycle.enter()),
      closed: () => {
        this.#clients.delete(client)
        served?.remove(client)
      },
    }
  }

  #find(session: string, take: (served: ServedLog | undefined) => void): void {
    this.#open(session).then(
      (served) => {
        this.#cycle.enter()
        take(served)
      },
      (error: unknown) => {
        this.#logger.warn({ session, reason: messageOf(error) }, 'rewind: a recorded session can not be read')
        take(undefined)
      },
    )
  }

  async #open(session: string): Promise<ServedLog | undefined> {
    const open = this.#archived.get(session)
    if (open !== undefined) return open.served
    await this.#makeRoom()
    if (this.#archived.size >= MAX_ARCHIVED) return undefined
    const log = await this.#archive?.open(session)
    if (log === undefined) return undefined
    const meanwhile = this.#archived.get(session)
    if (meanwhile !== undefined) {
      await log.close()
      return meanwhile.served
    }
    const served = new ServedLog(session, log, endsSession(log))
    this.#archived.set(session, { served, log })
    return served
  }

  /** The one that was opened longest ago, of those that nobody reads. */
  async #makeRoom(): Promise<void> {
    if (this.#archived.size < MAX_ARCHIVED) return
    for (const [session, { served, log }] of this.#archived) {
      if (served.clients > 0) continue
      this.#archived.delete(session)
      await log.close()
      return
    }
  }
}
