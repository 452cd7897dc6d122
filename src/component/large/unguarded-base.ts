/** Files, as handlers may read them. */
import { guard } from '../guard.js'
import type { LargeBase } from './large-base.js'

/** Whoever reads files may use timers and clocks of its own: handlers must not, and call it. */
export class UnguardedBase implements LargeBase {
  readonly #files: LargeBase

  constructor(files: LargeBase) {
    this.#files = files
  }

  get(map: string, key: Uint8Array): Uint8Array | undefined {
    return guard.outside(() => this.#files.get(map, key))
  }

  *keys(map: string, from: Uint8Array | undefined, before: Uint8Array | undefined): Generator<Uint8Array> {
    const keys = guard.outside(() => this.#files.keys(map, from, before)[Symbol.iterator]())
    for (;;) {
      const next = guard.outside(() => keys.next())
      if (next.done === true) return
      yield next.value
    }
  }
}
