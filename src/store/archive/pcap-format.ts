/**
 * The classic pcap file: a header of 24 bytes, then 16 bytes before each frame, in the byte order of whoever wrote it.
 *
 * | offset | size | file header |
 * |---|---|---|
 * | 0 | 4 | magic: a1b2c3d4 times in microseconds, a1b23c4d in nanoseconds, a1b2cd34 microseconds and longer frame headers |
 * | 4 | 4 | version 2.4 |
 * | 8 | 8 | zone and accuracy, zero |
 * | 16 | 4 | longest frame |
 * | 20 | 4 | kind of link |
 *
 * | offset | size | frame header |
 * |---|---|---|
 * | 0 | 4 | seconds |
 * | 4 | 4 | microseconds or nanoseconds |
 * | 8 | 4 | bytes in the file |
 * | 12 | 4 | bytes on the wire |
 *
 * Ours have nanoseconds.
 */
import { readU16, writeU16, writeU32 } from '../../wire/bytes.js'
import { type CaptureLayout, type FrameListener, MAX_FRAME_BYTES } from './captured-frame.js'
import { type Endpoint, IPV4_BYTES, LINK_ETHERNET, UDP_BYTES } from './frames.js'

export const PCAP_FILE_HEADER_BYTES = 24
const FRAME_HEADER_BYTES = 16
/** With a1b2cd34: interface, protocol and kind of packet follow. */
const LONG_FRAME_HEADER_BYTES = 24
const MAGIC_MICROSECONDS = 0xa1b2_c3d4
const MAGIC_NANOSECONDS = 0xa1b2_3c4d
const MAGIC_LONG_HEADERS = 0xa1b2_cd34
const VERSION = 2
const ETHERNET_BYTES = 14
const ETHERTYPE_IPV4 = 0x0800
const PROTOCOL_UDP = 17

/** The last time that a frame can have: its seconds are a u32. */
export const PCAP_LATEST_US = 0xffff_ffff * 1_000_000

export function pcapFileHeader(link: number): Uint8Array {
  const bytes = new Uint8Array(PCAP_FILE_HEADER_BYTES)
  writeU32(bytes, 0, MAGIC_NANOSECONDS)
  writeU16(bytes, 4, VERSION)
  writeU16(bytes, 6, 4)
  writeU32(bytes, 16, MAX_FRAME_BYTES)
  writeU32(bytes, 20, link)
  return bytes
}

/** A UDP datagram as a frame of a pcap file; the UDP checksum is left out (zero), which IPv4 allows. */
export function pcapFrame(
  link: number,
  from: Endpoint,
  to: Endpoint,
  payload: Uint8Array,
  timeUs: number,
  timeNs: number,
): Uint8Array {
  const linkBytes = link === LINK_ETHERNET ? ETHERNET_BYTES : 0
  const lengthBytes = linkBytes + IPV4_BYTES + UDP_BYTES + payload.length
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + lengthBytes)
  writeU32(bytes, 0, Math.floor(timeUs / 1_000_000))
  writeU32(bytes, 4, (timeUs % 1_000_000) * 1_000 + timeNs)
  writeU32(bytes, 8, lengthBytes)
  writeU32(bytes, 12, lengthBytes)
  if (linkBytes > 0) writeEthernet(bytes, FRAME_HEADER_BYTES, to.address)
  const ip = FRAME_HEADER_BYTES + linkBytes
  writeIpv4(bytes, ip, from.address, to.address, UDP_BYTES + payload.length)
  const udp = ip + IPV4_BYTES
  writeU16(bytes, udp, from.port)
  writeU16(bytes, udp + 2, to.port)
  writeU16(bytes, udp + 4, UDP_BYTES + payload.length)
  bytes.set(payload, udp + UDP_BYTES)
  return bytes
}

function octets(address: string): number[] {
  return address.split('.').map(Number)
}

function writeEthernet(bytes: Uint8Array, at: number, to: string): void {
  const [a = 0, b = 0, c = 0, d = 0] = octets(to)
  // An IPv4 group has a MAC address of its own (RFC 1112); any other gets a locally administered one.
  bytes.set(a >= 224 && a < 240 ? [1, 0, 0x5e, b & 0x7f, c, d] : [2, 0, a, b, c, d], at)
  bytes.set([2, 0, 0, 0, 0, 1], at + 6)
  writeU16(bytes, at + 12, ETHERTYPE_IPV4)
}

function writeIpv4(bytes: Uint8Array, at: number, from: string, to: string, payloadBytes: number): void {
  bytes[at] = 0x45
  writeU16(bytes, at + 2, IPV4_BYTES + payloadBytes)
  writeU16(bytes, at + 6, 0x4000)
  bytes[at + 8] = 1
  bytes[at + 9] = PROTOCOL_UDP
  bytes.set(octets(from), at + 12)
  bytes.set(octets(to), at + 16)
  let sum = 0
  for (let i = 0; i < IPV4_BYTES; i += 2) sum += readU16(bytes, at + i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  writeU16(bytes, at + 10, ~sum & 0xffff)
}

/** What the file header says of the frames. */
class PcapLayout implements CaptureLayout {
  readonly #littleEndian: boolean
  readonly #unitsPerSecond: number
  readonly #link: number
  readonly #headerBytes: number

  constructor(littleEndian: boolean, magic: number, link: number) {
    this.#littleEndian = littleEndian
    this.#unitsPerSecond = magic === MAGIC_NANOSECONDS ? 1_000_000_000 : 1_000_000
    this.#headerBytes = magic === MAGIC_LONG_HEADERS ? LONG_FRAME_HEADER_BYTES : FRAME_HEADER_BYTES
    this.#link = link
  }

  next(view: DataView, at: number, offsetBytes: number, listener: FrameListener): number | string {
    const leftBytes = view.byteLength - at
    if (leftBytes < this.#headerBytes) return 0
    const fraction = view.getUint32(at + 4, this.#littleEndian)
    const lengthBytes = view.getUint32(at + 8, this.#littleEndian)
    const onWireBytes = view.getUint32(at + 12, this.#littleEndian)
    if (lengthBytes > MAX_FRAME_BYTES) return `a frame of ${lengthBytes} bytes`
    if (lengthBytes > onWireBytes) return `a frame of ${lengthBytes} bytes that had ${onWireBytes} on the wire`
    if (fraction >= this.#unitsPerSecond) {
      return `a time of ${fraction} parts of a second of ${this.#unitsPerSecond}`
    }
    if (leftBytes < this.#headerBytes + lengthBytes) return 0
    const nanoseconds = fraction * (1_000_000_000 / this.#unitsPerSecond)
    listener({
      link: this.#link,
      bytes: new Uint8Array(view.buffer, view.byteOffset + at + this.#headerBytes, lengthBytes),
      timeUs: view.getUint32(at, this.#littleEndian) * 1_000_000 + Math.floor(nanoseconds / 1_000),
      timeNs: nanoseconds % 1_000,
      offsetBytes,
    })
    return this.#headerBytes + lengthBytes
  }
}

/** @returns how to read the rest of a file; what is wrong with its header; undefined where it is no pcap file */
export function pcapLayoutOf(view: DataView): CaptureLayout | string | undefined {
  for (const littleEndian of [false, true]) {
    const magic = view.getUint32(0, littleEndian)
    if (magic !== MAGIC_MICROSECONDS && magic !== MAGIC_NANOSECONDS && magic !== MAGIC_LONG_HEADERS) continue
    const version = view.getUint16(4, littleEndian)
    if (version !== VERSION) return `a pcap file of version ${version}, not ${VERSION}`
    return new PcapLayout(littleEndian, magic, view.getUint32(20, littleEndian) & 0xffff)
  }
  return undefined
}
