/**
 * Keeps a role running until it ends, or a signal stops it in order, or the process that supervises it is gone.
 */
import type { Logger } from '../core/log.js'
import type { Role } from '../runtime/options.js'

/** Resolves when the role has stopped; rejects with what made it fail. A second signal ends the process at once. */
export async function runRole(role: Role, logger: Logger): Promise<void> {
  const stop = (reason: string): void => {
    role.stop(reason).catch((error: Error) => {
      logger.error({ error: error.message }, 'stopping failed')
      process.exit(1)
    })
  }
  let isOver = false
  const onSignal = (signal: NodeJS.Signals): void => {
    process.once(signal, () => process.exit(1))
    if (!isOver) stop(`received ${signal}`)
  }
  const onParentGone = (): void => stop('the process that started this one is gone')
  process.once('SIGTERM', onSignal)
  process.once('SIGINT', onSignal)
  process.once('disconnect', onParentGone)
  try {
    await role.done
  } finally {
    // The signals stay caught: one that comes while the process says its last word must not make a failure of it.
    isOver = true
    process.removeListener('disconnect', onParentGone)
    if (process.connected) process.disconnect()
  }
}
