/** Where a process begins that is told the first session of a chain: in the newest one, as far as somebody there says so at once. */
import type { Timer } from '../core/timers.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import { ControlLink } from './control-link.js'
import { DutyCycle } from './duty-cycle.js'
import { type RoleOptions, SILENCE_US } from './options.js'
import type { Platform } from './platform.js'

/**
 * Listens for a moment on the control stream. Whoever is the first of its session is told nothing, and begins with the one that it was
 * given.
 */
export async function newestSession(options: RoleOptions, platform: Platform): Promise<string> {
  const cycle = new DutyCycle(platform, 'block')
  const { logger } = options
  cycle.start()
  const control = await ControlLink.open(options, platform.random(), cycle, (error) =>
    logger.warn({ error: error.message }, 'control stream'),
  )
  let { session } = options
  try {
    for (;;) {
      const successor = await successorOf(control, cycle)
      if (successor === '') return session
      logger.info({ from: session, session: successor }, `session ${session} has ended: beginning in ${successor}`)
      session = successor
      control.follow(session)
    }
  } finally {
    control.close()
    cycle.stop()
  }
}

/** @returns '' where a sequencer or a store of the session speaks and names none, or nobody speaks */
function successorOf(control: ControlLink, { platform }: DutyCycle): Promise<string> {
  return new Promise((resolve) => {
    let deadline: Timer | undefined
    const unlisten = control.listen(({ kind, body }) => {
      if (kind === 'store') finish(body.successor ?? '')
      else if (kind === 'sequencer' && isSequencing(body.state) && body.state !== 'ending') finish('')
    })
    const finish = (successor: string): void => {
      deadline?.cancel()
      unlisten()
      resolve(successor)
    }
    deadline = platform.timers.after(SILENCE_US / 1_000, () => finish(''))
  })
}
