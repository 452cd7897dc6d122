/** Feeds `seqcast send`: `Load` messages 1, 2, 3, … as a BinaryFILE, as long as a test wants. */
import { once } from 'node:events'
import type { Running } from '../fixtures/processes.js'

const BLOCK_BYTES = 6
const BLOCKS_PER_CHUNK = 500

/** The messages from `first` on, each a length and the number. */
function loads(first: number, count: number): Buffer {
  const bytes = Buffer.alloc(count * BLOCK_BYTES)
  for (let i = 0; i < count; i++) {
    bytes.writeUInt16BE(BLOCK_BYTES - 2, i * BLOCK_BYTES)
    bytes.writeUInt32BE(first + i, i * BLOCK_BYTES + 2)
  }
  return bytes
}

export class Load {
  /** Written so far; the sender may still have some of it before it. */
  written = 0
  readonly #sender: Running
  #state: 'flowing' | 'ending' = 'flowing'
  readonly #over: Promise<void>

  /** Writes as fast as the sender takes it, until `end`. */
  constructor(sender: Running) {
    this.#sender = sender
    this.#over = this.#flow()
  }

  /** Ends the input and waits for the sender. @returns what it printed @throws Error where it failed */
  async end(): Promise<{ readonly messages: number; readonly events: number; readonly seconds: number }> {
    this.#state = 'ending'
    await this.#over
    const { child } = this.#sender
    if (!this.#sender.isOver) await once(child, 'close')
    if (child.exitCode !== 0) throw new Error(`send ended with ${child.exitCode}: ${this.#sender.stderr}`)
    return JSON.parse(this.#sender.lines[0] ?? '')
  }

  async #flow(): Promise<void> {
    const { child } = this.#sender
    const { stdin } = child
    if (stdin === null) throw new Error('the sender has no standard input')
    const closed = once(child, 'close')
    while (this.#state === 'flowing' && !this.#sender.isOver) {
      const chunk = loads(this.written + 1, BLOCKS_PER_CHUNK)
      this.written += BLOCKS_PER_CHUNK
      if (!stdin.write(chunk)) await Promise.race([once(stdin, 'drain'), closed])
    }
    stdin.end(Buffer.alloc(2))
  }
}
