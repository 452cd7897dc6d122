/**
 * One start of a program on a machine: what it has arranged runs only while it lives, and waits while it is stopped.
 */
import type { Prng } from '../core/prng.js'
import type { Occurrence, OccurrenceKind } from './event-queue.js'
import type { Machine } from './machine.js'

/** Arranges what happens later; the world is one. */
export interface Scheduler {
  readonly nowUs: number
  /** @param process whose code `run` is; undefined for nobody's */
  schedule(delayUs: number, kind: OccurrenceKind, process: SimProcess | undefined, run: () => void): Occurrence
  /** Something that has a time of its own. */
  add(occurrence: Occurrence): void
  /** What waited for its process is to happen after all. */
  again(occurrence: Occurrence, delayUs: number): void
}

/** What Linux gives a socket unless it is told otherwise. */
const SOCKET_BUFFER_BYTES = 212_992
/** What the kernel counts for a datagram beside its bytes. */
const DATAGRAM_OVERHEAD_BYTES = 512

export class SimProcess {
  readonly machine: Machine
  readonly prng: Prng
  isAlive = true
  /** It is at work until then. */
  busyUntilUs = 0
  /** While it is stopped, what would have run waits here. */
  readonly waiting: Occurrence[] = []
  /** Released when the process ends, by whoever holds something for it. */
  readonly onEnd: (() => void)[] = []
  #bufferedBytes = 0
  #outputsLeft = Number.POSITIVE_INFINITY
  #died: () => void = () => {}
  #turnEndUs = -1

  constructor(machine: Machine, prng: Prng) {
    this.machine = machine
    this.prng = prng
  }

  /**
   * To be asked before anything leaves the process.
   * @returns false where it is dead, or dies now
   */
  spend(): boolean {
    if (!this.isAlive) return false
    if (this.#outputsLeft > 0) {
      this.#outputsLeft -= 1
      return true
    }
    this.machine.kill()
    this.#died()
    return false
  }

  dieAfter(outputs: number, died: () => void): void {
    this.#outputsLeft = outputs
    this.#died = died
  }

  /** What is due while the process is stopped. @returns false where there is no room for it */
  keepWaiting(occurrence: Occurrence): boolean {
    if (occurrence.kind === 'datagram') {
      const neededBytes = occurrence.lengthBytes + DATAGRAM_OVERHEAD_BYTES
      if (this.#bufferedBytes + neededBytes > SOCKET_BUFFER_BYTES) return false
      this.#bufferedBytes += neededBytes
    }
    this.waiting.push(occurrence)
    return true
  }

  /** All that waited, in order; nothing waits any more. */
  takeWaiting(): Occurrence[] {
    this.#bufferedBytes = 0
    return this.waiting.splice(0)
  }

  /** When the present turn of the process's event loop ends: all that it defers until then runs in order. */
  turnEnd(nowUs: number): number {
    if (this.#turnEndUs <= nowUs) this.#turnEndUs = nowUs + this.prng.integer(1, 20)
    return this.#turnEndUs
  }

  end(): void {
    this.isAlive = false
    this.waiting.length = 0
    for (const release of this.onEnd.splice(0)) release()
  }
}
