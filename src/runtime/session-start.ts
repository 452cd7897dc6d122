/**
 * What a sequencer does before it opens a session. Somebody may already be running it; somebody may have recorded it. It
 * listens first, then either begins the session, or rebuilds itself from a store, or refuses: a session that is begun
 * twice would have two histories.
 */
import { SeqcastError } from '../core/errors.js'
import { isPort } from '../net/interfaces.js'
import type { Sequencer } from '../protocol/sequencer.js'
import type { ControlMessage } from '../wire/control.js'
import type { ControlLink } from './control-link.js'
import type { DutyCycle } from './duty-cycle.js'
import { SILENCE_US } from './options.js'
import { RewindLink } from './rewind-link.js'
import type { SequencerRoleOptions } from './sequencer-role.js'

const START_TIMEOUT_US = 10_000_000
/** A store that sends nothing for so long is given up; how long all of it takes depends on the session. */
const REBUILD_STALL_MS = 20_000

/** A store that was heard, and where it serves rewinds. */
export interface HeardStore {
  readonly name: string
  readonly voter: string
  readonly address: string
  readonly rewindPort: number
  readonly durableSequence: number
  readonly committedSequence: number
}

/** What the control stream said while we listened. */
interface Heard {
  readonly stores: Map<string, HeardStore>
  /** A component that has seen events, and up to which. */
  component: { name: string; sequence: number } | undefined
  otherSequencer: number | undefined
}

/**
 * Listens, and decides whether the session may be opened. To be called before any port is taken, so that a second
 * sequencer hears the first one instead of meeting its ports.
 * @returns the store to rebuild from; undefined for a session that is new
 * @throws SeqcastError E_SECOND_SEQUENCER, E_SESSION_NEEDS_STORE
 */
export async function surveySession(
  options: SequencerRoleOptions,
  control: Pick<ControlLink, 'listen'>,
): Promise<HeardStore | undefined> {
  const heard = await listen(options, control)
  if (heard.otherSequencer !== undefined) {
    throw new SeqcastError('E_SECOND_SEQUENCER', `session ${options.session} already has a sequencer`, {
      hint: 'stop it first, or start this one with another --session',
      fields: { session: options.session },
    })
  }
  checkVoters(heard, options)
  const store = chooseStore(heard)
  if (store !== undefined && store.committedSequence > 0) return store
  const seen = heard.component
  if (seen === undefined || seen.sequence === 0) return undefined
  throw new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `session ${options.session} has events (component ${seen.name} is at sequence ${seen.sequence}), and no store that holds them answers`,
    { hint: 'start its store first, or choose another --session', fields: { session: options.session } },
  )
}

/** At least long enough to hear every heartbeat, at most until a majority of the voters has spoken or time is up. */
function listen(options: SequencerRoleOptions, control: Pick<ControlLink, 'listen'>): Promise<Heard> {
  const heard: Heard = { stores: new Map(), component: undefined, otherSequencer: undefined }
  const timeoutMs = (options.startTimeoutUs ?? START_TIMEOUT_US) / 1000
  if (options.voters.length > 0) {
    const { session, voters, logger } = options
    const until = `up to ${timeoutMs / 1000} s`
    logger.info({ session }, `sequencer: waiting for a majority of the voters ${voters.join(', ')}, ${until}`)
  }
  return new Promise((resolve) => {
    let silenceOver = false
    const finish = (): void => {
      clearTimeout(silence)
      clearTimeout(timeout)
      unlisten()
      resolve(heard)
    }
    const check = (): void => {
      if (heard.otherSequencer !== undefined || (silenceOver && missingVoters(heard, options) === 0)) finish()
    }
    const unlisten = control.listen((message, address) => {
      note(heard, message, address)
      check()
    })
    const silence = setTimeout(() => {
      silenceOver = true
      check()
    }, SILENCE_US / 1000)
    const timeout = setTimeout(finish, timeoutMs)
  })
}

function note(heard: Heard, message: ControlMessage, address: string): void {
  if (message.kind === 'sequencer' && message.body.state !== 'stopped') heard.otherSequencer = message.sender
  if (message.kind === 'store') {
    // One that has stopped gives nothing, and is no voter that is there.
    if (message.body.state === 'stopped' || !isPort(message.body.rewindPort)) heard.stores.delete(message.body.name)
    else heard.stores.set(message.body.name, { ...message.body, address })
  }
  if (message.kind === 'component') {
    const sequence = message.body.nextSequence - 1
    if (heard.component === undefined || sequence > heard.component.sequence) {
      heard.component = { name: `${message.body.component}/${message.body.instance}`, sequence }
    }
  }
}

/** How many voters more must be heard for a majority. */
function missingVoters(heard: Heard, options: SequencerRoleOptions): number {
  if (options.voters.length === 0) return 0
  const voters = new Set([...heard.stores.values()].map((store) => store.voter))
  const present = options.voters.filter((voter) => voters.has(voter)).length
  return Math.max(0, Math.floor(options.voters.length / 2) + 1 - present)
}

function checkVoters(heard: Heard, options: SequencerRoleOptions): void {
  if (missingVoters(heard, options) === 0) return
  throw new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `no majority of the voters (${options.voters.join(', ')}) of session ${options.session} answers on ${options.controlGroup.group}:${options.controlGroup.port}`,
    {
      hint: 'start the stores first: seqcast store --dir DIR --voter ID; with --key-file, every role needs the same key',
      fields: { session: options.session },
    },
  )
}

/** Voters decide: what a majority has not made durable may be missing from copies, and the other way round. */
function chooseStore(heard: Heard): HeardStore | undefined {
  return [...heard.stores.values()].sort((a, b) => b.committedSequence - a.committedSequence)[0]
}

/** Reads the session from the store that has most of it. */
export function rebuildFrom(
  sequencer: Sequencer,
  store: HeardStore,
  options: SequencerRoleOptions,
  cycle: DutyCycle,
): Promise<void> {
  const to = { address: store.address, port: store.rewindPort }
  options.logger.info({ store: store.name, ...to, events: store.committedSequence }, 'sequencer: rebuilding')
  return new Promise((resolve, reject) => {
    let isOver = false
    const end = (): void => {
      isOver = true
      clearTimeout(timeout)
      cycle.remove(agent)
      // Stopped after this call: the client is still reading.
      queueMicrotask(() => link.stop())
    }
    const fail = (why: string): void => {
      end()
      reject(rebuildError(options.session, store.name, why))
    }
    const timeout = setTimeout(() => fail(`it sent nothing for ${REBUILD_STALL_MS / 1000} seconds`), REBUILD_STALL_MS)
    const link = new RewindLink(
      options.session,
      cycle,
      {
        started: (sequence) => {
          if (sequence !== 1) fail(`its record begins at sequence ${sequence}`)
        },
        run: (sequence, count, bytes, start, stop) => {
          if (isOver) return
          timeout.refresh()
          try {
            sequencer.rebuild(sequence, count, bytes, start, stop)
          } catch (error) {
            // Thrown on, it would end the process from inside a socket's handler.
            end()
            reject(error)
            return
          }
          if (sequencer.nextSequence <= store.committedSequence) return
          end()
          resolve()
        },
        sessionEnded: () => fail('the session has ended'),
        ended: fail,
      },
      options.logger,
    )
    const agent = { flush: (): void => {}, tick: (nowUs: number): number => link.tick(nowUs) }
    cycle.add(agent)
    link.start(1, to)
  })
}

function rebuildError(session: string, store: string, why: string): SeqcastError {
  return new SeqcastError('E_SESSION_NEEDS_STORE', `rebuilding session ${session} from store ${store} failed: ${why}`, {
    hint: 'see the log of that store; the sequencer was not opened',
    fields: { session },
  })
}
