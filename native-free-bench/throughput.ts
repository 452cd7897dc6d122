/**
 * The most events a second, sequenced, and delivered in order to another process than the sequencer's. That process is also
 * the source, as any component is: its commands go out of the outbox in datagrams, the sequencer's come back as events, and
 * every event is checked for its number and its content. The outbox's window is the back-pressure, so nothing may get lost.
 */
import type { Outbox } from '../src/protocol/outbox.js'
import type { RoleOptions } from '../src/runtime/options.js'
import { writeU32 } from '../src/wire/bytes.js'
import { EVENT_HEADER_BYTES } from '../src/wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../src/wire/moldudp64.js'
import { Child } from './support/children.js'
import { CommandClient } from './support/command-client.js'
import { median } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { NUMBERED_TYPE, NumberedEvents } from './support/numbered-events.js'
import { readOptions } from './support/options.js'
import { endProgress, showProgress } from './support/progress.js'

/** In flight, at most: less than sockets' buffers take, and little enough to stay in a processor's cache. */
const MAX_IN_FLIGHT_COMMANDS = 16_384
const IN_FLIGHT_PACKETS = 256
const ROUND_MS = 1_000

const options = readOptions({ rounds: 5, messages: 100 })
const role: Omit<RoleOptions, 'logger'> = {
  session: `T${Date.now().toString(36).toUpperCase()}`.slice(0, 10),
  interfaceAddress: '127.0.0.1',
  eventGroup: { group: '239.255.78.21', port: 7821 },
  commandGroup: { group: '239.255.78.22', port: 7822 },
  controlGroup: { group: '239.255.78.23', port: 7823 },
  stores: [],
  datagramBytes: options.datagram,
  idle: options.idle,
}

/** The number of the command stands in its first bytes. */
const payloadBytes = Math.max(4, options.bytes)
const packetEvents = Math.floor(options.datagram / (BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES + payloadBytes))
const inFlightCommands = Math.min(MAX_IN_FLIGHT_COMMANDS, IN_FLIGHT_PACKETS * packetEvents)
/** Commands that the source keeps ready: always more than the window lets out. */
const aheadCommands = inFlightCommands * 1.25
let issued = 0
const events = new NumberedEvents()

const sequencer = await Child.start('./sequencer-child.js', role)
const client = await CommandClient.open(
  role,
  (sequence, count, bytes, start) => events.check(sequence, count, bytes, start),
  inFlightCommands,
  false,
)
client.fill = (outbox, nowUs) => {
  while (outbox.outstanding < aheadCommands) issue(outbox, nowUs)
  return Number.POSITIVE_INFINITY
}
// The session's first event was sent before the client could hear it: it asks for it, which is one gap of its own.
const joined = client.counters
showProgress(options, 'warming up')
await round()
const rates = []
for (let i = 0; i < options.rounds; i++) {
  showProgress(options, `round ${i + 1} of ${options.rounds}`)
  rates.push(await round())
}
endProgress(options)
client.fill = () => Number.POSITIVE_INFINITY
await drained()
assertNativeFree()
const { resentCommands = 0, gaps: gapsInAll = 0 } = client.counters
const gaps = gapsInAll - (joined.gaps ?? 0)
const result = {
  bench: 'throughput',
  idle: options.idle,
  bytes: payloadBytes,
  datagram: options.datagram,
  rounds: rates.length,
  eventsPerSecond: Math.round(median(rates.map((rate) => rate.events))),
  packetsPerSecond: Math.round(median(rates.map((rate) => rate.packets))),
  events: events.checked,
  lost: issued - events.checked,
  gaps,
  resentCommands,
}
client.close()
await sequencer.stop()
if (options.json) console.log(JSON.stringify(result))
else {
  console.log(`throughput: ${result.bytes} bytes, datagrams of ${result.datagram}, idle ${result.idle}\n`)
  console.log(`${result.eventsPerSecond.toLocaleString('en-US')} events a second, median of ${result.rounds} rounds`)
  console.log(`${result.packetsPerSecond.toLocaleString('en-US')} datagrams a second each way`)
  console.log(`${result.events.toLocaleString('en-US')} events checked, ${result.lost} lost, ${gaps} gaps`)
}
process.exit(0)

function issue(outbox: Outbox, nowUs: number): void {
  const at = outbox.claim(NUMBERED_TYPE, payloadBytes, nowUs)
  writeU32(outbox.bytes, at, ++issued)
}

async function round(): Promise<{ events: number; packets: number }> {
  const [startMs, startEvents, startRuns] = [performance.now(), events.checked, events.runs]
  client.cycle.enter()
  await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
  const seconds = (performance.now() - startMs) / 1000
  return { events: (events.checked - startEvents) / seconds, packets: (events.runs - startRuns) / seconds }
}

async function drained(): Promise<void> {
  for (let i = 0; i < 200 && events.checked < issued; i++) await new Promise((resolve) => setTimeout(resolve, 10))
}
