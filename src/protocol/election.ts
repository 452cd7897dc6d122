/**
 * An election by an etcd: of those that want to reign it picks one, and gives it the number of an epoch to claim. A sans-io
 * machine that is fed what the etcd answers; see wire/etcd.ts for the words.
 *
 * Two keys a session, under a prefix:
 *
 * - `SESSION/candidate`: who claims or reigns, and in which epoch. It is taken by compare and swap and goes with a lease, so that
 *   one that dies is forgotten.
 * - `SESSION/epoch`: the last epoch that was given to anybody.
 *
 * Nothing here has to be right for the session to be safe: the voters grant an epoch to one candidate, and none below their
 * promises, whatever an etcd has said. So an etcd may lose its data, come back with older data, or be written to by others. What
 * it says is used as far as it fits to what is known of the voters:
 *
 * - A number is above both the last one that was given and every epoch that is known to be taken. One that leads by far is not
 *   believed: a wrong number must not use up the epochs. What is given and not claimed is given again in time.
 * - Who is picked for an epoch above those known is about to claim it, and is waited for. Who is picked for a known one reigns or
 *   has reigned: silence on the streams decides whether it is to be replaced, not its lease, which would take seconds.
 * - Who was picked and is not heard of is replaced after a time, also if its key has no lease.
 * - Where the own key is gone while it reigns, it writes it again. If it can't, or another one has it, the reign goes on: it
 *   ends when the voters have promised a later one.
 */
import { type Logger, silentLogger } from '../core/log.js'
import type { EtcdAnswer, EtcdCall, EtcdEntry } from '../wire/etcd.js'
import { isBelievable, nextEpoch, numberOf, type Pick, pickOf } from './election-values.js'

/** An etcd gives no lease below about two seconds. */
const LEASE_SECONDS = 2
/** While it reigns it looks whether its key is still there. */
const WRITE_EVERY_US = 5_000_000
/** While nothing is wanted it is asked now and then, so that one that does not answer is known before it is needed. */
const CHECK_EVERY_US = 2_000_000
/** After a failure; it doubles with each one up to the bound. */
const RETRY_US = 50_000
const MAX_RETRY_US = 500_000
/** A swap that finds something else looks again at once, so often. */
const MAX_SWAPS = 4
/** Somebody else who was picked has so long to be heard of. */
const PICK_STANDS_US = 6_000_000

export interface ElectionOptions {
  readonly session: string
  /** Of the keys, so that several systems can share an etcd. */
  readonly prefix: string
  /** Of this process start. */
  readonly incarnation: number
  readonly name: string
  readonly logger?: Logger
}

export interface ElectionOutput {
  /** To be answered by one `onAnswer` or `onFailure`; there is one call at a time. */
  call(call: EtcdCall): void
  /** The greatest epoch that is taken, and the one that this candidate was given and has not won, or 0. */
  known(): { readonly known: number; readonly unwon: number }
  /** To claim this epoch is this candidate's now. */
  elected(epoch: number, nowUs: number): void
  notElected(reason: string, nowUs: number): void
}

/** `idle`; `seeking`: wants to be elected; `elected`: it was, and keeps it until it is released. */
export type ElectionState = 'idle' | 'seeking' | 'elected'

export interface EtcdFailure {
  readonly reason: string
  /** An answer, and the lease that was named does not exist. */
  readonly isNotFound: boolean
}

interface Lease {
  readonly id: string
  /** It may be gone from here on, by the own clock. */
  readonly untilUs: number
  readonly keepUs: number
}

/** What was called and not answered yet. */
interface Asked {
  readonly call: EtcdCall
  readonly atUs: number
  readonly turn: number
}

interface View {
  readonly candidate: EtcdEntry | undefined
  readonly epoch: EtcdEntry | undefined
}

export class Election {
  readonly #options: ElectionOptions
  readonly #output: ElectionOutput
  readonly #logger: Logger
  readonly #keys: readonly [candidate: string, epoch: string]
  #state: ElectionState = 'idle'
  #asked: Asked | undefined
  /** Counts what was wanted: the answer to an earlier wish is no answer to this one. */
  #turn = 0
  #lease: Lease | undefined
  /** What was read last; undefined where it has to be read. */
  #view: View | undefined
  /** The epoch that is written with the own name, or is being written. */
  #epoch = 0
  #isWritten = false
  #writeUs = 0
  #swaps = 0
  /** Somebody else whom one waits for. */
  #other: { readonly revision: string; readonly sinceUs: number } | undefined
  #retryUs = 0
  #failures = 0
  #checkUs = 0

  constructor(options: ElectionOptions, output: ElectionOutput) {
    this.#options = options
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    const base = `${options.prefix}/${options.session}`
    this.#keys = [`${base}/candidate`, `${base}/epoch`]
  }

  get state(): ElectionState {
    return this.#state
  }

  /** The calls that failed since the last answer; 0 where the etcd is there. */
  get failures(): number {
    return this.#failures
  }

  /** Wants to be elected; `elected` or `notElected` is said in time, unless it is released before. */
  seek(nowUs: number): void {
    if (this.#state !== 'idle') return
    this.#turn++
    this.#swaps = 0
    this.#retryUs = 0
    this.#view = undefined
    this.#transition('seeking', 'wants to reign')
    this.#next(nowUs)
  }

  /** Wants it no more: others need not wait for the lease. */
  release(nowUs: number): void {
    if (this.#state === 'idle') return
    this.#turn++
    this.#isWritten = false
    this.#checkUs = nowUs + CHECK_EVERY_US
    this.#transition('idle', 'does not reign')
    this.#next(nowUs)
  }

  onAnswer(answer: EtcdAnswer, nowUs: number): void {
    const asked = this.#take()
    const { call, atUs } = asked
    if (this.#failures > 0) this.#logger.info({ failures: this.#failures }, 'election: the etcd answers again')
    this.#failures = 0
    if (answer.kind === 'lease') this.#lease = leaseFrom(answer.lease, answer.ttlSeconds, atUs)
    else if (answer.kind === 'kept') this.#onKept(answer.ttlSeconds, atUs)
    else if (answer.kind === 'found') this.#onFound(call, answer.entries)
    else if (answer.kind === 'swapped') this.#onSwapped(asked, nowUs)
    this.#next(nowUs)
  }

  /** No etcd has answered, or it has answered nothing of use. A swap may have been done all the same. */
  onFailure({ reason, isNotFound }: EtcdFailure, nowUs: number): void {
    const { call } = this.#take()
    this.#view = undefined
    if (isNotFound && call.kind !== 'revoke-lease') this.#lease = undefined
    if (!isNotFound) this.#onUnreachable(reason)
    this.#retryUs = nowUs + Math.min(MAX_RETRY_US, RETRY_US * 2 ** Math.min(this.#failures, 8))
    if (this.#state === 'idle') this.#checkUs = nowUs + CHECK_EVERY_US
    this.#next(nowUs)
  }

  /** Does what is due. @returns when to be called next, in the terms of `nowUs`; Infinity for never */
  tick(nowUs: number): number {
    this.#next(nowUs)
    if (this.#asked !== undefined) return Number.POSITIVE_INFINITY
    if (this.#state === 'idle') return this.#checkUs
    const dueUs = this.#isWritten ? Math.min(this.#lease?.keepUs ?? nowUs, this.#writeUs) : nowUs
    return Math.max(this.#retryUs, dueUs)
  }

  #take(): Asked {
    const asked = this.#asked
    if (asked === undefined) throw new Error('nothing was asked')
    this.#asked = undefined
    return asked
  }

  /** One call after the other, each from what is wanted and known at that moment. */
  #next(nowUs: number): void {
    if (this.#asked !== undefined) return
    if (this.#state === 'idle') this.#nextIdle(nowUs)
    else if (nowUs >= this.#retryUs) this.#nextWanted(nowUs)
  }

  #nextIdle(nowUs: number): void {
    if (this.#lease !== undefined) {
      const { id } = this.#lease
      // Once: if that fails, the lease ends by itself.
      this.#lease = undefined
      this.#ask({ kind: 'revoke-lease', lease: id }, nowUs)
    } else if (nowUs >= this.#checkUs) {
      this.#checkUs = nowUs + CHECK_EVERY_US
      this.#ask({ kind: 'read', keys: this.#keys }, nowUs)
    }
  }

  #nextWanted(nowUs: number): void {
    const lease = this.#lease
    const isGone = lease === undefined || nowUs >= lease.untilUs
    if (this.#isWritten && (isGone || nowUs >= this.#writeUs)) {
      this.#isWritten = false
      this.#view = undefined
    }
    if (isGone) {
      this.#ask({ kind: 'grant-lease', ttlSeconds: LEASE_SECONDS }, nowUs)
    } else if (this.#isWritten) {
      if (nowUs >= lease.keepUs) this.#ask({ kind: 'keep-lease', lease: lease.id }, nowUs)
    } else if (this.#view === undefined) {
      this.#ask({ kind: 'read', keys: this.#keys }, nowUs)
    } else if (this.#state === 'seeking') {
      this.#decide(this.#view, lease.id, nowUs)
    } else {
      this.#writeAgain(this.#view, lease.id, nowUs)
    }
  }

  #decide(view: View, lease: string, nowUs: number): void {
    const { known, unwon } = this.#output.known()
    const pick = pickOf(view.candidate)
    const isOther = pick !== undefined && pick.incarnation !== this.#options.incarnation
    if (isOther && this.#isAwaited(pick, view.candidate?.revision ?? '0', known, nowUs)) {
      this.#lose(`${pick.name} is elected for epoch ${pick.epoch}`, nowUs)
      return
    }
    if (this.#swaps++ >= MAX_SWAPS) {
      this.#lose('others are being elected', nowUs)
      return
    }
    const given = numberOf(view.epoch)
    const isOurs = pick !== undefined && !isOther && isBelievable(pick.epoch, known)
    this.#epoch = isOurs ? pick.epoch : nextEpoch(known, unwon, given)
    this.#swap(view, lease, nowUs)
  }

  /** Somebody else was picked for an epoch that nobody has claimed yet, as far as is known. */
  #isAwaited({ epoch }: Pick, revision: string, known: number, nowUs: number): boolean {
    if (!isBelievable(epoch, known)) return false
    if (this.#other?.revision !== revision) this.#other = { revision, sinceUs: nowUs }
    return nowUs - this.#other.sinceUs < PICK_STANDS_US
  }

  /** While it reigns: its key and the number are there for others to read. */
  #writeAgain(view: View, lease: string, nowUs: number): void {
    const pick = pickOf(view.candidate)
    const isNewer = pick !== undefined && pick.incarnation !== this.#options.incarnation && pick.epoch > this.#epoch
    if (isNewer) {
      // The voters will tell. Until then it is looked at now and then.
      this.#view = undefined
      this.#retryUs = nowUs + WRITE_EVERY_US
      return
    }
    this.#swap(view, lease, nowUs)
  }

  #swap({ candidate, epoch }: View, lease: string, nowUs: number): void {
    const { incarnation, name } = this.#options
    const [candidateKey, epochKey] = this.#keys
    const pick: Pick = { epoch: this.#epoch, incarnation, name }
    const call: EtcdCall = {
      kind: 'swap',
      expected: [
        { key: candidateKey, revision: candidate?.revision ?? '0' },
        { key: epochKey, revision: epoch?.revision ?? '0' },
      ],
      puts: [
        { key: candidateKey, value: JSON.stringify(pick), lease },
        { key: epochKey, value: String(this.#lastGiven(epoch)) },
      ],
    }
    this.#view = undefined
    this.#ask(call, nowUs)
  }

  /** One that writes its key again does not take back what was given to others since. */
  #lastGiven(entry: EtcdEntry | undefined): number {
    const given = numberOf(entry)
    return isBelievable(given, this.#epoch) ? given : this.#epoch
  }

  #onKept(ttlSeconds: number, atUs: number): void {
    if (this.#lease === undefined) return
    if (ttlSeconds === 0) this.#lease = undefined
    else this.#lease = leaseFrom(this.#lease.id, ttlSeconds, atUs)
    if (this.#lease !== undefined || this.#state !== 'elected') return
    this.#isWritten = false
    this.#view = undefined
    this.#logger.warn({ epoch: this.#epoch }, 'election: the lease is gone, as after a pause or a restart of the etcd')
  }

  #onFound(call: EtcdCall, entries: readonly (EtcdEntry | undefined)[]): void {
    // What is found where a swap was not done is as good as what is read.
    if (call.kind === 'read' || call.kind === 'swap') this.#view = { candidate: entries[0], epoch: entries[1] }
  }

  #onSwapped({ turn }: Asked, nowUs: number): void {
    if (this.#state === 'idle' || turn !== this.#turn) return
    this.#isWritten = true
    this.#writeUs = nowUs + WRITE_EVERY_US
    if (this.#state !== 'seeking') return
    this.#transition('elected', `epoch ${this.#epoch} is its own to claim`)
    this.#output.elected(this.#epoch, nowUs)
  }

  #onUnreachable(reason: string): void {
    this.#failures++
    if (this.#failures !== 1) return
    const what =
      this.#state === 'elected'
        ? 'the reign goes on, and no other one can be made until the etcd is back'
        : 'no sequencer can be made the active one until the etcd is back'
    this.#logger.warn({ session: this.#options.session, reason }, `election: no etcd answers: ${what}`)
  }

  #lose(reason: string, nowUs: number): void {
    this.#checkUs = nowUs + CHECK_EVERY_US
    this.#transition('idle', reason)
    this.#output.notElected(reason, nowUs)
  }

  #ask(call: EtcdCall, nowUs: number): void {
    this.#asked = { call, atUs: nowUs, turn: this.#turn }
    this.#output.call(call)
  }

  #transition(next: ElectionState, reason: string): void {
    this.#logger.debug({ from: this.#state, to: next, reason, epoch: this.#epoch }, 'election')
    this.#state = next
  }
}

/** Counted from before it was asked for: it can't end earlier than that. */
function leaseFrom(id: string, ttlSeconds: number, askedUs: number): Lease {
  const ttlUs = ttlSeconds * 1_000_000
  return { id, untilUs: askedUs + ttlUs, keepUs: askedUs + ttlUs / 3 }
}
