/**
 * `seqcast bench rtt`: the round trip of a command on a whole topology of real processes: a sequencer, a store that votes
 * and records into LMDB, two standbys that listen and handle, and the active replica, here, with one command in flight.
 * Beside it, in turns, the floor.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Histogram } from 'hdr-histogram-js'
import type { Port } from '../../component/definition.js'
import { SeqcastError } from '../../core/errors.js'
import { silentLogger } from '../../core/log.js'
import { parseGroup } from '../../net/interfaces.js'
import { type ComponentRole, startComponent } from '../../runtime/component-role.js'
import { chooseGroups } from '../demo/topology.js'
import { BenchChild } from './children.js'
import { createHistogram, medianOf, medianQuantiles, type Quantiles, quantilesUs, recordUs } from './histogram.js'
import { type PingMessages, pingComponent } from './rtt-component.js'
import { RttFloor } from './rtt-floor.js'

export interface RttBenchOptions {
  readonly directory: string
  readonly bytes: number
  readonly datagram: number
  readonly rounds: number
  /** Round trips a round. */
  readonly messages: number
  /** Called after each round that counts. */
  readonly onRound: () => void
}

export interface RttResult {
  readonly bench: 'rtt'
  readonly idle: 'block'
  readonly bytes: number
  readonly datagram: number
  readonly rounds: number
  readonly standbys: number
  readonly floor: Quantiles
  readonly measured: Quantiles
  /** Medians of the rounds' ratios. */
  readonly ratio: { readonly p50: number; readonly p99: number }
}

const VOTER = 's1'
const STANDBYS = ['b', 'c'] as const
const MODULE = fileURLToPath(new URL('./rtt-component.js', import.meta.url))
/** Round trips before the first round, at least: until then code is compiled. */
const WARM_UP_MESSAGES = 2_000
const ACTIVE_WITHIN_MS = 10_000

export async function benchRtt(
  options: RttBenchOptions,
): Promise<{ result: RttResult; histograms: { floor: Histogram; measured: Histogram } }> {
  const { bytes, datagram, messages } = options
  const histograms = { floor: createHistogram(), measured: createHistogram() }
  const rounds: { floor: Quantiles; measured: Quantiles }[] = []
  const floorGroups = await chooseGroups()
  const floor = await RttFloor.open({
    ...{ bytes, there: parseGroup(floorGroups.eventGroup), back: parseGroup(floorGroups.commandGroup) },
  })
  const topology = await Topology.open(options)
  try {
    for (let round = 0; round <= options.rounds; round++) {
      const floorRound = createHistogram()
      const measuredRound = createHistogram()
      const count = round === 0 ? Math.max(WARM_UP_MESSAGES, messages) : messages
      await floor.round(count, floorRound)
      await topology.round(count, measuredRound)
      if (round === 0) continue
      rounds.push({ floor: quantilesUs(floorRound), measured: quantilesUs(measuredRound) })
      histograms.floor.add(floorRound)
      histograms.measured.add(measuredRound)
      options.onRound()
    }
  } finally {
    await topology.close()
    await floor.close()
  }
  const ratio = (key: 'p50' | 'p99'): number => medianOf(rounds.map((round) => round.measured[key] / round.floor[key]))
  const result: RttResult = {
    ...{ bench: 'rtt', idle: 'block', bytes, datagram, rounds: rounds.length, standbys: STANDBYS.length },
    floor: medianQuantiles(rounds.map((round) => round.floor)),
    measured: medianQuantiles(rounds.map((round) => round.measured)),
    ratio: { p50: ratio('p50'), p99: ratio('p99') },
  }
  return { result, histograms }
}

class Topology {
  readonly #payload: { data: Uint8Array }
  readonly #children: BenchChild[] = []
  #role: ComponentRole | undefined
  #port: Port<PingMessages> | undefined
  #onReturned: () => void = () => {}
  #onPort: () => void = () => {}
  #failed: (error: Error) => void = () => {}

  private constructor(bytes: number) {
    this.#payload = { data: new Uint8Array(bytes) }
  }

  static async open(options: RttBenchOptions): Promise<Topology> {
    const topology = new Topology(options.bytes)
    try {
      await topology.#open(options)
    } catch (error) {
      await topology.close()
      throw error
    }
    return topology
  }

  /** One command in flight, the next as soon as one has come back as an event. */
  round(messages: number, histogram: Histogram): Promise<void> {
    return new Promise((resolve, reject) => {
      const port = this.#port
      let left = messages
      let sentMs = 0
      const next = (): void => {
        sentMs = performance.now()
        port?.send('Ping', this.#payload)
      }
      this.#failed = reject
      this.#onReturned = () => {
        recordUs(histogram, (performance.now() - sentMs) * 1_000)
        left -= 1
        if (left > 0) next()
        else {
          this.#onReturned = () => {}
          resolve()
        }
      }
      next()
    })
  }

  async close(): Promise<void> {
    await this.#role?.stop('the bench is over')
    for (const child of this.#children.reverse()) await child.stop()
  }

  async #open({ bytes, datagram, directory }: RttBenchOptions): Promise<void> {
    const groups = await chooseGroups()
    const session = `RTT${Date.now().toString(36).slice(-6).toUpperCase()}`
    const streams = [
      ...['--session', session, '--event-group', groups.eventGroup, '--command-group', groups.commandGroup],
      ...['--control-group', groups.controlGroup, '--datagram', String(datagram)],
    ]
    const start = async (args: readonly string[], ready: string): Promise<void> => {
      this.#children.push(await BenchChild.role([...args, ...streams], ready))
    }
    await start(['sequencer', '--voters', VOTER, '--request-port', '0', '--tick-ms', '0'], 'sequencer: ')
    const store = ['store', '--dir', join(directory, 'store'), '--voter', VOTER]
    await start([...store, '--request-port', '0', '--rewind-port', '0'], 'recording')
    const active = this.#startActive(groups, session, bytes, datagram)
    for (const instance of STANDBYS) {
      // None takes over where this process was kept from running: its commands would never come back.
      const run = ['run', MODULE, '--standby', '--manual', '--instance', instance, '--option', `bytes=${bytes}`]
      await start(run, 'is standby')
    }
    await active
  }

  /** Resolves when this process's replica is active and its input has begun. */
  async #startActive(
    groups: Awaited<ReturnType<typeof chooseGroups>>,
    session: string,
    bytes: number,
    datagramBytes: number,
  ): Promise<void> {
    const ported = new Promise<void>((resolve) => {
      this.#onPort = resolve
    })
    const component = pingComponent(bytes, (port) => {
      this.#port = port
      this.#onPort()
    })
    const role = await startComponent(component, {
      ...{ session, interfaceAddress: '127.0.0.1', stores: [], datagramBytes, idle: 'block', logger: silentLogger },
      eventGroup: parseGroup(groups.eventGroup),
      commandGroup: parseGroup(groups.commandGroup),
      controlGroup: parseGroup(groups.controlGroup),
      ...{ instance: 'a', standby: false, guard: true },
      onCommandReturned: () => this.#onReturned(),
    })
    this.#role = role
    role.done.catch((error: Error) => this.#failed(error))
    const late = setTimeout(() => this.#failed(notActive(session)), ACTIVE_WITHIN_MS)
    const failed = new Promise<void>((_resolve, reject) => {
      this.#failed = reject
    })
    await Promise.race([ported, failed])
    clearTimeout(late)
  }
}

function notActive(session: string): SeqcastError {
  return new SeqcastError('E_BENCH', `the replica of the bench did not become active in session ${session}`, {
    hint: 'see whether multicast works on the loopback interface',
    fields: { session },
  })
}
