/**
 * `seqcast bench failover`: what a failover costs, at each level, and that it costs no more. On a whole topology of real processes
 * at a steady rate the active sequencer is ended again and again, in one session; then, where that is asked for, the same
 * topology runs undisturbed on a busy machine, and nobody may take over. At the end the stores' logs are read and checked.
 */
import { availableParallelism } from 'node:os'
import { SystemClock } from '../../../core/clock.js'
import { silentLogger } from '../../../core/log.js'
import { parseGroup } from '../../../net/interfaces.js'
import { replayComponent } from '../../../replay/replay.js'
import type { RoleOptions } from '../../../runtime/options.js'
import { LmdbLogReader } from '../../../store/lmdb-log-reader.js'
import { decide } from '../../admin.js'
import { awaitDigests, type DigestResult } from '../../admin-digest.js'
import { takeOver } from '../../admin-take-over.js'
import type { Quantiles } from '../histogram.js'
import { DESK, deskComponent } from './desk.js'
import type { LoadQuestion } from './load-child.js'
import { MachineLoad } from './machine-load.js'
import { machineUs } from './machine-time.js'
import type { FailoverProgress } from './progress.js'
import { checkRecords, type RecordCheckResult } from './record-check.js'
import type { Ending, FailoverResult, QuietResult } from './report.js'
import { spreadOf } from './spread.js'
import { Takeovers } from './takeovers.js'
import { allOf, Topology, VOTERS } from './topology.js'
import { FailoverWatch } from './watch.js'

export interface FailoverBenchOptions {
  readonly directory: string
  readonly ending: Ending
  readonly takeovers: number
  /** Commands a second: half of them orders of the client, half replies of the component. */
  readonly rate: number
  /** The payload of an order. */
  readonly bytes: number
  readonly datagram: number
  readonly suspectMs: number
  /** Endpoints of an etcd that chooses the sequencer, as of seqcast sequencer; '' for none. */
  readonly etcd: string
  /** How long to run undisturbed afterwards, with as many busy processes beside it as there are cores. */
  readonly quietMinutes: number
  readonly progress: FailoverProgress
}

const START_WITHIN_MS = 60_000
/** A standby reads the session from its beginning, on a busy machine. */
const STANDBY_WITHIN_MS = 180_000
const TAKEOVER_WITHIN_MS = 30_000
const SETTLE_WITHIN_MS = 60_000
/** From a standby that is ready to the next end of a reign: not in step with anything. */
const BETWEEN_MS = { least: 300, most: 1_000 } as const
const PER_ORDER = 2

export async function benchFailover(
  options: FailoverBenchOptions,
): Promise<{ result: FailoverResult; takeovers: Takeovers }> {
  const { directory, datagram, bytes, rate, suspectMs, etcd } = options
  const orderRate = rate / PER_ORDER
  const topology = await Topology.create({ directory, datagram, bytes, orderRate, suspectMs, etcd })
  const role = roleOptions(topology, datagram)
  const watch = await FailoverWatch.open(role)
  const bench = new FailoverBench(options, topology, watch, role)
  const interrupt = (signal: NodeJS.Signals): void => watch.fail(`interrupted by ${signal}`)
  process.once('SIGTERM', interrupt)
  process.once('SIGINT', interrupt)
  try {
    return await bench.run()
  } finally {
    process.removeListener('SIGTERM', interrupt)
    process.removeListener('SIGINT', interrupt)
    options.progress.end()
    await topology.close()
    watch.close()
  }
}

function roleOptions({ session, groups }: Topology, datagramBytes: number): RoleOptions {
  return {
    ...{ session, interfaceAddress: '127.0.0.1', stores: [], datagramBytes, idle: 'block', logger: silentLogger },
    eventGroup: parseGroup(groups.eventGroup),
    commandGroup: parseGroup(groups.commandGroup),
    controlGroup: parseGroup(groups.controlGroup),
  }
}

interface Ended {
  readonly issued: number
  readonly heldBackMs: number
}

class FailoverBench {
  readonly #options: FailoverBenchOptions
  readonly #topology: Topology
  readonly #watch: FailoverWatch
  readonly #role: RoleOptions
  readonly #clock = new SystemClock()
  readonly #takeovers = new Takeovers()
  /** By the epoch that followed: when the reign before it was ended. */
  readonly #endedAtUs = new Map<number, number>()

  constructor(options: FailoverBenchOptions, topology: Topology, watch: FailoverWatch, role: RoleOptions) {
    this.#options = options
    this.#topology = topology
    this.#watch = watch
    this.#role = role
  }

  async run(): Promise<{ result: FailoverResult; takeovers: Takeovers }> {
    const { takeovers, quietMinutes, progress } = this.#options
    await this.#start()
    if (takeovers > 0) progress.begin('failover', 'takeovers', takeovers)
    for (let i = 1; i <= takeovers; i++) {
      await this.#takeover(i)
      progress.update(i)
    }
    const quiet = quietMinutes > 0 ? await this.#quiet() : undefined
    const ended = await this.#endLoad()
    const { sequence, replicas, equal } = await this.#digests()
    progress.step('stopping all processes in order')
    this.#watch.notes.take(machineUs(), true)
    await this.#topology.endAll(this.#watch.activePort)
    const record = await this.#checkRecords(ended.issued)
    const digest = replicas[0]?.digest ?? ''
    const replayed = await this.#replay(sequence)
    const proof = { sequence, digest, replicas: replicas.length, equal, replayEqual: replayed === digest }
    return { result: this.#result(quiet, ended, record, proof), takeovers: this.#takeovers }
  }

  async #start(): Promise<void> {
    const { progress } = this.#options
    const topology = this.#topology
    const watch = this.#watch
    const [first, second] = topology.ports
    progress.step('starting three stores, two sequencers, a component twice, and a client')
    await topology.startStores()
    await watch.follow(this.#role)
    await topology.startSequencer(first)
    await this.#until('the first reign', START_WITHIN_MS, () => watch.epoch > 0 && watch.sequence > 0)
    await allOf([topology.startSequencer(second), topology.startReplicas(), topology.startLoad()])
    const states = (): string[] => [...watch.observer.heard.components.values()].map(({ state }) => state)
    const isThere = (): boolean => states().includes('active') && states().includes('standby')
    await this.#until('both replicas', START_WITHIN_MS, isThere)
  }

  async #takeover(number: number): Promise<void> {
    const watch = this.#watch
    await this.#standby()
    await this.#wait(BETWEEN_MS.least + Math.random() * (BETWEEN_MS.most - BETWEEN_MS.least))
    const port = watch.activePort
    const wallUs = this.#clock.wallUs(this.#clock.nowUs())
    const takeover = watch.expect(machineUs())
    const ended = this.#end(port)
    ended.catch((error: Error) => watch.fail(error.message))
    await this.#until('a takeover', TAKEOVER_WITHIN_MS, () => !Number.isNaN(takeover.stableUs))
    this.#endedAtUs.set(watch.epoch, wallUs)
    const back = await this.#ask({ ask: 'outstanding', atUs: takeover.atUs })
    const outstanding = { published: numbersOf(back.published), stable: numbersOf(back.stable) }
    this.#options.progress.takeover(this.#takeovers.add(number, watch.epoch, takeover, outstanding))
    await ended
  }

  /** Ends the reign of the sequencer with this port. Resolves when its process is one that can take over later. */
  async #end(port: number): Promise<void> {
    const topology = this.#topology
    if (this.#options.ending === 'take-over') {
      await takeOver(this.#watch.observer, undefined)
      return
    }
    const active = topology.sequencer(port)
    topology.mayEnd(port)
    if (this.#options.ending === 'kill') await active.stop()
    else await active.end()
    await topology.startSequencer(port)
  }

  /** Resolves when the sequencer that does not reign has read the session. */
  async #standby(): Promise<void> {
    const watch = this.#watch
    const behind = this.#options.rate
    const isReady = (): boolean => {
      const waiting = this.#topology.ports.find((port) => port !== watch.activePort)
      return waiting !== undefined && watch.hasStandby(waiting, behind)
    }
    await this.#until('a standby that has read the session', STANDBY_WITHIN_MS, isReady)
  }

  async #quiet(): Promise<QuietResult> {
    const { quietMinutes, progress } = this.#options
    const watch = this.#watch
    await this.#standby()
    const load = new MachineLoad()
    progress.step(`running undisturbed, with ${availableParallelism()} busy processes beside it`)
    await this.#topology.startBurners(availableParallelism())
    await this.#wait(1_000)
    const seconds = quietMinutes * 60
    const before = { unasked: watch.unasked, sequence: watch.sequence, atUs: machineUs() }
    load.busyPercent()
    watch.restartSilence()
    await this.#ask({ ask: 'latency' })
    progress.begin('quiet', 'seconds', Math.round(seconds))
    const elapsed = (): number => (machineUs() - before.atUs) / 1e6
    await this.#until(`${quietMinutes} minutes`, (seconds + 60) * 1_000, () => {
      progress.update(Math.floor(elapsed()))
      return elapsed() >= seconds
    })
    const { published, stable } = await this.#ask({ ask: 'latency' })
    const result = {
      minutes: quietMinutes,
      takeovers: watch.unasked - before.unasked,
      busyPercent: load.busyPercent(),
      cores: load.cores,
      commandsPerSecond: Math.round((watch.sequence - before.sequence) / elapsed()),
      longestSilenceMs: watch.silence.maxValue / 1e6,
      publishedUs: quantilesOf(published),
      stableUs: quantilesOf(stable),
    }
    await this.#topology.stopBurners()
    return result
  }

  /** The client issues no more; resolves when each voter has all that it issued, and the replies. */
  async #endLoad(): Promise<Ended> {
    this.#options.progress.step('waiting until all is stable')
    const watch = this.#watch
    const answer = await this.#ask({ ask: 'end' })
    const issued = Number(answer.issued)
    await this.#until('the replies', SETTLE_WITHIN_MS, () => this.#haveReplied(Number(answer.lastSequence)))
    const end = watch.sequence
    const { stores } = watch.observer.heard
    const isDurable = (): boolean =>
      VOTERS.every((voter) => (stores.get(voter)?.durableSequence ?? 0) >= end) && watch.notes.stable >= end
    await this.#until('all to be durable at every voter', SETTLE_WITHIN_MS, () => {
      watch.notes.take(machineUs(), true)
      return isDurable()
    })
    return { issued, heldBackMs: Number(answer.heldBackMs) }
  }

  #haveReplied(lastOrder: number): boolean {
    return [...this.#watch.observer.heard.components.values()].every(
      ({ outboxCommands, nextSequence }) => outboxCommands === 0 && nextSequence > lastOrder,
    )
  }

  async #digests(): Promise<DigestResult & { readonly sequence: number }> {
    this.#options.progress.step('comparing digests')
    const { observer } = this.#watch
    const digests = awaitDigests(observer, DESK)
    const { sequence } = await decide(observer, 'digest', DESK, '', 'the bench compares replicas')
    const result = await digests.taken(sequence)
    const isComplete = result.replicas.every(({ digest }) => digest !== '')
    return { ...result, equal: result.equal && isComplete, sequence }
  }

  async #checkRecords(issued: number): Promise<RecordCheckResult> {
    const { progress } = this.#options
    const { storeDirectories: directories, session } = this.#topology
    const { notes, sequence } = this.#watch
    progress.begin('checking the logs', 'events', sequence * directories.size)
    const endedAtUs = this.#endedAtUs
    return checkRecords({ session, directories, notes, issued, endedAtUs, progress: (n) => progress.update(n) })
  }

  /** The digest that the log of a store gives, in a component that was never live. */
  async #replay(toSequence: number): Promise<string> {
    const { progress, bytes } = this.#options
    const { storeDirectories, session } = this.#topology
    progress.begin('replaying', 'events', toSequence)
    const [directory = ''] = storeDirectories.values()
    const log = await LmdbLogReader.open(directory, session)
    try {
      const component = deskComponent(bytes)
      const update = (sequence: number): void => progress.update(sequence)
      const { digest } = await replayComponent({ session, component, log, toSequence, guard: false, progress: update })
      return digest ?? ''
    } finally {
      await log.close()
    }
  }

  #result(
    quiet: QuietResult | undefined,
    ended: Ended,
    record: RecordCheckResult,
    digest: FailoverResult['digest'],
  ): FailoverResult {
    const { rate, bytes, datagram, suspectMs, ending, etcd } = this.#options
    const watch = this.#watch
    const problems = [...record.problems]
    if (!digest.equal) problems.push('the replicas have different digests, or one did not say it')
    if (digest.replicas !== 2) problems.push(`${digest.replicas} replicas gave a digest, and not 2`)
    if (!digest.replayEqual) problems.push('a replay of the log gives another digest than the replicas')
    if (quiet !== undefined && quiet.takeovers > 0) {
      problems.push(`${quiet.takeovers} takeovers in the quiet time, which nobody asked for`)
    }
    return {
      ...{ bench: 'failover', idle: 'block', ending, takeovers: this.#takeovers.count, commandsPerSecond: rate },
      ...{ bytes, datagram, voters: VOTERS.length, suspectMs, chosenBy: etcd === '' ? 'voters' : 'etcd' },
      ...this.#takeovers.summary(),
      replies: { outstanding: Takeovers.counts(record.owed), backMs: spreadOf(record.owedBack) },
      revokedAfterPublished: watch.revoked,
      lostAfterStable: record.lostAfterStable,
      unaskedTakeovers: watch.unasked,
      quiet,
      record: {
        ...{ events: record.events, epochs: record.epochs, orders: record.orders, replies: record.replies },
        ...{ logs: VOTERS.length, stableNotes: watch.notes.sequences.length },
      },
      digest,
      heldBackMs: ended.heldBackMs,
      verified: problems.length === 0,
      problems,
    }
  }

  async #until(what: string, timeoutMs: number, holds: () => boolean): Promise<void> {
    await this.#watch.until(what, timeoutMs, holds, () => this.#topology.check())
  }

  async #wait(ms: number): Promise<void> {
    const untilMs = performance.now() + ms
    await this.#until('nothing', ms + START_WITHIN_MS, () => performance.now() >= untilMs)
  }

  /** @throws SeqcastError E_BENCH where the client does not answer */
  async #ask(question: LoadQuestion): Promise<Record<string, unknown>> {
    let answer: Record<string, unknown> | undefined
    const asked = this.#topology.load.ask(question).then((message) => {
      answer = message
    })
    asked.catch((error: Error) => this.#watch.fail(error.message))
    await this.#until(`the client to say its ${question.ask}`, SETTLE_WITHIN_MS, () => answer !== undefined)
    return answer ?? {}
  }
}

function numbersOf(value: unknown): number[] {
  return Array.isArray(value) ? value.map(Number) : []
}

function quantilesOf(value: unknown): Quantiles {
  const of = (key: string): number => Number(Reflect.get(Object(value), key))
  return {
    p50: of('p50'),
    p90: of('p90'),
    p99: of('p99'),
    'p99.9': of('p99.9'),
    'p99.99': of('p99.99'),
    max: of('max'),
  }
}
