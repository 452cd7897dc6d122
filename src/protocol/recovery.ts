/**
 * How a voter that lost its data gets its vote back: what it has to hear of the others first. See voter.ts for why.
 *
 * First a majority of the voters, without it, says which lives they know of it: its new life is one above. Then it
 * announces that life, and a majority of the others says, each after it has made that life durable, what it has promised and
 * recorded. Only words that tell of the new life count: they can't be from before.
 *
 * Where there is no such majority any more an operator may decide that those who are there are enough. Then what only the others had
 * is lost, be it stable.
 */
import type { StoreStatus } from '../wire/control.js'
import { isAsNew, type LogEnd } from './epoch-agreement.js'
import type { Lives } from './lives.js'

export interface RecoveryTarget {
  /** The greatest epoch that the others had promised. */
  readonly promised: number
  /** The log that has to be reached. */
  readonly log: LogEnd
}

interface Heard {
  readonly lifeOfOurs: number
  readonly promised: number
  readonly log: LogEnd
}

export class Recovery {
  readonly #voter: string
  readonly #lives: Lives
  readonly #heard = new Map<string, Heard>()
  #life = 0
  /** By an operator's decision: the voters whose words are enough. */
  #enough: readonly string[] | undefined
  #target: RecoveryTarget | undefined

  /** @param lives what is known of all voters; the new life is entered there */
  constructor(voter: string, lives: Lives) {
    this.#voter = voter
    this.#lives = lives
  }

  /** The life that is announced, or 0. */
  get life(): number {
    return this.#life
  }

  /** What is to be reached, once enough is known. It stays as it was found first. */
  get target(): RecoveryTarget | undefined {
    return this.#target
  }

  /**
   * An operator decides that the words of these are enough, which may be nobody's.
   * @param nonce for the life of a voter of which none is known
   */
  accept(voters: readonly string[], nonce: number): void {
    this.#begin()
    this.#enough = voters
    const known = this.#lives.of(this.#voter)
    this.#life = (known > 0 ? known : nonce) + 1
    this.#lives.merge({ [this.#voter]: this.#life })
    this.#find()
  }

  /** A voter that votes says what it has. Its lives are merged already. */
  onVoter(other: StoreStatus): void {
    if (this.#life > 0 && this.#lives.of(this.#voter) > this.#life) this.#begin()
    if (this.#target !== undefined) return
    const lifeOfOurs = other.lives?.[this.#voter] ?? 0
    const log = { lastEpoch: other.lastEpoch, sequence: other.durableSequence }
    this.#heard.set(other.voter, { lifeOfOurs, promised: other.promised, log })
    if (this.#life === 0) this.#announce()
    else this.#find()
  }

  /** Another process has begun to recover in this voter's name: what was said to this one is not enough any more. */
  #begin(): void {
    this.#life = 0
    this.#target = undefined
    this.#enough = undefined
    this.#heard.clear()
  }

  get #majority(): number {
    return Math.floor(this.#lives.voters / 2) + 1
  }

  #announce(): void {
    if (this.#heard.size < this.#majority) return
    this.#life = this.#lives.of(this.#voter) + 1
    this.#lives.merge({ [this.#voter]: this.#life })
  }

  #find(): void {
    const told = [...this.#heard].filter(([, { lifeOfOurs }]) => lifeOfOurs === this.#life)
    const isEnough = this.#enough?.every((voter) => told.some(([name]) => name === voter))
    if (!(isEnough ?? told.length >= this.#majority)) return
    const answers = told.map(([, answer]) => answer)
    let log: LogEnd = { lastEpoch: 0, sequence: 0 }
    for (const answer of answers) if (isAsNew(answer.log, log)) log = answer.log
    this.#target = { promised: Math.max(0, ...answers.map(({ promised }) => promised)), log }
  }
}
