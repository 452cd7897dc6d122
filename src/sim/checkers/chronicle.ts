/**
 * What all checkers know: every event that any sequencer ever sent, who reigned in which epoch and on which log, and what was
 * ever reported stable by anybody. It is read from what leaves the processes, by the checkers' own reading, and asks nobody.
 *
 * An event is known by its epoch of birth and its sequence: one sequencer is born in one epoch, and gives each number once.
 * So a table of epochs and a bound name every event of a branch.
 */
import type { SimProcess, SimStream } from '../observer.js'
import { Violation } from '../violation.js'
import { type ControlSays, EPOCH_OPENED, readControl, reigns, type SequencerSays, type Table } from './messages.js'
import { eachBlock, epochOf, equalBytes, HEADER_BYTES, MOLD_BLOCKS_AT, readMold, u16 } from './reading.js'
import { type Branch, epochAt } from './tables.js'

export interface Reign {
  readonly epoch: number
  readonly node: string
  /** The process, by its number on the control stream. */
  readonly sender: number
  readonly table: Table
  /** The sequence of its opening event. */
  readonly opening: number
}

/** Those who want to know what the chronicle learns, in the order in which they are given. */
export interface Reader {
  /** An event was sent for the first time. The bytes are valid during the call. */
  published?(sequence: number, epoch: number, event: Uint8Array, session: string): void
  /** A sequencer says for the first time that it reigns. */
  reign?(reign: Reign): void
  /** A reign reports more stable than it did before; where it is more than anybody did, the chronicle does not count it in yet. */
  stableReport?(reign: Reign, stableSequence: number): void
  /** The next event of the stable stream, each once and in order. The bytes may be kept. */
  stableEvent?(sequence: number, event: Uint8Array, session: string): void
  /** Any message of the control stream. */
  control?(process: SimProcess, says: ControlSays, nowUs: number): void
}

export class Chronicle {
  /** Without the spaces that fill it in packets. */
  readonly session: string
  readonly #session: string
  readonly #readers: Reader[] = []
  /** By epoch, then by sequence. */
  readonly #events = new Map<number, Map<number, Uint8Array>>()
  readonly #reigns = new Map<number, Reign>()
  /** By epoch: what the reign has reported stable itself. */
  readonly #reported = new Map<number, number>()
  #stableSequence = 0
  #stableTable: Table = []
  #stableEpoch = 0

  /** @param session as in packets, filled with spaces to ten characters or not */
  constructor(session: string) {
    this.session = session.trimEnd()
    this.#session = session.padEnd(10)
  }

  /** Everything up to here was reported stable by somebody. */
  get stableSequence(): number {
    return this.#stableSequence
  }

  /** Of the stable stream. */
  get stableTable(): Table {
    return this.#stableTable
  }

  /** The reign that made something stable last. */
  get stableEpoch(): number {
    return this.#stableEpoch
  }

  reigns(): readonly Reign[] {
    return [...this.#reigns.values()]
  }

  reignOf(epoch: number): Reign | undefined {
    return this.#reigns.get(epoch)
  }

  tell(reader: Reader): void {
    this.#readers.push(reader)
  }

  eventOf(epoch: number, sequence: number): Uint8Array | undefined {
    return this.#events.get(epoch)?.get(sequence)
  }

  /** The stable event of that number, once it is one. */
  stableEvent(sequence: number): Uint8Array | undefined {
    return sequence > this.#stableSequence ? undefined : this.eventOf(epochAt(this.#stableTable, sequence), sequence)
  }

  sent(process: SimProcess, stream: SimStream, bytes: Uint8Array, nowUs: number): void {
    if (stream === 'event') this.#onEvents(process, bytes)
    else if (stream === 'unicast') this.#onAnswer(process, bytes)
    else if (stream === 'control') this.#onControl(process, readControl(bytes), nowUs)
  }

  /**
   * Looks an event up that somebody has: it must be one that was sent, to the byte.
   * @returns its epoch of birth
   */
  identify(sequence: number, bytes: Uint8Array, from: number, to: number, who: string): number {
    const epoch = to - from < HEADER_BYTES ? 0 : epochOf(bytes, from)
    const known = this.eventOf(epoch, sequence)
    if (known === undefined) {
      throw new Violation('G1', `an event that nobody sent: ${who} has event ${sequence} of epoch ${epoch}`)
    }
    if (!equalBytes(known, bytes.subarray(from, to))) {
      throw new Violation(
        'G1',
        `a changed event: ${who} has event ${sequence} of epoch ${epoch} with other bytes than were sent`,
      )
    }
    return epoch
  }

  /**
   * Identifies the next event of a run that somebody has. Another epoch than the one before begins with its opening event: anything
   * else is a mixture of branches.
   */
  follow(branch: Branch, sequence: number, bytes: Uint8Array, from: number, to: number, who: string): void {
    const epoch = this.identify(sequence, bytes, from, to, who)
    const before = epochAt(branch.table, branch.last)
    const type = u16(bytes, from)
    if (epoch !== before && !(epoch > before && (type === EPOCH_OPENED || sequence === 1))) {
      throw new Violation(
        'G1',
        `branches are mixed: ${who} has event ${sequence} of epoch ${epoch} after one of epoch ${before}, and it opens no epoch`,
      )
    }
    branch.push(epoch)
  }

  /** It has come to light otherwise than by a report that events up to here are stable in this reign. */
  settle(reign: Reign, stableSequence: number): void {
    this.#onReport(reign, stableSequence)
  }

  #onEvents(process: SimProcess, bytes: Uint8Array): void {
    const packet = readMold(bytes)
    if (packet === undefined || packet.session !== this.#session) return
    let { sequence } = packet
    eachBlock(bytes, MOLD_BLOCKS_AT, packet.count, (from, to) => {
      this.#onEvent(process, sequence, bytes.subarray(from, to))
      sequence++
    })
  }

  /** An answer to a request holds what was sent before. A request is such a packet without messages. */
  #onAnswer(process: SimProcess, bytes: Uint8Array): void {
    const packet = bytes.length > MOLD_BLOCKS_AT ? readMold(bytes) : undefined
    if (packet === undefined || packet.session !== this.#session) return
    let { sequence } = packet
    eachBlock(bytes, MOLD_BLOCKS_AT, packet.count, (from, to) => {
      this.identify(sequence, bytes, from, to, `an answer of ${process.node}`)
      sequence++
    })
  }

  #onEvent(process: SimProcess, sequence: number, event: Uint8Array): void {
    const epoch = epochOf(event, 0)
    let ofEpoch = this.#events.get(epoch)
    if (ofEpoch === undefined) {
      ofEpoch = new Map()
      this.#events.set(epoch, ofEpoch)
    }
    const known = ofEpoch.get(sequence)
    if (known === undefined) {
      ofEpoch.set(sequence, event.slice())
      for (const reader of this.#readers) reader.published?.(sequence, epoch, event, this.session)
    } else if (!equalBytes(known, event)) {
      throw new Violation(
        'G5',
        `two events of one number: ${process.node} sends another event ${sequence} of epoch ${epoch}`,
      )
    }
  }

  #onControl(process: SimProcess, says: ControlSays, nowUs: number): void {
    for (const reader of this.#readers) reader.control?.(process, says, nowUs)
    if (says.kind !== 'sequencer') return
    if (reigns(says)) this.#onReigning(process, says)
    else this.#onFarewell(says)
  }

  /** Of a long table a heartbeat has the newest entries: those before are of the reigns before. */
  #completed(table: Table): Table {
    const first = table[0]
    if (first === undefined || first.sequence === 1) return table
    const before = this.#reigns.get(first.epoch)?.table ?? []
    return [...before.filter(({ sequence }) => sequence < first.sequence), ...table]
  }

  /** Who has reigned says what is stable also when it goes. */
  #onFarewell({ epoch, sender, state, stableSequence }: SequencerSays): void {
    const reign = this.#reigns.get(epoch)
    if (reign?.sender === sender && (state === 'stopped' || state === 'ended')) this.#onReport(reign, stableSequence)
  }

  #onReigning(process: SimProcess, says: SequencerSays): void {
    let reign = this.#reigns.get(says.epoch)
    if (reign === undefined) {
      const { epoch, sender } = says
      const table = this.#completed(says.table)
      const opening = table.at(-1)?.epoch === epoch ? (table.at(-1)?.sequence ?? 0) : 0
      if (opening === 0) throw new Violation('G5', `a reign without a beginning: ${process.node} in epoch ${epoch}`)
      reign = { epoch, node: process.node, sender, table, opening }
      this.#reigns.set(epoch, reign)
      for (const reader of this.#readers) reader.reign?.(reign)
    } else if (reign.sender !== says.sender) {
      throw new Violation(
        'G5',
        `two sequencers in one epoch: ${reign.node} and ${process.node} reign in epoch ${says.epoch}`,
      )
    }
    this.#onReport(reign, says.stableSequence)
  }

  #onReport(reign: Reign, stableSequence: number): void {
    if (stableSequence <= (this.#reported.get(reign.epoch) ?? 0)) return
    this.#reported.set(reign.epoch, stableSequence)
    for (const reader of this.#readers) reader.stableReport?.(reign, stableSequence)
    if (stableSequence > this.#stableSequence) this.#extend(reign, stableSequence)
  }

  #extend(reign: Reign, stableSequence: number): void {
    const from = this.#stableSequence + 1
    this.#stableSequence = stableSequence
    this.#stableTable = reign.table
    this.#stableEpoch = reign.epoch
    for (let sequence = from; sequence <= stableSequence; sequence++) {
      const event = this.stableEvent(sequence)
      if (event === undefined) {
        throw new Violation('G4', `stable and never sent: event ${sequence}, which ${reign.node} reports stable`)
      }
      for (const reader of this.#readers) reader.stableEvent?.(sequence, event, this.session)
    }
  }
}
