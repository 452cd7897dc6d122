/** The first event of a session, which holds the sizes that its commands have to keep to. */
import type { ControlLink } from '../runtime/control-link.js'
import type { DutyCycle } from '../runtime/duty-cycle.js'
import { EventLink } from '../runtime/event-link.js'
import type { RoleOptions } from '../runtime/options.js'
import { randomIncarnation } from '../runtime/platform.js'
import { readU16 } from '../wire/bytes.js'
import { EVENT_HEADER_BYTES } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import { type SessionStarted, sessionStartedCodec } from '../wire/runtime-events.js'

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
  const timeout = setTimeout(() => found(undefined), TIMEOUT_MS)
  const link = await EventLink.open(
    { ...options, nextSequence: 1, startRewinding: true, askSequencer: false, seed: randomIncarnation() },
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
    clearTimeout(timeout)
    link.close()
  }
}
