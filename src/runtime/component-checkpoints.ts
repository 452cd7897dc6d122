/**
 * The checkpoints of a replica: where it begins, when it takes one, and what becomes of it. One is taken between two events, kept in
 * memory until its events are stable, and then written by another thread; it is thrown away where events are revoked before.
 *
 * A passive replica takes them, so that the active one never pauses; the active one only where no other replica is heard. Taking one
 * reads the whole state: at most a twentieth of the time goes into it.
 */

import { hashOf } from '../component/context.js'
import type { Component } from '../component/definition.js'
import type { ComponentHost } from '../component/host.js'
import { LargeTables } from '../component/large/large-tables.js'
import { messageOf, SeqcastError } from '../core/errors.js'
import { CHECKPOINT_BYTES } from '../core/limits.js'
import type { Logger } from '../core/log.js'
import { CheckpointStore } from '../store/checkpoint-store.js'
import type { Checkpoint } from '../wire/checkpoint.js'
import { type CheckpointSource, fetchCheckpoint } from './checkpoint-fetch.js'
import { CheckpointPort } from './checkpoint-port.js'
import type { DutyCycle } from './duty-cycle.js'
import { type CheckpointKeeper, hasLargeMaps, LargeCheckpoints } from './large-checkpoints.js'
import type { Platform } from './platform.js'

export interface CheckpointOptions {
  /** Where they are kept: `DIR/<session>/checkpoints/`. */
  readonly directory?: string
  /** Events from one to the next. */
  readonly every: number
  /** How many are kept. */
  readonly keep: number
  /** Another replica, whose newest one is taken at the start where it is newer. */
  readonly from?: CheckpointSource
  /** Where the newest one is given to other replicas; port 0 takes a free one. */
  readonly serve?: { readonly address: string; readonly port: number }
}

/** What a replica is told besides. */
interface Replica {
  readonly session: string
  readonly instance: string
  readonly logger: Logger
}

/** So many times as long as it took is left between two of them. */
const REST_FACTOR = 20
/** Where one is due and can't be taken yet, it is looked at again after so many events. */
const LOOK_AGAIN_EVENTS = 1_024
/** A passive replica that was heard so long ago is there. */
const COMPANY_US = 1_000_000

export const CHECKPOINT_COUNTERS = ['checkpointsTaken', 'checkpointsWritten', 'checkpointsRefused'] as const

export class ComponentCheckpoints {
  readonly counters = { checkpointsTaken: 0, checkpointsWritten: 0, checkpointsRefused: 0 }
  readonly #component: Component
  readonly #options: CheckpointOptions
  readonly #logger: Logger
  readonly #platform: Platform
  /** Spreads the replicas of a component, so that they do not pause at the same event. */
  readonly #phaseEvents: number
  #session: string
  #store: CheckpointKeeper | undefined
  readonly #instance: string
  readonly #isLarge: boolean
  #port: CheckpointPort | undefined
  /** What a replica gave. */
  #fetched: Checkpoint | undefined
  /** Taken, and not stable yet. */
  #pending: Checkpoint | undefined
  #writing: Promise<void> | undefined
  #restUntilUs = Number.NEGATIVE_INFINITY
  #passiveHeardUs = Number.NEGATIVE_INFINITY
  /** Of a session whose files are not open yet. */
  #awaited: LargeTables | undefined
  /** A state that can't be kept: it is said once. */
  #isUnable = false
  /** At the end of the first run that reaches it, `onDue` is to be called. */
  dueSequence = Number.POSITIVE_INFINITY

  /** @throws SeqcastError E_SESSION_FOREIGN, E_STORE_IO */
  static async open(
    component: Component,
    replica: Replica,
    options: CheckpointOptions,
    platform: Platform,
  ): Promise<ComponentCheckpoints> {
    const { directory, from } = options
    const { session, logger } = replica
    const isLarge = hasLargeMaps(component)
    const keeper = directory === undefined ? undefined : await openKeeper(directory, component, replica, isLarge)
    const checkpoints = new ComponentCheckpoints(component, replica, options, keeper, platform)
    if (from === undefined) return checkpoints
    const newerThan = checkpoints.newestSequence
    const wanted = { from, session, component: component.name, newerThan, logger }
    checkpoints.#fetched = await fetchCheckpoint(platform, wanted)
    return checkpoints
  }

  private constructor(
    component: Component,
    { session, instance, logger }: Replica,
    options: CheckpointOptions,
    store: CheckpointKeeper | undefined,
    platform: Platform,
  ) {
    this.#component = component
    this.#session = session
    this.#instance = instance
    this.#options = options
    this.#store = store
    this.#logger = logger
    this.#platform = platform
    this.#isLarge = hasLargeMaps(component)
    this.#phaseEvents = hashOf(instance) % options.every
  }

  /** Files behind the large maps of the state; undefined where it has none, or nowhere to put them. */
  get large(): LargeTables | undefined {
    return this.#store instanceof LargeCheckpoints ? this.#store.tables : this.#awaited
  }

  /** Of those that are written; 0 where there is none. */
  get newestSequence(): number {
    return this.#store?.list(this.#component.name).at(-1)?.sequence ?? 0
  }

  /** Begins to give the newest one to other replicas, where that is asked for. @throws SeqcastError E_PORT_IN_USE, E_INTERFACE */
  async serve(cycle: DutyCycle): Promise<void> {
    const { serve } = this.#options
    if (serve === undefined) return
    const [session, newest, logger] = [
      (): string => this.#session,
      (): Checkpoint | undefined => this.#newest(),
      this.#logger,
    ]
    this.#port = await CheckpointPort.open({ ...serve, session, newest, logger }, cycle)
    const { port } = this.#port
    logger.info({ component: this.#component.name, address: serve.address, port }, `checkpoint port: ${port}`)
  }

  /**
   * Makes a host of the newest checkpoint that can be used, or of none.
   * @param below of those at earlier events only
   * @param make throws E_CHECKPOINT where it can't be used
   * @returns the host, and the checkpoint that it was made of
   */
  begin(below: number, make: (checkpoint?: Checkpoint) => ComponentHost): [ComponentHost, Checkpoint | undefined] {
    this.#pending = undefined
    for (const candidate of this.#candidates(below)) {
      try {
        const checkpoint = candidate.read()
        if (this.#store instanceof LargeCheckpoints) this.#store.begin(candidate.sequence)
        const host = make(checkpoint)
        this.#schedule(host.nextSequence)
        return [host, checkpoint]
      } catch (thrown) {
        if (!(thrown instanceof SeqcastError) || thrown.code !== 'E_CHECKPOINT') throw thrown
        this.#refused(candidate.sequence, thrown.message)
      }
    }
    if (this.#store instanceof LargeCheckpoints) this.#store.begin(undefined)
    const host = make()
    this.#schedule(host.nextSequence)
    return [host, undefined]
  }

  /** The stream has another event where it was taken: it is of no use any more. */
  foreign(sequence: number, reason: string): void {
    this.#refused(sequence, reason)
    this.dropFrom(sequence)
  }

  /** Events from here on are revoked. */
  dropFrom(sequence: number): void {
    if (this.#pending !== undefined && this.#pending.header.sequence >= sequence) this.#pending = undefined
    if (this.#fetched !== undefined && this.#fetched.header.sequence >= sequence) this.#fetched = undefined
    this.#store?.dropFrom(this.#component.name, sequence).catch((error: Error) => this.#failed(error))
  }

  /** A passive replica of the component speaks. */
  companyHeard(nowUs: number): void {
    this.#passiveHeardUs = nowUs
  }

  /**
   * The host has reached `dueSequence`.
   * @param event the bytes of the last event that it has handled
   */
  onDue(host: ComponentHost, event: Uint8Array): void {
    const nowUs = this.#platform.clock.nowUs()
    if (!this.#mayTake(host, nowUs)) {
      this.dueSequence = host.nextSequence + LOOK_AGAIN_EVENTS
      return
    }
    this.#schedule(host.nextSequence)
    try {
      this.#pending = host.checkpoint(event)
      this.large?.seal()
    } catch (thrown) {
      this.#unable(thrown)
      return
    }
    const tookUs = this.#platform.clock.nowUs() - nowUs
    this.#restUntilUs = nowUs + tookUs * (1 + REST_FACTOR)
    this.counters.checkpointsTaken++
    const { header } = this.#pending
    if (header.bodyBytes > CHECKPOINT_BYTES) {
      this.#pending = undefined
      this.#unable(new Error(`it would have ${header.bodyBytes} bytes, and at most ${CHECKPOINT_BYTES} can be used`))
      return
    }
    const fields = { component: header.component, sequence: header.sequence, bytes: header.bodyBytes, tookUs }
    this.#logger.debug(fields, 'checkpoint: taken, to be written when it is stable')
  }

  /** Writes what has become stable. Cheap where there is nothing to do. */
  onStable(stableSequence: number): void {
    const pending = this.#pending
    if (pending === undefined || this.#writing !== undefined || pending.header.sequence > stableSequence) return
    const store = this.#store
    this.#pending = undefined
    if (store !== undefined) this.#writing = this.#write(store, pending)
  }

  /** The component goes on in another session. */
  enter(session: string): void {
    this.#session = session
    this.#pending = undefined
    this.#fetched = undefined
    this.dueSequence = Number.POSITIVE_INFINITY
    const { directory } = this.#options
    // The host of the new session is made at once, its files take a while; until they are there, all is in memory.
    this.#awaited = this.#isLarge && directory !== undefined ? new LargeTables() : undefined
    this.#move(directory, session).catch((error: unknown) => this.#failed(error))
  }

  async close(): Promise<void> {
    await this.#port?.close()
    await this.#leave()
  }

  async #leave(): Promise<void> {
    this.dueSequence = Number.POSITIVE_INFINITY
    const store = this.#store
    this.#store = undefined
    await this.#writing
    await store?.close()
  }

  async #move(directory: string | undefined, session: string): Promise<void> {
    await this.#leave()
    if (directory === undefined || this.#session !== session) return
    const replica = { session, instance: this.#instance, logger: this.#logger }
    const awaited = this.#awaited
    const store = await openKeeper(directory, this.#component, replica, awaited !== undefined, awaited)
    if (this.#session !== session) {
      await store.close()
      return
    }
    this.#store = store
    this.#awaited = undefined
    this.#schedule(1)
  }

  /** The newest one that is written and sound. */
  #newest(): Checkpoint | undefined {
    const { name } = this.#component
    if (this.large !== undefined) return undefined // Its rows would be missing.
    for (const { sequence } of this.#store?.list(name).reverse() ?? []) {
      try {
        return this.#store?.read(name, sequence)
      } catch (thrown) {
        this.#refused(sequence, messageOf(thrown))
      }
    }
    return undefined
  }

  #candidates(below: number): { readonly sequence: number; readonly read: () => Checkpoint }[] {
    const { name } = this.#component
    const candidates: { readonly sequence: number; readonly read: () => Checkpoint }[] = []
    const store = this.#store
    if (store !== undefined) {
      for (const { sequence } of store.list(name)) candidates.push({ sequence, read: () => store.read(name, sequence) })
    }
    const fetched = this.#fetched
    if (fetched !== undefined) candidates.push({ sequence: fetched.header.sequence, read: () => fetched })
    return candidates.filter(({ sequence }) => sequence < below).sort((a, b) => b.sequence - a.sequence)
  }

  #schedule(nextSequence: number): void {
    if (this.#store === undefined || this.#isUnable) return
    const { every } = this.#options
    const periods = Math.floor((nextSequence - this.#phaseEvents) / every) + 1
    const due = this.#phaseEvents + periods * every
    this.dueSequence = due - nextSequence < every / 2 ? due + every : due
  }

  #mayTake(host: ComponentHost, nowUs: number): boolean {
    if (this.#pending !== undefined || this.#writing !== undefined || !host.canBeCaptured) return false
    // What changed in large maps is in memory until then.
    if (nowUs < this.#restUntilUs && this.large === undefined) return false
    if (host.state === 'active') return nowUs - this.#passiveHeardUs > COMPANY_US
    return host.state === 'standby' || host.state === 'rewinding'
  }

  async #write(store: CheckpointKeeper, checkpoint: Checkpoint): Promise<void> {
    const { component, sequence, bodyBytes: bytes } = checkpoint.header
    try {
      await store.write(checkpoint)
      this.counters.checkpointsWritten++
      this.#logger.info({ component, sequence, bytes }, `checkpoint: written at event ${sequence}`)
      await store.prune(component, this.#options.keep)
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#writing = undefined
    }
  }

  #refused(sequence: number, reason: string): void {
    this.counters.checkpointsRefused++
    this.#logger.warn({ component: this.#component.name, sequence, reason }, 'checkpoint: not used, an older one is')
  }

  /** Checkpoints are a help: where they fail, the component goes on without. */
  #failed(error: unknown): void {
    this.#logger.warn({ component: this.#component.name, error: messageOf(error) }, 'checkpoint: writing failed')
  }

  #unable(thrown: unknown): void {
    this.#isUnable = true
    this.dueSequence = Number.POSITIVE_INFINITY
    const hint = thrown instanceof SeqcastError ? thrown.hint : undefined
    const fields = { component: this.#component.name, error: messageOf(thrown), hint }
    this.#logger.warn(fields, 'checkpoint: none can be taken, the component goes on without')
  }
}

function openKeeper(
  directory: string,
  component: Component,
  { session, instance, logger }: Replica,
  isLarge: boolean,
  awaited?: LargeTables,
): Promise<CheckpointKeeper> {
  if (!isLarge) return CheckpointStore.open(directory, session, 'write')
  return LargeCheckpoints.open(directory, { session, component: component.name, instance }, logger, awaited)
}
