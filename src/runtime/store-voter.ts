/**
 * The voter of a store: claims come in from the control stream, promises go to where they are kept, and only what is kept is
 * answered. A store without a voter id is a copy: it has none of this.
 */
import { messageOf, SeqcastError } from '../core/errors.js'
import { type Logger, ofSession } from '../core/log.js'
import type { Timers } from '../core/timers.js'
import type { EventLog } from '../protocol/event-log.js'
import { type StoredPromise, Voter, type VoterStatus } from '../protocol/voter.js'
import type { AdminReply, AdminRequest, ClaimRefused, ControlMessage, Grant } from '../wire/control.js'
import type { DutyCycle } from './duty-cycle.js'
import { endOfLog } from './last-event.js'

/** Where a voter's promise is kept. */
export interface PromiseKeeper {
  /** What was kept by the last process, or undefined where nothing was. */
  readonly stored: StoredPromise | undefined
  /** Calls back when the promise outlives a crash, or with what went wrong. Later promises are kept after earlier ones. */
  write(promise: StoredPromise, done: (error?: Error) => void): void
  /** Resolves when what was written is kept. */
  close(): Promise<void>
}

/** For a log in memory: a restarted voter comes back empty and has to recover, as one does that has lost its disk. */
export function promiseInMemory(timers: Timers): PromiseKeeper {
  return { stored: undefined, write: (_promise, done) => timers.defer(done), close: () => Promise.resolve() }
}

export interface StoreVoterOptions {
  readonly session: string
  readonly voter: string
  readonly log: EventLog
  readonly promises: PromiseKeeper
  readonly cycle: DutyCycle
  readonly logger: Logger
}

export interface StoreVoterOutput {
  /** The ports of a grant are still to be filled in. */
  grant(body: Grant): void
  refuse(body: ClaimRefused): void
  reply(body: AdminReply): void
  /** The log's tail from here on is of a lost branch. */
  truncate(fromSequence: number): void
  /** What the voter may be counted on for has changed: everybody is to be told. */
  changed(): void
  failed(error: SeqcastError): void
}

export class StoreVoter {
  readonly #session: string
  readonly #cycle: DutyCycle
  readonly #promises: PromiseKeeper
  readonly #output: StoreVoterOutput
  readonly #machine: Voter
  readonly #voter: string
  readonly #log: EventLog
  /** The last decision, and what was said to it. */
  #decided: AdminReply | undefined
  /** Outlives the process: a later one must not found the next session either. */
  #isLate: boolean
  #life: number | undefined
  #isClosed = false
  #told = ''

  constructor(options: StoreVoterOptions, output: StoreVoterOutput) {
    const { session, voter, log, promises, cycle, logger } = options
    this.#session = session
    this.#voter = voter
    this.#log = log
    this.#cycle = cycle
    this.#promises = promises
    this.#output = output
    this.#isLate = promises.stored?.isLate === true
    this.#life = promises.stored?.life
    this.#machine = new Voter(
      { voter, nonce: cycle.platform.random(), logger: ofSession(logger, session) },
      log,
      promises.stored,
      {
        persist: (promise) => this.#persist(promise),
        send: (_kind: string, body: Grant | ClaimRefused) => {
          if ('promised' in body) output.refuse(body)
          else output.grant(body)
        },
        truncate: (fromSequence) => output.truncate(fromSequence),
        stateChanged: () => output.changed(),
      },
    )
  }

  /** What the store's status says of its vote, and of what it is counted on for. */
  status(): VoterStatus {
    return this.#machine.status()
  }

  /** The greatest epoch that was promised, or 0. */
  get promised(): number {
    return this.#machine.promised
  }

  /** True while the voter has lost its data and waits to have it again. */
  get isRecovering(): boolean {
    return this.#machine.hasLostData
  }

  /** It had lost its data, and had its vote back when the session had ended with going on in another one. */
  get hasRecoveredLate(): boolean {
    return this.#isLate
  }

  onControl(message: ControlMessage, nowUs: number): void {
    if (message.kind === 'claim') this.#machine.onClaim(message.body, message.sender, nowUs)
    else if (message.kind === 'sequencer') this.#machine.onSequencer(message.body, message.sender, nowUs)
    else if (message.kind === 'store') this.#machine.onStatus(message.body, nowUs)
    else if (message.kind === 'adminRequest') this.#onDecision(message.body, nowUs)
    else return
    this.#tellChange()
  }

  /** The log is durable up to another sequence, or a truncation of it is. */
  onDurable(nowUs: number): void {
    this.#machine.onDurable(nowUs)
    this.#tellChange()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#promises.close()
  }

  /** An operator's decision about this voter; it is repeated until it is answered. */
  #onDecision({ action, instance, nonce, reason }: AdminRequest, nowUs: number): void {
    if (action !== 'readmit' || instance !== this.#voter || nonce < 1) return
    if (this.#decided?.nonce !== nonce) {
      const error = this.#machine.readmit(reason, nowUs, this.#cycle.wallUs)
      this.#decided = { nonce, error, sequence: this.#log.durableSequence }
      this.#output.changed()
    }
    this.#output.reply(this.#decided)
  }

  #persist(promise: StoredPromise): void {
    const isRecovered = this.#machine?.hasLostData === true && promise.life !== this.#life
    this.#life = promise.life
    this.#isLate ||= isRecovered && (endOfLog(this.#log)?.successor ?? '') !== ''
    this.#promises.write(this.#isLate ? { ...promise, isLate: true } : promise, (error) => {
      if (this.#isClosed) return
      if (error !== undefined) {
        this.#output.failed(notKept(this.#session, promise.epoch, error))
        return
      }
      this.#machine.persisted(this.#cycle.enter())
      this.#output.changed()
    })
  }

  /** A reign that is now acknowledged, or a promise, is news at once; the rest waits for the next status. */
  #tellChange(): void {
    const now = `${this.#machine.reign} ${this.#machine.promised}`
    if (now === this.#told) return
    this.#told = now
    this.#output.changed()
  }
}

function notKept(session: string, epoch: number, cause: Error): SeqcastError {
  return new SeqcastError('E_STORE_IO', `keeping the promise of epoch ${epoch} failed: ${messageOf(cause)}`, {
    hint: 'a voter must not go on without it; see that the disk has room and can be written, then start the store again',
    fields: { session, epoch },
    cause,
  })
}

/**
 * A session that goes on from another one is founded with the lives that the voters have there: a majority of them can begin it. Where
 * something was kept for it before, that stays.
 */
export async function keepLives(
  promises: PromiseKeeper,
  { life, lives }: Pick<StoredPromise, 'life' | 'lives'>,
): Promise<PromiseKeeper> {
  const before = promises.stored
  const isKept = before !== undefined && (before.epoch > 0 || isSameLives(before, { life, lives }))
  if (isKept) return promises
  const stored: StoredPromise = { epoch: 0, candidate: 0, life, lives }
  await new Promise<void>((resolve, reject) => {
    promises.write(stored, (error) => (error === undefined ? resolve() : reject(error)))
  })
  return { stored, write: (promise, done) => promises.write(promise, done), close: () => promises.close() }
}

type LivesKept = Pick<StoredPromise, 'life' | 'lives'>

export function isSameLives(a: LivesKept | undefined, b: LivesKept | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  const names = new Set([...Object.keys(a.lives), ...Object.keys(b.lives)])
  return a.life === b.life && [...names].every((name) => a.lives[name] === b.lives[name])
}
