/**
 * Where each epoch begins in a log. Noted as events are appended; of a log that is opened it is found by halving, since epochs
 * only grow along a stream: nothing has to be kept beside the events, and nothing can contradict them.
 */
import { readU16 } from '../wire/bytes.js'
import type { EpochTableEntry } from '../wire/control.js'
import { isEpochTable } from '../wire/epoch-entries.js'
import { EVENT_HEADER_BYTES, eventEpoch } from '../wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../wire/moldudp64.js'
import type { RecordReader } from './record-reader.js'

export class LogEpochs {
  /** Never changed, only replaced: others hold it. */
  #openings: readonly EpochTableEntry[]

  constructor(openings: readonly EpochTableEntry[] = []) {
    this.#openings = openings
  }

  /** Looks at a run of `count` blocks that is appended from `sequence` on. */
  note(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    let epoch = this.#openings.at(-1)?.epoch ?? -1
    let at = start
    for (let i = 0; i < count && at + BLOCK_LENGTH_BYTES <= end; i++) {
      const found = epochOfBlock(bytes, at, end)
      if (found !== epoch) {
        epoch = found
        this.#openings = [...this.#openings, { epoch, sequence: sequence + i }]
      }
      at += BLOCK_LENGTH_BYTES + readU16(bytes, at)
    }
  }

  /** The events from `fromSequence` on are taken back. */
  truncate(fromSequence: number): void {
    this.#openings = this.through(fromSequence - 1)
  }

  /** The table of the events up to `sequence`. */
  through(sequence: number): readonly EpochTableEntry[] {
    const last = this.#openings.at(-1)
    if (last === undefined || last.sequence <= sequence) return this.#openings
    return this.#openings.filter((entry) => entry.sequence <= sequence)
  }

  /** The epoch of the event at `sequence`, which is recorded; 0 where it is not. */
  at(sequence: number): number {
    return this.#openings.findLast((entry) => entry.sequence <= sequence)?.epoch ?? 0
  }

  /**
   * The first sequence below `nextSequence` whose epoch is not the one that `table` gives it, or `nextSequence`. A table that
   * can't be one says nothing: a damaged datagram must not cost a log its tail.
   */
  partsFrom(table: readonly EpochTableEntry[], nextSequence: number): number {
    const first = this.#openings[0]
    if (first === undefined || !isEpochTable(table)) return nextSequence
    const theirs = new LogEpochs(table)
    const edges = [...this.#openings, ...table].map((entry) => Math.max(entry.sequence, first.sequence))
    let parted = nextSequence
    for (const edge of edges) {
      if (edge < parted && this.at(edge) !== theirs.at(edge)) parted = edge
    }
    return parted
  }
}

/** The epochs of what a reader can read. @throws SeqcastError E_STORE_CORRUPT where a record on the way is damaged */
export function epochsOf(reader: RecordReader): LogEpochs {
  const { firstSequence, committedSequence } = reader
  if (reader.kind === 'opaque' || committedSequence < firstSequence) return new LogEpochs()
  const last = epochAt(reader, committedSequence)
  // A stream begins with epoch 1, so that a log that ends in it has no other.
  const openings = [{ epoch: last <= 1 ? last : epochAt(reader, firstSequence), sequence: firstSequence }]
  for (let entry = openings[0]!; entry.epoch < last; entry = openings.at(-1)!) {
    openings.push(nextOpening(reader, entry, committedSequence))
  }
  return new LogEpochs(openings)
}

function nextOpening(reader: RecordReader, after: EpochTableEntry, lastSequence: number): EpochTableEntry {
  let low = after.sequence
  let high = lastSequence
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    if (epochAt(reader, middle) > after.epoch) high = middle
    else low = middle
  }
  return { epoch: epochAt(reader, high), sequence: high }
}

function epochAt(reader: RecordReader, sequence: number): number {
  let epoch = 0
  reader.read(sequence, 1, (_sequence, _count, bytes, start, end) => {
    epoch = epochOfBlock(bytes, start, end)
    return false
  })
  return epoch
}

/** 0 where the block is too short for an event. */
function epochOfBlock(bytes: Uint8Array, at: number, end: number): number {
  if (at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES > end || readU16(bytes, at) < EVENT_HEADER_BYTES) return 0
  return eventEpoch(bytes, at + BLOCK_LENGTH_BYTES)
}
