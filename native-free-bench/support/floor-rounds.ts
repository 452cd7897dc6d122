/** One message in flight over two hops of raw datagrams: the floor that scenarios are compared with, in the same run. */

import { rawReceiver, rawSender } from '../../src/cli/bench/raw-socket.js'
import { Child } from './children.js'
import { createHistogram, type Quantiles, quantilesUs, recordUs } from './latency.js'
import type { BenchOptions } from './options.js'
import { spin } from './spin.js'

const THERE = { group: '239.255.78.1', port: 7801 }
const BACK = { group: '239.255.78.2', port: 7802 }
/** The raw datagram is as large as the runtime's: two headers and a block length around the payload. */
const OVERHEAD_BYTES = 42

export class FloorRounds {
  /** Of all rounds since the last reset. */
  readonly histogram = createHistogram()
  readonly #echo: Child
  readonly #options: BenchOptions
  readonly #send: (packet: Buffer) => void
  #onMessage: () => void = () => {}
  readonly #close: () => void

  private constructor(echo: Child, options: BenchOptions, send: (packet: Buffer) => void, close: () => void) {
    this.#echo = echo
    this.#options = options
    this.#send = send
    this.#close = close
  }

  static async open(options: BenchOptions): Promise<FloorRounds> {
    const echo = await Child.start('./echo-child.js', { from: THERE, to: BACK, idle: options.idle })
    const sender = await rawSender(THERE.group, THERE.port)
    const sent = (): void => {}
    const receiver = await rawReceiver(BACK.group, BACK.port, () => floor.#onMessage())
    const floor = new FloorRounds(
      echo,
      options,
      (packet) => sender.send(packet, sent),
      () => {
        sender.close()
        receiver.close()
      },
    )
    echo.pause()
    return floor
  }

  async round(messages: number): Promise<Quantiles> {
    const histogram = createHistogram()
    const packet = Buffer.alloc(OVERHEAD_BYTES + this.#options.bytes)
    this.#echo.resume()
    const stopSpinning = this.#options.idle === 'spin' ? spin() : () => {}
    await new Promise<void>((resolve) => {
      let left = messages
      let sentUs = 0
      const next = (): void => {
        sentUs = performance.now() * 1000
        this.#send(packet)
      }
      this.#onMessage = () => {
        recordUs(histogram, performance.now() * 1000 - sentUs)
        left -= 1
        if (left > 0) next()
        else resolve()
      }
      next()
    })
    stopSpinning()
    this.#echo.pause()
    this.histogram.add(histogram)
    return quantilesUs(histogram)
  }

  async close(): Promise<void> {
    this.#close()
    await this.#echo.stop()
  }
}
