/**
 * The UDP datagram in a captured frame: through the kinds of link that captures of this field have, VLAN tags, IPv4 and
 * IPv6, in one piece or in fragments.
 */
import { readU16, readU32 } from '../../wire/bytes.js'
import { LINK_UNKNOWN_BLOCK } from './captured-frame.js'
import { IpFragments } from './ip-fragments.js'

export const LINK_ETHERNET = 1
export const LINK_RAW_IP = 101
const LINK_IPV4 = 228
const LINK_IPV6 = 229
/** DLT_RAW has one number in files and others in what some systems write. */
const LINKS_RAW: readonly number[] = [LINK_RAW_IP, 12, 14]
/** BSD loopback: four bytes of address family, in the order of the host or of the network. */
const LINKS_LOOPBACK: readonly number[] = [0, 108]
const LOOPBACK_BYTES = 4
const LINK_LINUX_COOKED = 113
const LINK_LINUX_COOKED_2 = 276
const COOKED_2_BYTES = 20
const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_IPV6 = 0x86dd
const ETHERTYPES_VLAN: readonly number[] = [0x8100, 0x88a8, 0x9100]
const PROTOCOL_UDP = 17
export const IPV4_BYTES = 20
const IPV6_BYTES = 40
export const UDP_BYTES = 8
/** Headers of IPv6 that may stand before UDP: hop-by-hop options, routing, destination options. */
const IPV6_EXTENSIONS: readonly number[] = [0, 43, 60]
const IPV6_FRAGMENT = 44
const IPV6_FRAGMENT_BYTES = 8

/**
 * Why no whole datagram is in a frame. `cut-short`: the capture kept only the beginning of it. `unknown-block`: a part of a pcapng file
 * of a kind that is passed over.
 */
export type FrameSkip = 'not-udp' | 'ip-fragment' | 'cut-short' | 'unknown-block'

export interface Endpoint {
  /** Dotted IPv4; IPv6 as eight groups of hex digits. */
  readonly address: string
  readonly port: number
}

/** Where a datagram went, and what it carries: a view of the frame. */
export interface Datagram extends Endpoint {
  readonly payload: Uint8Array
  /** False where the capture has only the beginning of the payload. */
  readonly isWhole: boolean
}

/** Takes frames in the order of a capture; fragments of one datagram may lie in several. */
export class DatagramReader {
  readonly #fragments = new IpFragments()

  /** Fragments that are not part of a datagram that was put together. */
  get leftFragments(): number {
    return this.#fragments.left
  }

  /** @returns why there is no datagram, where the frame carries anything else; 'ip-fragment' until the last one has come */
  read(link: number, frame: Uint8Array): Datagram | FrameSkip {
    if (link === LINK_UNKNOWN_BLOCK) return 'unknown-block'
    const ip = ipAt(link, frame)
    if (ip < 0) return 'not-udp'
    if (ip >= frame.length) return 'cut-short'
    const version = frame[ip]! >>> 4
    if (version === 4) return this.#ipv4(frame, ip)
    return version === 6 ? this.#ipv6(frame, ip) : 'not-udp'
  }

  #ipv4(frame: Uint8Array, ip: number): Datagram | FrameSkip {
    if (ip + IPV4_BYTES > frame.length) return 'cut-short'
    if (frame[ip + 9] !== PROTOCOL_UDP) return 'not-udp'
    const address = frame.subarray(ip + 16, ip + 20).join('.')
    const at = ip + (frame[ip]! & 0xf) * 4
    const fragment = readU16(frame, ip + 6)
    if ((fragment & 0x3fff) === 0) return udpOf(frame, at, address)
    const end = ip + readU16(frame, ip + 2)
    if (at > end || end > frame.length) return 'cut-short'
    const key = `${frame.subarray(ip + 12, ip + 20).join('.')}/${readU16(frame, ip + 4)}`
    return this.#fragment(key, (fragment & 0x1fff) * 8, (fragment & 0x2000) === 0, frame.subarray(at, end), address)
  }

  #ipv6(frame: Uint8Array, ip: number): Datagram | FrameSkip {
    if (ip + IPV6_BYTES > frame.length) return 'cut-short'
    const groups = Array.from({ length: 8 }, (_, i) => readU16(frame, ip + 24 + i * 2).toString(16))
    const address = groups.join(':')
    let protocol = frame[ip + 6]!
    let at = ip + IPV6_BYTES
    while (IPV6_EXTENSIONS.includes(protocol)) {
      if (at + 2 > frame.length) return 'cut-short'
      protocol = frame[at]!
      at += (frame[at + 1]! + 1) * 8
    }
    if (protocol === PROTOCOL_UDP) return udpOf(frame, at, address)
    if (protocol !== IPV6_FRAGMENT) return 'not-udp'
    const end = ip + IPV6_BYTES + readU16(frame, ip + 4)
    const start = at + IPV6_FRAGMENT_BYTES
    if (start > end || end > frame.length) return 'cut-short'
    if (frame[at] !== PROTOCOL_UDP) return 'not-udp'
    const fragment = readU16(frame, at + 2)
    const key = `${frame.subarray(ip + 8, ip + 40).join('.')}/${readU32(frame, at + 4)}`
    return this.#fragment(key, fragment & 0xfff8, (fragment & 1) === 0, frame.subarray(start, end), address)
  }

  #fragment(key: string, at: number, isLast: boolean, bytes: Uint8Array, address: string): Datagram | FrameSkip {
    const whole = this.#fragments.add(key, at, isLast, bytes)
    return whole === undefined ? 'ip-fragment' : udpOf(whole, 0, address)
  }
}

function udpOf(bytes: Uint8Array, udp: number, address: string): Datagram | FrameSkip {
  if (udp + UDP_BYTES > bytes.length) return 'cut-short'
  const lengthBytes = readU16(bytes, udp + 4)
  if (lengthBytes < UDP_BYTES) return 'not-udp'
  const end = udp + lengthBytes
  const payload = bytes.subarray(udp + UDP_BYTES, end)
  return { address, port: readU16(bytes, udp + 2), payload, isWhole: end <= bytes.length }
}

/** Where the IP header begins; -1 where there is none, or the link is of a kind that is not known. */
function ipAt(link: number, frame: Uint8Array): number {
  if (LINKS_RAW.includes(link) || link === LINK_IPV4 || link === LINK_IPV6) return 0
  if (LINKS_LOOPBACK.includes(link)) return LOOPBACK_BYTES
  if (link === LINK_LINUX_COOKED_2) return isIp(frame, 0) ? COOKED_2_BYTES : -1
  let typeAt = link === LINK_ETHERNET ? 12 : link === LINK_LINUX_COOKED ? 14 : -1
  if (typeAt < 0) return -1
  while (typeAt + 2 <= frame.length && ETHERTYPES_VLAN.includes(readU16(frame, typeAt))) typeAt += 4
  return isIp(frame, typeAt) ? typeAt + 2 : -1
}

function isIp(frame: Uint8Array, typeAt: number): boolean {
  if (typeAt + 2 > frame.length) return false
  const type = readU16(frame, typeAt)
  return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6
}
