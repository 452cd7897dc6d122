/**
 * The processor time of an idle topology: sequencer, a voting store on the memory log, two replicas of a component, each a
 * process, with the Tick events and heartbeats of the defaults. The floor is a Node process that does nothing.
 */
import type { RoleOptions } from '../src/runtime/options.js'
import { Child } from './support/children.js'
import { median } from './support/latency.js'
import { readOptions } from './support/options.js'
import { endProgress, showProgress } from './support/progress.js'
import type { RoleChildArgument } from './support/role-child.js'
import { type Usage, usageOf } from './support/usage.js'

/** So long a new process still compiles what it runs. */
const SETTLE_MS = 10_000
const DEFAULT_TICK_US = 100_000

const options = readOptions(
  { rounds: 5, messages: 100, idle: 'block' },
  { seconds: { what: 'length of a round', value: 2, low: 1, high: 600 } },
)
const roundMs = (options.more.seconds ?? 2) * 1000
const role: Omit<RoleOptions, 'logger'> = {
  session: `I${Date.now().toString(36).toUpperCase()}`.slice(0, 10),
  interfaceAddress: '127.0.0.1',
  eventGroup: { group: '239.255.78.31', port: 7831 },
  commandGroup: { group: '239.255.78.32', port: 7832 },
  controlGroup: { group: '239.255.78.33', port: 7833 },
  stores: [],
  datagramBytes: options.datagram,
  idle: options.idle,
}

const floor = await start({ role: 'bare' })
// The store first: the sequencer waits for a majority of its voters.
const store = await start({ role: 'store' })
const sequencer = await start({ role: 'sequencer', voters: ['a'], tickUs: DEFAULT_TICK_US })
const active = await start({ role: 'component', instance: '1' })
const standby = await start({ role: 'component', instance: '2' })
const processes: Readonly<Record<string, Child>> = { floor, sequencer, store, active, standby }
showProgress(options, `settling for ${SETTLE_MS / 1000} s`)
await sleep(SETTLE_MS)

const rounds: Record<string, number>[] = []
for (let i = 0; i < options.rounds; i++) {
  showProgress(options, `round ${i + 1} of ${options.rounds}`)
  const before = await usages()
  await sleep(roundMs)
  const after = await usages()
  rounds.push(Object.fromEntries(Object.keys(processes).map((name) => [name, cpuMsASecond(before[name], after[name])])))
}
endProgress(options)
const rss = Object.fromEntries(Object.entries(await usages()).map(([name, usage]) => [name, usage.rssBytes]))
for (const child of Object.values(processes)) await child.stop()

const cpuMsPerSecond = Object.fromEntries(
  Object.keys(processes).map((name) => [name, median(rounds.map((round) => round[name] ?? Number.NaN))]),
)
const { idle, datagram } = options
if (options.json) {
  console.log(JSON.stringify({ bench: 'idle', idle, datagram, rounds: rounds.length, cpuMsPerSecond, rssBytes: rss }))
} else {
  console.log(`idle: an idle topology, idle ${idle}, medians of ${rounds.length} rounds of ${roundMs / 1000} s\n`)
  console.log('process    CPU ms per second  resident MB')
  for (const [name, ms] of Object.entries(cpuMsPerSecond)) {
    console.log(`${name.padEnd(9)}  ${ms.toFixed(2).padStart(17)}  ${((rss[name] ?? 0) / 1e6).toFixed(0).padStart(11)}`)
  }
}
process.exit(0)

function start(argument: Omit<RoleChildArgument, 'options' | 'watch'>): Promise<Child> {
  return Child.start('./role-child.js', { ...argument, options: role, watch: false })
}

async function usages(): Promise<Record<string, Usage>> {
  const all: Record<string, Usage> = {}
  for (const [name, child] of Object.entries(processes)) all[name] = await usageOf(child)
  return all
}

function cpuMsASecond(before: Usage | undefined, after: Usage | undefined): number {
  if (before === undefined || after === undefined) return Number.NaN
  return ((after.cpuUs - before.cpuUs) / (after.atUs - before.atUs)) * 1000
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
