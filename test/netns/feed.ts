/** Feeds `seqcast send` with messages that carry the numbers 1, 2, 3, … at a rate, no further ahead than what it takes. */
import type { Running } from '../fixtures/processes.js'

const EVERY_MS = 10
const NUMBER_BYTES = 4

export class Feed {
  #written = 0
  readonly #sender: Running
  readonly #timer: NodeJS.Timeout

  /** @param rate messages a second @param lengthBytes of each; the last four are its number */
  constructor(sender: Running, rate: number, lengthBytes = NUMBER_BYTES) {
    this.#sender = sender
    let lastMs = performance.now()
    let due = 0
    this.#timer = setInterval(() => {
      const nowMs = performance.now()
      // What is held back is not made up for: a burst would say nothing about the rate.
      due = Math.min(due + ((nowMs - lastMs) / 1000) * rate, rate)
      lastMs = nowMs
      const { stdin } = sender.child
      if (stdin === null || sender.isOver) clearInterval(this.#timer)
      else if (stdin.writableLength === 0) {
        stdin.write(numbered(this.#written + 1, Math.floor(due), lengthBytes))
        this.#written += Math.floor(due)
        due -= Math.floor(due)
      }
    }, EVERY_MS)
  }

  /** Ends the input and waits for the sender. @returns how many messages have become stable events @throws Error where not all have */
  async end(): Promise<number> {
    clearInterval(this.#timer)
    const { child } = this.#sender
    child.stdin?.end(Buffer.alloc(2))
    const { status, stderr, lines } = await this.#sender.result()
    if (status !== 0) throw new Error(`send ended with ${status}: ${stderr}`)
    const { messages, stable } = JSON.parse(lines[0] ?? '')
    if (messages !== this.#written || stable !== true)
      throw new Error(`send took ${messages} of ${this.#written}: ${lines[0]}`)
    return messages
  }
}

/** A BinaryFILE's blocks. */
function numbered(first: number, count: number, lengthBytes: number): Buffer {
  const blockBytes = 2 + lengthBytes
  const bytes = Buffer.alloc(count * blockBytes)
  for (let i = 0; i < count; i++) {
    bytes.writeUInt16BE(lengthBytes, i * blockBytes)
    bytes.writeUInt32BE(first + i, (i + 1) * blockBytes - NUMBER_BYTES)
  }
  return bytes
}
