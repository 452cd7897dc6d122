/**
 * The candidate: watches the sequencer that reigns, claims an epoch when that is silent or when it is told to, and decides
 * with a majority of grants which log is the session's. A sans-io machine; the role reads, adopts and opens.
 *
 * What keeps it from harm:
 *
 * - An epoch is claimed for one incarnation, which is new for each process start, and opened once: a candidate that has won an
 *   epoch never claims it again, though it may claim one again that it has not won.
 * - Only grants of this epoch to this incarnation count, one a voter, the latest. Early ones stay good: what the voter has
 *   promised to a later reign since is fenced there. Refusals only teach a greater epoch.
 * - The newest log of a majority has all that was ever stable. The own log is taken only where it is as new: among logs that
 *   end with an event of the same epoch the longer one has it all.
 * - One datagram makes no reign (see witness.ts), and none makes it claim far above what is known: the epochs of a session are
 *   few.
 * - By itself it claims only while a majority of the voters is heard, so that a candidate that is cut off does not raise epoch
 *   after epoch; and not after a claim of somebody else, who may be about to reign.
 * - Where candidates are elected (see election.ts) it asks for that first, and claims the epoch that it is given. That keeps
 *   candidates apart, and proves nothing: the grants are needed all the same.
 */
import { SeqcastError } from '../core/errors.js'
import { MAX_EPOCH, MAX_EPOCH_STEP } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { Claim, ClaimRefused, Grant, StoreStatus } from '../wire/control.js'
import { type Ballot, BallotBox, logEnd } from './ballot.js'
import { isAsNew } from './epoch-agreement.js'
import { isSequencing } from './sequencer-states.js'
import type { Progress } from './stall.js'
import type { SuspicionOptions } from './suspicion.js'
import { Vigil } from './vigil.js'
import { Witness } from './witness.js'

const CLAIM_EVERY_US = 50_000
/** For a voter that has just come it is claimed again, no sooner than this. */
const CLAIM_AGAIN_US = 2_000
const CLAIM_FOR_US = 500_000
/** Who was told to take over tries again after so long, and up to twice that. */
const RETRY_US = 60_000

export interface ReignOptions extends SuspicionOptions {
  /** The voters of the session: at least one. */
  readonly voters: readonly string[]
  /** Of this process start: the sender of its claims. */
  readonly incarnation: number
  readonly name: string
  /** Claims only when told to. */
  readonly manual: boolean
  /** Claims only what it was elected for: see `elected`. */
  readonly isElected?: boolean
  /** The greatest epoch that is known from the log, or that this incarnation has reigned in; 0 for none. */
  readonly knownEpoch: number
  readonly logger?: Logger
}

/** `throughSequence` 0: the log is empty. The last event of what is fetched must be of `lastEpoch`, or the adoption has failed. */
export type Adoption = { readonly epoch: number; readonly lives: Record<string, number> } & (
  | { readonly from: 'own' }
  | {
      readonly from: 'store'
      readonly voter: string
      readonly address: string
      readonly rewindPort: number
      readonly lastEpoch: number
      readonly throughSequence: number
    }
)

/**
 * `watching` somebody else, `electing`: asks to be the one who claims, `claiming` an epoch, `adopting` the log of the epoch that
 * is won, `reigning`.
 */
export type ReignState = 'watching' | 'electing' | 'claiming' | 'adopting' | 'reigning'

export interface ReignOutput {
  /** The candidate's own log, to its end. */
  ownLog(): { readonly lastEpoch: number; readonly lastSequence: number }
  sendClaim(claim: Claim): void
  /** An epoch is won: take over this log and open it, then call `adopted`, or `adoptionFailed`. */
  adopt(adoption: Adoption): void
  suspected(reason: string): void
  stateChanged(state: ReignState, reason: string): void
  failed(error: SeqcastError): void
}

export class Reign {
  readonly #options: ReignOptions
  readonly #output: ReignOutput
  readonly #logger: Logger
  readonly #vigil: Vigil
  readonly #witness = new Witness()
  /** For each voter that says it promised an epoch far above what is known: one datagram proves none. */
  readonly #leaps = new Map<string, Witness>()
  /** Voters that were ever heard. */
  readonly #present = new Set<string>()
  #state: ReignState = 'watching'
  /** The greatest epoch that is taken, by a reign or by a promise to somebody else. */
  #known: number
  /** The newest epoch whose sequencer was heard, and the sender of its heartbeats. */
  #reigning = 0
  #speaker = 0
  /** The epoch that was claimed last and not won, or 0. */
  #claimed = 0
  #ballots: BallotBox
  #claimUs = 0
  /** When it was claimed last. */
  #claimedUs = 0
  #claimUntilUs = 0
  /** A wish to take over stands until somebody reigns. */
  #wish: { readonly reason: string; fromUs: number } | undefined
  #hasFailed = false

  constructor(options: ReignOptions, output: ReignOutput) {
    if (options.voters.length === 0) throw new Error('without voters there is nothing to claim')
    this.#options = options
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#vigil = new Vigil(options)
    this.#known = options.knownEpoch
    this.#ballots = new BallotBox(options.voters)
  }

  get state(): ReignState {
    return this.#state
  }

  /** The epoch that is claimed, adopted or reigned in; otherwise the greatest that is known. */
  get epoch(): number {
    return this.#isWaiting ? this.#known : this.#claimed
  }

  /** The greatest epoch that is taken, as far as is known here. */
  get known(): number {
    return this.#known
  }

  /** The epoch that was claimed last and not won, or 0: it may be claimed again. */
  get unwon(): number {
    return this.#claimed > this.#known ? this.#claimed : 0
  }

  /**
   * A sequencer speaks. Those that wait or are about to reign are no sign of a reign, but of somebody who will.
   * @param progress as the heartbeat says, so that one under which nothing becomes stable is suspected, too
   */
  onHeartbeat(epoch: number, sender: number, state: string, nowUs: number, progress?: Progress): void {
    if (sender === this.#options.incarnation || !(epoch >= 1 && epoch <= MAX_EPOCH)) return
    if (!isSequencing(state)) {
      if (state === 'adopting' && epoch >= this.#known) this.#vigil.heard(nowUs)
      if (state === 'stopped' && epoch === this.#reigning && sender === this.#speaker) this.#vigil.gone(nowUs)
      return
    }
    if (epoch > this.#reigning && !this.#witness.believes(epoch, sender, nowUs)) return
    if (epoch > this.#reigning) this.#wish = undefined
    this.#reigning = Math.max(this.#reigning, epoch)
    if (epoch < this.#reigning) return
    this.#speaker = sender
    this.#knows(epoch)
    this.#vigil.heard(nowUs)
    if (progress !== undefined) this.#vigil.onProgress(epoch, progress, nowUs)
    const isLate = this.#state === 'claiming' || this.#state === 'adopting'
    if (isLate && epoch >= this.#claimed) this.#watch(`sequencer ${sender} reigns in epoch ${epoch}`, nowUs)
  }

  /** Whether so many voters are there that a claim can be granted: one that can't only disturbs who reigns. */
  hearsMajority(nowUs: number): boolean {
    return this.#vigil.hearsMajority(nowUs)
  }

  /** A packet of the event stream itself. What was asked for, answered by whomever, is no sign of life. */
  onEvents(nowUs: number): void {
    this.#vigil.heard(nowUs)
  }

  /** Somebody else wants to reign. */
  onClaim(epoch: number, sender: number, nowUs: number): void {
    if (sender === this.#options.incarnation || epoch <= this.#known || epoch > MAX_EPOCH) return
    if (epoch > this.#known + MAX_EPOCH_STEP) return
    this.#known = epoch
    this.#vigil.rivalled(nowUs)
    if (this.#state === 'electing') this.#watch(`sequencer ${sender} claims epoch ${epoch}`, nowUs)
  }

  /** A store speaks: who can be asked, and what was promised that is not known yet. */
  onStatus(status: StoreStatus, nowUs: number): void {
    const { voter, promised } = status
    if (!this.#options.voters.includes(voter)) return
    this.#vigil.onVoter(status, nowUs)
    this.#witness.promised(promised)
    // One that has just come is asked at once: it has not heard the claim.
    if (!this.#present.has(voter)) this.#claimUs = Math.min(this.#claimUs, this.#claimedUs + CLAIM_AGAIN_US)
    this.#present.add(voter)
    if (promised !== this.#claimed) this.#knowsPromise(voter, promised, nowUs)
  }

  onGrant(grant: Grant, address: string, _nowUs: number): void {
    const { incarnation, voters } = this.#options
    if (voters.includes(grant.voter)) this.#witness.promised(grant.epoch)
    if (this.#state !== 'claiming' || grant.epoch !== this.#claimed || grant.candidate !== incarnation) return
    if (!voters.includes(grant.voter) || grant.life < 1 || grant.lastEpoch >= grant.epoch) return
    this.#ballots.add(grant, address)
    const lives = this.#ballots.won()
    if (lives === undefined) return
    this.#transition('adopting', `${this.#ballots.size} voters granted epoch ${this.#claimed}`)
    this.#output.adopt(this.#adoption(this.#ballots.best(), lives))
  }

  onRefused(refused: ClaimRefused, nowUs: number): void {
    if (refused.candidate !== this.#options.incarnation || refused.epoch !== this.#claimed) return
    if (refused.promised < this.#claimed) return
    this.#knowsPromise(refused.voter, refused.promised, nowUs)
    if (this.#state === 'claiming') this.#watch(`${refused.voter} refuses: ${refused.reason}`, nowUs)
  }

  /** Claims now, and again until somebody reigns in a newer epoch than the known one. */
  takeOver(reason: string, nowUs: number): void {
    if (!this.#isWaiting) return
    this.#wish = { reason, fromUs: nowUs }
    this.tick(nowUs)
  }

  /** This one, and nobody else now, is to claim this epoch. */
  elected(epoch: number, nowUs: number): void {
    if (this.#state !== 'electing') return
    if (epoch > this.#known && epoch <= MAX_EPOCH) this.#claimEpoch(epoch, 'elected', nowUs)
    else this.#watch(`epoch ${epoch} is taken, the newest that is known is ${this.#known}`, nowUs)
  }

  /** Somebody else is to claim. */
  notElected(reason: string, nowUs: number): void {
    if (this.#state === 'electing') this.#watch(reason, nowUs)
  }

  /** Nobody wants it to take over any more. */
  withdraw(): void {
    this.#wish = undefined
  }

  /** The won epoch is open. */
  adopted(_nowUs: number): void {
    if (this.#state !== 'adopting') throw new Error(`a candidate that is ${this.#state} has adopted nothing`)
    this.#known = Math.max(this.#known, this.#claimed)
    this.#wish = undefined
    this.#transition('reigning', `epoch ${this.#claimed} is open`)
  }

  /** The log of the won epoch could not be fetched: nothing was opened. */
  adoptionFailed(reason: string, nowUs: number): void {
    if (this.#state === 'adopting') this.#watch(`the log could not be adopted: ${reason}`, nowUs)
  }

  /** The own reign is over; its epoch is never claimed again. */
  steppedDown(reason: string, nowUs: number): void {
    if (this.#state !== 'reigning') return
    this.#claimed = 0
    this.#watch(reason, nowUs)
  }

  /** Does what is due. @returns when to be called next, in the terms of `nowUs`; Infinity for never */
  tick(nowUs: number): number {
    if (this.#state === 'claiming' && nowUs >= this.#claimUntilUs) {
      this.#watch(
        `only ${this.#ballots.size} of ${this.#options.voters.length} voters granted epoch ${this.#claimed}`,
        nowUs,
        true,
      )
    }
    if (this.#state === 'watching') this.#look(nowUs)
    else if (this.#state === 'electing') this.#lookAgain(nowUs)
    if (this.#state === 'claiming' && nowUs >= this.#claimUs) this.#sendClaim(nowUs)
    return this.#deadline(nowUs)
  }

  get #isWaiting(): boolean {
    return this.#state === 'watching' || this.#state === 'electing'
  }

  #deadline(nowUs: number): number {
    if (this.#hasFailed) return Number.POSITIVE_INFINITY
    if (this.#state === 'claiming') return Math.min(this.#claimUs, this.#claimUntilUs)
    if (!this.#isWaiting) return Number.POSITIVE_INFINITY
    if (this.#state === 'electing') return this.#vigil.nextLookUs(nowUs)
    const lookUs = this.#options.manual ? Number.POSITIVE_INFINITY : this.#vigil.nextLookUs(nowUs)
    return Math.min(lookUs, this.#wish?.fromUs ?? lookUs)
  }

  #look(nowUs: number): void {
    this.#vigil.look(nowUs)
    if (this.#wish !== undefined) {
      if (nowUs >= this.#wish.fromUs) this.#claim(this.#wish.reason, nowUs)
      return
    }
    const reason = this.#suspected(nowUs)
    if (reason === undefined || this.#options.manual || !this.hearsMajority(nowUs)) return
    this.#output.suspected(reason)
    this.#claim(reason, nowUs)
  }

  /** An election may take its time: is there still a reason for it? */
  #lookAgain(nowUs: number): void {
    this.#vigil.look(nowUs)
    if (this.#wish !== undefined) return
    if (this.#options.manual || this.#suspected(nowUs) === undefined) this.#watch('there is no need any more', nowUs)
  }

  #suspected(nowUs: number): string | undefined {
    return this.#vigil.suspected(this.#output.ownLog().lastSequence, nowUs)
  }

  #claim(reason: string, nowUs: number): void {
    if (this.#hasFailed) return
    this.#knows(this.#output.ownLog().lastEpoch)
    const epoch = Math.max(this.#known + 1, this.#claimed)
    if (epoch > MAX_EPOCH) {
      this.#fail()
      return
    }
    if (this.#options.isElected === true) this.#transition('electing', `${reason}: asks to be elected`)
    else this.#claimEpoch(epoch, reason, nowUs)
  }

  #claimEpoch(epoch: number, reason: string, nowUs: number): void {
    this.#claimed = epoch
    this.#ballots = new BallotBox(this.#options.voters)
    this.#claimUs = nowUs
    this.#claimUntilUs = nowUs + CLAIM_FOR_US
    this.#transition('claiming', `${reason}: claims epoch ${epoch}`)
  }

  #sendClaim(nowUs: number): void {
    this.#claimedUs = nowUs
    this.#claimUs = nowUs + CLAIM_EVERY_US
    this.#output.sendClaim({ epoch: this.#claimed, name: this.#options.name })
  }

  #adoption({ grant, address }: Ballot, lives: Record<string, number>): Adoption {
    const { lastEpoch, lastSequence } = this.#output.ownLog()
    const base = { epoch: this.#claimed, lives }
    // What was read elsewhere, while no voter has any of it, is no beginning: that is for an operator to decide.
    const isForeign = this.#ballots.isFounding && grant.durableSequence === 0 && lastSequence > 0
    const isOwn = !isForeign && isAsNew({ lastEpoch, sequence: lastSequence }, logEnd(grant))
    if (isOwn) return { ...base, from: 'own' }
    const { voter, rewindPort, durableSequence } = grant
    const log = { lastEpoch: grant.lastEpoch, throughSequence: durableSequence }
    return { ...base, from: 'store', voter, address, rewindPort, ...log }
  }

  #watch(reason: string, nowUs: number, isUnanswered = false): void {
    this.#vigil.restart(nowUs, isUnanswered)
    const pauseUs = this.#options.jitter.integer(RETRY_US, 2 * RETRY_US)
    if (this.#wish !== undefined) this.#wish.fromUs = nowUs + pauseUs
    this.#transition('watching', reason)
  }

  #knows(epoch: number): void {
    if (epoch > this.#known && epoch <= MAX_EPOCH) this.#known = epoch
  }

  #knowsPromise(voter: string, epoch: number, nowUs: number): void {
    if (epoch > this.#known + MAX_EPOCH_STEP) {
      const leap = this.#leaps.get(voter) ?? new Witness()
      this.#leaps.set(voter, leap)
      if (!leap.believes(epoch, 0, nowUs)) return
    }
    this.#knows(epoch)
  }

  #fail(): void {
    this.#hasFailed = true
    this.#wish = undefined
    this.#output.failed(
      new SeqcastError('E_EPOCHS_EXHAUSTED', `the session has used its last epoch, ${MAX_EPOCH}`, {
        hint: 'start every role with a new --session; this one stays readable from its stores (seqcast replay, seqcast export)',
        fields: { epoch: MAX_EPOCH },
      }),
    )
  }

  #transition(next: ReignState, reason: string): void {
    this.#logger.info({ from: this.#state, to: next, reason, epoch: this.#claimed, known: this.#known }, 'reign')
    this.#state = next
    this.#output.stateChanged(next, reason)
  }
}
