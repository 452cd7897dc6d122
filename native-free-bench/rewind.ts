/**
 * A rewind out of memory: packets of 20-byte payloads, from the in-memory log into a component's handler that reads every
 * field. Beside it the log alone, which is the floor of it: every packet found and its checksum verified.
 */
import { createHostSink } from '../src/cli/bench/host-sink.js'
import { CODECS, FILL_BYTES } from '../src/cli/bench/messages.js'
import { recordFills } from '../src/cli/bench/recording.js'
import { MemoryEventLog } from '../src/store/memory-event-log.js'
import { median } from './support/latency.js'
import { assertNativeFree } from './support/native-free.js'
import { readOptions } from './support/options.js'

const SESSION = 'REWIND'
/** Read at once; then sockets and timers would have their turn. */
const SLICE_PACKETS = 256

const options = readOptions({ rounds: 7, messages: 2_000_000 })

for (const codec of CODECS) {
  const log = new MemoryEventLog({ session: SESSION })
  const events = await recordFills(log, { codec, events: options.messages, datagram: options.datagram })
  const rounds = []
  await measure(log)
  for (let i = 0; i < options.rounds; i++) rounds.push({ floor: await readOnly(log), measured: await measure(log) })
  assertNativeFree()
  const eventsPerSecond = Math.round(median(rounds.map((round) => round.measured)))
  const floor = Math.round(median(rounds.map((round) => round.floor)))
  if (options.json) {
    const { idle, datagram } = options
    const head = { bench: 'rewind', codec, idle, bytes: FILL_BYTES, datagram, rounds: rounds.length, events }
    console.log(JSON.stringify({ ...head, eventsPerSecond, floorEventsPerSecond: floor, lost: 0 }))
  } else {
    const text = (rate: number): string => rate.toLocaleString('en-US').padStart(12)
    console.log(`${codec.padEnd(8)} ${text(eventsPerSecond)} events a second, the log alone ${text(floor)}`)
  }
}

async function readOnly(log: MemoryEventLog): Promise<number> {
  let events = 0
  const startMs = performance.now()
  for (let next = 1; next <= log.committedSequence; await turn()) {
    next = log.read(next, SLICE_PACKETS, (_sequence, count) => {
      events += count
      return true
    })
  }
  return perSecond(events, startMs)
}

async function measure(log: MemoryEventLog): Promise<number> {
  const host = createHostSink(SESSION)
  const startMs = performance.now()
  for (let next = 1; next <= log.committedSequence; await turn()) {
    next = log.read(next, SLICE_PACKETS, (sequence, count, bytes, start, end) => {
      host.onRun(sequence, count, bytes, start, end, startMs)
      return true
    })
  }
  if (host.nextSequence !== log.nextSequence) throw new Error(`the host stands at ${host.nextSequence}`)
  return perSecond(host.nextSequence - 1, startMs)
}

function perSecond(events: number, startMs: number): number {
  return (events * 1_000) / (performance.now() - startMs)
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
