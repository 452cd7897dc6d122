/** Where a process begins that is told the first session of a chain: in the newest one, as far as somebody there says so at once. */
import type { Timer } from '../core/timers.js'
import { isSequencing } from '../protocol/sequencer-states.js'
import { ControlLink } from './control-link.js'
import { DutyCycle } from './duty-cycle.js'
import { type RoleOptions, SILENCE_US } from './options.js'
import type { Platform } from './platform.js'
import { SuccessorWords } from './successor-words.js'

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
    for (let before = session; ; ) {
      const { successor, isSpokenFor } = await hear(control, cycle)
      if (!isSpokenFor && before !== session) {
        logger.warn({ session, before }, `nobody speaks for session ${session}: beginning in ${before}`)
        return before
      }
      if (successor === '') return session
      logger.info({ from: session, session: successor }, `session ${session} has ended: beginning in ${successor}`)
      before = session
      session = successor
      control.follow(session)
    }
  } finally {
    control.close()
    cycle.stop()
  }
}

interface Heard {
  /** '' where a sequencer or a store of the session speaks and names none, or nobody speaks. */
  readonly successor: string
  readonly isSpokenFor: boolean
}

function hear(control: ControlLink, { platform }: DutyCycle): Promise<Heard> {
  return new Promise((resolve) => {
    let deadline: Timer | undefined
    let isOver = false
    const finish = (successor: string, isSpokenFor: boolean): void => {
      deadline?.cancel()
      words.close()
      unlisten()
      resolve({ successor, isSpokenFor })
    }
    const words = new SuccessorWords(platform.timers, () => {
      if (isOver) finish('', false)
    })
    const unlisten = control.listen(({ kind, body }) => {
      if (kind === 'store') {
        const { successor = '' } = body
        if (successor === '' || words.believes(successor)) finish(successor, true)
      } else if (kind === 'sequencer' && isSequencing(body.state) && body.state !== 'ending') finish('', true)
    })
    deadline = platform.timers.after(SILENCE_US / 1_000, () => {
      isOver = true
      if (!words.isDoubting) finish('', false)
    })
  })
}
