/**
 * What is still to happen in a simulated world, in the order of virtual time; of what happens at the same time, what was
 * arranged first comes first. A binary heap: a run has a few hundred thousand of these.
 */
import type { SimProcess } from './sim-process.js'

/** What a machine that is stopped for a while does with it: a datagram may be dropped, all else waits. */
export type OccurrenceKind = 'timer' | 'datagram' | 'stream' | 'disk' | 'world'

export abstract class Occurrence {
  timeUs: number
  order = 0
  readonly kind: OccurrenceKind
  /** Whose code runs; undefined for the world's own. */
  readonly process: SimProcess | undefined
  /** Of a datagram: what it takes of a socket's buffer. */
  readonly lengthBytes: number
  isCancelled = false

  constructor(timeUs: number, kind: OccurrenceKind, process: SimProcess | undefined, lengthBytes: number) {
    this.timeUs = timeUs
    this.kind = kind
    this.process = process
    this.lengthBytes = lengthBytes
  }

  abstract happen(): void
}

/** A call that was arranged. */
export class ArrangedCall extends Occurrence {
  readonly #run: () => void

  constructor(timeUs: number, kind: OccurrenceKind, process: SimProcess | undefined, run: () => void) {
    super(timeUs, kind, process, 0)
    this.#run = run
  }

  happen(): void {
    this.#run()
  }
}

export class EventQueue {
  readonly #heap: Occurrence[] = []
  #order = 0

  get length(): number {
    return this.#heap.length
  }

  peek(): Occurrence | undefined {
    return this.#heap[0]
  }

  push(occurrence: Occurrence): void {
    occurrence.order = ++this.#order
    this.pushAgain(occurrence)
  }

  /** One that was taken out and is to happen later: what was arranged after it does not come before it at the same time. */
  pushAgain(occurrence: Occurrence): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(occurrence)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]!
      if (isBefore(parent, occurrence)) break
      heap[at] = parent
      at = above
    }
    heap[at] = occurrence
  }

  pop(): Occurrence | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last !== undefined && first !== undefined && heap.length > 0) sink(heap, last)
    return first
  }

  clear(): void {
    this.#heap.length = 0
  }
}

/** Puts an occurrence in the place of the first one. */
function sink(heap: Occurrence[], occurrence: Occurrence): void {
  const { length } = heap
  let at = 0
  for (let below = 1; below < length; below = 2 * at + 1) {
    if (below + 1 < length && isBefore(heap[below + 1]!, heap[below]!)) below++
    const child = heap[below]!
    if (isBefore(occurrence, child)) break
    heap[at] = child
    at = below
  }
  heap[at] = occurrence
}

function isBefore(a: Occurrence, b: Occurrence): boolean {
  return a.timeUs < b.timeUs || (a.timeUs === b.timeUs && a.order < b.order)
}
