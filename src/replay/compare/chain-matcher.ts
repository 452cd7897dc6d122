/** Finds the first event after which two chains of hashes differ, while both of them come in. */
import type { Stretch } from './side.js'

export class ChainMatcher {
  /** Events that are known to be equal in both, counted from event 0; -1 before the first. */
  equalThrough = -1
  /** The first event after which they differ. */
  firstDifference: number | undefined
  /** What one has told and the other has not, in order: all from one of them. */
  readonly #ahead: Stretch[] = []
  #aheadIndex = -1

  /** @param index of the side, 0 or 1. @returns false once a difference is known */
  take(index: 0 | 1, stretch: Stretch): boolean {
    let rest: Stretch | undefined = stretch
    while (rest !== undefined && this.firstDifference === undefined) {
      const [other] = this.#ahead
      if (other === undefined || this.#aheadIndex === index) {
        this.#ahead.push(rest)
        this.#aheadIndex = index
        break
      }
      rest = this.#match(rest, other)
    }
    return this.firstDifference === undefined
  }

  /** @returns what is left of `mine` */
  #match(mine: Stretch, theirs: Stretch): Stretch | undefined {
    if (mine.first !== theirs.first) throw new Error(`chains at ${mine.first} and at ${theirs.first}`)
    const words = Math.min(mine.chain.length, theirs.chain.length)
    for (let i = 0; i < words; i++) {
      if (mine.chain[i] === theirs.chain[i]) continue
      this.firstDifference = mine.first + (i >> 1)
      this.equalThrough = this.firstDifference - 1
      return undefined
    }
    this.equalThrough = mine.first + words / 2 - 1
    this.#ahead.shift()
    const theirRest = restOf(theirs, words)
    if (theirRest !== undefined) this.#ahead.unshift(theirRest)
    return restOf(mine, words)
  }
}

function restOf({ first, chain }: Stretch, words: number): Stretch | undefined {
  return words === chain.length ? undefined : { first: first + words / 2, chain: chain.subarray(words) }
}
