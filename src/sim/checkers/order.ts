/**
 * G1 and G7, at the components: every replica is given the events of the stream one after the other, without hole, repeat or
 * change; what it is told to be stable is; what is stable is never taken back. One that can't go on says which events it lacks,
 * and stops before them.
 */
import type { ComponentHost } from '../../component/host.js'
import { SeqcastError } from '../../core/errors.js'
import type { SimObserver, SimProcess } from '../observer.js'
import { Violation } from '../violation.js'
import type { Chronicle } from './chronicle.js'
import { eachBlock } from './reading.js'
import { Branch, epochAt, firstDifference, tableText } from './tables.js'

interface Replica {
  readonly process: SimProcess
  given: Branch
  /** What it was told to be stable. */
  toldStable: number
  /** What of it was compared. */
  compared: number
}

export class Order implements SimObserver {
  readonly #chronicle: Chronicle
  readonly #replicas = new Map<string, Replica>()

  constructor(chronicle: Chronicle) {
    this.#chronicle = chronicle
  }

  /** The epoch of birth of the event that a node was given under this number; 0 where it was given none. */
  epochGiven(node: string, sequence: number): number {
    const given = this.#replicas.get(node)?.given
    return given === undefined || sequence > given.last ? 0 : epochAt(given.table, sequence)
  }

  started(process: SimProcess): void {
    this.#replicas.set(process.node, { process, given: new Branch(), toldStable: 0, compared: 0 })
  }

  began(process: SimProcess): void {
    const replica = this.#replica(process)
    replica.given = new Branch()
    replica.compared = 0
  }

  delivered(process: SimProcess, sequence: number, count: number, bytes: Uint8Array, start: number): void {
    const replica = this.#replica(process)
    const next = replica.given.last + 1
    if (sequence > next) {
      throw new Violation('G7', `events were skipped: ${process.node} is given event ${sequence} where ${next} is next`)
    }
    if (sequence < next) {
      throw new Violation(
        'G1',
        `events were repeated: ${process.node} is given event ${sequence} where ${next} is next`,
      )
    }
    let at = sequence
    eachBlock(bytes, start, count, (from, to) => {
      this.#chronicle.follow(replica.given, at, bytes, from, to, process.node)
      at++
    })
    if (at !== sequence + count) throw new Violation('G1', `blocks are missing: ${process.node} at event ${at}`)
    this.#compare(replica)
  }

  stable(process: SimProcess, stableSequence: number): void {
    const replica = this.#replica(process)
    if (stableSequence > this.#chronicle.stableSequence) {
      throw new Violation(
        'G4',
        `told to be stable and reported by nobody: ${process.node} is told that events up to ${stableSequence} are, and the ` +
          `last that was reported is ${this.#chronicle.stableSequence}`,
      )
    }
    replica.toldStable = Math.max(replica.toldStable, stableSequence)
    this.#compare(replica)
  }

  revoked(process: SimProcess, fromSequence: number): void {
    const replica = this.#replica(process)
    if (fromSequence <= Math.min(replica.toldStable, replica.given.last)) {
      throw new Violation(
        'G4',
        `a stable event is taken back: ${process.node} loses events from ${fromSequence} on, and was told that those up to ` +
          `${replica.toldStable} are stable`,
      )
    }
    replica.given = new Branch()
    replica.compared = 0
  }

  /** A loss is told with its range, which begins where the component stopped. */
  stopped(process: SimProcess, how: 'killed' | 'failed', error: Error | undefined): void {
    if (how !== 'failed' || process.kind !== 'component') return
    if (!(error instanceof SeqcastError) || error.code !== 'E_LOST') return
    if (error.fields.session !== this.#chronicle.session) return
    const replica = this.#replica(process)
    const from = error.fields.from
    if (from !== replica.given.last + 1) {
      throw new Violation(
        'G7',
        `a loss is told wrongly: ${process.node} stopped before event ${replica.given.last + 1}, and says that ${from} is lost`,
      )
    }
  }

  /** At the end all have all of it. */
  finish(hosts: readonly { readonly process: SimProcess; readonly host: ComponentHost }[], last: number): void {
    for (const { process, host } of hosts) {
      if (host.nextSequence !== last + 1) {
        throw new Violation(
          'G7',
          `silently behind: ${process.node} has handled events up to ${host.nextSequence - 1} of ${last}`,
        )
      }
    }
  }

  #compare(replica: Replica): void {
    const { stableTable, stableSequence } = this.#chronicle
    const bound = Math.min(replica.toldStable, replica.given.last, stableSequence)
    if (bound <= replica.compared) return
    replica.compared = bound
    const parts = firstDifference(replica.given.table, stableTable, bound)
    if (parts === 0) return
    throw new Violation(
      'G1',
      `replicas differ: ${replica.process.node} has ${tableText(replica.given.table)} up to ${bound}, and from ${parts} on ` +
        `others are stable (${tableText(stableTable)})`,
    )
  }

  #replica(process: SimProcess): Replica {
    const replica = this.#replicas.get(process.node)
    if (replica === undefined) throw new Error(`${process.node} was never started`)
    return replica
  }
}
