/**
 * The lives of the voters. A voter that loses its disk does not know what it had promised and acknowledged, but others still
 * hold those words and would count them. So each voter has a life, a number that is kept on its disk: random at first, and one
 * above all that others know of it where it has recovered. A grant or an acknowledgement of an earlier life than the one that is
 * known counts for nothing.
 *
 * That is enough because a voter recovers only from others that have made its new life durable (see voter.ts): whatever
 * majority its old words could still complete has one of those in it, who either spoke before (and the recovered voter has taken
 * that over) or tells of the new life.
 */

export type LifeEntries = Readonly<Record<string, number>>

/** More voters than a session may have are not believed. */
const MAX_ENTRIES = 64

export class Lives {
  #entries: Record<string, number> = {}

  constructor(entries: LifeEntries = {}) {
    this.merge(entries)
  }

  /** The newest life that is known of each voter; empty where the session is not known to be founded. */
  get entries(): Record<string, number> {
    return this.#entries
  }

  /** How many voters the session has; 0 where that is not known. */
  get voters(): number {
    return Object.keys(this.#entries).length
  }

  /** The newest life that is known of a voter, or 0. */
  of(voter: string): number {
    return Object.hasOwn(this.#entries, voter) ? (this.#entries[voter] ?? 0) : 0
  }

  /** Whether words of this life of the voter count. Where nothing is known all of them do. To be asked after `merge`. */
  isCurrent(voter: string, life: number): boolean {
    return this.voters === 0 || life === this.of(voter)
  }

  /** Takes over what somebody else knows. @returns the voters whose life is a newer one now */
  merge(entries: LifeEntries): string[] {
    const newer = this.#newer(entries)
    if (newer.length > 0)
      this.#entries = { ...this.#entries, ...Object.fromEntries(newer.map((v) => [v, entries[v] ?? 0])) }
    return newer
  }

  /** Whether somebody else tells of a newer life than is known. */
  isOlderThan(entries: LifeEntries): boolean {
    return this.#newer(entries).length > 0
  }

  #newer(entries: LifeEntries): string[] {
    const names = Object.keys(entries)
    if (names.length > MAX_ENTRIES) return []
    return names.filter((voter) => {
      const life = entries[voter] ?? 0
      return Number.isSafeInteger(life) && life > this.of(voter)
    })
  }
}
