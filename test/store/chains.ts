/** Recorded sessions that go on from each other, with as much of a seed as a test wants. */
import { LmdbEventLog } from '../../src/store/lmdb-event-log.js'
import {
  EPOCH_OPENED,
  epochOpenedCodec,
  SEED_DONE,
  SESSION_ENDED,
  SESSION_OPENED,
  SESSION_STARTED,
  SOURCE_REGISTERED,
  seedDoneCodec,
  seedSourceName,
  sessionEndedCodec,
  sessionOpenedCodec,
  sessionStartedCodec,
  sourceRegisteredCodec,
} from '../../src/wire/runtime-events.js'
import { appendMessages, eventBytes } from './recordings.js'

export interface Seeding {
  readonly component: string
  /** Events that the seed has, and commands that follow it. */
  readonly events: number
  readonly pending: number
  /** How many of all (events, SeedDone, pending) are recorded; default all. */
  readonly recorded?: number
}

export interface ChainSession {
  readonly session: string
  readonly predecessor?: string
  readonly predecessorSequence?: number
  readonly seeds?: readonly Seeding[]
  /** Seeders of which nothing is recorded. */
  readonly silent?: readonly string[]
  readonly opened?: boolean
  /** Undefined: it has not ended. */
  readonly successor?: string
  /** How many later reigns have said the end again. */
  readonly saidAgain?: number
  readonly startUs?: number
}

const DAY_US = 86_400_000_000

/** @returns the sequence of the last event */
export async function recordSession(directory: string, wanted: ChainSession): Promise<number> {
  const { session, predecessor = '', predecessorSequence = 0, seeds = [], silent = [], opened = true } = wanted
  let timeUs = wanted.startUs ?? 1_700_000_000_000_000
  const sourceSequences = new Map<number, number>()
  const event = (type: number, payload: Uint8Array, source = 0, epoch = 1): Uint8Array => {
    const sourceSequence = (sourceSequences.get(source) ?? 0) + 1
    sourceSequences.set(source, sourceSequence)
    timeUs += 1000
    return eventBytes({ type, source, sourceSequence, timeUs, payload, epoch })
  }
  const sizes = { datagramBytes: 1400, fragmentBytes: 1342, protocolVersion: 1 }
  const seeders = [...seeds.map(({ component }) => component), ...silent]
  const chain = { predecessor, predecessorSequence, seeders, staticEvents: 0, staticHash: '' }
  const messages = [event(SESSION_STARTED, sessionStartedCodec.encode({ session, ...sizes, voters: [], ...chain }))]
  for (const [i, { component, events, pending, recorded = events + 1 + pending }] of seeds.entries()) {
    const source = i + 1
    const name = { name: seedSourceName(component), nonce: source, exclusive: false, component, schemaHash: '' }
    messages.push(event(SOURCE_REGISTERED, sourceRegisteredCodec.encode({ ...name, source, closes: 0 })))
    const seed = Array.from({ length: recorded }, (_, n) =>
      n === events
        ? event(SEED_DONE, seedDoneCodec.encode({ component, events, pending }), source)
        : event(300, new Uint8Array(8), source),
    )
    messages.push(...seed)
  }
  if (opened && seeders.length > 0) {
    messages.push(event(SESSION_OPENED, sessionOpenedCodec.encode({ reason: '', missing: [...silent] })))
  }
  const { successor, saidAgain = 0 } = wanted
  for (let epoch = 1; successor !== undefined && epoch <= 1 + saidAgain; epoch++) {
    const opened = { epoch, incarnation: epoch, reason: 'claimed' }
    if (epoch > 1) messages.push(event(EPOCH_OPENED, epochOpenedCodec.encode(opened), 0, epoch))
    messages.push(event(SESSION_ENDED, sessionEndedCodec.encode({ reason: '', successor }), 0, epoch))
  }
  const log = await LmdbEventLog.open({ directory, session })
  for (const message of messages) appendMessages(log, [message], timeUs)
  await log.close()
  return messages.length
}

/** A time, so many days after the first of the tests. */
export const dayUs = (day: number): number => 1_700_000_000_000_000 + day * DAY_US
