/**
 * The round trip of a command: from the outbox, through the sequencer's process, back as an event in order. One in flight,
 * beside the floor of two raw hops, in turns in one run. `--standbys N` lets N passive replicas listen in processes of their
 * own.
 */
import type { RoleOptions } from '../src/runtime/options.js'
import { Child } from './support/children.js'
import { CommandClient } from './support/command-client.js'
import { FloorRounds } from './support/floor-rounds.js'
import { writeHistograms } from './support/histogram-files.js'
import { createHistogram, type Quantiles, quantilesUs, quantileTable, recordUs, summarise } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { readOptions } from './support/options.js'
import { endProgress, showProgress } from './support/progress.js'

const options = readOptions(
  { rounds: 11, messages: 10_000 },
  { standbys: { what: 'passive replicas that listen', value: 0, low: 0, high: 8 } },
)
const standbyCount = options.more.standbys ?? 0
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
/** Round trips before the first round, at least: until then code is compiled. */
const WARM_UP_MESSAGES = 2_000
const APPLICATION_TYPE = 256
/** The session's first event, and the source's. */
const REGISTRATION_EVENTS = 2

let sentCommands = 0

const floor = await FloorRounds.open(options)
const sequencer = await Child.start('./sequencer-child.js', role)
const client = await CommandClient.open(role)
const standbys: Child[] = []
for (let i = 0; i < standbyCount; i++)
  standbys.push(await Child.start('./listener-child.js', { ...role, idle: 'block' }))
const measuredHistogram = createHistogram()

showProgress(options, 'warming up')
const warmUpMessages = Math.max(WARM_UP_MESSAGES, options.messages)
await measure(warmUpMessages)
await floorRound(warmUpMessages)
measuredHistogram.reset()
floor.histogram.reset()
const rounds = []
for (let i = 0; i < options.rounds; i++) {
  showProgress(options, `round ${i + 1} of ${options.rounds}`)
  const floorQuantiles = await floorRound(options.messages)
  rounds.push({ floor: floorQuantiles, measured: await measure(options.messages) })
}
endProgress(options)
assertNativeFree()
const behind = await eventsBehind()
client.close()
for (const child of [...standbys, sequencer]) await child.stop()
await floor.close()
const name = `rtt-${options.idle}-${options.bytes}${standbyCount > 0 ? `-standbys-${standbyCount}` : ''}`
await writeHistograms(options.out, { [name]: measuredHistogram, [`${name}-floor`]: floor.histogram })

const summary = summarise(rounds)
if (options.json) {
  const { idle, bytes, datagram } = options
  const scenario = { bench: 'rtt', idle, bytes, datagram, standbys: standbyCount, rounds: rounds.length }
  console.log(JSON.stringify({ ...scenario, ...summary, behind }))
} else {
  console.log(
    `rtt: command to event through the sequencer, ${options.bytes} bytes, idle ${options.idle}, ${standbyCount} standbys, medians of ${rounds.length} rounds\n`,
  )
  console.log(quantileTable({ floor: summary.floor, measured: summary.measured }))
  console.log(`\nratio, median of the rounds  p50 ${summary.ratio.p50.toFixed(3)}  p99 ${summary.ratio.p99.toFixed(3)}`)
}
process.exit(0)

/** The sequencer spins on its own core, so it must be away while the floor is measured, and so must the client's loop. */
async function floorRound(messages: number): Promise<Quantiles> {
  for (const child of [sequencer, ...standbys]) child.pause()
  client.cycle.stop()
  const quantiles = await floor.round(messages)
  client.cycle.start()
  for (const child of [sequencer, ...standbys]) child.resume()
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
      sentCommands += 1
      client.send(APPLICATION_TYPE, payload)
    }
    client.onReturned = () => {
      recordUs(histogram, performance.now() * 1000 - sentUs)
      left -= 1
      if (left > 0) next()
      else {
        measuredHistogram.add(histogram)
        resolve(quantilesUs(histogram))
      }
    }
    next()
  })
}

/** How far the slowest standby is behind the client at the end, in events. */
async function eventsBehind(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 100))
  let behind = 0
  for (const standby of standbys) {
    const answer = standby.message()
    standby.send({ report: true })
    const report = await answer
    const events = typeof report === 'object' && report !== null && 'events' in report ? Number(report.events) : 0
    behind = Math.max(behind, sentCommands + REGISTRATION_EVENTS - events)
  }
  return behind
}
