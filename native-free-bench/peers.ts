/**
 * Others beside it: NATS request/reply and JetStream, and Redis Streams, through their pure JavaScript clients, with servers
 * that are found on this machine; the same payload, one in flight, in turns in one run with this runtime and the floor. What
 * a round trip is differs: NATS answers from another process, JetStream and Redis have stored the message.
 */
import type { RoleOptions } from '../src/runtime/options.js'
import { Child } from './support/children.js'
import { CommandClient } from './support/command-client.js'
import { FloorRounds } from './support/floor-rounds.js'
import { writeHistograms } from './support/histogram-files.js'
import { createHistogram, median, type Quantiles, quantilesUs, quantileTable, recordUs } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { openNats } from './support/nats-peer.js'
import { readOptions } from './support/options.js'
import type { Peer, Rates } from './support/peers.js'
import { endProgress, showProgress } from './support/progress.js'
import { openRedis } from './support/redis-peer.js'

const APPLICATION_TYPE = 256
const WARM_UP_MESSAGES = 500
const KEYS: readonly (keyof Quantiles)[] = ['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max']

const options = readOptions(
  { rounds: 5, messages: 2_000, idle: 'block' },
  { stored: { what: 'messages to store and read again', value: 50_000, low: 0, high: 10_000_000 } },
)
const payload = new Uint8Array(options.bytes).fill(1)
const role: Omit<RoleOptions, 'logger'> = {
  session: `P${Date.now().toString(36).toUpperCase()}`.slice(0, 10),
  interfaceAddress: '127.0.0.1',
  eventGroup: { group: '239.255.78.51', port: 7851 },
  commandGroup: { group: '239.255.78.52', port: 7852 },
  controlGroup: { group: '239.255.78.53', port: 7853 },
  stores: [],
  datagramBytes: options.datagram,
  idle: options.idle,
}

const missing: string[] = []
const peers: Peer[] = [...(await found('nats-server', openNats)), ...(await found('redis-server', openRedis))]
const floor = await FloorRounds.open(options)
const sequencer = await Child.start('./sequencer-child.js', role)
const client = await CommandClient.open(role)
client.cycle.stop()
sequencer.pause()

const measured = new Map<string, { rounds: Quantiles[]; all: ReturnType<typeof createHistogram> }>()
for (let i = 0; i <= options.rounds; i++) {
  showProgress(options, i === 0 ? 'warming up' : `round ${i} of ${options.rounds}`)
  await round(i === 0)
}
endProgress(options)
const rates: Record<string, Rates> = {}
for (const peer of peers) {
  if (peer.rates !== undefined && (options.more.stored ?? 0) > 0) {
    rates[peer.name] = await peer.rates(payload, options.more.stored ?? 0)
  }
}
assertNativeFree()
client.close()
await sequencer.stop()
await floor.close()
for (const peer of peers) await peer.close()
await writeHistograms(
  options.out,
  Object.fromEntries([...measured].map(([name, { all }]) => [`peers-${fileName(name)}`, all])),
)
report()
process.exit(0)

async function found(program: string, open: () => Promise<Peer[] | undefined>): Promise<Peer[]> {
  const opened = await open()
  if (opened === undefined) missing.push(program)
  return opened ?? []
}

/** The floor, this runtime, and each peer, in turn. */
async function round(isWarmUp: boolean): Promise<void> {
  const messages = isWarmUp ? WARM_UP_MESSAGES : options.messages
  floor.histogram.reset()
  const floorQuantiles = await floor.round(messages)
  if (!isWarmUp) add('floor', floorQuantiles, floor.histogram)
  sequencer.resume()
  client.cycle.start()
  const own = await timed(messages, commandToEvent)
  client.cycle.stop()
  sequencer.pause()
  if (!isWarmUp) add('seqcast', quantilesUs(own), own)
  for (const peer of peers) {
    const histogram = await timed(messages, () => peer.roundTrip(payload))
    if (!isWarmUp) add(peer.name, quantilesUs(histogram), histogram)
  }
}

function add(name: string, quantiles: Quantiles, histogram: ReturnType<typeof createHistogram>): void {
  const entry = measured.get(name) ?? { rounds: [], all: createHistogram() }
  entry.rounds.push(quantiles)
  entry.all.add(histogram)
  measured.set(name, entry)
}

async function timed(messages: number, roundTrip: () => Promise<unknown>): Promise<ReturnType<typeof createHistogram>> {
  const histogram = createHistogram()
  for (let i = 0; i < messages; i++) {
    const sentUs = performance.now() * 1000
    await roundTrip()
    recordUs(histogram, performance.now() * 1000 - sentUs)
  }
  return histogram
}

function commandToEvent(): Promise<void> {
  return new Promise((resolve) => {
    client.onReturned = () => resolve()
    client.send(APPLICATION_TYPE, payload)
  })
}

function summaries(): Record<string, Quantiles> {
  const rows = [...measured].map(([name, { rounds }]) => [
    name,
    Object.fromEntries(KEYS.map((key) => [key, median(rounds.map((quantiles) => quantiles[key]))])),
  ])
  return Object.fromEntries(rows)
}

function report(): void {
  const { idle, bytes, datagram } = options
  const peersUs = summaries()
  if (options.json) {
    const rounds = options.rounds
    console.log(JSON.stringify({ bench: 'peers', idle, bytes, datagram, rounds, peers: peersUs, rates, missing }))
    return
  }
  console.log(`peers: a message there and back, ${bytes} bytes, idle ${idle}, medians of ${options.rounds} rounds\n`)
  console.log(quantileTable(peersUs))
  for (const [name, { stored, replayed }] of Object.entries(rates)) {
    const text = (rate: number): string => Math.round(rate).toLocaleString('en-US')
    console.log(`\n${name}: ${text(stored)} a second stored and acknowledged, ${text(replayed)} a second read again`)
  }
  for (const program of missing) console.log(`\n${program} is not on this machine: its rows are missing`)
}

function fileName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
}
