/** With which session of a chain a store begins: those that it has to their end, and that were followed by others, need not be opened again. */
import { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { linksOf } from '../store/session-chain.js'
import { readAbout, sessionPath } from '../store/session-directory.js'

export interface StoreBegin {
  readonly session: string
  /** The sessions before it, each with the one that went on. */
  readonly passed: ReadonlyMap<string, string>
}

/**
 * The session before the newest one that has events: what is still to be done at the switch between the two is done again. That a
 * session has events proves that the end of the one before is stable.
 * @throws SeqcastError as the reading of a session does
 */
export async function beginInChain(directory: string, named: string): Promise<StoreBegin> {
  const passed = new Map<string, string>()
  let session = named
  let next = (await lookInto(directory, session)).successor
  for (;;) {
    const { successor } = await lookInto(directory, next)
    const after = await lookInto(directory, successor)
    if (!after.hasEvents || passed.has(next)) return { session, passed }
    passed.set(session, next)
    session = next
    next = successor
  }
}

/** '' is no session. */
async function lookInto(directory: string, session: string): Promise<{ successor: string; hasEvents: boolean }> {
  if (session === '' || readAbout(sessionPath(directory, session)) === undefined)
    return { successor: '', hasEvents: false }
  const log = await LmdbLogReader.open(directory, session)
  try {
    return { successor: linksOf(log).successor, hasEvents: log.committedSequence >= log.firstSequence }
  } finally {
    await log.close()
  }
}
