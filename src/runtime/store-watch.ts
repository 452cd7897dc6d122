/**
 * What stores have recorded of a session without voters. There published is stable; but a session that goes on in another one is not
 * left before a store has its end on the disk, since nobody else could give a store what it lacks. Where no store was ever heard nobody
 * is waited for.
 */
import type { StoreStatus } from '../wire/control.js'

/** A store that was not heard for so long is not there. */
const THERE_US = 1_000_000

export class StoreWatch {
  readonly #stores = new Map<string, { readonly durableSequence: number; readonly heardUs: number }>()

  /** Whoever has recorded this session is expected in the next one. */
  successor(): StoreWatch {
    const next = new StoreWatch()
    for (const [name, { heardUs }] of this.#stores) next.expect(name, heardUs)
    return next
  }

  /** A store was heard before, and is waited for. */
  expect(name: string, heardUs: number): void {
    this.#stores.set(name, { durableSequence: 0, heardUs })
  }

  onStore({ name, state, durableSequence }: StoreStatus, nowUs: number): void {
    // One that has stopped has what it had, and may come back for the rest.
    this.#stores.set(name, { durableSequence, heardUs: state === 'stopped' ? Number.NEGATIVE_INFINITY : nowUs })
  }

  /** True where stores were heard, and none of them is there now. */
  isDeserted(nowUs: number): boolean {
    return this.#stores.size > 0 && this.there(nowUs) === 0
  }

  /** How many are heard. */
  there(nowUs: number): number {
    return [...this.#stores.values()].filter(({ heardUs }) => nowUs - heardUs < THERE_US).length
  }

  /** True where a store has any of it on its disk. */
  get hasAny(): boolean {
    return [...this.#stores.values()].some(({ durableSequence }) => durableSequence > 0)
  }

  /** True where a store has all up to here on its disk, or none was heard. */
  hasRecorded(sequence: number): boolean {
    const stores = [...this.#stores.values()]
    return stores.length === 0 || stores.some(({ durableSequence }) => durableSequence >= sequence)
  }
}
