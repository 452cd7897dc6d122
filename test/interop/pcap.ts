/** A minimal pcap writer for tests: raw IPv4 packets (link type 101), UDP and TCP headers without checksums. */

const PCAP_MAGIC = 0xa1b2c3d4
const LINKTYPE_RAW = 101
const UDP = 17
const TCP = 6

function ipv4(protocol: number, from: number, to: number, body: Buffer): Buffer {
  const header = Buffer.alloc(20)
  header[0] = 0x45
  header.writeUInt16BE(20 + body.length, 2)
  header[8] = 64
  header[9] = protocol
  header.writeUInt32BE(from, 12)
  header.writeUInt32BE(to, 16)
  return Buffer.concat([header, body])
}

const HOST_A = 0x0a000001
const HOST_B = 0x0a000002

/** A UDP datagram from 10.0.0.1 to 10.0.0.2. */
export function udpPacket(port: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(port, 0)
  header.writeUInt16BE(port, 2)
  header.writeUInt16BE(8 + payload.length, 4)
  return ipv4(UDP, HOST_A, HOST_B, Buffer.concat([header, payload]))
}

/** Segments of one TCP connection; the sequence numbers are kept here. */
export class TcpConversation {
  readonly #port: number
  #clientNext = 1000
  #serverNext = 5000

  constructor(port: number) {
    this.#port = port
  }

  fromClient(payload: Uint8Array): Buffer {
    const packet = this.#segment(HOST_A, HOST_B, 40_000, this.#port, this.#clientNext, this.#serverNext, payload)
    this.#clientNext += payload.length
    return packet
  }

  fromServer(payload: Uint8Array): Buffer {
    const packet = this.#segment(HOST_B, HOST_A, this.#port, 40_000, this.#serverNext, this.#clientNext, payload)
    this.#serverNext += payload.length
    return packet
  }

  #segment(from: number, to: number, fromPort: number, toPort: number, seq: number, ack: number, payload: Uint8Array) {
    const header = Buffer.alloc(20)
    header.writeUInt16BE(fromPort, 0)
    header.writeUInt16BE(toPort, 2)
    header.writeUInt32BE(seq, 4)
    header.writeUInt32BE(ack, 8)
    header[12] = 0x50
    header[13] = 0x18 // ACK and PSH
    header.writeUInt16BE(0xffff, 14)
    return ipv4(TCP, from, to, Buffer.concat([header, payload]))
  }
}

export function pcapFile(packets: readonly Buffer[]): Buffer {
  const fileHeader = Buffer.alloc(24)
  fileHeader.writeUInt32BE(PCAP_MAGIC, 0)
  fileHeader.writeUInt16BE(2, 4)
  fileHeader.writeUInt16BE(4, 6)
  fileHeader.writeUInt32BE(0x40000, 16)
  fileHeader.writeUInt32BE(LINKTYPE_RAW, 20)
  const records = packets.flatMap((packet, i) => {
    const record = Buffer.alloc(16)
    record.writeUInt32BE(1_700_000_000, 0)
    record.writeUInt32BE(i, 4)
    record.writeUInt32BE(packet.length, 8)
    record.writeUInt32BE(packet.length, 12)
    return [record, packet]
  })
  return Buffer.concat([fileHeader, ...records])
}
