/**
 * What a rewind brings, on its way into the line: runs in order from an accepted start, checked like packets. A rewind that has a
 * hole, or a run that does not belong, is of no use.
 */
import type { Counters } from '../core/counters.js'
import type { DeliveryLine } from './delivery-line.js'
import type { ReceiverInlet } from './receiver-inlet.js'
import type { ReceiverCounter } from './receiver-options.js'
import { UNKNOWN_EPOCH } from './run-check.js'
import type { StreamBranch } from './stream-branch.js'

export type RewindVerdict = 'delivered' | 'repeated' | 'bad run' | 'hole'

export class RewindIntake {
  readonly #inlet: ReceiverInlet
  readonly #line: DeliveryLine
  readonly #branch: StreamBranch
  readonly #counters: Counters<ReceiverCounter>
  /** The sequence after the last event that this rewind has brought. */
  next = 0

  constructor(inlet: ReceiverInlet, line: DeliveryLine, branch: StreamBranch, counters: Counters<ReceiverCounter>) {
    this.#inlet = inlet
    this.#line = line
    this.#branch = branch
    this.#counters = counters
  }

  take(sequence: number, count: number, bytes: Uint8Array, start: number, end: number, nowUs: number): RewindVerdict {
    const blocksEnd = this.#check(bytes, start, end, sequence, count)
    if (blocksEnd < 0) return 'bad run'
    if (sequence > this.#line.next) return 'hole'
    this.next = sequence + count
    if (this.next <= this.#line.next) {
      this.#counters.duplicate++
      return 'repeated'
    }
    this.#line.deliver(sequence, this.next, bytes, start, blocksEnd, nowUs)
    return 'delivered'
  }

  #check(bytes: Uint8Array, start: number, end: number, sequence: number, count: number): number {
    let result = this.#inlet.verdict(bytes, start, end, sequence, count)
    if (result === UNKNOWN_EPOCH && this.#branch.learn(sequence, count, bytes, start, end, this.#line.next)) {
      this.#line.discard('wrong-epoch')
      result = this.#inlet.verdict(bytes, start, end, sequence, count)
    }
    return this.#inlet.counted(result)
  }
}
