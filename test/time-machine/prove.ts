/**
 * What a recording must give when it is played again: through each component alone, through all of them in one pass, from the
 * first event and from every checkpoint, the digests that were recorded, all of them, and the same state at the end.
 */
import type { Component } from '../../src/component/definition.js'
import { digestHex } from '../../src/component/digest.js'
import { checkpointsOf, usableAt } from '../../src/replay/begin-at.js'
import type { PlayedComponent } from '../../src/replay/player.js'
import { type ReplayReport, replaySystem } from '../../src/replay/replay.js'
import { CheckpointStore } from '../../src/store/checkpoint-store.js'
import { LmdbLogReader } from '../../src/store/lmdb-log-reader.js'
import { readU16 } from '../../src/wire/bytes.js'
import { EVENT_HEADER_BYTES, eventType } from '../../src/wire/event.js'
import { BLOCK_LENGTH_BYTES } from '../../src/wire/moldudp64.js'
import { DIGEST_TAKEN, digestTakenCodec } from '../../src/wire/runtime-events.js'

export interface Proof {
  readonly events: number
  readonly digestsRecorded: number
  readonly checkpoints: number
  readonly replays: number
  readonly problems: readonly string[]
}

/** @param say a line for each thing that was tried */
export async function prove(
  directory: string,
  session: string,
  components: readonly Component[],
  say: (line: string) => void,
): Promise<Proof> {
  const log = await LmdbLogReader.open(directory, session)
  const checkpoints = await CheckpointStore.open(directory, session, 'read')
  try {
    return await new Prover(log, checkpoints, components, say).run()
  } finally {
    await checkpoints.close()
    await log.close()
  }
}

interface RecordedDigest {
  readonly component: string
  /** Of the event that carries it, and of the one after which it was taken. */
  readonly at: number
  readonly sequence: number
  readonly digest: string
}

class Prover {
  readonly #log: LmdbLogReader
  readonly #store: CheckpointStore
  readonly #components: readonly Component[]
  readonly #say: (line: string) => void
  readonly #digests: readonly RecordedDigest[]
  readonly #problems: string[] = []
  #checkpoints = 0
  #replays = 0

  constructor(
    log: LmdbLogReader,
    store: CheckpointStore,
    components: readonly Component[],
    say: (line: string) => void,
  ) {
    this.#log = log
    this.#store = store
    this.#components = components
    this.#say = say
    this.#digests = recordedDigests(log)
  }

  async run(): Promise<Proof> {
    const ends = new Map<string, string | undefined>()
    for (const component of this.#components) {
      const [report] = await this.#play(`${component.name} alone`, [{ component }])
      ends.set(component.name, report?.digest)
    }
    const together = this.#components.map((component) => ({ component }))
    this.#compare('in one pass', await this.#play('all in one pass', together), ends)
    for (const component of this.#components) await this.#fromCheckpoints(component, ends)
    await this.#allFromCheckpoints(ends)
    return {
      events: this.#log.committedSequence,
      digestsRecorded: this.#digests.length,
      checkpoints: this.#checkpoints,
      replays: this.#replays,
      problems: this.#problems,
    }
  }

  async #fromCheckpoints(component: Component, ends: ReadonlyMap<string, string | undefined>): Promise<void> {
    for (const { sequence, digest } of checkpointsOf(this.#store, component)) {
      this.#checkpoints++
      const name = `${component.name} from event ${sequence} on`
      const checkpoint = usableAt(this.#store, this.#log, component, sequence)
      this.#compare(name, await this.#play(name, [{ component, checkpoint }]), ends, [component])
      const [there] = await this.#play(`${component.name} up to event ${sequence}`, [{ component }], sequence)
      if (there?.digest !== digestHex(digest)) this.#problems.push(`${name}: the checkpoint is of another state`)
    }
  }

  /** Each component at its oldest checkpoint, or at the first event where it has none: they begin at different events. */
  async #allFromCheckpoints(ends: ReadonlyMap<string, string | undefined>): Promise<void> {
    const played = this.#components.map((component): PlayedComponent => {
      const [oldest] = checkpointsOf(this.#store, component)
      return { component, checkpoint: oldest && usableAt(this.#store, this.#log, component, oldest.sequence) }
    })
    this.#compare('from checkpoints', await this.#play('all from their oldest checkpoints', played), ends)
  }

  async #play(name: string, components: readonly PlayedComponent[], toSequence?: number): Promise<ReplayReport[]> {
    const startedMs = performance.now()
    const to = toSequence ?? this.#log.committedSequence
    const reports = await replaySystem({
      ...{ session: this.#log.session, log: this.#log, components, guard: false, toSequence: to },
    })
    this.#replays++
    for (const [i, report] of reports.entries()) this.#check(name, components[i], to, report)
    const verified = reports.reduce((sum, report) => sum + report.digestsVerified, 0)
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(2)
    this.#say(`${name.padEnd(44)} ${String(verified).padStart(4)} digests as recorded  ${seconds.padStart(6)} s`)
    return reports
  }

  #check(name: string, played: PlayedComponent | undefined, to: number, report: ReplayReport): void {
    if (played === undefined) return
    const after = played.checkpoint?.header.sequence ?? 0
    const due = this.#digests.filter(
      ({ component, at }) => component === played.component.name && at > after && at <= to,
    )
    if (report.failure !== undefined) this.#problems.push(`${name}: ${report.failure.message}`)
    else if (report.sequence !== to) this.#problems.push(`${name}: ended at event ${report.sequence}, not ${to}`)
    else if (report.digestsVerified !== due.length) {
      this.#problems.push(`${name}: ${report.digestsVerified} digests compared, and ${due.length} are recorded`)
    }
  }

  #compare(
    name: string,
    reports: readonly ReplayReport[],
    ends: ReadonlyMap<string, string | undefined>,
    components = this.#components,
  ): void {
    for (const [i, { digest }] of reports.entries()) {
      const component = components[i]?.name ?? ''
      if (digest === undefined || digest !== ends.get(component)) {
        this.#problems.push(`${name}: ${component} ends in another state`)
      }
    }
  }
}

function recordedDigests(log: LmdbLogReader): RecordedDigest[] {
  const digests: RecordedDigest[] = []
  log.read(log.firstSequence, Number.POSITIVE_INFINITY, (first, count, bytes, start) => {
    let at = start
    for (let i = 0; i < count; i++) {
      const end = at + BLOCK_LENGTH_BYTES + readU16(bytes, at)
      if (eventType(bytes, at + BLOCK_LENGTH_BYTES) === DIGEST_TAKEN) {
        const taken = digestTakenCodec.decode(bytes.subarray(at + BLOCK_LENGTH_BYTES + EVENT_HEADER_BYTES, end))
        if (taken === undefined) throw new Error(`event ${first + i} is no digest`)
        const { component, sequence, digest } = taken
        digests.push({ component, sequence, at: first + i, digest: digestHex(digest) })
      }
      at = end
    }
    return true
  })
  return digests
}
