/** Epoch tables, as the checkers compare them. A table and a bound name one branch of the stream. */
import type { Span, Table } from './messages.js'

/** The epoch of birth of the event at `sequence`, or 0 before the first entry. */
export function epochAt(table: Table, sequence: number): number {
  let epoch = 0
  for (const span of table) {
    if (span.sequence > sequence) break
    epoch = span.epoch
  }
  return epoch
}

/** @returns the first sequence, up to `through`, at which the two are of different epochs; 0 where they agree */
export function firstDifference(a: Table, b: Table, through: number): number {
  const starts = [...a, ...b].map(({ sequence }) => sequence).sort((x, y) => x - y)
  for (const sequence of [1, ...starts]) {
    if (sequence <= through && epochAt(a, sequence) !== epochAt(b, sequence)) return sequence
  }
  return 0
}

/** The branch of a growing, shrinking run of events. */
export class Branch {
  readonly #spans: Span[] = []
  /** The last sequence. */
  last = 0

  get table(): Table {
    return this.#spans
  }

  /** The next event has this epoch. */
  push(epoch: number): void {
    this.last++
    if (this.#spans.at(-1)?.epoch !== epoch) this.#spans.push({ epoch, sequence: this.last })
  }

  /** The events from `sequence` on are no more. */
  cut(sequence: number): void {
    this.last = Math.min(this.last, sequence - 1)
    while ((this.#spans.at(-1)?.sequence ?? 0) > this.last) this.#spans.pop()
  }
}

/** For people: `1@1 3@120`. */
export function tableText(table: Table): string {
  return table.map(({ epoch, sequence }) => `${epoch}@${sequence}`).join(' ')
}
