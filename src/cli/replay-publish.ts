/**
 * Multicasts recorded packets again, as a MoldUDP64 stream of another session: the blocks are as recorded, heartbeats fill
 * the pauses, and the end of the session follows the last packet. Nobody answers requests for it.
 */
import type { SeqcastError } from '../core/errors.js'
import type { Logger } from '../core/log.js'
import { sessionBytes } from '../core/session.js'
import type { GroupAddress } from '../net/interfaces.js'
import { MulticastSender } from '../net/udp.js'
import { blockTimeUs } from '../store/time-index.js'
import { readU16 } from '../wire/bytes.js'
import {
  BLOCK_LENGTH_BYTES,
  MOLD_END_OF_SESSION,
  MOLD_HEADER_BYTES,
  MOLD_HEARTBEAT,
  writeMoldHeader,
} from '../wire/moldudp64.js'
import type { Range, Recorded } from './range.js'
import type { Pacer } from './replay-pacer.js'

export interface PublishOptions {
  readonly group: GroupAddress
  readonly interfaceAddress: string
  /** The session id in the packets. */
  readonly as: string
  readonly datagramBytes: number
  /** Undefined: as fast as the socket takes them. */
  readonly pacer: Pacer | undefined
  readonly logger: Logger
  readonly onProgress: (events: number) => void
}

export interface PublishResult {
  readonly events: number
  readonly packets: number
}

/** MoldUDP64 asks for a heartbeat each second. */
const HEARTBEAT_MS = 1_000
const END_PACKETS = 10
const END_EVERY_MS = 50
/** Without a pace receivers still need turns of their own. */
const BURST_PACKETS = 32

/** @throws SeqcastError E_SEND, E_STORE_CORRUPT */
export async function publishPackets(log: Recorded, range: Range, options: PublishOptions): Promise<PublishResult> {
  const { group, interfaceAddress, logger } = options
  let failure: SeqcastError | undefined
  const sender = await MulticastSender.open({
    ...group,
    interfaceAddress,
    onError: (error) => {
      failure ??= error
      logger.warn({ error: error.message }, 'replay: sending')
    },
  })
  const publisher = new Publisher(sender, options, range.from)
  try {
    await publisher.run(log, range)
    if (failure !== undefined) throw failure
  } finally {
    publisher.close()
  }
  return { events: range.to - range.from + 1, packets: publisher.packets }
}

class Publisher {
  readonly #sender: MulticastSender
  readonly #options: PublishOptions
  readonly #session: Uint8Array
  readonly #heartbeat: NodeJS.Timeout
  readonly #packet: Uint8Array
  #next: number
  #burst = 0
  packets = 0

  constructor(sender: MulticastSender, options: PublishOptions, first: number) {
    this.#sender = sender
    this.#options = options
    this.#session = sessionBytes(options.as)
    this.#next = first
    this.#packet = new Uint8Array(MOLD_HEADER_BYTES + BLOCK_LENGTH_BYTES + 0xffff)
    this.#sendMark(MOLD_HEARTBEAT)
    this.#heartbeat = setInterval(() => this.#sendMark(MOLD_HEARTBEAT), HEARTBEAT_MS)
  }

  async run(log: Recorded, { from, to }: Range): Promise<void> {
    for (this.#next = from; this.#next <= to; ) {
      let wait: Promise<void> | undefined
      log.read(this.#next, BURST_PACKETS, (sequence, count, bytes, start, end, receivedUs) => {
        const timeUs = log.kind === 'events' ? blockTimeUs(bytes, start, end, receivedUs) : receivedUs
        wait = this.#options.pacer?.until(timeUs)
        if (wait !== undefined) return false
        this.#send(sequence, Math.min(count, to - sequence + 1), bytes, start)
        return sequence + count <= to && this.#burst < BURST_PACKETS
      })
      this.#burst = 0
      this.#options.onProgress(this.#next - from)
      await (wait ?? this.#relieve())
    }
    for (let i = 0; i < END_PACKETS; i++) {
      this.#sendMark(MOLD_END_OF_SESSION)
      await new Promise((resolve) => setTimeout(resolve, END_EVERY_MS))
    }
  }

  close(): void {
    clearInterval(this.#heartbeat)
    this.#sender.close()
  }

  /** Sends a run as it was recorded, or in several packets where it is longer than a datagram. */
  #send(sequence: number, count: number, bytes: Uint8Array, start: number): void {
    let first = 0
    let from = start
    let at = start
    for (let i = 0; i < count; i++) {
      const next = at + BLOCK_LENGTH_BYTES + readU16(bytes, at)
      if (i > first && MOLD_HEADER_BYTES + next - from > this.#options.datagramBytes) {
        this.#sendBlocks(sequence + first, i - first, bytes, from, at)
        first = i
        from = at
      }
      at = next
    }
    this.#sendBlocks(sequence + first, count - first, bytes, from, at)
    this.#next = sequence + count
  }

  #sendBlocks(sequence: number, count: number, bytes: Uint8Array, start: number, end: number): void {
    writeMoldHeader(this.#packet, 0, this.#session, sequence, count)
    this.#packet.set(bytes.subarray(start, end), MOLD_HEADER_BYTES)
    this.#sender.send(this.#packet.slice(0, MOLD_HEADER_BYTES + end - start))
    this.packets += 1
    this.#burst += 1
  }

  #sendMark(mark: number): void {
    const packet = new Uint8Array(MOLD_HEADER_BYTES)
    writeMoldHeader(packet, 0, this.#session, this.#next, mark)
    this.#sender.send(packet)
  }

  /** What the kernel has no room for waits in user space: then the reading waits, too. */
  async #relieve(): Promise<void> {
    do await new Promise((resolve) => setTimeout(resolve, 1))
    while (this.#sender.congested)
  }
}
