/** One message in flight over two hops of raw multicast datagrams: what a round trip is compared with, in the same run. */
import type { Histogram } from 'hdr-histogram-js'
import { BenchChild } from './children.js'
import { recordUs } from './histogram.js'
import { rawReceiver, rawSender } from './raw-socket.js'

/** The raw datagram is as large as the runtime's: two headers and a block length around the payload. */
const OVERHEAD_BYTES = 42

export interface FloorOptions {
  readonly bytes: number
  readonly there: { group: string; port: number }
  readonly back: { group: string; port: number }
}

export class RttFloor {
  readonly #options: FloorOptions
  readonly #echo: BenchChild
  readonly #send: (packet: Buffer) => void
  readonly #closeSockets: () => void
  #onMessage: () => void = () => {}

  private constructor(
    options: FloorOptions,
    echo: BenchChild,
    send: (packet: Buffer) => void,
    closeSockets: () => void,
  ) {
    this.#options = options
    this.#echo = echo
    this.#send = send
    this.#closeSockets = closeSockets
  }

  static async open(options: FloorOptions): Promise<RttFloor> {
    const { there, back } = options
    const { child } = await BenchChild.script('./raw-echo-child.js', { from: there, to: back })
    const sender = await rawSender(there.group, there.port)
    const sent = (): void => {}
    const receiver = await rawReceiver(back.group, back.port, () => floor.#onMessage())
    const floor = new RttFloor(
      options,
      child,
      (packet) => sender.send(packet, sent),
      () => {
        sender.close()
        receiver.close()
      },
    )
    child.pause()
    return floor
  }

  async round(messages: number, histogram: Histogram): Promise<void> {
    const packet = Buffer.alloc(OVERHEAD_BYTES + this.#options.bytes)
    this.#echo.resume()
    await new Promise<void>((resolve) => {
      let left = messages
      let sentMs = 0
      const next = (): void => {
        sentMs = performance.now()
        this.#send(packet)
      }
      this.#onMessage = () => {
        recordUs(histogram, (performance.now() - sentMs) * 1_000)
        left -= 1
        if (left > 0) next()
        else resolve()
      }
      next()
    })
    this.#echo.pause()
  }

  async close(): Promise<void> {
    this.#closeSockets()
    await this.#echo.stop()
  }
}
