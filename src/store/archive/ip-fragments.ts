/**
 * Puts IP datagrams together again that were sent in fragments, as long datagrams are on a network whose frames are short. A bound on
 * what is waited for keeps a capture that lacks fragments from filling the memory.
 */
const MAX_WAITING = 64
const MAX_IP_BYTES = 65_535

interface Waiting {
  readonly parts: Map<number, Uint8Array>
  /** Known when the last fragment has come. */
  totalBytes: number | undefined
}

export class IpFragments {
  /** Fragments that came and are not in a whole datagram. */
  left = 0
  readonly #waiting = new Map<string, Waiting>()

  /**
   * @param key of the datagram: addresses, protocol and identification
   * @param bytes valid during the call only
   * @returns what the datagram carries, when this was the last of its fragments to come
   */
  add(key: string, offsetBytes: number, isLast: boolean, bytes: Uint8Array): Uint8Array | undefined {
    this.left++
    if (offsetBytes + bytes.length > MAX_IP_BYTES) return undefined
    // Identifications come round: other bytes in the same place are another datagram's.
    const before = this.#waiting.get(key)?.parts.get(offsetBytes)
    if (before !== undefined && Buffer.compare(before, bytes) !== 0) this.#waiting.delete(key)
    const waiting = this.#waiting.get(key) ?? this.#begin(key)
    waiting.parts.set(offsetBytes, bytes.slice())
    if (isLast) waiting.totalBytes = offsetBytes + bytes.length
    const whole = wholeOf(waiting)
    if (whole === undefined) return undefined
    this.left -= waiting.parts.size
    this.#waiting.delete(key)
    return whole
  }

  #begin(key: string): Waiting {
    const [oldest] = this.#waiting.keys()
    if (oldest !== undefined && this.#waiting.size >= MAX_WAITING) this.#waiting.delete(oldest)
    const waiting: Waiting = { parts: new Map(), totalBytes: undefined }
    this.#waiting.set(key, waiting)
    return waiting
  }
}

/** Undefined where something is missing between the parts. */
function wholeOf({ parts, totalBytes }: Waiting): Uint8Array | undefined {
  if (totalBytes === undefined) return undefined
  const whole = new Uint8Array(totalBytes)
  let reachedBytes = 0
  for (const [at, bytes] of [...parts].sort(([a], [b]) => a - b)) {
    if (at > reachedBytes || at + bytes.length > totalBytes) return undefined
    whole.set(bytes, at)
    reachedBytes = Math.max(reachedBytes, at + bytes.length)
  }
  return reachedBytes === totalBytes ? whole : undefined
}
