/**
 * The classic pcap file: a header of 24 bytes, then 16 bytes before each frame, in the byte order of whoever wrote it.
 *
 * | offset | size | file header |
 * |---|---|---|
 * | 0 | 4 | magic: a1b2c3d4 times in microseconds, a1b23c4d in nanoseconds |
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
 */
import { readU16, writeU16, writeU32 } from '../../wire/bytes.js'

export const PCAP_FILE_HEADER_BYTES = 24
export const PCAP_FRAME_HEADER_BYTES = 16
/** What libpcap takes for the longest frame that can be. */
export const MAX_FRAME_BYTES = 262_144
export const LINK_ETHERNET = 1
export const LINK_RAW_IP = 101
const LINK_LOOPBACK = 0
const LINK_LINUX_COOKED = 113
const LINK_LINUX_COOKED_2 = 276
const MAGIC_MICROSECONDS = 0xa1b2_c3d4
const MAGIC_NANOSECONDS = 0xa1b2_3c4d
const MAGIC_PCAPNG = 0x0a0d_0d0a
const ETHERNET_BYTES = 14
const IPV4_BYTES = 20
const UDP_BYTES = 8
const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPES_VLAN: readonly number[] = [0x8100, 0x88a8]
const PROTOCOL_UDP = 17

export interface Endpoint {
  /** Dotted IPv4. */
  readonly address: string
  readonly port: number
}

export function pcapFileHeader(link: number): Uint8Array {
  const bytes = new Uint8Array(PCAP_FILE_HEADER_BYTES)
  writeU32(bytes, 0, MAGIC_MICROSECONDS)
  writeU16(bytes, 4, 2)
  writeU16(bytes, 6, 4)
  writeU32(bytes, 16, MAX_FRAME_BYTES)
  writeU32(bytes, 20, link)
  return bytes
}

/** A UDP datagram as a frame of a pcap file; the UDP checksum is left out (zero), which IPv4 allows. */
export function pcapFrame(link: number, from: Endpoint, to: Endpoint, payload: Uint8Array, timeUs: number): Uint8Array {
  const linkBytes = link === LINK_ETHERNET ? ETHERNET_BYTES : 0
  const lengthBytes = linkBytes + IPV4_BYTES + UDP_BYTES + payload.length
  const bytes = new Uint8Array(PCAP_FRAME_HEADER_BYTES + lengthBytes)
  writeU32(bytes, 0, Math.floor(timeUs / 1_000_000))
  writeU32(bytes, 4, Math.floor(timeUs % 1_000_000))
  writeU32(bytes, 8, lengthBytes)
  writeU32(bytes, 12, lengthBytes)
  const ip = PCAP_FRAME_HEADER_BYTES + linkBytes
  if (link === LINK_ETHERNET) writeEthernet(bytes, PCAP_FRAME_HEADER_BYTES, to.address)
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

/** How to read the rest of a file. */
export interface PcapLayout {
  readonly littleEndian: boolean
  readonly unitsPerSecond: 1_000_000 | 1_000_000_000
  readonly link: number
}

/** @returns what is wrong with the header, or how to read on */
export function readPcapFileHeader(bytes: Uint8Array): PcapLayout | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (const littleEndian of [false, true]) {
    const magic = view.getUint32(0, littleEndian)
    const link = view.getUint32(20, littleEndian) & 0xffff
    if (magic === MAGIC_PCAPNG) return 'this is a pcapng file; convert it with: editcap -F pcap IN OUT'
    if (magic === MAGIC_MICROSECONDS) return { littleEndian, unitsPerSecond: 1_000_000, link }
    if (magic === MAGIC_NANOSECONDS) return { littleEndian, unitsPerSecond: 1_000_000_000, link }
  }
  return 'not a pcap file'
}

/** The UDP datagram in a frame. */
export interface Datagram {
  readonly address: string
  readonly port: number
  readonly payload: Uint8Array
}

/** @returns undefined where the frame carries anything else (IP fragments and frames that were cut short, too) */
export function datagramOf(link: number, frame: Uint8Array): Datagram | undefined {
  const ip = ipv4At(link, frame)
  if (ip < 0 || ip + IPV4_BYTES > frame.length || frame[ip]! >>> 4 !== 4) return undefined
  const udp = ip + (frame[ip]! & 0xf) * 4
  const isFragment = (readU16(frame, ip + 6) & 0x3fff) !== 0
  if (frame[ip + 9] !== PROTOCOL_UDP || isFragment || udp + UDP_BYTES > frame.length) return undefined
  const end = udp + readU16(frame, udp + 4)
  if (end < udp + UDP_BYTES || end > frame.length) return undefined
  return {
    address: frame.subarray(ip + 16, ip + 20).join('.'),
    port: readU16(frame, udp + 2),
    payload: frame.subarray(udp + UDP_BYTES, end),
  }
}

function ipv4At(link: number, frame: Uint8Array): number {
  if (link === LINK_RAW_IP || link === 228) return 0
  if (link === LINK_LOOPBACK) return 4
  let typeAt = link === LINK_ETHERNET ? 12 : link === LINK_LINUX_COOKED ? 14 : -1
  if (link === LINK_LINUX_COOKED_2) return frame.length > 20 && readU16(frame, 0) === ETHERTYPE_IPV4 ? 20 : -1
  if (typeAt < 0) return -1
  while (typeAt + 2 <= frame.length && ETHERTYPES_VLAN.includes(readU16(frame, typeAt))) typeAt += 4
  return typeAt + 2 <= frame.length && readU16(frame, typeAt) === ETHERTYPE_IPV4 ? typeAt + 2 : -1
}
