/**
 * What was delivered and is not yet in the rows, up to what is stable: only that is handed on. Stability is the sequencer's word; where
 * none speaks any more, the word of a majority of the voters, counted under the epoch of the events themselves.
 */
import type { StoreStatus } from '../wire/control.js'
import type { Batch } from './event-decoder.js'
import type { Position } from './position.js'

export class StableQueue {
  #batches: Batch[] = []
  #events = 0
  #stable = 0
  #allIsStable = false
  /** What each voter has on disk, under the reign that it acknowledges. */
  readonly #voters = new Map<string, { readonly epoch: number; readonly durable: number }>()

  /** Events, and runs without any, that wait. */
  get size(): number {
    return this.#events + this.#batches.length
  }

  push(batch: Batch): void {
    const last = this.#batches.at(-1)
    // Runs that hold nothing for the projection move the position of the one before only.
    if (batch.events.length === 0 && last?.events.length === 0) this.#batches.pop()
    this.#batches.push(batch)
    this.#events += batch.events.length
  }

  /** The sequencer says so. */
  onStable(sequence: number): void {
    this.#stable = Math.max(this.#stable, sequence)
  }

  onStore({ voter, epoch, durableSequence }: StoreStatus): void {
    if (voter !== '') this.#voters.set(voter, { epoch, durable: durableSequence })
  }

  /** The session has ended, and its end is stable; or there is no voter whose word would count. */
  onAllStable(): void {
    this.#allIsStable = true
  }

  /** What waits is delivered again. */
  forget(): void {
    this.#batches = []
    this.#events = 0
  }

  /** @returns what may be projected, at least `minEvents` of it or all; undefined where nothing may */
  take(minEvents: number): Batch | undefined {
    let taken = 0
    let events = 0
    while (taken < this.#batches.length && events < minEvents) {
      const batch = this.#batches[taken]
      if (batch === undefined || !this.#isStable(batch.position)) break
      events += batch.events.length
      taken += 1
    }
    const batches = this.#batches.splice(0, taken)
    const last = batches.at(-1)
    if (last === undefined) return undefined
    this.#events -= events
    return {
      events: batches.length === 1 ? last.events : batches.flatMap((batch) => batch.events),
      position: last.position,
    }
  }

  #isStable({ sequence, voters, mark }: Position): boolean {
    if (this.#allIsStable || voters.length === 0 || sequence <= this.#stable) return true
    const epoch = Number(mark.slice(mark.lastIndexOf('.') + 1))
    const has = voters.filter((voter) => {
      const said = this.#voters.get(voter)
      return said !== undefined && said.epoch === epoch && said.durable >= sequence
    })
    return has.length * 2 > voters.length
  }
}
