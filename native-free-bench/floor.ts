/**
 * The floor: what raw node:dgram does on this machine. One message in flight over two hops of loopback multicast, and
 * datagrams a second one way. Everything else is judged against it.
 */

import { rawSender } from '../src/cli/bench/raw-socket.js'
import { Child } from './support/children.js'
import { FloorRounds } from './support/floor-rounds.js'
import { median, quantileTable, summarise } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { readOptions } from './support/options.js'

const SINK = { group: '239.255.78.3', port: 7803 }
/** Sends a turn; the kernel's buffer holds far more, so that nothing waits in user space. */
const SEND_BURST = 32

const options = readOptions({ rounds: 5, messages: 10_000 })

const floor = await FloorRounds.open(options)
await floor.round(options.messages)
const rounds = []
for (let i = 0; i < options.rounds; i++) {
  const quantiles = await floor.round(options.messages)
  rounds.push({ floor: quantiles, measured: quantiles })
}
await floor.close()
const latency = summarise(rounds).floor

const rates = []
for (let i = 0; i < options.rounds; i++) rates.push(await datagramsPerSecond(options.bytes))
const rate = median(rates.map((r) => r.received))
const lost = rates.reduce((sum, r) => sum + r.lost, 0)
assertNativeFree()

if (options.json) {
  const { idle, bytes, datagram } = options
  console.log(
    JSON.stringify({
      bench: 'floor',
      idle,
      bytes,
      datagram,
      rounds: rounds.length,
      floor: latency,
      datagramsPerSecond: rate,
      lost,
    }),
  )
} else {
  console.log(`floor: raw node:dgram, two hops of loopback multicast, ${options.bytes} bytes, idle ${options.idle}\n`)
  console.log(quantileTable({ 'round trip': latency }))
  console.log(`\n${Math.round(rate).toLocaleString('en-US')} datagrams a second received one way, ${lost} lost`)
}
process.exit(0)

/** Sends for half a second from this process to a child that counts. */
async function datagramsPerSecond(bytes: number): Promise<{ received: number; lost: number }> {
  const sink = await Child.start('./sink-child.js', SINK)
  const sender = await rawSender(SINK.group, SINK.port)
  const packet = Buffer.alloc(bytes)
  const done = (): void => {}
  let sent = 0
  const startMs = performance.now()
  while (performance.now() - startMs < 500) {
    for (let i = 0; i < SEND_BURST; i++) sender.send(packet, done)
    sent += SEND_BURST
    await new Promise((resolve) => setImmediate(resolve))
  }
  const seconds = (performance.now() - startMs) / 1000
  await new Promise((resolve) => setTimeout(resolve, 200))
  const answer = sink.message()
  sink.send({ report: true })
  const report = await answer
  const received = typeof report === 'object' && report !== null && 'received' in report ? Number(report.received) : 0
  sender.close()
  await sink.stop()
  return { received: received / seconds, lost: sent - received }
}
