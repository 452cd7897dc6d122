/**
 * The round trip of a command: from the outbox, through the sequencer's process, back as an event in order. One in flight,
 * beside the floor of two raw hops, in turns in one run.
 */
import type { RoleOptions } from '../src/runtime/options.js'
import { Child } from './support/children.js'
import { CommandClient } from './support/command-client.js'
import { FloorRounds } from './support/floor-rounds.js'
import { createHistogram, type Quantiles, quantilesUs, quantileTable, recordUs, summarise } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { readOptions } from './support/options.js'

const options = readOptions({ rounds: 11, messages: 10_000 })
const role: Omit<RoleOptions, 'logger'> = {
  session: `R${Date.now().toString(36).toUpperCase()}`.slice(0, 10),
  interfaceAddress: '127.0.0.1',
  eventGroup: { group: '239.255.78.11', port: 7811 },
  commandGroup: { group: '239.255.78.12', port: 7812 },
  controlGroup: { group: '239.255.78.13', port: 7813 },
  stores: [],
  datagramBytes: options.datagram,
  idle: options.idle,
}
const APPLICATION_TYPE = 256

const floor = await FloorRounds.open(options)
const sequencer = await Child.start('./sequencer-child.js', role)
const client = await CommandClient.open(role)

await measure(options.messages)
await floorRound()
const rounds = []
for (let i = 0; i < options.rounds; i++) {
  const floorQuantiles = await floorRound()
  rounds.push({ floor: floorQuantiles, measured: await measure(options.messages) })
  if (!options.json) process.stderr.write(`\rround ${i + 1} of ${options.rounds} `)
}
if (!options.json) process.stderr.write('\r')
assertNativeFree()
client.close()
await sequencer.stop()
await floor.close()

const summary = summarise(rounds)
if (options.json) {
  const { idle, bytes, datagram } = options
  console.log(JSON.stringify({ bench: 'rtt', idle, bytes, datagram, rounds: rounds.length, ...summary }))
} else {
  console.log(
    `rtt: command to event through the sequencer, ${options.bytes} bytes, idle ${options.idle}, medians of ${rounds.length} rounds\n`,
  )
  console.log(quantileTable({ floor: summary.floor, measured: summary.measured }))
  console.log(`\nratio  p50 ${summary.ratio.p50.toFixed(3)}  p99 ${summary.ratio.p99.toFixed(3)}`)
}
process.exit(0)

/** The sequencer spins on its own core, so it must be away while the floor is measured, and so must the client's loop. */
async function floorRound(): Promise<Quantiles> {
  sequencer.pause()
  client.cycle.stop()
  const quantiles = await floor.round(options.messages)
  client.cycle.start()
  sequencer.resume()
  return quantiles
}

function measure(messages: number): Promise<Quantiles> {
  const histogram = createHistogram()
  const payload = new Uint8Array(options.bytes)
  return new Promise((resolve) => {
    let left = messages
    let sentUs = 0
    const next = (): void => {
      sentUs = performance.now() * 1000
      client.send(APPLICATION_TYPE, payload)
    }
    client.onReturned = () => {
      recordUs(histogram, performance.now() * 1000 - sentUs)
      left -= 1
      if (left > 0) next()
      else resolve(quantilesUs(histogram))
    }
    next()
  })
}
