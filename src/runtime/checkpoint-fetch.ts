/** Gets the newest checkpoint of another replica, at the start of this one. */
import type { Logger } from '../core/log.js'
import { SnapshotClient } from '../protocol/snapshot-client.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import { type Agent, DutyCycle } from './duty-cycle.js'
import type { Platform } from './platform.js'

export interface CheckpointSource {
  readonly address: string
  readonly port: number
}

export interface CheckpointFetch {
  readonly from: CheckpointSource
  readonly session: string
  readonly component: string
  /** One that is not newer is not worth its way. */
  readonly newerThan: number
  readonly logger: Logger
}

/** @returns undefined where there is none, or none that is newer; why is in the log. What it returns is still to be checked */
export function fetchCheckpoint(platform: Platform, wanted: CheckpointFetch): Promise<Checkpoint | undefined> {
  const { from, session, component, newerThan, logger } = wanted
  const cycle = new DutyCycle(platform, 'block')
  cycle.start()
  return new Promise((resolve) => {
    const client = new SnapshotClient(
      {
        session,
        logger,
        wants: (header) => header.component === component && header.session === session && header.sequence > newerThan,
      },
      {
        send: (bytes) => connection.send(bytes),
        close: () => connection.close(),
        ended: (result) => {
          cycle.remove(agent)
          cycle.stop()
          const source = `${from.address}:${from.port}`
          if (typeof result === 'string') {
            logger.warn({ component, from: source, reason: result }, 'checkpoint: none taken from another replica')
            resolve(undefined)
            return
          }
          const { sequence, bodyBytes: bytes } = result.header
          logger.info({ component, from: source, sequence, bytes }, 'checkpoint: taken from another replica')
          resolve(result)
        },
      },
    )
    const agent: Agent = { flush: () => {}, tick: (nowUs) => client.tick(nowUs) }
    const connection = platform.network.connectTcp(from, {
      connected: () => client.onConnected(cycle.enter()),
      bytes: (bytes) => client.onBytes(bytes, cycle.enter()),
      drained: () => {},
      closed: (reason) => client.onDisconnected(reason),
    })
    cycle.add(agent)
  })
}
