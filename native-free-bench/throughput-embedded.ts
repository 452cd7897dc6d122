/**
 * The most events a second where the source lives in the sequencer's process and hands its packets over without a datagram.
 * Another process receives the events in order, checks every one, and acknowledges; the source waits for that.
 */
import type { RoleOptions } from '../src/runtime/options.js'
import { writeU32 } from '../src/wire/bytes.js'
import { Child } from './support/children.js'
import { EmbeddedSource } from './support/embedded-source.js'
import { median } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { NUMBERED_TYPE } from './support/numbered-events.js'
import { readOptions } from './support/options.js'

const ROUND_MS = 1_000
const VOTER = 'sink'
/** Sent and not yet acknowledged: about half of what a socket's buffer takes, with the kernel's own overhead, where the kernel allows 4 MiB. */
const UNACKNOWLEDGED_BYTES = 2 * 1024 * 1024

interface Report {
  readonly checked: number
  readonly runs: number
  readonly gaps: number
  readonly atUs: number
}

const options = readOptions({ rounds: 5, messages: 100 })
const role: Omit<RoleOptions, 'logger'> = {
  session: `E${Date.now().toString(36).toUpperCase()}`.slice(0, 10),
  interfaceAddress: '127.0.0.1',
  eventGroup: { group: '239.255.78.24', port: 7824 },
  commandGroup: { group: '239.255.78.25', port: 7825 },
  controlGroup: { group: '239.255.78.26', port: 7826 },
  stores: [],
  datagramBytes: options.datagram,
  idle: options.idle,
}
const payloadBytes = Math.max(4, options.bytes)
let issued = 0

const sink = await Child.start('./voter-child.js', { role, voter: VOTER })
const source = await EmbeddedSource.open(role, VOTER, Math.ceil(UNACKNOWLEDGED_BYTES / (payloadBytes + 22)))
source.fill = (outbox, nowUs) => {
  while (!outbox.isFull) {
    const at = outbox.claim(NUMBERED_TYPE, payloadBytes, nowUs)
    writeU32(outbox.bytes, at, ++issued)
  }
}
await round()
const rates = []
for (let i = 0; i < options.rounds; i++) rates.push(await round())
source.fill = () => {}
let last = await report()
for (let i = 0; i < 200 && last.checked < issued; i++) {
  await new Promise((resolve) => setTimeout(resolve, 10))
  last = await report()
}
assertNativeFree()
const result = {
  bench: 'throughput-embedded',
  idle: options.idle,
  bytes: payloadBytes,
  datagram: options.datagram,
  rounds: rates.length,
  eventsPerSecond: Math.round(median(rates.map((rate) => rate.events))),
  packetsPerSecond: Math.round(median(rates.map((rate) => rate.packets))),
  events: last.checked,
  lost: issued - last.checked,
  gaps: last.gaps,
}
await sink.stop()
if (options.json) console.log(JSON.stringify(result))
else {
  console.log(`throughput-embedded: ${result.bytes} bytes, datagrams of ${result.datagram}, idle ${result.idle}\n`)
  console.log(`${result.eventsPerSecond.toLocaleString('en-US')} events a second, median of ${result.rounds} rounds`)
  console.log(`${result.events.toLocaleString('en-US')} events checked, ${result.lost} lost, ${result.gaps} gaps`)
}
process.exit(0)

async function round(): Promise<{ events: number; packets: number }> {
  const start = await report()
  source.cycle.enter()
  await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
  const end = await report()
  const seconds = (end.atUs - start.atUs) / 1e6
  return { events: (end.checked - start.checked) / seconds, packets: (end.runs - start.runs) / seconds }
}

/** What the other process has checked so far. */
async function report(): Promise<Report> {
  const answer = sink.message()
  sink.send({ report: true })
  const got = await answer
  if (!isReport(got)) throw new Error('the receiver did not report')
  return got
}

function isReport(value: unknown): value is Report {
  return typeof value === 'object' && value !== null && 'checked' in value && 'atUs' in value
}
