/**
 * Keeps a role running until it ends or a signal stops it in order.
 */
import type { Logger } from '../core/log.js'
import type { Role } from '../runtime/options.js'

/** Resolves when the role has stopped; rejects with what made it fail. A second signal ends the process at once. */
export async function runRole(role: Role, logger: Logger): Promise<void> {
  const stop = (signal: NodeJS.Signals): void => {
    process.once(signal, () => process.exit(1))
    role.stop(`received ${signal}`).catch((error: Error) => {
      logger.error({ error: error.message }, 'stopping failed')
      process.exit(1)
    })
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  try {
    await role.done
  } finally {
    process.removeListener('SIGTERM', stop)
    process.removeListener('SIGINT', stop)
  }
}
