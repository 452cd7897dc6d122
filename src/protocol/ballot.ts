/**
 * The grants of one claim: when they are a reign, and whose log is to be adopted.
 *
 * A majority of voters that vote is a reign. The lives in the grants (see lives.ts) tell which ones count: a grant from before
 * a voter lost its disk does not. Where no voter knows of any founding the session is new: then all voters have to grant,
 * and their lives found it.
 */
import type { Grant } from '../wire/control.js'
import { isAsNew, type LogEnd } from './epoch-agreement.js'
import { Lives } from './lives.js'

/** A grant, and where it came from. */
export interface Ballot {
  readonly grant: Grant
  readonly address: string
}

export class BallotBox {
  readonly #voters: readonly string[]
  readonly #lives = new Lives()
  readonly #ballots = new Map<string, Ballot>()

  constructor(voters: readonly string[]) {
    this.#voters = voters
  }

  /** The latest grant of each voter. */
  get size(): number {
    return this.#ballots.size
  }

  /** No voter knows of any founding: the grants begin the session. */
  get isFounding(): boolean {
    return this.#lives.voters === 0
  }

  add(grant: Grant, address: string): void {
    this.#lives.merge(grant.lives)
    this.#ballots.set(grant.voter, { grant, address })
  }

  /** The lives that the reign knows, where the grants are a reign. */
  won(): Record<string, number> | undefined {
    if (this.#lives.voters === 0) return this.#ballots.size === this.#voters.length ? this.#foundingLives() : undefined
    return this.#counted().length > this.#voters.length / 2 ? this.#lives.entries : undefined
  }

  /** The grant with the newest log. */
  best(): Ballot {
    let best: Ballot | undefined
    for (const ballot of this.#counted()) {
      if (best === undefined || !isAsNew(logEnd(best.grant), logEnd(ballot.grant))) best = ballot
    }
    if (best === undefined) throw new Error('no grants')
    return best
  }

  #counted(): Ballot[] {
    return [...this.#ballots.values()].filter(({ grant }) => this.#lives.isCurrent(grant.voter, grant.life))
  }

  #foundingLives(): Record<string, number> {
    return Object.fromEntries([...this.#ballots].map(([voter, { grant }]) => [voter, grant.life]))
  }
}

/** How far a grant's log reaches. */
export function logEnd({ lastEpoch, durableSequence }: Grant): LogEnd {
  return { lastEpoch, sequence: durableSequence }
}
