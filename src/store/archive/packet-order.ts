/**
 * Packets of a capture into a log, in the order of their sequences. What comes too early is kept, up to a bound; what is missing is a
 * failure with its range. Where a failover took events back, the capture has both branches: as in a store, the later epoch stays.
 */
import { REORDER_BYTES, REORDER_PACKETS } from '../../core/limits.js'
import { readU16 } from '../../wire/bytes.js'
import { EVENT_HEADER_BYTES, eventEpoch, eventType } from '../../wire/event.js'
import {
  BLOCK_LENGTH_BYTES,
  blocksEnd,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_HEARTBEAT,
  moldCount,
  moldSequence,
  skipBlocks,
} from '../../wire/moldudp64.js'
import { EPOCH_OPENED } from '../../wire/runtime-events.js'
import { LogEpochs } from '../log-epochs.js'
import type { ArchiveTarget } from './archive-target.js'
import type { CapturedFrame } from './captured-frame.js'
import { EventGuard } from './event-guard.js'
import type { Skipped } from './mold-stream.js'

interface Held extends Omit<CapturedFrame, 'bytes' | 'link'> {
  readonly packet: Uint8Array
}

export class PacketOrder {
  failure: { readonly offsetBytes: number; readonly reason: string } | undefined
  /** Events that a failover took back. */
  revoked = 0
  readonly #target: ArchiveTarget
  readonly #first: number
  readonly #skipped: Skipped
  readonly #held = new Map<number, Held>()
  readonly #epochs = new LogEpochs()
  readonly #guard: EventGuard
  #heldBytes = 0
  /** The highest next sequence that a heartbeat, the end of the session or a packet that was cut short told of. */
  #announced = { sequence: 0, offsetBytes: 0 }
  #endedAt = Number.POSITIVE_INFINITY

  constructor(target: ArchiveTarget, skipped: Skipped) {
    this.#target = target
    this.#first = target.nextSequence
    this.#skipped = skipped
    this.#guard = new EventGuard(target.kind, this.#first === 1)
  }

  /** The end of the session was in the file, and all that comes before it. */
  get ended(): boolean {
    return this.#endedAt <= this.#target.nextSequence
  }

  /** @param packet valid during the call only */
  take(packet: Uint8Array, { timeUs, timeNs, offsetBytes }: CapturedFrame): void {
    if (this.failure !== undefined) return
    const sequence = moldSequence(packet)
    const count = moldCount(packet)
    if (count === MOLD_HEARTBEAT || count === MOLD_END_OF_SESSION) {
      this.announce(sequence, offsetBytes)
      if (count === MOLD_END_OF_SESSION) this.#endedAt = sequence
      return
    }
    const held = { packet, timeUs, timeNs, offsetBytes }
    if (sequence > this.#target.nextSequence) this.#hold(sequence, held)
    else {
      this.#place(sequence, count, held)
      this.#placeHeld()
    }
  }

  /** A packet at `offsetBytes` tells that there are events up to the one before `sequence`. */
  announce(sequence: number, offsetBytes: number): void {
    if (sequence > this.#announced.sequence) this.#announced = { sequence, offsetBytes }
  }

  /** To be called at the end of the file: what is still kept came after a hole. */
  finish(): void {
    if (this.failure !== undefined) return
    if (this.#held.size > 0) this.#missing()
    const { nextSequence } = this.#target
    const { sequence, offsetBytes } = this.#announced
    if (this.failure !== undefined || sequence <= nextSequence) return
    const reason = `events ${nextSequence} to ${sequence - 1} are not in the file, and this packet tells of them`
    this.failure = { offsetBytes, reason }
  }

  #hold(sequence: number, held: Held): void {
    const before = this.#held.get(sequence)
    if (before !== undefined) {
      const newer = this.#target.kind === 'events' ? firstEpoch(held.packet) - firstEpoch(before.packet) : 0
      this.#skipped[newer === 0 ? 'repeat' : 'lost-branch']++
      // A packet that was sent again may hold more than the first one.
      if (newer < 0 || (newer === 0 && moldCount(held.packet) <= moldCount(before.packet))) return
    }
    this.#heldBytes += held.packet.length - (before?.packet.length ?? 0)
    this.#held.set(sequence, { ...held, packet: held.packet.slice() })
    if (this.#held.size > REORDER_PACKETS || this.#heldBytes > REORDER_BYTES) this.#missing()
  }

  #placeHeld(): void {
    while (this.#held.size > 0 && this.failure === undefined) {
      const sequence = Math.min(...this.#held.keys())
      const held = this.#held.get(sequence)
      if (held === undefined || sequence > this.#target.nextSequence) return
      this.#held.delete(sequence)
      this.#heldBytes -= held.packet.length
      this.#place(sequence, moldCount(held.packet), held)
      // It is kept again where it has to wait for the opening of its epoch.
      if (this.#held.has(sequence)) return
    }
  }

  #place(sequence: number, count: number, { packet, timeUs, timeNs, offsetBytes }: Held): void {
    const skip = this.#target.kind === 'events' ? this.#branch(sequence, count, packet) : this.#known(sequence)
    if (skip === 'too-early') {
      this.#hold(sequence, { packet, timeUs, timeNs, offsetBytes })
      return
    }
    if (skip === 'lost-branch' || skip >= count) {
      this.#skipped[skip === 'lost-branch' ? skip : sequence < this.#first ? 'before-start' : 'repeat']++
      return
    }
    const end = blocksEnd(packet, MOLD_HEADER_BYTES, count)
    const start = skipBlocks(packet, MOLD_HEADER_BYTES, skip)
    const reason = this.#guard.check(sequence + skip, count - skip, packet, start)
    if (reason !== undefined) {
      this.failure = { offsetBytes, reason }
      return
    }
    this.#target.append(sequence + skip, count - skip, packet, start, end, timeUs, timeNs)
    if (this.#target.kind === 'events') this.#epochs.note(sequence + skip, count - skip, packet, start, end)
  }

  /** How many of a packet's events are in the log. */
  #known(sequence: number): number {
    return this.#target.nextSequence - sequence
  }

  /** The same where epochs tell branches apart: the events of an earlier one are taken back where a later one begins. */
  #branch(sequence: number, count: number, packet: Uint8Array): number | 'lost-branch' | 'too-early' {
    const { nextSequence } = this.#target
    for (let i = 0, at = MOLD_HEADER_BYTES; i < count; i++, at = skipBlocks(packet, at, 1)) {
      const number = sequence + i
      if (number < this.#first) continue
      const ours = this.#epochs.at(Math.min(number, nextSequence - 1))
      const epoch = epochOf(packet, at)
      if (epoch < ours) return 'lost-branch'
      if (number >= nextSequence) return ours > 0 && epoch > ours && !opensEpoch(packet, at) ? 'too-early' : i
      if (epoch > ours) {
        this.#takeBack(number)
        return i
      }
    }
    return count
  }

  #takeBack(from: number): void {
    this.revoked += this.#target.nextSequence - from
    this.#epochs.truncate(from)
    this.#guard.restart()
    // The log goes on from there at once; that it is on disk is awaited with what comes after.
    void this.#target.truncate(from)
  }

  #missing(): void {
    const next = Math.min(...this.#held.keys())
    const offsetBytes = this.#held.get(next)?.offsetBytes ?? 0
    const { nextSequence } = this.#target
    const missing = next > nextSequence ? `events ${nextSequence} to ${next - 1}` : 'the opening of its epoch'
    const reason = `${missing} ${next > nextSequence ? 'are' : 'is'} not in the file before this packet`
    this.failure = { offsetBytes, reason }
  }
}

const firstEpoch = (packet: Uint8Array): number => epochOf(packet, MOLD_HEADER_BYTES)

/** Every epoch after the first begins with an event that says so: an epoch that begins with another one lacks its beginning. */
function opensEpoch(packet: Uint8Array, at: number): boolean {
  return eventType(packet, at + BLOCK_LENGTH_BYTES) === EPOCH_OPENED
}

/** 0 where the block is too short for an event. */
function epochOf(packet: Uint8Array, at: number): number {
  return readU16(packet, at) < EVENT_HEADER_BYTES ? 0 : eventEpoch(packet, at + BLOCK_LENGTH_BYTES)
}
