/**
 * What a sequencer has to know of the session before the one that it opens: that it has ended and named this one, and who was active
 * then. Stores serve it as they serve any session that they have recorded.
 */
import { SeqcastError } from '../core/errors.js'
import { Sequencer } from '../protocol/sequencer.js'
import type { Predecessor } from '../protocol/session-opening.js'
import type { SessionEnd } from '../protocol/session-rebuild.js'
import type { DutyCycle } from './duty-cycle.js'
import { readEnd } from './last-event.js'
import { RewindLink } from './rewind-link.js'
import type { SequencerRoleOptions } from './sequencer-role.js'
import { type RewindSource, rebuildFrom } from './session-start.js'

const READ_END_MS = 3_000

/**
 * Reads a whole session, to its end.
 * @param successor the session that its end has to name
 * @throws SeqcastError E_SESSION_NEEDS_STORE where no store gives it
 */
export async function readPredecessor(
  session: string,
  successor: string,
  stores: readonly RewindSource[],
  options: SequencerRoleOptions,
  cycle: DutyCycle,
): Promise<Predecessor> {
  let last: unknown
  for (const store of stores) {
    const machine = readerOf(session, options)
    try {
      await rebuildFrom(machine, store, Number.POSITIVE_INFINITY, { ...options, session }, cycle)
      if (machine.sessionEnd?.successor === successor) return machine.predecessor
      last = unrelated(session, successor, store)
    } catch (error) {
      last = error
    }
  }
  throw last ?? nobodyHas(session, successor)
}

/** The successor that the end of a session names, as a store has it; '' where it has no end. */
export async function readSuccessor(
  session: string,
  store: RewindSource,
  options: Pick<SequencerRoleOptions, 'logger'>,
  cycle: DutyCycle,
): Promise<string> {
  return (await readLastEvent(session, store, options, cycle))?.successor ?? ''
}

/** The end of a session, where it is the last event that a store has. */
export function readLastEvent(
  session: string,
  store: RewindSource,
  options: Pick<SequencerRoleOptions, 'logger'>,
  cycle: DutyCycle,
): Promise<SessionEnd | undefined> {
  return new Promise((resolve) => {
    const finish = (end?: SessionEnd): void => {
      timeout.cancel()
      cycle.remove(agent)
      // Stopped after this call: the client is still reading.
      queueMicrotask(() => link.stop())
      resolve(end)
    }
    const timeout = cycle.platform.timers.after(READ_END_MS, () => finish())
    const link = new RewindLink(
      session,
      cycle,
      {
        started: () => {},
        run: (sequence, count, bytes, start, stop) => {
          const end = readEnd(bytes, start, stop)
          finish(end === undefined ? undefined : { ...end, sequence: sequence + count - 1 })
        },
        sessionEnded: () => finish(),
        ended: () => finish(),
      },
      options.logger,
    )
    const agent = { flush: (): void => {}, tick: (nowUs: number): number => link.tick(nowUs) }
    cycle.add(agent)
    link.start(0, { address: store.address, port: store.rewindPort })
  })
}

/** A machine that only reads: nothing of it is sent. */
function readerOf(session: string, { datagramBytes, voters, logger }: SequencerRoleOptions): Sequencer {
  const nothing = (): void => {}
  return new Sequencer(
    { session, datagramBytes, voters, incarnation: 1, requestPort: 0, logger },
    { sendEvents: nothing, sendAnswer: nothing, sendControl: nothing, stateChanged: nothing },
  )
}

function nobodyHas(session: string, successor: string): SeqcastError {
  return new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `session ${successor} goes on from session ${session}, and no store that holds that one answers`,
    { hint: 'start a store that has recorded it; `seqcast sessions --dir DIR` lists them', fields: { session } },
  )
}

function unrelated(session: string, successor: string, store: RewindSource): SeqcastError {
  return new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `session ${session}, as store ${store.name} has it, does not end with going on in session ${successor}`,
    { hint: 'let the store fill its gaps, or use one that has it all', fields: { session, store: store.name } },
  )
}
