/**
 * Captures as other tools write them, made by hand: pcap in each byte order and resolution, pcapng, the kinds of link, VLAN tags,
 * IPv6. None of it uses the code that is tested.
 */
export interface Captured {
  readonly payload: Uint8Array
  readonly timeNs: bigint
  /** Default the group's first port. */
  readonly port?: number
}

export interface CaptureStyle {
  readonly file: 'pcap' | 'pcap-ns' | 'pcap-long' | 'pcapng' | 'pcapng-ns' | 'pcapng-binary'
  readonly littleEndian: boolean
  readonly link: 'ethernet' | 'vlan' | 'qinq' | 'raw' | 'loopback' | 'cooked' | 'cooked-2'
  readonly ip: 4 | 6
  /** Datagrams that carry more come in fragments, the last one first; a multiple of 8. */
  readonly fragmentBytes?: number | undefined
}

const LINK_NUMBER = { ethernet: 1, vlan: 1, qinq: 1, raw: 101, loopback: 0, cooked: 113, 'cooked-2': 276 } as const
export const PORT = 26_400

export function captureFile(style: CaptureStyle, packets: readonly Captured[]): Buffer {
  const frames = packets.flatMap(({ payload, timeNs, port = PORT }, i) =>
    fragmentsOf(style, udp(payload, port), i).map((packet) => ({ timeNs, frame: frameOf(style, packet) })),
  )
  return style.file.startsWith('pcapng') ? pcapng(style, frames) : pcap(style, frames)
}

/** What a file of this style can tell of a time. */
export function resolved(style: CaptureStyle, timeNs: bigint): bigint {
  if (style.file === 'pcap-ns' || style.file === 'pcapng-ns') return timeNs
  if (style.file === 'pcapng-binary') return (((timeNs << 20n) / 1_000_000_000n) * 1_000_000_000n) >> 20n
  return (timeNs / 1000n) * 1000n
}

/** The IP packets of a datagram. */
function fragmentsOf(
  { ip, fragmentBytes = Number.POSITIVE_INFINITY }: CaptureStyle,
  body: Buffer,
  id: number,
): Buffer[] {
  if (body.length <= fragmentBytes) return [ip === 4 ? ipv4(body) : ipv6(body)]
  const packets: Buffer[] = []
  for (let at = 0; at < body.length; at += fragmentBytes) {
    const isLast = at + fragmentBytes >= body.length
    const part = body.subarray(at, at + fragmentBytes)
    if (ip === 4) {
      const packet = ipv4(part)
      packet.writeUInt16BE(id, 4)
      packet.writeUInt16BE((isLast ? 0 : 0x2000) | (at >> 3), 6)
      packets.unshift(packet)
    } else {
      const header = Buffer.alloc(8)
      header[0] = 17
      header.writeUInt16BE(at | (isLast ? 0 : 1), 2)
      header.writeUInt32BE(id, 4)
      const packet = ipv6(Buffer.concat([header, part]))
      packet[40] = 44
      packets.unshift(packet)
    }
  }
  return packets
}

function frameOf({ link, ip }: CaptureStyle, packet: Buffer): Buffer {
  const type = ip === 4 ? [0x08, 0x00] : [0x86, 0xdd]
  const macs = [1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 1]
  const header: Record<CaptureStyle['link'], number[]> = {
    ethernet: [...macs, ...type],
    vlan: [...macs, 0x81, 0x00, 0, 5, ...type],
    qinq: [...macs, 0x88, 0xa8, 0, 9, 0x81, 0x00, 0, 5, ...type],
    raw: [],
    loopback: [2, 0, 0, 0],
    cooked: [0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, ...type],
    'cooked-2': [...type, 0, 0, 0, 0, 0, 1, 0, 1, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0],
  }
  return Buffer.concat([Buffer.from(header[link]), packet])
}

function udp(payload: Uint8Array, port: number): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(40_000, 0)
  header.writeUInt16BE(port, 2)
  header.writeUInt16BE(8 + payload.length, 4)
  return Buffer.concat([header, payload])
}

function ipv4(body: Buffer): Buffer {
  const header = Buffer.from('450000000000000001110000' + '0a000001' + 'ef010101', 'hex')
  header.writeUInt16BE(20 + body.length, 2)
  return Buffer.concat([header, body])
}

/** With a header of hop-by-hop options before the datagram. */
function ipv6(body: Buffer): Buffer {
  const options = Buffer.from([17, 0, 1, 4, 0, 0, 0, 0])
  const header = Buffer.alloc(40)
  header[0] = 0x60
  header.writeUInt16BE(options.length + body.length, 4)
  header[6] = 0
  header.set([0xff, 0x15], 24)
  header[39] = 1
  return Buffer.concat([header, options, body])
}

interface Frame {
  readonly timeNs: bigint
  readonly frame: Buffer
}

class Writer {
  readonly #littleEndian: boolean
  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian
  }

  u16(value: number): Buffer {
    const bytes = Buffer.alloc(2)
    if (this.#littleEndian) bytes.writeUInt16LE(value)
    else bytes.writeUInt16BE(value)
    return bytes
  }

  u32(...values: number[]): Buffer {
    const bytes = Buffer.alloc(values.length * 4)
    for (const [i, value] of values.entries()) {
      if (this.#littleEndian) bytes.writeUInt32LE(value, i * 4)
      else bytes.writeUInt32BE(value, i * 4)
    }
    return bytes
  }

  block(type: number, ...body: Buffer[]): Buffer {
    const bytes = Buffer.concat(body)
    const padding = Buffer.alloc((4 - (bytes.length % 4)) % 4)
    const length = 12 + bytes.length + padding.length
    return Buffer.concat([this.u32(type, length), bytes, padding, this.u32(length)])
  }
}

function pcap({ file, littleEndian, link }: CaptureStyle, frames: readonly Frame[]): Buffer {
  const write = new Writer(littleEndian)
  const magic = file === 'pcap' ? 0xa1b2c3d4 : file === 'pcap-ns' ? 0xa1b23c4d : 0xa1b2cd34
  const header = [write.u32(magic), write.u16(2), write.u16(4), write.u32(0, 0, 65_535, LINK_NUMBER[link])]
  const parts = frames.flatMap(({ timeNs, frame }) => {
    const seconds = Number(timeNs / 1_000_000_000n)
    const rest = Number(timeNs % 1_000_000_000n)
    const fraction = file === 'pcap-ns' ? rest : Math.floor(rest / 1000)
    const more = file === 'pcap-long' ? [write.u32(1, 0)] : []
    return [write.u32(seconds, fraction, frame.length, frame.length), ...more, frame]
  })
  return Buffer.concat([...header, ...parts])
}

/** Two sections, each with an interface that has no packets before the one that has; blocks that nobody knows between. */
function pcapng(style: CaptureStyle, frames: readonly Frame[]): Buffer {
  const half = Math.ceil(frames.length / 2)
  return Buffer.concat([section(style, frames.slice(0, half)), section(style, frames.slice(half))])
}

function section({ file, littleEndian, link }: CaptureStyle, frames: readonly Frame[]): Buffer {
  const write = new Writer(littleEndian)
  const resolution = { 'pcapng-ns': 9, 'pcapng-binary': 0x80 + 20 }[file as string]
  const unit = file === 'pcapng-ns' ? 1n : 1000n
  const option =
    resolution === undefined ? [] : [write.u16(9), write.u16(1), Buffer.from([resolution, 0, 0, 0]), write.u32(0)]
  const offset = 1_000_000_000n
  const shift = [write.u16(14), write.u16(8), littleEndian ? write.u32(1, 0) : write.u32(0, 1)]
  const header = write.block(
    0x0a0d0d0a,
    write.u32(0x1a2b3c4d),
    write.u16(1),
    write.u16(0),
    write.u32(0xffffffff, 0xffffffff),
  )
  const nobody = write.block(1, write.u16(147), write.u16(0), write.u32(0))
  const ours = write.block(1, write.u16(LINK_NUMBER[link]), write.u16(0), write.u32(0), ...shift, ...option)
  const unknown = write.block(0xbad, Buffer.from('some comment'))
  const packets = frames.map(({ timeNs, frame }, i) => {
    const sinceNs = timeNs - offset
    const units = file === 'pcapng-binary' ? (sinceNs << 20n) / 1_000_000_000n : sinceNs / unit
    const time = write.u32(Number(units >> 32n), Number(units & 0xffffffffn))
    const sizes = write.u32(frame.length, frame.length)
    // Every third as the block that the enhanced one has replaced.
    return i % 3 === 2
      ? write.block(2, write.u16(1), write.u16(0), time, sizes, frame)
      : write.block(6, write.u32(1), time, sizes, frame)
  })
  return Buffer.concat([header, nobody, ours, unknown, ...packets, unknown])
}

/** A MoldUDP64 packet; without messages a heartbeat, and with 'end' the end of the session. */
export function mold(session: string, sequence: number, messages: readonly Uint8Array[] | 'end'): Buffer {
  const header = Buffer.alloc(20)
  header.write(session.padEnd(10), 'latin1')
  header.writeBigUInt64BE(BigInt(sequence), 10)
  header.writeUInt16BE(messages === 'end' ? 0xffff : messages.length, 18)
  if (messages === 'end') return header
  const blocks = messages.map((message) => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(message.length)
    return Buffer.concat([length, message])
  })
  return Buffer.concat([header, ...blocks])
}
