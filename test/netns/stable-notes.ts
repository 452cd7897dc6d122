/**
 * Notes what a sequencer reports stable, with the bytes that were on the wire: whatever was reported once has to be in the
 * record at the end, unchanged. It reads raw datagrams and believes nobody: each reign is noted for itself, also one that has
 * lost already.
 */
import { readFileSync } from 'node:fs'
import type { EpochTableEntry, SequencerHeartbeat } from '../../src/wire/control.js'

const MOLD_HEADER_BYTES = 20
const SEQUENCE_AT = 10
const COUNT_AT = 18
const NO_EVENTS = 0xffff
const EPOCH_AT = 16
const NOTE_HEADER_BYTES = 12
const SEQUENCING = ['open', 'held', 'ending', 'ended']

export interface StableNote {
  readonly sequence: number
  /** The epoch of the sequencer that reported it. */
  readonly reign: number
  readonly bytes: Buffer
}

interface Reign {
  readonly epoch: number
  readonly sender: number
  table: readonly EpochTableEntry[]
  stable: number
}

export class StableNotes {
  readonly #session: Buffer
  readonly #write: (note: Buffer) => void
  readonly #violation: (text: string) => void
  /** Published and not reported stable: by epoch of birth and sequence. */
  readonly #published = new Map<number, Map<number, Buffer>>()
  readonly #reigns = new Map<number, Reign>()
  /** The epoch of birth under which a sequence was noted, 0 for none. */
  readonly #noted: number[] = []

  constructor(session: string, write: (note: Buffer) => void, violation: (text: string) => void) {
    this.#session = Buffer.from(session.padEnd(SEQUENCE_AT))
    this.#write = write
    this.#violation = violation
  }

  /** A datagram of the event stream. */
  onPacket(packet: Buffer): void {
    if (packet.length < MOLD_HEADER_BYTES || !packet.subarray(0, SEQUENCE_AT).equals(this.#session)) return
    const first = Number(packet.readBigUInt64BE(SEQUENCE_AT))
    const count = packet.readUInt16BE(COUNT_AT)
    if (count === NO_EVENTS) return
    let at = MOLD_HEADER_BYTES
    for (let i = 0; i < count; i++) {
      const end = at + 2 + packet.readUInt16BE(at)
      this.#onEvent(first + i, packet.subarray(at + 2, end))
      at = end
    }
  }

  /** What a sequencer says on the control stream. */
  onHeartbeat(sender: number, heartbeat: SequencerHeartbeat): void {
    const { epoch, epochTable, stableSequence, state } = heartbeat
    if (!SEQUENCING.includes(state)) return
    const reign = this.#reigns.get(epoch) ?? { epoch, sender, table: epochTable, stable: 0 }
    if (reign.sender !== sender) this.#violation(`${reign.sender} and ${sender} both reign in epoch ${epoch}`)
    this.#reigns.set(epoch, reign)
    reign.table = epochTable
    const from = reign.stable + 1
    reign.stable = Math.max(reign.stable, stableSequence)
    for (let sequence = from; sequence <= reign.stable; sequence++) this.#note(sequence, reign)
  }

  #onEvent(sequence: number, event: Buffer): void {
    const epoch = event.readUInt16BE(EPOCH_AT)
    if (this.#noted[sequence] === epoch) return
    const published = this.#published.get(epoch) ?? new Map<number, Buffer>()
    this.#published.set(epoch, published)
    const earlier = published.get(sequence)
    if (earlier !== undefined && !earlier.equals(event)) this.#violation(`two events ${sequence} of epoch ${epoch}`)
    published.set(sequence, Buffer.from(event))
    for (const reign of this.#reigns.values()) if (sequence <= reign.stable) this.#note(sequence, reign)
  }

  #note(sequence: number, { epoch: reign, table }: Reign): void {
    const epoch = epochAt(table, sequence)
    if (this.#noted[sequence] === epoch) return
    const published = this.#published.get(epoch)
    const bytes = published?.get(sequence)
    if (bytes === undefined) return
    published?.delete(sequence)
    this.#noted[sequence] = epoch
    const note = Buffer.alloc(NOTE_HEADER_BYTES + bytes.length)
    note.writeUIntBE(sequence, 0, 6)
    note.writeUInt32BE(reign, 6)
    note.writeUInt16BE(bytes.length, 10)
    bytes.copy(note, NOTE_HEADER_BYTES)
    this.#write(note)
  }
}

/** @returns the epoch that a sequence belongs to, 0 where the table does not say */
function epochAt(table: readonly EpochTableEntry[], sequence: number): number {
  return table.findLast((entry) => entry.sequence <= sequence)?.epoch ?? 0
}

export function readNotes(file: string): StableNote[] {
  const data = readFileSync(file)
  const notes: StableNote[] = []
  for (let at = 0; at + NOTE_HEADER_BYTES <= data.length; ) {
    const end = at + NOTE_HEADER_BYTES + data.readUInt16BE(at + 10)
    const bytes = data.subarray(at + NOTE_HEADER_BYTES, end)
    notes.push({ sequence: data.readUIntBE(at, 6), reign: data.readUInt32BE(at + 6), bytes })
    at = end
  }
  return notes
}
