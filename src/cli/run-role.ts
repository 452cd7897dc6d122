/**
 * Starts a role and keeps it running until it ends, or a signal stops it in order, or the process that supervises it is gone.
 */
import type { Logger } from '../core/log.js'
import type { Role } from '../runtime/options.js'

/** A start that goes on for so long after a signal waits for others, and is given up. */
const START_GRACE_MS = 1_000

/**
 * Signals are caught before the start: a role says that it is there before all of it is, and may be stopped from then on.
 * Resolves when the role has stopped; rejects with what made it fail. A second signal ends the process at once.
 */
export async function runRole<R extends Role>(start: () => Promise<R>, logger: Logger): Promise<R> {
  let role: R | undefined
  /** Why it is to stop as soon as it is there. */
  let asked: string | undefined
  let grace: NodeJS.Timeout | undefined
  let isOver = false
  const stop = (reason: string): void => {
    if (isOver) return
    if (role === undefined) {
      asked = reason
      grace = setTimeout(() => process.exit(1), START_GRACE_MS)
      return
    }
    role.stop(reason).catch((error: Error) => {
      logger.error({ error: error.message }, 'stopping failed')
      process.exit(1)
    })
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    process.once(signal, () => process.exit(1))
    stop(`received ${signal}`)
  }
  const onParentGone = (): void => stop('the process that started this one is gone')
  process.once('SIGTERM', onSignal)
  process.once('SIGINT', onSignal)
  process.once('disconnect', onParentGone)
  try {
    role = await start()
    clearTimeout(grace)
    if (asked !== undefined) stop(asked)
    await role.done
    return role
  } finally {
    // The signals stay caught: one that comes while the process says its last word must not make a failure of it.
    isOver = true
    clearTimeout(grace)
    process.removeListener('disconnect', onParentGone)
    if (process.connected) process.disconnect()
  }
}
