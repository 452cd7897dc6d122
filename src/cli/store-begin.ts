/**
 * With which session of a chain a store begins: those that it has to their end, and that were followed by others, need not be opened again;
 * one of which nothing is recorded is begun from the end of the one that names it.
 */
import { Catalogue } from '../store/catalogue.js'
import { LmdbLogReader } from '../store/lmdb-log-reader.js'
import { linksOf } from '../store/session-chain.js'
import { readAbout, sessionPath } from '../store/session-directory.js'

export interface StoreBegin {
  readonly session: string
  /** The sessions before it, each with the one that went on. */
  readonly passed: ReadonlyMap<string, string>
}

interface Link {
  readonly predecessor: string
  readonly successor: string
  readonly hasEvents: boolean
}

/**
 * The session before the newest one that has events: what is still to be done at the switch between the two is done again. That a
 * session has events proves that the end of the one before is stable.
 * @throws SeqcastError as the reading of a session does
 */
export async function beginInChain(directory: string, named: string): Promise<StoreBegin> {
  const passed = new Map<string, string>()
  const { hasEvents, predecessor } = await lookInto(directory, named)
  // Who is told an earlier one is led to it.
  for (let [before, after] = [predecessor, named]; before !== '' && !passed.has(before); ) {
    passed.set(before, after)
    ;[before, after] = [(await lookInto(directory, before)).predecessor, before]
  }
  let session = hasEvents ? named : await namedBy(directory, named)
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

/** The session that is recorded here and has ended with going on in this one; this one where there is none. */
async function namedBy(directory: string, session: string): Promise<string> {
  const { sessions } = await new Catalogue(directory).list()
  return sessions.findLast(({ successor }) => successor === session)?.session ?? session
}

/** '' is no session. */
async function lookInto(directory: string, session: string): Promise<Link> {
  if (session === '' || readAbout(sessionPath(directory, session)) === undefined)
    return { predecessor: '', successor: '', hasEvents: false }
  const log = await LmdbLogReader.open(directory, session)
  try {
    const { predecessor, successor } = linksOf(log)
    return { predecessor, successor, hasEvents: log.committedSequence >= log.firstSequence }
  } finally {
    await log.close()
  }
}
