/** `seqcast bench NAME`: what this machine does, in figures, each in one run with what it is compared with. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { SeqcastError } from '../core/errors.js'
import { DEFAULT_DATAGRAM_BYTES } from '../core/limits.js'
import { DEFAULT_SUSPECT_MS } from '../runtime/options.js'
import { createFailoverProgress } from './bench/failover/progress.js'
import { failoverText } from './bench/failover/report.js'
import { QUANTILE_HEADER, quantileRow, writeHistogram } from './bench/histogram.js'
import { CODECS } from './bench/messages.js'
import { requireOneDatagram } from './bench/one-datagram.js'
import { type Configuration, readConfiguration } from './configuration.js'
import { count, print, table } from './output.js'
import { prepareDirectory } from './output-directory.js'
import { startProgress } from './progress-bar.js'

const STORE_EVENTS = 4_000_000
const REWIND_EVENTS = 4_000_000
const CHECKPOINT_EVENTS = 10_000_000
const CHECKPOINT_ENTITIES = 100_000
const CHECKPOINT_BEHIND = 1_000_000
const ROUNDS = 5
const RTT_ROUNDS = 11
const RTT_MESSAGES = 5_000
const EVENT_BYTES = 64
const KILLS = 10
const COMMANDS_PER_SECOND = 20_000
const ROLLOVERS = 5
const ROLLOVER_COMMANDS_PER_SECOND = 10_000
const LIVE_SHIPMENTS = 1_000
const ROLLOVER_VOTERS = 'a,b,c'

export const benchCommand = new Command('bench').description(
  'measure this machine: throughput, and latency beside the floor',
)

addBench('store', 'append events to LMDB, and count them when they are durable')
  .option('--events <n>', `events a round (default: ${STORE_EVENTS})`)
  .option('--bytes <n>', `payload of an event (default: ${EVENT_BYTES})`)
  .option('--rounds <n>', `rounds (default: ${ROUNDS})`)
  .action((flags: Record<string, unknown>) =>
    withDirectory(flags, async (configuration, directory) => {
      const { benchStore } = await import('./bench/store.js')
      const { bytes = EVENT_BYTES, events = STORE_EVENTS, rounds = ROUNDS, datagram, json } = configuration
      requireOneDatagram(bytes, datagram)
      const startMs = Date.now()
      const { result, histogram } = await withProgress('store', rounds, json, (onRound) =>
        benchStore({ directory, bytes, events, rounds, datagram, onRound }),
      )
      if (configuration.out !== undefined) writeHistogram(configuration.out, 'store', histogram, startMs)
      print(json, result, () => {
        const head = `store: ${bytes}-byte events in packets of ${datagram} bytes, durable in LMDB, median of ${rounds} rounds`
        const rate = `${count(result.eventsPerSecond)} events a second (best ${count(result.best)})`
        return `${head}\n\n${rate}\n\n${table(QUANTILE_HEADER, [quantileRow('append to durable, queue full', result.measured)])}`
      })
    }),
  )

addBench('rewind', 'rewind a session of another process into a component: from its files, and over TCP')
  .option('--events <n>', `events recorded (default: ${REWIND_EVENTS})`)
  .option('--codec <codec>', 'fixed, protobuf or all (default: all)')
  .option('--way <way>', 'local, tcp or all (default: all)')
  .option('--rounds <n>', `rounds (default: ${ROUNDS})`)
  .action((flags: Record<string, unknown>) =>
    withDirectory(flags, async (configuration, directory) => {
      const { benchRewind } = await import('./bench/rewind.js')
      const { events = REWIND_EVENTS, rounds = ROUNDS, datagram, json, codec = 'all', way = 'all' } = configuration
      const codecs = codec === 'all' ? CODECS : [codec]
      const ways = way === 'all' ? (['local', 'tcp'] as const) : [way]
      const rows: string[][] = []
      await withProgress('rewind', rounds * codecs.length * ways.length, json, async (onRound) => {
        for await (const result of benchRewind({ directory, events, rounds, datagram, codecs, ways, onRound })) {
          if (json) print(true, result, () => '')
          const { eventsPerSecond, best, cpuNsPerEvent } = result
          rows.push([result.way, result.codec, count(eventsPerSecond), count(best), `${cpuNsPerEvent} ns`])
        }
      })
      if (json) return
      const head = `rewind: 20-byte payloads in packets of ${datagram} bytes, into a handler that reads every field, median of ${rounds} rounds`
      print(
        false,
        {},
        () => `${head}\n\n${table(['way', 'codec', 'events a second', 'best', 'processor time each'], rows)}`,
      )
    }),
  )

addBench('rtt', 'round trip of a command with a recording voter and two standbys listening, beside the floor')
  .option('--bytes <n>', `payload of a command (default: ${EVENT_BYTES})`)
  .option('--messages <n>', `round trips a round (default: ${RTT_MESSAGES})`)
  .option('--rounds <n>', `rounds (default: ${RTT_ROUNDS})`)
  .action((flags: Record<string, unknown>) =>
    withDirectory(flags, async (configuration, directory) => {
      const { benchRtt } = await import('./bench/rtt.js')
      const { bytes = EVENT_BYTES, messages = RTT_MESSAGES, rounds = RTT_ROUNDS, datagram, json } = configuration
      requireOneDatagram(bytes, datagram)
      const startMs = Date.now()
      const { result, histograms } = await withProgress('rtt', rounds, json, (onRound) =>
        benchRtt({ directory, bytes, messages, rounds, datagram, onRound }),
      )
      if (configuration.out !== undefined) {
        writeHistogram(configuration.out, 'rtt-floor', histograms.floor, startMs)
        writeHistogram(configuration.out, 'rtt', histograms.measured, startMs)
      }
      print(json, result, () => {
        const { floor, measured, ratio } = result
        const head = `rtt: ${bytes}-byte commands, idle block, a recording voter and ${result.standbys} standbys, medians of ${result.rounds} rounds`
        const rows = [quantileRow('floor', floor), quantileRow('measured', measured)]
        const ratios = `ratio, median of the rounds  p50 ${ratio.p50.toFixed(2)}  p99 ${ratio.p99.toFixed(2)}`
        return `${head}\n\n${table(QUANTILE_HEADER, rows)}\n\n${ratios}`
      })
    }),
  )

addBench(
  'failover',
  'kill the active sequencer again and again under load: takeover at each level, and a check of all logs',
)
  .option('--kills <n>', `how often (default: ${KILLS})`)
  .option(
    '--how <how>',
    'kill (SIGKILL), stop (SIGTERM, which hands over) or take-over (seqcast admin take-over) (default: kill)',
  )
  .option('--rate <n>', `commands a second, half of a client and half of a component (default: ${COMMANDS_PER_SECOND})`)
  .option('--bytes <n>', `payload of a client's command (default: ${EVENT_BYTES})`)
  .option('--suspect-ms <ms>', `as of seqcast sequencer (default: ${DEFAULT_SUSPECT_MS})`)
  .option('--etcd <urls>', 'as of seqcast sequencer: an etcd chooses (default: the voters alone)')
  .option('--quiet-minutes <n>', 'then run so long undisturbed, all cores busy: nobody may take over (default: 0)')
  .action((flags: Record<string, unknown>) =>
    withDirectory(flags, async (configuration, directory, keep) => {
      const { benchFailover } = await import('./bench/failover/run.js')
      const {
        bytes = EVENT_BYTES,
        rate = COMMANDS_PER_SECOND,
        kills = KILLS,
        how = 'kill',
        json,
        datagram,
      } = configuration
      const { suspectMs = DEFAULT_SUSPECT_MS, quietMinutes = 0, etcd = '' } = configuration
      requireOneDatagram(bytes, datagram)
      const startMs = Date.now()
      const progress = createFailoverProgress(json)
      const options = { directory, ending: how, takeovers: kills, rate, bytes, datagram, suspectMs, etcd, quietMinutes }
      const { result, takeovers } = await benchFailover({ ...options, progress })
      for (const [name, histogram] of takeovers.histograms) {
        if (configuration.out !== undefined) writeHistogram(configuration.out, `failover-${name}`, histogram, startMs)
      }
      print(json, result, () => failoverText(result))
      if (result.verified) return
      keep()
      throw new SeqcastError('E_BENCH', `the check failed: ${result.problems.join('; ')}`, {
        hint: `the logs stay in ${directory}; seqcast verify and seqcast export read them`,
      })
    }),
  )

addBench('rollover', 'end a session and go on in the next one, under load: the pause, and a check that nothing is lost')
  .option('--rollovers <n>', `how often (default: ${ROLLOVERS})`)
  .option('--rate <n>', `commands a second, scans and what is answered (default: ${ROLLOVER_COMMANDS_PER_SECOND})`)
  .option('--live <n>', `shipments that are under way, and carried over each time (default: ${LIVE_SHIPMENTS})`)
  .option('--voters <ids>', `of the stores, as of seqcast sequencer (default: ${ROLLOVER_VOTERS})`)
  .action((flags: Record<string, unknown>) =>
    withDirectory(flags, async (configuration, directory, keep) => {
      const { benchRollover } = await import('./bench/rollover/run.js')
      const { rolloverText } = await import('./bench/rollover/report.js')
      const { rollovers = ROLLOVERS, rate = ROLLOVER_COMMANDS_PER_SECOND, live = LIVE_SHIPMENTS } = configuration
      const { voters = ROLLOVER_VOTERS, datagram, json } = configuration
      const progress = createFailoverProgress(json)
      const onStep = (what: string): void => progress.step(what)
      const options = { directory, rollovers, rate, live, voters: voters.split(','), datagram, onStep }
      const result = await benchRollover(options)
      print(json, result, () => rolloverText(result))
      if (result.verified) return
      keep()
      throw new SeqcastError('E_BENCH', `the check failed: ${result.problems[0]}`, {
        hint: `the logs stay in ${directory}; seqcast verify and seqcast export read them`,
      })
    }),
  )

addBench('checkpoint', 'restart a replica of a large session: from its last checkpoint, and from the first event')
  .option('--events <n>', `events of the session (default: ${CHECKPOINT_EVENTS})`)
  .option('--entities <n>', `live entities in the component's state (default: ${CHECKPOINT_ENTITIES})`)
  .option('--behind <n>', `events after the last checkpoint (default: ${CHECKPOINT_BEHIND})`)
  .option('--rounds <n>', `restarts (default: ${ROUNDS})`)
  .action((flags: Record<string, unknown>) =>
    withDirectory(flags, async (configuration, directory) => {
      const { benchCheckpoint, CHECKPOINT_STEPS } = await import('./bench/checkpoint/run.js')
      const { checkpointText } = await import('./bench/checkpoint/report.js')
      const { events = CHECKPOINT_EVENTS, entities = CHECKPOINT_ENTITIES, behind = CHECKPOINT_BEHIND } = configuration
      const { rounds = ROUNDS, datagram, json } = configuration
      const result = await withProgress('checkpoint', rounds + CHECKPOINT_STEPS, json, (onStep) =>
        benchCheckpoint({ directory, events, entities, behind, rounds, datagram, onStep }),
      )
      print(json, result, () => checkpointText(result))
    }),
  )

function addBench(name: string, description: string): Command {
  const command = new Command(name)
    .description(description)
    .option('--datagram <bytes>', `largest packet (default: ${DEFAULT_DATAGRAM_BYTES})`)
    .option('--dir <dir>', 'where to record, on the disk that is meant (default: a temporary directory)')
    .option('--json', 'one JSON object a line, for machines')
  if (name !== 'rewind' && name !== 'checkpoint' && name !== 'rollover')
    command.option('--out <dir>', 'write the histograms there, as .hgrm and .hlog')
  benchCommand.addCommand(command)
  return command
}

/** Runs a bench in a directory of its own, which is removed afterwards, unless the bench says to keep it. */
async function withDirectory(
  flags: Record<string, unknown>,
  run: (configuration: Configuration, directory: string, keep: () => void) => Promise<void>,
): Promise<void> {
  const configuration = readConfiguration(flags)
  const parent = configuration.dir ?? tmpdir()
  prepareDirectory('--dir', parent)
  if (configuration.out !== undefined) prepareDirectory('--out', configuration.out)
  const directory = mkdtempSync(join(parent, 'seqcast-bench-'))
  let isKept = false
  const keep = (): void => {
    isKept = true
  }
  try {
    await run(configuration, directory, keep)
  } finally {
    if (!isKept) rmSync(directory, { recursive: true, force: true })
  }
}

/** Shows how far the rounds are, on a terminal. */
async function withProgress<T>(
  name: string,
  rounds: number,
  json: boolean,
  run: (onRound: () => void) => Promise<T>,
): Promise<T> {
  const bar = startProgress(name, 'rounds', rounds, json)
  let done = 0
  try {
    return await run(() => bar.update(++done))
  } finally {
    bar.stop()
  }
}
