/** An open loop of raw datagrams to the echo and back: what a load costs that nothing orders, checks or repairs. */

import { rawReceiver, rawSender } from '../../src/cli/bench/raw-socket.js'
import { readU32, writeU32 } from '../../src/wire/bytes.js'
import { Child } from './children.js'
import { createHistogram, type Quantiles, quantilesUs, recordUs } from './latency.js'
import { spin } from './spin.js'

const THERE = { group: '239.255.78.31', port: 7831 }
const BACK = { group: '239.255.78.32', port: 7832 }
/** What is under way at the end of a round is waited for, so long at most. */
const DRAIN_MS = 2_000
const POLL_MS = 5

export interface RawRound {
  readonly quantiles: Quantiles
  readonly sent: number
  readonly lost: number
}

export class RawLoad {
  /** Of all rounds since it was reset. */
  readonly histogram = createHistogram()
  readonly #echo: Child
  readonly #send: (packet: Buffer) => void
  readonly #close: () => void
  #onMessage: (packet: Buffer) => void = () => {}
  #round = 0

  private constructor(echo: Child, send: (packet: Buffer) => void, close: () => void) {
    this.#echo = echo
    this.#send = send
    this.#close = close
  }

  static async open(idle: 'spin' | 'block'): Promise<RawLoad> {
    const echo = await Child.start('./echo-child.js', { from: THERE, to: BACK, idle })
    const sender = await rawSender(THERE.group, THERE.port)
    const sent = (): void => {}
    const receiver = await rawReceiver(BACK.group, BACK.port, (packet) => load.#onMessage(packet))
    const load = new RawLoad(
      echo,
      (packet) => sender.send(packet, sent),
      () => {
        sender.close()
        receiver.close()
      },
    )
    echo.pause()
    return load
  }

  /** Sends datagrams of `bytes` at their intended times for a while; latencies count from those times. */
  async round(perSecond: number, bytes: number, durationMs: number): Promise<RawRound> {
    const histogram = createHistogram()
    const packet = Buffer.alloc(Math.max(8, bytes))
    const round = ++this.#round
    writeU32(packet, 4, round)
    const intervalUs = 1_000_000 / perSecond
    const total = Math.round((perSecond * durationMs) / 1000)
    let sent = 0
    let received = 0
    this.#echo.resume()
    const stopSpinning = spin()
    const startUs = performance.now() * 1000
    this.#onMessage = (message) => {
      // What an earlier round has left behind counts as lost there.
      if (readU32(message, 4) !== round) return
      received += 1
      recordUs(histogram, performance.now() * 1000 - startUs - readU32(message, 0) * intervalUs)
    }
    await new Promise<void>((resolve) => {
      const turn = (): void => {
        const dueUs = performance.now() * 1000 - startUs
        while (sent < total && sent * intervalUs <= dueUs) {
          writeU32(packet, 0, sent++)
          this.#send(packet)
        }
        if (sent < total) setImmediate(turn)
        else resolve()
      }
      turn()
    })
    const untilMs = performance.now() + DRAIN_MS
    while (received < sent && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    stopSpinning()
    this.#onMessage = () => {}
    this.#echo.pause()
    this.histogram.add(histogram)
    return { quantiles: quantilesUs(histogram), sent, lost: sent - received }
  }

  async close(): Promise<void> {
    this.#close()
    await this.#echo.stop()
  }
}
