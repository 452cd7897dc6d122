/**
 * Latency under load: commands leave at intended times, however late the ones before come back, and latencies count from those
 * times, so that a stall is seen by all that it has held up. Raw datagrams at the same packet rate, in turns in one run.
 */
import type { Outbox } from '../src/protocol/outbox.js'
import type { RoleOptions } from '../src/runtime/options.js'
import { Child } from './support/children.js'
import { CommandClient } from './support/command-client.js'
import { writeHistograms } from './support/histogram-files.js'
import {
  createHistogram,
  median,
  type Quantiles,
  quantilesUs,
  quantileTable,
  recordUs,
  summarise,
} from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { readOptions } from './support/options.js'
import { endProgress, showProgress } from './support/progress.js'
import { RawLoad } from './support/raw-load.js'

const RATES = [10_000, 50_000, 100_000, 250_000]
const APPLICATION_TYPE = 256
const ROUND_MS = 500
const DRAIN_MS = 2_000
/** Two headers and a block length around the first payload of a datagram; a header and a block length for each further one. */
const PACKET_BYTES = 20
const BLOCK_BYTES = 22

interface Round {
  readonly quantiles: Quantiles
  readonly events: number
  readonly packets: number
  readonly lost: number
  readonly gaps: number
}

const options = readOptions(
  { rounds: 5, messages: 100 },
  { rate: { what: 'events a second, 0 for four rates in turn', value: 0, low: 0, high: 1_000_000 } },
)
const onlyRate = options.more.rate ?? 0
const rates = onlyRate > 0 ? [onlyRate] : RATES
const measuredHistogram = createHistogram()
const role: Omit<RoleOptions, 'logger'> = {
  session: `L${Date.now().toString(36).toUpperCase()}`.slice(0, 10),
  interfaceAddress: '127.0.0.1',
  eventGroup: { group: '239.255.78.34', port: 7834 },
  commandGroup: { group: '239.255.78.35', port: 7835 },
  controlGroup: { group: '239.255.78.36', port: 7836 },
  stores: [],
  datagramBytes: options.datagram,
  idle: options.idle,
}

const raw = await RawLoad.open(options.idle)
const sequencer = await Child.start('./sequencer-child.js', role)
// What makes the load spins in any case: a timer of a millisecond could not keep the intended times.
const client = await CommandClient.open({ ...role, idle: 'spin' })
for (const rate of rates) {
  report(rate, await measureRate(rate))
  const name = `load-${rate}-${options.idle}-${options.bytes}`
  await writeHistograms(options.out, { [name]: measuredHistogram, [`${name}-raw`]: raw.histogram })
}
assertNativeFree()
client.close()
await sequencer.stop()
await raw.close()
process.exit(0)

async function measureRate(rate: number): Promise<{ floor: Quantiles; measured: Round }[]> {
  const rounds = []
  for (let i = 0; i <= options.rounds; i++) {
    // Round 0 warms up.
    const what = i === 0 ? 'warming up' : `round ${i} of ${options.rounds}`
    showProgress(options, `${rate} a second: ${what}`)
    if (i === 1) for (const histogram of [measuredHistogram, raw.histogram]) histogram.reset()
    const measured = await loadRound(rate)
    const perPacket = measured.events / measured.packets
    sequencer.pause()
    client.cycle.stop()
    const perSecond = (measured.packets / ROUND_MS) * 1000
    const bytes = Math.round(PACKET_BYTES + perPacket * (BLOCK_BYTES + options.bytes))
    const floor = await raw.round(perSecond, bytes, ROUND_MS)
    client.cycle.start()
    sequencer.resume()
    if (i > 0) rounds.push({ floor: floor.quantiles, measured })
  }
  endProgress(options)
  return rounds
}

async function loadRound(rate: number): Promise<Round> {
  const histogram = createHistogram()
  const intervalUs = 1_000_000 / rate
  const total = Math.round((rate * ROUND_MS) / 1000)
  const before = client.counters
  const { appended = 0 } = before
  const first = appended + 1
  const startUs = performance.now() * 1000
  let issued = 0
  let returned = 0
  client.onReturned = (sourceSequence) => {
    returned += 1
    recordUs(histogram, performance.now() * 1000 - startUs - (sourceSequence - first) * intervalUs)
  }
  client.fill = (outbox, nowUs) => {
    issued = issueDue(outbox, nowUs, startUs, intervalUs, issued, total)
    return issued < total ? startUs + issued * intervalUs : Number.POSITIVE_INFINITY
  }
  client.cycle.enter()
  await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
  const untilMs = performance.now() + DRAIN_MS
  while (returned < total && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 5))
  client.onReturned = () => {}
  measuredHistogram.add(histogram)
  const after = client.counters
  const grown = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0)
  return {
    quantiles: quantilesUs(histogram),
    events: returned,
    packets: grown('sentPackets'),
    lost: total - returned,
    gaps: grown('gaps'),
  }
}

/** @returns how many were issued in all */
function issueDue(
  outbox: Outbox,
  nowUs: number,
  startUs: number,
  intervalUs: number,
  issued: number,
  total: number,
): number {
  let count = issued
  while (count < total && startUs + count * intervalUs <= nowUs && !outbox.isFull) {
    outbox.claim(APPLICATION_TYPE, options.bytes, nowUs)
    count += 1
  }
  return count
}

function report(rate: number, rounds: readonly { floor: Quantiles; measured: Round }[]): void {
  const { idle, bytes, datagram } = options
  const summary = summarise(rounds.map(({ floor, measured }) => ({ floor, measured: measured.quantiles })))
  const sum = (key: 'lost' | 'gaps'): number => rounds.reduce((all, { measured }) => all + measured[key], 0)
  const packetsPerSecond = Math.round(median(rounds.map(({ measured }) => (measured.packets * 1000) / ROUND_MS)))
  const counts = { lost: sum('lost'), gaps: sum('gaps') }
  if (options.json) {
    const what = {
      bench: 'load',
      idle,
      bytes,
      datagram,
      rounds: rounds.length,
      eventsPerSecond: rate,
      packetsPerSecond,
    }
    console.log(JSON.stringify({ ...what, ...summary, ...counts }))
    return
  }
  console.log(
    `load: ${rate.toLocaleString('en-US')} events a second in ${packetsPerSecond.toLocaleString('en-US')} datagrams, ${bytes} bytes, idle ${idle}\n`,
  )
  console.log(quantileTable({ raw: summary.floor, measured: summary.measured }))
  console.log(`\nratio, median of the rounds  p50 ${summary.ratio.p50.toFixed(3)}  p99 ${summary.ratio.p99.toFixed(3)}`)
  console.log(`${counts.lost} lost, ${counts.gaps} gaps\n`)
}
