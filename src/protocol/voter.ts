/**
 * A voter: decides which reign its log counts for. A sans-io machine beside the recording of a store.
 *
 * What keeps a stable event from being lost:
 *
 * - A promise is raised in memory at once, so that nothing is acknowledged under an older reign any more, and spoken of only when
 *   it is on disk. A voter that dies in between has promised nothing that anybody heard, or finds its promise again.
 * - A grant tells the durable log as it is when the grant is sent: all that was ever acknowledged is in it. Packets of an
 *   older reign may still be recorded after it. They are not acknowledged, and go when a newer table does not admit them.
 * - Acknowledgements count under the reign `e` only where `e` is the promise on disk, the table of `e` was heard, and the
 *   durable log agrees with that table to its end. It is looked at anew for every status: what was on its way to the disk may
 *   be of a lost branch.
 * - A reign that is older than the promise changes nothing here, neither promise nor log.
 *
 * A voter without its disk (see lives.ts) is `empty`, and cannot tell whether the session is new or it has lost its data. It
 * acknowledges nothing, and its promises count only where those of all voters are of this kind: the session is new. Then
 * the winner's heartbeats tell the life that it had promised in, and it is `voting`. Where another life of it is known it had
 * lost its data and is `recovering`: neither grants nor counts until a majority of the others has made its new life
 * durable and said, after that, what it had promised and recorded, and its own log is as new as the newest of those.
 *
 * Events of an epoch that it never promised, and no proof: it has lost its promise, and what it recorded since is a copy of others'.
 * It founds no session with that. Where no majority is left to recover from, only an operator can have it vote again (`readmit`).
 */
import { MAX_EPOCH, MAX_EPOCH_STEP } from '../core/limits.js'
import { type Logger, silentLogger } from '../core/log.js'
import type { Claim, ClaimRefused, EpochTableEntry, Grant, SequencerHeartbeat, StoreStatus } from '../wire/control.js'
import { isAsNew, isTableOf, partsFrom } from './epoch-agreement.js'
import { NEWEST_EPOCHS } from './epoch-notice.js'
import { type LifeEntries, Lives } from './lives.js'
import { Recovery } from './recovery.js'
import { isSequencing } from './sequencer-states.js'

export interface VoterOptions {
  /** The voter's id. */
  readonly voter: string
  /** A new random number, for the life of a voter that has none on its disk. */
  readonly nonce: number
  readonly logger?: Logger
}

/** The durable part of a log, read whenever it is needed. */
export interface VoterLog {
  /** The epoch of birth of the last durable event, or 0. */
  readonly lastEpoch: number
  readonly durableSequence: number
  readonly epochTable: readonly EpochTableEntry[]
}

/** What a voter keeps on its disk, synced, beside its log. It is worth nothing without that log. */
export interface StoredPromise {
  /** It takes part in no reign before this one. */
  readonly epoch: number
  /** Whom the epoch was promised; 0 where it was heard of as a reign. */
  readonly candidate: number
  readonly life: number
  readonly lives: LifeEntries
  /** When an operator had it vote again without what a majority of the others could have told it. */
  readonly readmitted?: readonly Readmission[]
  /** It had its vote back when the session had ended: what it had promised in the next one is not known here. */
  readonly isLate?: boolean
}

/** What is kept of an operator's decision. */
export interface Readmission {
  /** Microseconds since the Unix epoch. */
  readonly atUs: number
  readonly reason: string
  /** What it had then. */
  readonly durableSequence: number
  readonly lastEpoch: number
}

/**
 * `empty`: has no proof that it never lost its data. `recovering`: it has lost it. `voting`: its word counts.
 */
export type VoterState = 'empty' | 'recovering' | 'voting'

/** What a voter says in its store's status. */
export type VoterStatus = Pick<StoreStatus, 'epoch' | 'durableSequence' | 'promised' | 'lastEpoch' | 'life' | 'lives'>

export interface VoterOutput {
  /** Replaces what is on the disk; `persisted` is to be called when it is synced. One at a time is under way. */
  persist(promise: StoredPromise): void
  /** The ports of a grant are for the role to fill in. */
  send(...said: ['grant', Grant] | ['claimRefused', ClaimRefused]): void
  /** The events from here on are of a lost branch. May be said again. */
  truncate(fromSequence: number): void
  stateChanged(state: VoterState, reason: string): void
}

/** Another voter that was heard within this time is there, and has a say in a recovery that an operator decides. */
const THERE_US = 1_000_000

interface HeardReign {
  readonly epoch: number
  readonly table: readonly EpochTableEntry[]
}

export class Voter {
  readonly #voter: string
  readonly #log: VoterLog
  readonly #output: VoterOutput
  readonly #logger: Logger
  #state: VoterState
  /** What is on the disk: only this may be spoken of. */
  #stored: StoredPromise
  /** What is being written, and what is to be written after it. */
  #writing: StoredPromise | undefined
  #wanted: StoredPromise
  /** What is known of the others, on disk or not. */
  readonly #lives: Lives
  #recovery: Recovery | undefined
  /** Others that vote, and when they were last heard. */
  readonly #votersHeardUs = new Map<string, number>()
  /** An operator's decision that waits for the log. */
  #readmission: Pick<Readmission, 'atUs' | 'reason'> | undefined
  /** The greatest epoch that another voter has said it promised. */
  #promisedElsewhere = 0
  /** The newest reign, not older than the promise, whose table was heard. */
  #heard: HeardReign = { epoch: 0, table: [] }

  constructor(options: VoterOptions, log: VoterLog, stored: StoredPromise | undefined, output: VoterOutput) {
    this.#voter = options.voter
    this.#log = log
    this.#output = output
    this.#logger = options.logger ?? silentLogger
    this.#stored = stored ?? { epoch: 0, candidate: 0, life: options.nonce, lives: {} }
    this.#wanted = this.#stored
    this.#lives = new Lives(this.#stored.lives)
    this.#state = this.#isFounded() ? 'voting' : 'empty'
  }

  get state(): VoterState {
    return this.#state
  }

  /** It takes part in no reign before this one, from now on. */
  get promised(): number {
    return this.#wanted.epoch
  }

  /** It has recorded what it never promised to, so that its promise is lost; or the others know that it has lost its data. */
  get hasLostData(): boolean {
    return this.#state === 'recovering' || (this.#state === 'empty' && this.#log.lastEpoch > this.#wanted.epoch)
  }

  /** The reign under which what is durable may be acknowledged now, or 0. */
  get reign(): number {
    const { epoch } = this.#heard
    const isOurs = this.#state === 'voting' && epoch === this.#stored.epoch && epoch === this.#wanted.epoch
    return isOurs && this.#parts() > this.#log.durableSequence ? epoch : 0
  }

  /** What the store says of the voter, true at this moment. */
  status(): VoterStatus {
    return {
      epoch: this.reign,
      durableSequence: this.#log.durableSequence,
      promised: this.#stored.epoch,
      lastEpoch: this.#log.lastEpoch,
      life: this.#spokenLife(),
      lives: this.#spokenLives(),
    }
  }

  /** Somebody wants to reign. */
  onClaim(claim: Claim, candidate: number, _nowUs: number): void {
    if (claim.epoch < 1 || claim.epoch > MAX_EPOCH || candidate < 1) return
    const { epoch, candidate: promisedTo } = this.#wanted
    if (this.hasLostData) this.#refuse(claim, candidate, 'this voter has lost its data and recovers it')
    else if (claim.epoch > Math.max(epoch, this.#promisedElsewhere) + MAX_EPOCH_STEP)
      this.#refuse(claim, candidate, `epoch ${claim.epoch} is far ahead of epoch ${epoch}, which is promised`)
    else if (claim.epoch > epoch) this.#want({ epoch: claim.epoch, candidate })
    else if (claim.epoch < epoch) this.#refuse(claim, candidate, `epoch ${epoch} is promised`)
    else if (candidate !== promisedTo) this.#refuse(claim, candidate, `epoch ${epoch} is promised to another one`)
    else if (this.#stored.epoch === epoch) this.#grant()
  }

  /** What `persist` was given is synced to disk. */
  persisted(_nowUs: number): void {
    if (this.#writing === undefined) throw new Error('nothing was to be persisted')
    const before = this.#stored
    this.#stored = this.#writing
    this.#writing = undefined
    this.#settle()
    const { epoch, candidate } = this.#stored
    const isNewPromise = epoch > before.epoch && candidate > 0 && this.#heard.epoch < epoch
    if (isNewPromise && epoch === this.#wanted.epoch && this.#state !== 'recovering') this.#grant()
    this.#write()
  }

  /** A sequencer tells its epoch table. Those that do not sequence, and older reigns than the promised one, are not heard. */
  onSequencer(heartbeat: SequencerHeartbeat, sender: number, _nowUs: number): void {
    const { epoch, epochTable } = heartbeat
    if (!isSequencing(heartbeat.state) || epoch > MAX_EPOCH || !isTableOf(epoch, epochTable)) return
    this.#learn(heartbeat.lives)
    if (epoch < this.#wanted.epoch) return
    if (epoch > this.#heard.epoch) this.#heard = { epoch, table: epochTable }
    if (this.#state === 'voting' && epoch > this.#wanted.epoch) this.#want({ epoch, candidate: sender })
    this.#compareLog()
  }

  /** Another store tells what it has. */
  onStatus(other: StoreStatus, nowUs: number): void {
    if (other.voter === '' || other.voter === this.#voter) return
    this.#promisedElsewhere = Math.max(this.#promisedElsewhere, other.promised)
    this.#learn(other.lives)
    if (!this.#isVoting(other)) return
    this.#votersHeardUs.set(other.voter, nowUs)
    if (this.#recovery === undefined) return
    this.#recovery.onVoter(other)
    this.onDurable(nowUs)
  }

  /** What is durable has changed, by new events or by a truncation. */
  onDurable(_nowUs: number): void {
    this.#compareLog()
    const target = this.#recovery?.target
    if (this.#recovery === undefined || target === undefined || this.#wanted.life === this.#recovery.life) return
    const ours = { lastEpoch: this.#log.lastEpoch, sequence: this.#log.durableSequence }
    if (!isAsNew(ours, target.log)) return
    const isAbove = target.promised > this.#wanted.epoch
    this.#want({
      ...(isAbove ? { epoch: target.promised, candidate: 0 } : {}),
      life: this.#recovery.life,
      ...this.#readmissions(),
    })
  }

  /**
   * An operator decides that this voter votes again, though no majority of the others can tell it what it had promised and recorded: with what
   * those have that are heard, or with nothing but its own log. What was stable may be lost by that.
   * @param wallUs for the record, which is kept beside the promise
   * @returns '' where it does, as soon as its log is as new as the newest of those; else why there is nothing to decide
   */
  readmit(reason: string, nowUs: number, wallUs: number): string {
    if (this.#state === 'voting') return 'this voter has its vote'
    if (!this.hasLostData)
      return 'nothing is known to be lost here; a session that nothing is known of begins by itself'
    const there = [...this.#votersHeardUs].filter(([, heardUs]) => nowUs - heardUs <= THERE_US).map(([voter]) => voter)
    this.#logger.warn({ voter: this.#voter, reason, there }, 'voter: an operator has it vote again')
    this.#readmission = { atUs: wallUs, reason }
    this.#recovery ??= new Recovery(this.#voter, this.#lives)
    this.#recovery.accept(there, this.#stored.life)
    if (this.#state !== 'recovering') this.#transition('recovering', 'decided by an operator')
    const known = Math.max(this.#log.lastEpoch, this.#promisedElsewhere, this.#heard.epoch)
    if (known > this.#wanted.epoch) this.#wanted = { ...this.#wanted, epoch: known, candidate: 0 }
    this.onDurable(nowUs)
    return ''
  }

  #readmissions(): Partial<StoredPromise> {
    const decision = this.#readmission
    if (decision === undefined) return {}
    this.#readmission = undefined
    const { durableSequence, lastEpoch } = this.#log
    return { readmitted: [...(this.#wanted.readmitted ?? []), { ...decision, durableSequence, lastEpoch }] }
  }

  /** Whether the life on disk is known to be this voter's newest one. */
  #isFounded(): boolean {
    const { life, lives } = this.#stored
    return new Lives(lives).of(this.#voter) === life && this.#lives.of(this.#voter) === life
  }

  #isVoting({ voter, life = 0, lives = {} }: StoreStatus): boolean {
    return life > 0 && lives[voter] === life && this.#lives.of(voter) === life
  }

  /** Whose founding was heard of decides what this voter is; a newer life of another voter has to be kept. */
  #learn(lives: LifeEntries | undefined): void {
    if (lives === undefined || this.#lives.merge(lives).length === 0) return
    const known = this.#lives.of(this.#voter)
    if (this.#state === 'recovering' || known === 0) return
    if (known === this.#wanted.life) this.#want({})
    else this.#recover()
  }

  #recover(): void {
    this.#recovery = new Recovery(this.#voter, this.#lives)
    this.#transition('recovering', 'the others know another life of this voter: it has lost its data')
  }

  /** After a write: the state that the disk stands for. */
  #settle(): void {
    const isRecovered = this.#state === 'recovering' && this.#stored.life === this.#recovery?.life
    if (this.#state === 'recovering' && !isRecovered) return
    if (this.#state === 'voting' || !this.#isFounded()) return
    this.#recovery = undefined
    this.#transition('voting', isRecovered ? 'promise and log are recovered' : 'the session is founded with it')
    if (this.#heard.epoch > this.#wanted.epoch) this.#want({ epoch: this.#heard.epoch, candidate: 0 })
  }

  #compareLog(): void {
    const { epoch } = this.#heard
    // Nor may an older reign take back what a newer one has sent, that is not yet believed.
    if (epoch === 0 || epoch < Math.max(this.#wanted.epoch, this.#log.lastEpoch)) return
    const from = this.#parts()
    if (from <= this.#log.durableSequence) this.#output.truncate(from)
  }

  /** The first durable sequence that the heard reign does not have, or the one after the durable log. */
  #parts(): number {
    return partsFrom(this.#log.epochTable, this.#log.durableSequence, this.#heard.table)
  }

  /** Raises the promise in memory at once, and on disk as soon as can be. */
  #want(change: Partial<StoredPromise>): void {
    this.#wanted = { ...this.#wanted, ...change, lives: this.#lives.entries }
    this.#write()
  }

  #write(): void {
    if (this.#writing !== undefined || this.#wanted === this.#stored) return
    this.#writing = this.#wanted
    this.#output.persist(this.#writing)
  }

  #grant(): void {
    this.#output.send('grant', {
      epoch: this.#stored.epoch,
      candidate: this.#stored.candidate,
      voter: this.#voter,
      lastEpoch: this.#log.lastEpoch,
      durableSequence: this.#log.durableSequence,
      epochTable: this.#log.epochTable.slice(-NEWEST_EPOCHS).map(({ epoch, sequence }) => ({ epoch, sequence })),
      requestPort: 0,
      rewindPort: 0,
      life: this.#spokenLife(),
      lives: this.#spokenLives(),
    })
  }

  #refuse({ epoch }: Claim, candidate: number, reason: string): void {
    const { epoch: promised } = this.#wanted
    this.#output.send('claimRefused', { epoch, candidate, voter: this.#voter, promised, reason })
  }

  #spokenLife(): number {
    return this.hasLostData ? 0 : this.#stored.life
  }

  /** Lives of others are said only when they are on disk; who recovers has nothing there, and announces its own. */
  #spokenLives(): Record<string, number> {
    return this.#state === 'recovering' ? this.#lives.entries : { ...this.#stored.lives }
  }

  #transition(next: VoterState, reason: string): void {
    this.#logger.info({ from: this.#state, to: next, reason, voter: this.#voter, promised: this.promised }, 'voter')
    this.#state = next
    this.#output.stateChanged(next, reason)
  }
}
