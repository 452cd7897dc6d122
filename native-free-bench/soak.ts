/**
 * What time does to the runtime: minutes of full load with a slice of round trips now and then, and how the sequencer's
 * memory, its collections, the delay of its event loop and the median of the round trip drift. `--events N` runs until so many
 * events were sequenced, instead of `--minutes M`.
 */
import type { RoleOptions } from '../src/runtime/options.js'
import { Child } from './support/children.js'
import { CommandClient } from './support/command-client.js'
import { writeHistograms } from './support/histogram-files.js'
import { createHistogram, median, quantilesUs, recordUs } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { readOptions } from './support/options.js'
import { endProgress, showProgress } from './support/progress.js'
import { type Usage, usageOf } from './support/usage.js'

const APPLICATION_TYPE = 256
const LOAD_MS = 2_000
const IN_FLIGHT = 4_096

interface Slice {
  readonly events: number
  readonly medianUs: number
  readonly usage: Usage
}

const options = readOptions(
  { rounds: 1, messages: 2_000 },
  {
    minutes: { what: 'how long', value: 1, low: 1, high: 600 },
    events: { what: 'run until so many events instead, 0 for --minutes', value: 0, low: 0, high: 2_000_000_000 },
  },
)
const { minutes = 1, events: targetEvents = 0 } = options.more
const role: Omit<RoleOptions, 'logger'> = {
  session: `S${Date.now().toString(36).toUpperCase()}`.slice(0, 10),
  interfaceAddress: '127.0.0.1',
  eventGroup: { group: '239.255.78.41', port: 7841 },
  commandGroup: { group: '239.255.78.42', port: 7842 },
  controlGroup: { group: '239.255.78.43', port: 7843 },
  stores: [],
  datagramBytes: options.datagram,
  idle: options.idle,
}
const payload = new Uint8Array(options.bytes)
const histogram = createHistogram()
let sent = 0
let returned = 0

const sequencer = await Child.start('./role-child.js', { role: 'sequencer', options: role, watch: true })
const client = await CommandClient.open(role)
const startMs = performance.now()
const slices: Slice[] = []
do {
  await load(LOAD_MS)
  const medianUs = await roundTrips(options.messages)
  slices.push({ events: returned, medianUs, usage: await usageOf(sequencer) })
  showProgress(options, `${(returned / 1e6).toFixed(1)} million events`)
} while (!isOver())
endProgress(options)
assertNativeFree()
client.close()
await sequencer.stop()
await writeHistograms(options.out, { [`soak-${options.idle}-${options.bytes}`]: histogram })
report()
process.exit(0)

function isOver(): boolean {
  return targetEvents > 0 ? returned >= targetEvents : performance.now() - startMs >= minutes * 60_000
}

/** Keeps so many commands in flight for so long, then waits for the last ones. */
function load(durationMs: number): Promise<void> {
  const endMs = performance.now() + durationMs
  return new Promise((resolve) => {
    let inFlight = 0
    const send = (): void => {
      inFlight += 1
      sent += 1
      client.send(APPLICATION_TYPE, payload)
    }
    client.onReturned = () => {
      returned += 1
      inFlight -= 1
      if ((returned & 0xff) !== 0 && inFlight > 0) return
      if (performance.now() < endMs) while (inFlight < IN_FLIGHT) send()
      else if (inFlight === 0) resolve()
    }
    while (inFlight < IN_FLIGHT) send()
  })
}

function roundTrips(messages: number): Promise<number> {
  const slice = createHistogram()
  return new Promise((resolve) => {
    let left = messages
    let sentUs = 0
    const next = (): void => {
      sentUs = performance.now() * 1000
      sent += 1
      client.send(APPLICATION_TYPE, payload)
    }
    client.onReturned = () => {
      returned += 1
      recordUs(slice, performance.now() * 1000 - sentUs)
      left -= 1
      if (left > 0) {
        next()
        return
      }
      histogram.add(slice)
      resolve(quantilesUs(slice).p50)
    }
    next()
  })
}

function report(): void {
  const seconds = (performance.now() - startMs) / 1000
  const third = Math.max(1, Math.floor(slices.length / 3))
  const medianOf = (part: readonly Slice[]): number => median(part.map((slice) => slice.medianUs))
  const [early, late] = [slices.slice(0, third), slices.slice(-third)]
  const last = slices.at(-1)?.usage
  const result = {
    bench: 'soak',
    idle: options.idle,
    bytes: options.bytes,
    datagram: options.datagram,
    rounds: slices.length,
    seconds: Math.round(seconds),
    events: returned,
    eventsPerSecond: Math.round(returned / seconds),
    lost: sent - returned,
    measured: quantilesUs(histogram),
    earlyMedianUs: medianOf(early),
    lateMedianUs: medianOf(late),
    drift: medianOf(late) / medianOf(early),
    collections: last?.collections ?? 0,
    collectionMs: Math.round(last?.collectionMs ?? 0),
    delayP50Ms: median(slices.map(({ usage }) => usage.delayP50Ms)),
    delayMaxMs: Math.max(...slices.map(({ usage }) => usage.delayMaxMs)),
    earlyRssBytes: median(early.map(({ usage }) => usage.rssBytes)),
    lateRssBytes: median(late.map(({ usage }) => usage.rssBytes)),
    maxRssBytes: Math.max(...slices.map(({ usage }) => usage.rssBytes)),
    lateHeapBytes: median(late.map(({ usage }) => usage.heapBytes)),
    lateBufferBytes: median(late.map(({ usage }) => usage.bufferBytes)),
  }
  if (options.json) {
    console.log(JSON.stringify(result))
    return
  }
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(`soak: ${result.seconds} s, ${result.events.toLocaleString('en-US')} events, idle ${result.idle}\n`)
  console.log('million events  round trip p50 us  sequencer MB  heap MB  buffers MB  collections  loop delay max ms')
  for (const { events, medianUs, usage } of slices) {
    const megabytes = [usage.rssBytes, usage.heapBytes, usage.bufferBytes].map((bytes) => bytes / 1e6)
    const cells = [events / 1e6, medianUs, ...megabytes].map((value) => value.toFixed(1))
    const [millions = '', us = '', rss = '', heap = '', buffers = ''] = cells
    console.log(
      `${millions.padStart(14)}  ${us.padStart(17)}  ${rss.padStart(12)}  ${heap.padStart(7)}  ${buffers.padStart(10)}  ${String(usage.collections).padStart(11)}  ${usage.delayMaxMs.toFixed(1).padStart(17)}`,
    )
  }
  console.log(
    `\nmedian drifted by ${result.drift.toFixed(3)}; sequencer ${mb(result.earlyRssBytes)} early, ${mb(result.lateRssBytes)} late`,
  )
}
