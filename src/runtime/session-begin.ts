/** The first event of a session, which holds the sizes that its commands have to keep to. */

import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { type SessionStarted, sessionStartedCodec } from '../wire/runtime-events.js'
import type { ControlLink } from './control-link.js'
import type { DutyCycle } from './duty-cycle.js'
import { EventLink } from './event-link.js'
import type { RoleOptions } from './options.js'

const TIMEOUT_MS = 3_000

/** Asks stores, or where there is none the sequencer. @returns undefined where nobody has it */
export async function readSessionStart(
  options: RoleOptions,
  control: ControlLink,
  cycle: DutyCycle,
): Promise<SessionStarted | undefined> {
  let found: (event: SessionStarted | undefined) => void = () => {}
  const first = new Promise<SessionStarted | undefined>((resolve) => {
    found = resolve
  })
  const timeout = cycle.platform.timers.after(TIMEOUT_MS, () => found(undefined))
  const link = await EventLink.open(
    { ...options, nextSequence: 1, startRewinding: true, askSequencer: false, seed: cycle.platform.random() },
    cycle,
    control,
    {
      deliver: (sequence, _count, bytes, start) => {
        if (sequence !== 1) return
        const at = start + BLOCK_LENGTH_BYTES
        found(sessionStartedCodec.decode(bytes.subarray(at + EVENT_HEADER_BYTES, at + readU16(bytes, start))))
      },
      stateChanged: () => {},
      lost: () => found(undefined),
      revoked: () => found(undefined),
    },
    () => found(undefined),
  )
  try {
    return await first
  } finally {
    timeout.cancel()
    link.close()
  }
}
