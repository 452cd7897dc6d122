/**
 * What a sequencer does before it opens a session. Somebody may already be running it; somebody may have recorded it. It
 * listens first, then either begins the session, or rebuilds itself from a store, or refuses: a session that is begun
 * twice would have two histories.
 */
import { SeqcastError } from '../core/errors.js'
import type { Timers } from '../core/timers.js'
import { isPort } from '../net/interfaces.js'
import type { Sequencer } from '../protocol/sequencer.js'
import { isCandidate } from '../protocol/sequencer-states.js'
import type { ControlMessage } from '../wire/control.js'
import { skipBlocks } from '../wire/moldudp64.js'
import type { ControlLink } from './control-link.js'
import type { DutyCycle } from './duty-cycle.js'
import { SILENCE_US } from './options.js'
import type { OthersHeard } from './others-heard.js'
import { RewindLink } from './rewind-link.js'
import type { SequencerRoleOptions } from './sequencer-role.js'
import { settledVoter } from './settled.js'
import { SuccessorWords } from './successor-words.js'

const START_TIMEOUT_US = 10_000_000
/** A store that sends nothing for so long is given up; how long all of it takes depends on the session. */
const REBUILD_STALL_MS = 20_000

/** Where a session can be read from its beginning. */
export interface RewindSource {
  readonly name: string
  readonly address: string
  readonly rewindPort: number
}

/** A store that was heard. */
export interface HeardStore extends RewindSource {
  readonly voter: string
  readonly durableSequence: number
  readonly committedSequence: number
  /** The greatest epoch that it has promised to a sequencer; 0: none. */
  readonly promised: number
  /** The session has ended, and goes on in this one; '' or absent: no. */
  readonly successor?: string
  /** It has nothing of the session, and has this one, which has ended with going on in it; '' or absent: no. */
  readonly predecessor?: string
  readonly state?: string
  /** The newest life that it knows of each voter; empty or absent where nothing is founded. */
  readonly lives?: Readonly<Record<string, number>>
  /** The epoch of its last durable event. */
  readonly lastEpoch?: number
  /** 0 or absent: its vote does not count. */
  readonly life?: number
  /** All that is recorded is known to be stable, and nobody is heard who may wait to be told so. */
  readonly isSettled?: boolean
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
 * @param predecessor the session before it, where that is known; '' for none
 * @param others who is named where the voters are not heard
 * @returns the store that has most of the session; undefined where none has any of it; one that names a successor, where one does, or a
 * predecessor, where nobody has any of the session
 * @throws SeqcastError E_SECOND_SEQUENCER, E_SESSION_NEEDS_STORE
 */
export async function surveySession(
  options: SequencerRoleOptions,
  control: Pick<ControlLink, 'listen'>,
  timers: Timers,
  predecessor = '',
  others?: OthersHeard,
): Promise<HeardStore | undefined> {
  const heard = await listen(options, control, timers, predecessor)
  if (heard.otherSequencer !== undefined) {
    throw secondSequencer(options)
  }
  const over = successionOf(heard)
  if (over !== undefined) return over
  const follower = followerOf(heard, predecessor)
  if (follower !== undefined) return follower
  checkVoters(heard, options, others)
  const store = settledStore(heard, options) ?? chooseStore(heard)
  if (store !== undefined && store.committedSequence > 0) return store
  const seen = heard.component
  if (seen === undefined || seen.sequence === 0) return undefined
  throw new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `session ${options.session} has events (component ${seen.name} is at sequence ${seen.sequence}), and no store that holds them answers`,
    { hint: 'start its store first, or choose another --session', fields: { session: options.session } },
  )
}

/** For a standby, which only asks whether the session has gone on, or is settled. @returns a store that says so, or undefined */
export function surveySuccession(
  options: SequencerRoleOptions,
  control: Pick<ControlLink, 'listen'>,
  timers: Timers,
  predecessor = '',
): Promise<HeardStore | undefined> {
  const heard = nothingHeard()
  return new Promise((resolve) => {
    let silenceOver = false
    const finish = (store: HeardStore | undefined): void => {
      silence.cancel()
      words.close()
      unlisten()
      resolve(store)
    }
    const check = (): void => {
      const over = successionOf({ ...heard, otherSequencer: undefined })
      if (over !== undefined) finish(over)
      else if (silenceOver && !words.isDoubting) finish(followerOf(heard, predecessor) ?? settledStore(heard, options))
    }
    const words = new SuccessorWords(timers, check)
    const unlisten = control.listen((message, address) => {
      note(heard, message, address, words)
      check()
    })
    const silence = timers.after(SILENCE_US / 1000, () => {
      silenceOver = true
      check()
    })
  })
}

/** The session is sequenced already. */
export function secondSequencer({ session, voters }: SequencerRoleOptions): SeqcastError {
  const others = 'stop it first, or start this one with another --session'
  const behind = 'start this one with --standby, so that it takes over when the active one dies'
  return new SeqcastError('E_SECOND_SEQUENCER', `session ${session} already has a sequencer`, {
    hint: voters.length === 0 ? others : `${behind}; or ${others}`,
    fields: { session },
  })
}

/**
 * At least long enough to hear every heartbeat, and for a standby to be faster; at most until the voters that are needed have
 * spoken, or time is up.
 */
function listen(
  options: SequencerRoleOptions,
  control: Pick<ControlLink, 'listen'>,
  timers: Timers,
  predecessor: string,
): Promise<Heard> {
  const heard = nothingHeard()
  const timeoutMs = (options.startTimeoutUs ?? START_TIMEOUT_US) / 1000
  if (options.voters.length > 0) {
    const { session, voters, logger } = options
    const until = `up to ${timeoutMs / 1000} s`
    logger.info({ session }, `sequencer: waiting for a majority of the voters ${voters.join(', ')}, ${until}`)
  }
  const silenceUs = options.voters.length === 0 ? SILENCE_US : Math.max(SILENCE_US, options.suspectUs ?? 0)
  return new Promise((resolve) => {
    let silenceOver = false
    const finish = (): void => {
      silence.cancel()
      timeout.cancel()
      words.close()
      unlisten()
      resolve(heard)
    }
    const check = (): void => {
      const isKnown = heard.otherSequencer !== undefined || successionOf(heard) !== undefined
      const isHeard = missingVoters(heard, options) === 0 || followerOf(heard, predecessor) !== undefined
      if (isKnown || (silenceOver && isHeard && !words.isDoubting)) finish()
    }
    const words = new SuccessorWords(timers, check)
    const unlisten = control.listen((message, address) => {
      note(heard, message, address, words)
      check()
    })
    const silence = timers.after(silenceUs / 1000, () => {
      silenceOver = true
      check()
    })
    const timeout = timers.after(timeoutMs, finish)
  })
}

function nothingHeard(): Heard {
  return { stores: new Map(), component: undefined, otherSequencer: undefined }
}

function note(heard: Heard, message: ControlMessage, address: string, words: SuccessorWords): void {
  if (message.kind === 'sequencer') {
    const { state } = message.body
    if (state !== 'stopped' && !isCandidate(state)) heard.otherSequencer = message.sender
  }
  if (message.kind === 'store') {
    // One that has stopped gives nothing, and is no voter that is there.
    if (message.body.state === 'stopped' || !isPort(message.body.rewindPort)) heard.stores.delete(message.body.name)
    else {
      const { successor: told = '' } = message.body
      const successor = words.believes(told) ? told : ''
      heard.stores.set(message.body.name, { ...message.body, successor, address })
    }
  }
  if (message.kind === 'component') {
    const sequence = message.body.nextSequence - 1
    if (heard.component === undefined || sequence > heard.component.sequence) {
      heard.component = { name: `${message.body.component}/${message.body.instance}`, sequence }
    }
  }
}

/** The session has ended and goes on: nobody sequences it any more. */
function successionOf({ otherSequencer, stores }: Heard): HeardStore | undefined {
  if (otherSequencer !== undefined) return undefined
  return [...stores.values()].find(({ successor = '' }) => successor !== '')
}

/** Nobody has any of the session, and a store has the one before it: the session is to go on from that. */
function followerOf({ otherSequencer, stores }: Heard, known: string): HeardStore | undefined {
  const heard = [...stores.values()]
  if (otherSequencer !== undefined || heard.some(({ committedSequence }) => committedSequence > 0)) return undefined
  return heard.find(({ predecessor = '' }) => predecessor !== '' && predecessor !== known)
}

/** Nobody who was heard has promised or recorded anything, nor has any founded it with what was before. */
function isUntouched(heard: Heard): boolean {
  return ![...heard.stores.values()].some(
    ({ committedSequence, promised, lives = {} }) =>
      committedSequence > 0 || promised > 0 || Object.keys(lives).length > 0,
  )
}

/**
 * How many voters more must be heard. A session is begun with all of them: afterwards one that has nothing knows that it has
 * lost it. It is continued with a majority.
 */
function missingVoters(heard: Heard, options: SequencerRoleOptions): number {
  if (options.voters.length === 0) return 0
  const voters = new Set([...heard.stores.values()].map((store) => store.voter))
  const present = options.voters.filter((voter) => voters.has(voter)).length
  const needed = isUntouched(heard) ? options.voters.length : Math.floor(options.voters.length / 2) + 1
  return Math.max(0, needed - present)
}

function checkVoters(heard: Heard, options: SequencerRoleOptions, others?: OthersHeard): void {
  const missing = missingVoters(heard, options)
  if (missing === 0) return
  const { session, voters, controlGroup } = options
  const who = voters.length > 1 && missing < voters.length && isUntouched(heard) ? 'not every one' : 'no majority'
  throw new SeqcastError(
    'E_SESSION_NEEDS_STORE',
    `${who} of the voters (${voters.join(', ')}) of session ${session} answers on ${controlGroup.group}:${controlGroup.port}${others?.text ?? ''}`,
    {
      hint:
        others?.hint ??
        'start the stores first: seqcast store --dir DIR --voter ID, all of them for a new session; with --key-file, every role needs the same key',
      fields: { session },
    },
  )
}

/** A component that is still there may wait to be told what is stable: that is for a new reign to do. */
function settledStore(
  { stores, component, otherSequencer }: Heard,
  options: SequencerRoleOptions,
): HeardStore | undefined {
  if (component !== undefined || otherSequencer !== undefined) return undefined
  const store = settledVoter([...stores.values()], options.voters)
  return store === undefined ? undefined : { ...store, isSettled: true }
}

function chooseStore(heard: Heard): HeardStore | undefined {
  return [...heard.stores.values()].sort((a, b) => b.committedSequence - a.committedSequence)[0]
}

/**
 * Reads the session from a store into the machine: what it lacks, up to and with the event `through`; Infinity: to its end.
 * @throws SeqcastError E_SESSION_NEEDS_STORE where the store does not give it; what the machine says of what it reads
 */
export function rebuildFrom(
  sequencer: Sequencer,
  store: RewindSource,
  through: number,
  options: Pick<SequencerRoleOptions, 'session' | 'logger'>,
  cycle: DutyCycle,
): Promise<void> {
  const to = { address: store.address, port: store.rewindPort }
  const from = sequencer.nextSequence
  if (from > through) return Promise.resolve()
  options.logger.info({ store: store.name, ...to, from, through }, 'sequencer: rebuilding')
  return new Promise((resolve, reject) => {
    let isOver = false
    const end = (): void => {
      isOver = true
      timeout.cancel()
      cycle.remove(agent)
      // Stopped after this call: the client is still reading.
      queueMicrotask(() => link.stop())
    }
    const fail = (why: string): void => {
      if (isOver) return
      end()
      reject(rebuildError(options.session, store.name, why))
    }
    const stalled = `it sent nothing for ${REBUILD_STALL_MS / 1000} seconds`
    const timeout = cycle.platform.timers.after(REBUILD_STALL_MS, () => fail(stalled))
    const link = new RewindLink(
      options.session,
      cycle,
      {
        started: (sequence) => {
          if (sequence !== from) fail(`its record begins at sequence ${sequence}`)
        },
        run: (sequence, count, bytes, start, stop) => {
          if (isOver) return
          timeout.restart()
          try {
            // What a store has beyond is not what was granted.
            const taken = Math.min(count, through + 1 - sequence)
            sequencer.rebuild(sequence, taken, bytes, start, taken < count ? skipBlocks(bytes, start, taken) : stop)
          } catch (error) {
            // Thrown on, it would end the process from inside a socket's handler.
            end()
            reject(error)
            return
          }
          if (sequencer.nextSequence <= through) return
          end()
          resolve()
        },
        sessionEnded: () => {
          if (isOver || Number.isFinite(through)) return fail('the session has ended')
          end()
          resolve()
        },
        ended: fail,
      },
      options.logger,
    )
    const agent = { flush: (): void => {}, tick: (nowUs: number): number => link.tick(nowUs) }
    cycle.add(agent)
    link.start(from, to)
  })
}

function rebuildError(session: string, store: string, why: string): SeqcastError {
  return new SeqcastError('E_SESSION_NEEDS_STORE', `rebuilding session ${session} from store ${store} failed: ${why}`, {
    hint: 'see the log of that store; the sequencer was not opened',
    fields: { session },
  })
}
