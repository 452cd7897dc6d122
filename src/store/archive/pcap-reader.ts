/**
 * Reads a pcap file that arrives in chunks: each frame is handed on with its time and its place. After a reason nothing more is
 * read; `offsetBytes` is then where the bad part begins.
 */
import {
  MAX_FRAME_BYTES,
  PCAP_FILE_HEADER_BYTES,
  PCAP_FRAME_HEADER_BYTES,
  type PcapLayout,
  readPcapFileHeader,
} from './pcap-format.js'

/** The frame is valid during the call only. */
export type FrameListener = (link: number, frame: Uint8Array, timeUs: number, offsetBytes: number) => void

export class PcapReader {
  readonly #listener: FrameListener
  #layout: PcapLayout | undefined
  #rest: Uint8Array = new Uint8Array(0)
  #offsetBytes = 0

  constructor(listener: FrameListener) {
    this.#listener = listener
  }

  /** Where the next frame begins. */
  get offsetBytes(): number {
    return this.#offsetBytes
  }

  /** @returns why the file can't be read on, or undefined */
  push(chunk: Uint8Array): string | undefined {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    if (this.#layout === undefined) {
      if (bytes.length < PCAP_FILE_HEADER_BYTES) {
        this.#rest = bytes.slice()
        return undefined
      }
      const layout = readPcapFileHeader(bytes)
      if (typeof layout === 'string') return layout
      this.#layout = layout
      at = PCAP_FILE_HEADER_BYTES
    }
    const reason = this.#frames(this.#layout, bytes, at)
    return reason
  }

  /** To be called at the end of the file. */
  finish(): string | undefined {
    if (this.#layout === undefined) return 'shorter than the header of a pcap file'
    return this.#rest.length === 0 ? undefined : 'the last frame is truncated'
  }

  #frames(layout: PcapLayout, bytes: Uint8Array, from: number): string | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const { littleEndian, unitsPerSecond, link } = layout
    const base = this.#offsetBytes
    let at = from
    while (bytes.length - at >= PCAP_FRAME_HEADER_BYTES) {
      this.#offsetBytes = base + at
      const lengthBytes = view.getUint32(at + 8, littleEndian)
      const fraction = view.getUint32(at + 4, littleEndian)
      if (lengthBytes > MAX_FRAME_BYTES) return `a frame of ${lengthBytes} bytes`
      if (fraction >= unitsPerSecond) return `a time of ${fraction} parts of a second of ${unitsPerSecond}`
      const start = at + PCAP_FRAME_HEADER_BYTES
      if (start + lengthBytes > bytes.length) break
      const timeUs = view.getUint32(at, littleEndian) * 1_000_000 + Math.floor(fraction / (unitsPerSecond / 1_000_000))
      this.#listener(link, bytes.subarray(start, start + lengthBytes), timeUs, base + at)
      at = start + lengthBytes
    }
    this.#offsetBytes = base + at
    this.#rest = new Uint8Array(bytes.subarray(at))
    return undefined
  }
}
