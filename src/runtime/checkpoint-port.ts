/** The port at which a replica gives its newest checkpoint: one session of the protocol a connection. */
import type { Logger } from '../core/log.js'
import type { TcpConnection, TcpHandlers, TcpServer } from '../net/network.js'
import { SnapshotSession } from '../protocol/snapshot-server.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import type { Agent, DutyCycle } from './duty-cycle.js'

/** Each holds a checkpoint in memory. */
const MAX_CLIENTS = 8

export interface CheckpointPortOptions {
  readonly address: string
  readonly port: number
  /** The present one. */
  readonly session: () => string
  /** Undefined where there is none that can be used. */
  readonly newest: () => Checkpoint | undefined
  readonly logger: Logger
}

export class CheckpointPort implements Agent {
  readonly #options: CheckpointPortOptions
  readonly #cycle: DutyCycle
  readonly #sessions = new Set<SnapshotSession>()
  #server: TcpServer | undefined

  private constructor(options: CheckpointPortOptions, cycle: DutyCycle) {
    this.#options = options
    this.#cycle = cycle
  }

  /** @throws SeqcastError E_PORT_IN_USE, E_INTERFACE */
  static async open(options: CheckpointPortOptions, cycle: DutyCycle): Promise<CheckpointPort> {
    const port = new CheckpointPort(options, cycle)
    port.#server = await cycle.platform.network.listenTcp(options, (connection) => port.#accept(connection))
    cycle.add(port)
    return port
  }

  get port(): number {
    return this.#server?.port ?? 0
  }

  flush(): void {}

  tick(nowUs: number): number {
    let deadlineUs = Number.POSITIVE_INFINITY
    for (const session of this.#sessions) deadlineUs = Math.min(deadlineUs, session.tick(nowUs))
    return deadlineUs
  }

  async close(): Promise<void> {
    this.#cycle.remove(this)
    await this.#server?.close()
  }

  #accept(connection: TcpConnection): TcpHandlers | undefined {
    if (this.#sessions.size >= MAX_CLIENTS) return undefined
    const { session, newest, logger } = this.#options
    const client = new SnapshotSession(
      { session: session(), newest, logger },
      {
        send: (bytes) => connection.send(bytes),
        close: (reason) => {
          logger.info({ client: connection.remote, reason }, 'checkpoint port: closing a connection')
          connection.close()
        },
        bufferedBytes: () => connection.bufferedBytes(),
      },
    )
    this.#sessions.add(client)
    return {
      bytes: (bytes) => client.onBytes(bytes, this.#cycle.enter()),
      drained: () => client.onDrained(this.#cycle.enter()),
      closed: () => this.#sessions.delete(client),
    }
  }
}
