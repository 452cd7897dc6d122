/**
 * Whether a session exists, and how far it reaches: asked before a tool joins it, so that a slip in an id or a group is an
 * error at once instead of a wait for ever.
 */
import { SeqcastError } from '../core/errors.js'
import type { Timer, Timers } from '../core/timers.js'
import { isCandidate } from '../protocol/sequencer-states.js'
import type { ControlLink } from './control-link.js'
import type { DutyCycle } from './duty-cycle.js'
import { type RoleOptions, SILENCE_US, type StoreAddress } from './options.js'
import { OthersHeard } from './others-heard.js'
import { RewindLink } from './rewind-link.js'
import { SuccessorWords } from './successor-words.js'

/** Heartbeats come every tenth of a second: ten missed ones are nobody. */
const HEAR_MS = 1_500
const PROBE_MS = 3_000

export interface FoundSession {
  /** The sequence after the last event that is known. */
  readonly nextSequence: number
  /** What no failover takes back any more, as far as a sequencer has said so; else 0. */
  readonly stableSequence: number
  /** A sequencer speaks for the session: it takes commands. */
  readonly hasSequencer: boolean
  /** A store says that the session has ended, and no sequencer speaks for it. */
  readonly hasEnded: boolean
  /** The session has ended, and this one goes on; '' where a store does not say so. */
  readonly successor: string
}

/**
 * The session that takes commands, of the chain that begins with the one in `options`: the control stream follows it.
 * @throws SeqcastError E_SESSION_UNKNOWN
 */
export async function findOpenSession<O extends RoleOptions>(
  options: O,
  control: ControlLink,
  cycle: DutyCycle,
): Promise<{ readonly options: O; readonly found: FoundSession }> {
  let here = options
  const astray = new Set<string>()
  for (let before: O | undefined; ; ) {
    try {
      const found = await findSession(here, control, cycle, astray)
      if (found.successor === '') return { options: here, found }
      before = here
      here = { ...here, session: found.successor }
    } catch (error) {
      if (before === undefined) throw error
      // Who goes on speaks: what was said of that session was not true.
      astray.add(here.session)
      here = before
      before = undefined
    }
    control.follow(here.session)
  }
}

/**
 * @param astray sessions that nobody goes on in, whatever is said
 * @throws SeqcastError E_SESSION_UNKNOWN where nobody speaks for the session and no configured store has it */
export async function findSession(
  options: RoleOptions,
  control: ControlLink,
  cycle: DutyCycle,
  astray: ReadonlySet<string> = new Set(),
): Promise<FoundSession> {
  const others = new OthersHeard(control)
  const heard = await listen(control, cycle.platform.timers, astray)
  if (heard !== undefined) return heard
  const reasons: string[] = []
  for (const store of options.stores) {
    const answer = await probe(options, store, cycle)
    if (typeof answer === 'number')
      return { nextSequence: answer, stableSequence: 0, hasSequencer: false, hasEnded: false, successor: '' }
    reasons.push(`store ${store.address}:${store.rewindPort} says ${answer}`)
  }
  const { group, port } = options.controlGroup
  const asked = reasons.length === 0 ? '' : `, and ${reasons.join(', ')}`
  throw new SeqcastError(
    'E_SESSION_UNKNOWN',
    `nobody of session ${options.session} was heard on ${group}:${port}${asked}${others.text}`,
    {
      hint:
        others.hint ??
        'check --session, --control-group and --interface; `seqcast sessions --dir DIR` lists what is recorded',
      fields: { session: options.session },
    },
  )
}

/** A sequencer's word settles it; without one, every store gets the time to speak. */
function listen(control: ControlLink, timers: Timers, astray: ReadonlySet<string>): Promise<FoundSession | undefined> {
  return new Promise((resolve) => {
    let committed = -1
    const finish = (found: FoundSession | undefined): void => {
      deadline.cancel()
      storesDeadline?.cancel()
      words.close()
      unlisten()
      resolve(found)
    }
    const words = new SuccessorWords(timers, () => {
      if (isWaiting) fromStores()
    })
    /** Only for what was said to be said again. */
    let isWaiting = false
    let successor = ''
    let stableSequence = 0
    /** A sequencer that has ended the session speaks: a store may know of another one that goes on. */
    let hasEnding = false
    let hasEnded = false
    const fromStores = (): void =>
      finish({
        ...{ nextSequence: committed + 1, stableSequence, successor },
        hasSequencer: hasEnding && successor === '',
        hasEnded: hasEnded && !hasEnding,
      })
    const storesHeard = (): void => {
      isWaiting = words.isDoubting
      if (!isWaiting) fromStores()
    }
    let storesDeadline: Timer | undefined
    const unlisten = control.listen((message) => {
      if (message.kind === 'sequencer' && message.body.state !== 'stopped' && !isCandidate(message.body.state)) {
        const { nextSequence } = message.body
        stableSequence = message.body.stableSequence
        hasEnding = message.body.state === 'ending' || message.body.state === 'ended'
        committed = Math.max(committed, nextSequence - 1)
        if (hasEnding) storesDeadline ??= timers.after(SILENCE_US / 1000, storesHeard)
        else finish({ nextSequence, stableSequence, hasSequencer: true, hasEnded: false, successor: '' })
      } else if (message.kind === 'store' && message.body.state !== 'stopped') {
        committed = Math.max(committed, message.body.committedSequence)
        hasEnded ||= message.body.state === 'ended'
        const { successor: told = '' } = message.body
        // It is stable, so nobody will say anything else.
        if (!astray.has(told) && words.believes(told)) {
          successor = told
          fromStores()
          return
        }
        storesDeadline ??= timers.after(SILENCE_US / 1000, storesHeard)
      }
    })
    const deadline = timers.after(HEAR_MS, () => finish(undefined))
  })
}

/** Logs in to a store for the most recent event. @returns the sequence after it, or why not */
function probe(options: RoleOptions, store: StoreAddress, cycle: DutyCycle): Promise<number | string> {
  const { timers } = cycle.platform
  return new Promise((resolve) => {
    const finish = (answer: number | string): void => {
      deadline.cancel()
      // Stopped after this call: the client is still reading.
      queueMicrotask(() => link.stop())
      resolve(answer)
    }
    let first = 1
    const link = new RewindLink(
      options.session,
      cycle,
      {
        started: (sequence) => {
          first = sequence
          timers.after(SILENCE_US / 1000, () => finish(first))
        },
        run: (sequence, count) => {
          first = sequence + count
        },
        sessionEnded: () => finish(first),
        ended: (reason) => finish(reason),
      },
      options.logger,
    )
    const deadline = timers.after(PROBE_MS, () => finish('nothing'))
    link.start(0, { address: store.address, port: store.rewindPort })
  })
}
