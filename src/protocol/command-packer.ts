/**
 * Builds command packets in one buffer: header, then one copied stretch of blocks. The views that are handed out are made
 * once for each length, so that a send allocates nothing.
 */
import { MAX_PACKET_COUNT } from '../core/limits.js'
import { sessionBytes } from '../core/session.js'
import { copyBytes, writeU16, writeU32 } from '../wire/bytes.js'
import {
  COMMAND_COUNT_AT,
  COMMAND_EPOCH_AT,
  COMMAND_FIRST_AT,
  COMMAND_HEADER_BYTES,
  COMMAND_SOURCE_AT,
  writeCommandPacketHeader,
} from '../wire/command.js'
import type { CommandRing } from './command-ring.js'

export class CommandPacker {
  readonly #packet: Uint8Array
  readonly #views: (Uint8Array | undefined)[]

  /** @param packetBytes no packet is longer; a block always fits */
  constructor(session: string, source: number, packetBytes: number) {
    this.#packet = new Uint8Array(packetBytes)
    this.#views = new Array<Uint8Array | undefined>(packetBytes + 1)
    writeCommandPacketHeader(this.#packet, sessionBytes(session), source, 0, 0)
  }

  setSource(source: number): void {
    writeU16(this.#packet, COMMAND_SOURCE_AT, source)
  }

  setEpoch(epoch: number): void {
    writeU16(this.#packet, COMMAND_EPOCH_AT, epoch)
  }

  /**
   * Packs commands of the ring from `first` on, none from `limit` on, and stamps them as sent at `nowUs`.
   * @returns the packet, valid until the next one is packed; its count says how many fitted
   */
  pack(ring: CommandRing, first: number, limit: number, nowUs: number): Uint8Array {
    const packet = this.#packet
    const most = Math.min(limit - first, MAX_PACKET_COUNT)
    const count = ring.takeStretch(first, most, packet.length - COMMAND_HEADER_BYTES, nowUs)
    const start = ring.offset(first)
    const end = ring.end(first + count - 1)
    writeU32(packet, COMMAND_FIRST_AT, first)
    writeU16(packet, COMMAND_COUNT_AT, count)
    copyBytes(ring.bytes, start, end, packet, COMMAND_HEADER_BYTES)
    return this.#view(COMMAND_HEADER_BYTES + end - start)
  }

  /** True where the commands from `first` up to `limit` fill a packet: one more of the size of the first would not fit. */
  isFilled(ring: CommandRing, first: number, limit: number): boolean {
    const start = ring.offset(first)
    const end = ring.end(limit - 1)
    const roomBytes = this.#packet.length - COMMAND_HEADER_BYTES - (ring.end(first) - start)
    // A stretch that wraps around the ring is cut there in any case.
    return end < start || end - start > roomBytes
  }

  #view(lengthBytes: number): Uint8Array {
    const known = this.#views[lengthBytes]
    if (known !== undefined) return known
    const view = this.#packet.subarray(0, lengthBytes)
    this.#views[lengthBytes] = view
    return view
  }
}
