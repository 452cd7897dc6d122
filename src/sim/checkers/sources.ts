/**
 * G2 and G3, for every source: in the stable stream its commands are numbered from 1, without hole and without repeat, as long as it
 * is open, and each is a command that somebody had sent, to the byte. What the numbers stand for, the workload's own model checks.
 */
import type { SimObserver, SimProcess, SimStream } from '../observer.js'
import { Violation } from '../violation.js'
import type { Reader } from './chronicle.js'
import { readRegistered, SOURCE_REGISTERED } from './messages.js'
import { COMMAND_BLOCKS_AT, eachBlock, hashBytes, readCommandPacket, readEvent } from './reading.js'

interface Source {
  readonly name: string
  next: number
  isClosed: boolean
}

export class Sources implements SimObserver, Reader {
  readonly #sources = new Map<number, Source>()
  /** Hashes of all commands that were ever sent. */
  readonly #sent = new Set<string>()

  sent(_process: SimProcess, stream: SimStream, bytes: Uint8Array): void {
    if (stream !== 'command') return
    const { source, count } = readCommandPacket(bytes)
    if (source === 0) return
    eachBlock(bytes, COMMAND_BLOCKS_AT, count, (from, to) => {
      this.#sent.add(identityOf(bytes.subarray(from, to)))
    })
  }

  stableEvent(sequence: number, event: Uint8Array): void {
    const { source: number, sourceSequence, type, payload } = readEvent(event)
    if (number === 0) {
      if (type === SOURCE_REGISTERED) this.#register(payload)
      return
    }
    const source = this.#sources.get(number)
    if (source === undefined || source.isClosed) {
      const what = source === undefined ? 'unregistered' : `closed (${source.name})`
      throw new Violation('G3', `an event of no source: event ${sequence} is of source ${number}, which is ${what}`)
    }
    if (sourceSequence < source.next) {
      throw new Violation(
        'G3',
        `a command became two events: event ${sequence} is number ${sourceSequence} of source ${number} (${source.name}) again`,
      )
    }
    if (sourceSequence > source.next) {
      throw new Violation(
        'G2',
        `out of order: event ${sequence} is number ${sourceSequence} of source ${number} (${source.name}), and ${source.next} is next`,
      )
    }
    if (!this.#sent.has(identityOf(event))) {
      throw new Violation(
        'G3',
        `a command that nobody sent: event ${sequence}, number ${sourceSequence} of source ${number} (${source.name})`,
      )
    }
    source.next++
  }

  #register(payload: Uint8Array): void {
    const { name, source, closes } = readRegistered(payload)
    const closed = this.#sources.get(closes)
    if (closed !== undefined) closed.isClosed = true
    this.#sources.set(source, { name, next: 1, isClosed: false })
  }
}

/** Type, source and number; flags; payload. Time and epoch are the sequencer's. */
function identityOf(event: Uint8Array): string {
  const head = hashBytes(event, 0, 8)
  return `${head}/${hashBytes(event, 18, event.length, head)}/${event.length}`
}
