/**
 * What is on the disks of the stores, as the model of the disks says it, not the stores. For each store: what is synced, of which
 * branch; whether it has lost its data and not yet got it back; the promise.
 */
import type { EventLog } from '../../protocol/event-log.js'
import type { SimObserver, SimProcess } from '../observer.js'
import { Violation } from '../violation.js'
import type { Chronicle } from './chronicle.js'
import type { Table } from './messages.js'
import { eachBlock } from './reading.js'
import { Branch, epochAt } from './tables.js'

export interface DiskState {
  readonly voter: string
  /** Everything up to here is synced. */
  readonly synced: number
  /** The greatest epoch of which a promise is synced. */
  readonly promised: number
  /** Promises of this disk are told at all. */
  readonly keepsPromises: boolean
  /** Of what was written, synced or not. */
  readonly table: Table
  /** It never lost its data, or has all again that was stable when it did. */
  readonly isWhole: boolean
}

class Disk implements DiskState {
  readonly node: string
  readonly voter: string
  readonly written = new Branch()
  synced = 0
  promised = 0
  keepsPromises = false
  /** What has to be here again before it is whole. */
  owed: { readonly sequence: number; readonly epoch: number } | undefined

  constructor(node: string, voter: string) {
    this.node = node
    this.voter = voter
  }

  get table(): Table {
    return this.written.table
  }

  get isWhole(): boolean {
    return this.owed === undefined
  }

  sync(sequence: number): void {
    this.synced = Math.min(sequence, this.written.last)
    const { owed } = this
    if (owed !== undefined && owed.sequence <= this.synced && epochAt(this.table, owed.sequence) === owed.epoch) {
      this.owed = undefined
    }
  }
}

export class Disks implements SimObserver {
  readonly #chronicle: Chronicle
  readonly #disks = new Map<string, Disk>()

  constructor(chronicle: Chronicle) {
    this.#chronicle = chronicle
  }

  of(node: string, voter = ''): DiskState {
    return this.#of(node, voter)
  }

  /** With the nodes that they are of. */
  all(): (DiskState & { readonly node: string })[] {
    return [...this.#disks.values()]
  }

  started(process: SimProcess): void {
    if (process.kind === 'store') this.#of(process.node, process.voter)
  }

  appended(process: SimProcess, sequence: number, count: number, bytes: Uint8Array, start: number): void {
    const { written } = this.#of(process.node, process.voter)
    if (sequence !== written.last + 1) {
      throw new Violation(
        'G1',
        `a hole in a recording: ${process.node} records event ${sequence} after ${written.last}`,
      )
    }
    this.#push(process.node, written, sequence, count, bytes, start)
  }

  durable(process: SimProcess, durableSequence: number): void {
    this.#of(process.node, process.voter).sync(durableSequence)
  }

  truncated(process: SimProcess, fromSequence: number): void {
    const disk = this.#of(process.node, process.voter)
    disk.written.cut(fromSequence)
    disk.synced = Math.min(disk.synced, fromSequence - 1)
  }

  promised(process: SimProcess, epoch: number): void {
    const disk = this.#of(process.node, process.voter)
    if (epoch < disk.promised) {
      throw new Violation('G5', `a promise is taken back: ${process.node} promises ${epoch} after ${disk.promised}`)
    }
    disk.keepsPromises = true
    disk.promised = epoch
  }

  /** A new process has opened the disk: what was not synced may be gone, or all of it. */
  recovered(process: SimProcess, log: EventLog): void {
    const disk = this.#of(process.node, process.voter)
    const before = disk.synced
    disk.written.cut(1)
    log.read(1, Number.MAX_SAFE_INTEGER, (sequence, count, bytes, start) => {
      this.#push(process.node, disk.written, sequence, count, bytes, start)
      return true
    })
    disk.sync(disk.written.last)
    if (disk.synced >= before || before === 0) return
    // Less than was synced: the disk was emptied, and its promise with it.
    disk.promised = 0
    const { stableSequence, stableTable } = this.#chronicle
    const lacks = stableSequence > 0 && disk.synced < stableSequence
    if (lacks) disk.owed = { sequence: stableSequence, epoch: epochAt(stableTable, stableSequence) }
  }

  #push(node: string, written: Branch, sequence: number, count: number, bytes: Uint8Array, start: number): void {
    let at = sequence
    eachBlock(bytes, start, count, (from, to) => {
      this.#chronicle.follow(written, at, bytes, from, to, node)
      at++
    })
  }

  #of(node: string, voter: string): Disk {
    let disk = this.#disks.get(node)
    if (disk === undefined) {
      disk = new Disk(node, voter)
      this.#disks.set(node, disk)
    }
    return disk
  }
}
