/**
 * A rewind over TCP: connects to a store, drives the client's session, and tells the receiver what came of it. One rewind at
 * a time; the receiver decides when to try again.
 */
import type { Logger } from '../core/log.js'
import type { TcpConnection } from '../net/network.js'
import { RewindClient } from '../protocol/rewind-client.js'
import type { DutyCycle } from './duty-cycle.js'

export interface RewindListener {
  started(sequence: number, nowUs: number): void
  run(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): void
  /** The session is over, and all of it was delivered. */
  sessionEnded(nowUs: number): void
  ended(reason: string, nowUs: number): void
  /** True while no more can be taken: the store at the other end has to wait. */
  mustWait?(): boolean
}

interface Rewind {
  readonly client: RewindClient
  readonly connection: TcpConnection
}

export class RewindLink {
  readonly #session: string
  readonly #cycle: DutyCycle
  readonly #listener: RewindListener
  readonly #logger: Logger
  #rewind: Rewind | undefined
  #isWaiting = false

  constructor(session: string, cycle: DutyCycle, listener: RewindListener, logger: Logger) {
    this.#session = session
    this.#cycle = cycle
    this.#listener = listener
    this.#logger = logger
  }

  /** True while the store has to wait, because no more can be taken. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Connects and asks for the stream from a sequence on. */
  start(fromSequence: number, to: { address: string; port: number }): void {
    this.stop()
    this.#logger.debug({ fromSequence, ...to }, 'rewind: connecting')
    let over = false
    const end = (reason: string): void => {
      if (over) return
      over = true
      this.#rewind = undefined
      this.#isWaiting = false
      connection.destroy()
      if (reason === 'end-of-session') this.#listener.sessionEnded(this.#cycle.enter())
      else this.#listener.ended(reason, this.#cycle.enter())
    }
    const client = new RewindClient(
      { session: this.#session, fromSequence, logger: this.#logger },
      {
        send: (bytes) => connection.send(bytes),
        close: (reason) => end(reason),
        started: (sequence) => this.#listener.started(sequence, this.#cycle.enter()),
        run: (sequence, count, bytes, start, stop) =>
          this.#listener.run(sequence, count, bytes, start, stop, this.#cycle.enter()),
        ended: (reason) => end(reason),
      },
    )
    const connection = this.#cycle.platform.network.connectTcp(to, {
      connected: () => client.onConnected(this.#cycle.enter()),
      bytes: (bytes) => {
        if (over) return
        client.onBytes(bytes, this.#cycle.enter())
        if (!over) this.#regulate(connection)
      },
      drained: () => {},
      closed: (reason) => end(`connection to store ${to.address}:${to.port}: ${reason}`),
    })
    this.#isWaiting = false
    this.#rewind = { client, connection }
    this.#abandon = () => {
      over = true
      connection.destroy()
    }
  }

  #abandon = (): void => {}

  /** Ends a rewind without telling the listener. */
  stop(): void {
    if (this.#rewind === undefined) return
    this.#rewind = undefined
    this.#isWaiting = false
    this.#abandon()
  }

  tick(nowUs: number): number {
    if (this.#rewind !== undefined) this.#regulate(this.#rewind.connection)
    return this.#rewind?.client.tick(nowUs) ?? Number.POSITIVE_INFINITY
  }

  #regulate(connection: TcpConnection): void {
    const mustWait = this.#listener.mustWait?.() ?? false
    if (mustWait === this.#isWaiting) return
    this.#isWaiting = mustWait
    connection.setPaused(mustWait)
  }
}
