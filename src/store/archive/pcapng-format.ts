/**
 * The pcapng file, as Wireshark writes it: a chain of blocks, each with its length before and after it. A section begins with a
 * header that tells the byte order; then come descriptions of interfaces and the packets that they captured.
 *
 * | offset | size | block |
 * |---|---|---|
 * | 0 | 4 | type |
 * | 4 | 4 | length of the whole block, a multiple of 4 |
 * | 8 | - | body |
 * | length - 4 | 4 | the length again |
 */
import { type CaptureLayout, type FrameListener, LINK_UNKNOWN_BLOCK, MAX_FRAME_BYTES } from './captured-frame.js'

const SECTION_HEADER = 0x0a0d_0d0a
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d
const VERSION = 1
const INTERFACE_DESCRIPTION = 1
const OLD_PACKET = 2
const SIMPLE_PACKET = 3
const ENHANCED_PACKET = 6
/** Names, statistics, journal entries, secrets, and what their makers number themselves: nothing in them is a packet. */
const WITHOUT_PACKET: readonly number[] = [4, 5, 9, 10, 0xbad, 0x4000_0bad]
const BLOCK_HEADER_BYTES = 8
const MIN_BLOCK_BYTES = 12
const SECTION_HEADER_BYTES = 28
/** What others take for the longest block that can be. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024
const OPTION_END = 0
const OPTION_TIME_RESOLUTION = 9
const OPTION_TIME_OFFSET = 14
const MICROSECONDS = 6

interface Interface {
  readonly link: number
  readonly snapBytes: number
  readonly unitsPerSecond: bigint
  readonly offsetSeconds: bigint
}

/** A packet block: where its frame lies, which interface captured it, and when. */
interface Packet {
  readonly from: Interface
  readonly at: number
  readonly lengthBytes: number
  readonly timeNs: bigint
}

export function isPcapng(view: DataView): boolean {
  return view.getUint32(0) === SECTION_HEADER
}

export class PcapngLayout implements CaptureLayout {
  #littleEndian = false
  #interfaces: Interface[] = []
  /** Of the last packet: a simple packet block has no time. */
  #timeNs = 0n

  next(view: DataView, at: number, offsetBytes: number, listener: FrameListener): number | string {
    const leftBytes = view.byteLength - at
    if (leftBytes < MIN_BLOCK_BYTES) return 0
    const isSection = view.getUint32(at) === SECTION_HEADER
    if (isSection) {
      const order = this.#byteOrder(view, at + BLOCK_HEADER_BYTES)
      if (order !== undefined) return order
    }
    const lengthBytes = view.getUint32(at + 4, this.#littleEndian)
    if (lengthBytes < MIN_BLOCK_BYTES || lengthBytes > MAX_BLOCK_BYTES || lengthBytes % 4 !== 0) {
      return `a block of ${lengthBytes} bytes`
    }
    if (leftBytes < lengthBytes) return 0
    const again = view.getUint32(at + lengthBytes - 4, this.#littleEndian)
    if (again !== lengthBytes) return `a block of ${lengthBytes} bytes whose end says ${again}`
    const block = new DataView(view.buffer, view.byteOffset + at, lengthBytes - 4)
    const reason = isSection ? this.#section(block) : this.#block(block, offsetBytes, listener)
    return reason ?? lengthBytes
  }

  #byteOrder(view: DataView, at: number): string | undefined {
    for (const littleEndian of [false, true]) {
      if (view.getUint32(at, littleEndian) !== BYTE_ORDER_MAGIC) continue
      this.#littleEndian = littleEndian
      return undefined
    }
    return 'the header of a section without its byte order'
  }

  #section(block: DataView): string | undefined {
    if (block.byteLength + 4 < SECTION_HEADER_BYTES) return 'the header of a section is too short'
    const version = block.getUint16(12, this.#littleEndian)
    if (version !== VERSION) return `a section of version ${version}, not ${VERSION}`
    this.#interfaces = []
    return undefined
  }

  #block(block: DataView, offsetBytes: number, listener: FrameListener): string | undefined {
    const type = block.getUint32(0, this.#littleEndian)
    if (type === INTERFACE_DESCRIPTION) return this.#describe(block)
    const packet =
      type === ENHANCED_PACKET
        ? this.#enhanced(block, block.byteLength >= 28 ? block.getUint32(8, this.#littleEndian) : 0)
        : type === OLD_PACKET
          ? this.#enhanced(block, block.byteLength >= 28 ? block.getUint16(8, this.#littleEndian) : 0)
          : type === SIMPLE_PACKET
            ? this.#simple(block)
            : undefined
    if (packet === undefined && !WITHOUT_PACKET.includes(type)) {
      listener({ link: LINK_UNKNOWN_BLOCK, bytes: new Uint8Array(0), timeUs: 0, timeNs: 0, offsetBytes })
    }
    if (packet === undefined || typeof packet === 'string') return packet
    const { from, at, lengthBytes, timeNs } = packet
    if (lengthBytes > MAX_FRAME_BYTES) return `a frame of ${lengthBytes} bytes`
    if (at + lengthBytes > block.byteLength) return `a frame of ${lengthBytes} bytes in a shorter block`
    const timeUs = Number(timeNs / 1_000n)
    if (timeNs < 0n || !Number.isSafeInteger(timeUs)) return 'a time that is none'
    this.#timeNs = timeNs
    const bytes = new Uint8Array(block.buffer, block.byteOffset + at, lengthBytes)
    listener({ link: from.link, bytes, timeUs, timeNs: Number(timeNs % 1_000n), offsetBytes })
    return undefined
  }

  /** The enhanced packet block, and the one that it replaced: they differ in how long the interface's number is. */
  #enhanced(block: DataView, index: number): Packet | string {
    if (block.byteLength < 28) return 'the block of a packet is too short'
    const from = this.#interfaces[index]
    if (from === undefined) return `a packet of interface ${index}, which the file does not describe`
    const high = BigInt(block.getUint32(12, this.#littleEndian))
    const units = (high << 32n) | BigInt(block.getUint32(16, this.#littleEndian))
    const timeNs = (units * 1_000_000_000n) / from.unitsPerSecond + from.offsetSeconds * 1_000_000_000n
    const lengthBytes = block.getUint32(20, this.#littleEndian)
    const onWireBytes = block.getUint32(24, this.#littleEndian)
    if (lengthBytes > onWireBytes) return `a frame of ${lengthBytes} bytes that had ${onWireBytes} on the wire`
    return { from, at: 28, lengthBytes, timeNs }
  }

  #simple(block: DataView): Packet | string {
    const from = this.#interfaces[0]
    if (block.byteLength < 12) return 'the block of a packet is too short'
    if (from === undefined) return 'a packet of interface 0, which the file does not describe'
    const onWireBytes = block.getUint32(8, this.#littleEndian)
    const lengthBytes = from.snapBytes === 0 ? onWireBytes : Math.min(onWireBytes, from.snapBytes)
    return { from, at: 12, lengthBytes, timeNs: this.#timeNs }
  }

  #describe(block: DataView): string | undefined {
    if (block.byteLength < 16) return 'the description of an interface is too short'
    let resolution = MICROSECONDS
    let offsetSeconds = 0n
    for (let at = 16; at + 4 <= block.byteLength; ) {
      const code = block.getUint16(at, this.#littleEndian)
      const lengthBytes = block.getUint16(at + 2, this.#littleEndian)
      if (code === OPTION_END) break
      if (at + 4 + lengthBytes > block.byteLength) return 'the options of an interface do not fit their block'
      if (code === OPTION_TIME_RESOLUTION && lengthBytes >= 1) resolution = block.getUint8(at + 4)
      if (code === OPTION_TIME_OFFSET && lengthBytes >= 8) offsetSeconds = block.getBigInt64(at + 4, this.#littleEndian)
      at += 4 + Math.ceil(lengthBytes / 4) * 4
    }
    this.#interfaces.push({
      link: block.getUint16(8, this.#littleEndian),
      snapBytes: block.getUint32(12, this.#littleEndian),
      // The highest bit tells powers of two from powers of ten.
      unitsPerSecond: (resolution & 0x80) === 0 ? 10n ** BigInt(resolution) : 2n ** BigInt(resolution & 0x7f),
      offsetSeconds,
    })
    return undefined
  }
}
