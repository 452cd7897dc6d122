/**
 * Reads a capture that arrives in chunks, pcap or pcapng: each frame is handed on with its time and its place. After a reason nothing
 * more is read; `offsetBytes` is then where the bad part begins.
 */
import type { CaptureLayout, FrameListener } from './captured-frame.js'
import { PCAP_FILE_HEADER_BYTES, pcapLayoutOf } from './pcap-format.js'
import { isPcapng, PcapngLayout } from './pcapng-format.js'

const NOTHING = new Uint8Array(0)

export class CaptureReader {
  readonly #listener: FrameListener
  #layout: CaptureLayout | undefined
  #rest: Uint8Array = NOTHING
  #offsetBytes = 0

  constructor(listener: FrameListener) {
    this.#listener = listener
  }

  /** Where the next part begins. */
  get offsetBytes(): number {
    return this.#offsetBytes
  }

  /** @returns why the file can't be read on, or undefined */
  push(chunk: Uint8Array): string | undefined {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    if (this.#layout === undefined && bytes.length >= PCAP_FILE_HEADER_BYTES) {
      const layout = isPcapng(view)
        ? new PcapngLayout()
        : (pcapLayoutOf(view) ?? 'not a capture: neither pcap nor pcapng')
      if (typeof layout === 'string') return layout
      this.#layout = layout
      at = layout instanceof PcapngLayout ? 0 : PCAP_FILE_HEADER_BYTES
    }
    const base = this.#offsetBytes
    while (this.#layout !== undefined) {
      this.#offsetBytes = base + at
      const part = this.#layout.next(view, at, this.#offsetBytes, this.#listener)
      if (typeof part === 'string') return part
      if (part === 0) break
      at += part
    }
    this.#rest = new Uint8Array(bytes.subarray(at))
    return undefined
  }

  /** To be called at the end of the file. */
  finish(): string | undefined {
    if (this.#layout === undefined) return 'shorter than the header of a capture'
    return this.#rest.length === 0 ? undefined : 'the last frame is truncated'
  }
}
