/**
 * `seqcast bench rewind`: a session that another process has recorded, rewound into a component's handler that reads every
 * field. The whole way of a real rewind: log or connection, receiver, host.
 */
import { SeqcastError } from '../../core/errors.js'
import { silentLogger } from '../../core/log.js'
import { Receiver } from '../../protocol/receiver.js'
import { type Agent, DutyCycle } from '../../runtime/duty-cycle.js'
import { LocalRewind } from '../../runtime/local-rewind.js'
import { systemPlatform } from '../../runtime/platform.js'
import { RewindLink, type RewindListener } from '../../runtime/rewind-link.js'
import { BenchChild } from './children.js'
import { medianOf } from './histogram.js'
import { createHostSink } from './host-sink.js'
import { type Codec, FILL_BYTES } from './messages.js'

export type RewindWay = 'local' | 'tcp'

export interface RewindBenchOptions {
  readonly directory: string
  readonly events: number
  readonly rounds: number
  readonly datagram: number
  readonly codecs: readonly Codec[]
  readonly ways: readonly RewindWay[]
  /** Called after each round that counts. */
  readonly onRound: () => void
}

export interface RewindResult {
  readonly bench: 'rewind'
  readonly way: RewindWay
  readonly codec: Codec
  readonly idle: 'block'
  readonly bytes: number
  readonly datagram: number
  readonly rounds: number
  readonly events: number
  /** The median of the rounds. */
  readonly eventsPerSecond: number
  readonly best: number
  /** Processor time of this process for each event, in nanoseconds: what does not change where others run beside it. */
  readonly cpuNsPerEvent: number
  readonly lost: number
}

/** Results as they come: one for each codec and way. @throws SeqcastError E_BENCH */
export async function* benchRewind(options: RewindBenchOptions): AsyncGenerator<RewindResult> {
  for (const codec of options.codecs) {
    const { directory, events, datagram, rounds } = options
    const session = codec === 'fixed' ? 'FIXED' : 'PROTOBUF'
    const { child, message } = await BenchChild.script('./recorder-child.js', {
      ...{ directory, session, codec, events, datagram },
    })
    try {
      const recorded = { directory, session, events: Number(message.events), port: Number(message.port) }
      for (const way of options.ways) {
        const measured: Measured[] = []
        // The first round warms up: code is compiled, pages are mapped.
        for (let round = 0; round <= rounds; round++) {
          measured.push(await rewindOnce(way, recorded))
          if (round > 0) options.onRound()
        }
        const rates = measured.slice(1).map(({ rate }) => rate)
        yield {
          ...{ bench: 'rewind', way, codec, idle: 'block', bytes: FILL_BYTES, datagram, rounds },
          events: recorded.events,
          eventsPerSecond: Math.round(medianOf(rates)),
          best: Math.round(Math.max(...rates)),
          cpuNsPerEvent: Math.round(medianOf(measured.slice(1).map(({ cpuNs }) => cpuNs))),
          lost: 0,
        }
      }
    } finally {
      await child.stop()
    }
  }
}

interface Recorded {
  readonly directory: string
  readonly session: string
  readonly events: number
  readonly port: number
}

interface Measured {
  /** Events a second, from the start of the rewind to the last event handled. */
  readonly rate: number
  readonly cpuNs: number
}

async function rewindOnce(way: RewindWay, recorded: Recorded): Promise<Measured> {
  const rewind = new Rewind(way, recorded)
  try {
    return await rewind.run()
  } finally {
    rewind.close()
  }
}

class Rewind implements Agent {
  readonly #recorded: Recorded
  readonly #cycle = new DutyCycle(systemPlatform(), 'block')
  readonly #host: ReturnType<typeof createHostSink>
  readonly #receiver: Receiver
  readonly #source: LocalRewind | RewindLink
  #done: () => void = () => {}
  #failed: (error: Error) => void = () => {}

  constructor(way: RewindWay, recorded: Recorded) {
    this.#recorded = recorded
    this.#host = createHostSink(recorded.session)
    this.#receiver = new Receiver(
      { session: recorded.session, nextSequence: 1, servers: 0, seed: 1 },
      {
        deliver: (sequence, count, bytes, start, end, nowUs) => {
          this.#host.onRun(sequence, count, bytes, start, end, nowUs)
          if (this.#host.nextSequence > recorded.events) this.#done()
        },
        request: () => {},
        startRewind: (fromSequence) => this.#start(fromSequence),
        stopRewind: () => this.#source.stop(),
        stateChanged: () => {},
        lost: (from, to, reason) => this.#fail(`events ${from} to ${to} were lost: ${reason}`),
      },
    )
    this.#source = this.#createSource(way)
  }

  async run(): Promise<Measured> {
    const done = new Promise<void>((resolve, reject) => {
      this.#done = resolve
      this.#failed = reject
    })
    const startMs = performance.now()
    const startCpu = process.cpuUsage()
    this.#cycle.add(this)
    this.#cycle.start()
    await done
    const seconds = (performance.now() - startMs) / 1_000
    const { user, system } = process.cpuUsage(startCpu)
    const events = this.#host.nextSequence - 1
    return { rate: events / seconds, cpuNs: ((user + system) * 1_000) / events }
  }

  flush(): void {}

  tick(nowUs: number): number {
    return Math.min(this.#source.tick(nowUs), this.#receiver.tick(nowUs))
  }

  close(): void {
    this.#cycle.stop()
    this.#source.stop()
  }

  #createSource(way: RewindWay): LocalRewind | RewindLink {
    const { directory, session } = this.#recorded
    const listener: RewindListener = {
      started: (sequence, nowUs) => this.#receiver.onRewindStart(sequence, nowUs),
      run: (sequence, count, bytes, start, end, nowUs) =>
        this.#receiver.onRewindRun(sequence, count, bytes, start, end, nowUs),
      sessionEnded: () => {},
      ended: (reason) => this.#fail(reason),
    }
    if (way === 'tcp') return new RewindLink(session, this.#cycle, listener, silentLogger)
    return new LocalRewind(
      directory,
      session,
      this.#cycle,
      {
        ...listener,
        caughtUp: () => {},
        isBehind: () => false,
        unavailable: (_fromSequence, reason) => this.#fail(reason),
      },
      silentLogger,
    )
  }

  #start(fromSequence: number): void {
    const source = this.#source
    if (source instanceof LocalRewind) source.start(fromSequence)
    else source.start(fromSequence, { address: '127.0.0.1', port: this.#recorded.port })
  }

  #fail(reason: string): void {
    this.#failed(new SeqcastError('E_BENCH', `the rewind ended early: ${reason}`, { fields: { reason } }))
  }
}
