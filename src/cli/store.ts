/** `seqcast store`: records the stream and serves it again. */
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import type { EventLog } from '../protocol/event-log.js'
import { DEFAULT_STORE_REQUEST_PORT, DEFAULT_STORE_REWIND_PORT, type RoleOptions } from '../runtime/options.js'
import { systemTimers } from '../runtime/platform.js'
import { type Recording, type StoreRoleOptions, startStore } from '../runtime/store-role.js'
import { type PromiseKeeper, promiseInMemory } from '../runtime/store-voter.js'
import { keepYoungGenerationSmall } from '../runtime/young-generation.js'
import { droppedSessions, successorOfDropped } from '../store/dropped-sessions.js'
import { claimIdentity } from '../store/identity.js'
import { LmdbEventLog } from '../store/lmdb-event-log.js'
import { MemoryEventLog } from '../store/memory-event-log.js'
import { PromiseFile } from '../store/promise-file.js'
import { readAbout, sessionPath } from '../store/session-directory.js'
import { type Configuration, readConfiguration, roleOptions } from './configuration.js'
import { checkStorePorts } from './ports.js'
import { runRole } from './run-role.js'
import { beginInChain } from './store-begin.js'
import { addFaultOptions, addStreamOptions } from './stream-options.js'

export const storeCommand = new Command('store')
  .description('record the event stream, acknowledge what is durable, answer requests, serve rewinds')
  .option('--dir <dir>', 'directory of the recorded sessions')
  .option('--memory', 'record in memory instead; nothing survives the process')
  .option('--name <name>', 'name of this store, unique in the session (default: the voter id, or store)')
  .option('--voter <id>', 'count as this voter of the session (none: a copy)')
  .option('--request-port <port>', `UDP port for requests (default: ${DEFAULT_STORE_REQUEST_PORT})`)
  .option('--rewind-port <port>', `TCP port for rewinds (default: ${DEFAULT_STORE_REWIND_PORT})`)
  .action(async (flags: Record<string, unknown>) => {
    keepYoungGenerationSmall()
    const configuration = readConfiguration(flags)
    const voter = configuration.voter ?? ''
    const name = configuration.name ?? (voter === '' ? 'store' : voter)
    const named = startingWith(configuration, roleOptions(configuration, name))
    const ports = {
      requestPort: configuration.requestPort ?? DEFAULT_STORE_REQUEST_PORT,
      rewindPort: configuration.rewindPort ?? DEFAULT_STORE_REWIND_PORT,
    }
    requireDirectory(configuration)
    // Before the disk is touched: a start that fails leaves no empty session behind.
    await checkStorePorts({ address: named.interfaceAddress, ...ports })
    const { dir } = configuration
    const isOnDisk = dir !== undefined && configuration.memory !== true
    if (isOnDisk) claimIdentity(dir, { name, voter })
    const begin = isOnDisk ? await beginInChain(dir, named.session) : { session: named.session, passed: [] }
    const options = { ...named, session: begin.session }
    if (begin.session !== named.session) {
      const { session } = begin
      named.logger.info({ named: named.session, session }, `store: beginning in session ${session} of this chain`)
    }
    const log = await openLog(configuration, options)
    const promises = openPromises(configuration, options, voter)
    const sessions = recordedIn(configuration, options, voter)
    const dropped = dir === undefined ? {} : { dropped: new Map([...droppedSessions(dir), ...begin.passed]) }
    const role = { ...options, name, voter, log, promises, ...ports, ...sessions, ...dropped }
    await runRole(() => startStore(role), options.logger)
  })
addStreamOptions(storeCommand)
addFaultOptions(storeCommand)

/** The chain may be named by a session that is recorded no more, because it was dropped: then the store begins with the next one that is. */
function startingWith({ dir, memory }: Configuration, options: RoleOptions): RoleOptions {
  const { session: named, logger } = options
  if (dir === undefined || memory === true || readAbout(sessionPath(dir, named)) !== undefined) return options
  const session = successorOfDropped(dir, named)
  if (session === undefined) return options
  logger.info({ named, session }, 'store: the session was dropped, and its chain goes on')
  return { ...options, session }
}

function requireDirectory({ dir, memory }: Configuration): void {
  if (dir !== undefined || memory === true) return
  throw new SeqcastError('E_USAGE', 'a store needs a directory', {
    hint: 'give --dir DIR, or --memory to try things out',
  })
}

/** Sessions that follow are recorded beside the first one; those that were recorded before can be read. */
function recordedIn(
  { dir, memory }: Configuration,
  options: RoleOptions,
  voter: string,
): Pick<StoreRoleOptions, 'recordings' | 'archive'> {
  if (memory === true || dir === undefined) {
    const made = new Set<string>()
    const open = async (session: string): Promise<Recording> => {
      made.add(session)
      return { log: new MemoryEventLog({ session }) }
    }
    return { recordings: { has: (session) => made.has(session), open } }
  }
  const open = async (session: string): Promise<Recording> => {
    const log = await openLog({ dir, memory }, { ...options, session })
    return { log, promises: openPromises({ dir, memory }, { session }, voter) }
  }
  const has = (session: string): boolean => readAbout(sessionPath(dir, session)) !== undefined
  const archive = {
    open: async (session: string) => (has(session) ? LmdbEventLog.openReader(dir, session) : undefined),
  }
  return { recordings: { has, open }, archive }
}

/** What a voter has promised is kept beside its log: who loses one loses both, and has to recover. */
function openPromises(
  { dir, memory }: Pick<Configuration, 'dir' | 'memory'>,
  { session }: Pick<RoleOptions, 'session'>,
  voter: string,
): PromiseKeeper {
  if (memory === true || dir === undefined || voter === '') return promiseInMemory(systemTimers)
  return PromiseFile.open({ directory: dir, session, voter })
}

async function openLog(
  { dir, memory }: Pick<Configuration, 'dir' | 'memory'>,
  { session, logger }: RoleOptions,
): Promise<EventLog> {
  if (memory === true || dir === undefined) return new MemoryEventLog({ session })
  return LmdbEventLog.open({ directory: dir, session, logger })
}
